"""What the service itself records: that a record is withdrawn, or repaired, by a decision on a remedy."""

from datetime import datetime

from sqlmodel import Session

from credit_service.database import to_microseconds
from credit_service.ledger.append import Reception, append
from credit_service.ledger.clocks import instant_text
from credit_service.ledger.drafts import CheckedDraft, Draft, content_hash, payload_json
from credit_service.ledger.sources import SERVICE
from credit_service.ledger.tables import LedgerEvent, stored_versions
from credit_service.legal_days import civil_day, day_text


def retraction(session: Session, event: LedgerEvent, document_no: str, basis: str) -> Draft:
    """Returns the next version of a record, which withdraws it."""
    versions = [row.version for row in stored_versions(session, [(event.source, event.record_id)])]
    return _sealed(
        _draft(event, document_no, basis)._replace(version=max(versions) + 1, op="RETRACT", payload=payload_json({}))
    )


def repair(event: LedgerEvent, repair_id: str, now: datetime, document_no: str, basis: str) -> Draft:
    """Returns the record that another one is repaired from today on; it names nobody anew."""
    day = civil_day(now)
    return _sealed(
        _draft(event, document_no, basis)._replace(
            source=SERVICE, record_id=repair_id, kind="REP", subject_name="", occur_time=to_microseconds(now),
            occur_day=day, refers_to=f"{event.source}/{event.record_id}",
            payload=payload_json({"decision_date": day_text(day)}),
        )
    )  # fmt: skip


def record(session: Session, drafts: list[Draft], now: datetime, reception: Reception) -> list[str]:
    """Appends what a decision corrects, all of it or nothing; returns the subjects that must be judged again."""
    receipts = append(session, [CheckedDraft(draft) for draft in drafts], now, reception, is_all_or_nothing=True)
    return list(dict.fromkeys(subject for receipt in receipts for subject in receipt.subject_ids))


def _draft(event: LedgerEvent, document_no: str, basis: str) -> Draft:
    return Draft(
        event.subject_id, event.source, event.record_id, 1, "ASSERT", event.subject_name, event.subject_kind,
        event.kind, event.domain, to_microseconds(event.occur_time), event.occur_day, None, document_no, basis,
        None, "{}", b"",
    )  # fmt: skip


def _sealed(draft: Draft) -> Draft:
    parts = (
        draft.source, draft.record_id, str(draft.version), draft.op, draft.subject_id, draft.subject_name,
        draft.subject_kind, draft.kind, draft.domain, instant_text(draft.occur_time), instant_text(draft.publish_time),
        draft.document_no, draft.legal_basis, draft.refers_to or "", draft.payload,
    )  # fmt: skip
    return draft._replace(content_hash=content_hash(parts))
