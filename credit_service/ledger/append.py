"""Appends checked records: idempotent by key, hash-chained, one result per record in order."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import update
from sqlmodel import Session, col

from credit_service.database import insert_rows, insert_tuples, to_microseconds
from credit_service.errors import CreditError, Problem, Reason
from credit_service.ledger.drafts import CheckedDraft, Draft
from credit_service.ledger.quarantine import any_waiting, put_aside, release
from credit_service.ledger.streams import note_sources
from credit_service.ledger.tables import (
    HEAD_ID,
    EventKey,
    LedgerEvent,
    LedgerHead,
    StoredVersion,
    head,
    registrations,
    stored_versions,
)
from credit_service.legal_days import civil_day
from credit_service.subjects.tables import note_subjects, register
from credit_service.subjects.vault import PersonalValue, Sealed, Vault

# What is in the ledger after the answer.
KEPT = frozenset({"ACCEPTED", "DUPLICATE", "SUPERSEDED_LATE"})


class Receipt(NamedTuple):
    """Tells a source what became of one record."""

    status: str
    event_id: int | None = None
    collect_time: datetime | None = None
    content_hash: bytes | None = None
    problems: Sequence[Problem] = ()
    # Subjects whose facts changed: the record's own and, when a correction moves it, the former one.
    subject_ids: tuple[str, ...] = ()


@dataclass(slots=True)
class _Batch:
    """Gathers what one append is going to write."""

    position: int
    chain_hash: bytes
    now: datetime
    events: list[tuple[Any, ...]] = field(default_factory=list)
    keys: list[tuple[Any, ...]] = field(default_factory=list)
    personal: list[dict[str, Any]] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)


class _Known:
    """Knows the stored versions of the records of a batch, and those the batch itself adds."""

    def __init__(self, session: Session, drafts: Sequence[Draft]) -> None:
        rows = stored_versions(session, dict.fromkeys((d.source, d.record_id) for d in drafts))
        self.by_key = {(row.source, row.record_id, row.version): row for row in rows}
        self.by_record: dict[tuple[str, str], list[StoredVersion]] = {}
        for row in rows:
            self.by_record.setdefault((row.source, row.record_id), []).append(row)

    def add(self, row: StoredVersion) -> None:
        self.by_key[row.source, row.record_id, row.version] = row
        self.by_record.setdefault((row.source, row.record_id), []).append(row)


def append(
    session: Session, checked: Sequence[CheckedDraft], now: datetime, vault: Vault, is_all_or_nothing: bool = False
) -> list[Receipt]:
    """Appends what is well formed and new; the caller commits before anybody is told.

    Same key and content answer DUPLICATE with the first receipt; same key and other content CONFLICT.
    All or nothing fails with BATCH_REFUSED, before anything is written, when one record would not be kept.
    """
    row = head(session)
    batch = _Batch(row.position, row.chain_hash, now)
    known = _Known(session, [c.draft for c in checked if c.draft])
    receipts = [_receive(session, c, known, batch, vault) for c in checked]
    if is_all_or_nothing:
        _refuse_partial(receipts)
    put_aside(session, [c for c in checked if c.draft is None and c.is_mendable], now)
    if batch.events:
        insert_tuples(session, LedgerEvent, _EVENT_COLUMNS, batch.events)
        insert_tuples(session, EventKey, StoredVersion._fields, batch.keys)
        if batch.personal:
            insert_rows(session, PersonalValue, batch.personal)
        session.execute(
            update(LedgerHead)
            .where(col(LedgerHead.head_id) == HEAD_ID)
            .values(position=batch.position, chain_hash=batch.chain_hash)
        )
        note_subjects(session, batch.drafts, now)
        moved = [
            s
            for c, r in zip(checked, receipts, strict=True)
            if c.draft and c.draft.kind == "REG"
            for s in r.subject_ids
        ]
        register(session, registrations(session, list(dict.fromkeys(moved))))
        note_sources(session, Counter(draft.source for draft in batch.drafts), now)
        if any_waiting(session):
            release(session, [draft.key for draft in batch.drafts], now)
        session.expire(row)
    return receipts


def _refuse_partial(receipts: Sequence[Receipt]) -> None:
    for index, receipt in enumerate(receipts):
        if receipt.status not in KEPT:
            fault = str(receipt.problems[0]) if receipt.problems else receipt.status
            raise CreditError(
                Reason.BATCH_REFUSED, f"events[{index}].{fault}; nothing was kept", index=str(index), problem=fault
            )


def _receive(session: Session, checked: CheckedDraft, known: _Known, batch: _Batch, vault: Vault) -> Receipt:
    draft = checked.draft
    if draft is None:
        status = "QUARANTINED" if checked.is_mendable else "REJECTED"
        return Receipt(status, problems=checked.problems)
    content = draft.content_hash()
    stored = known.by_key.get(draft.key)
    if stored is not None:
        return _replay(draft, stored, content)
    others = known.by_record.get((draft.source, draft.record_id), ())
    sealed = (
        vault.seal(session, draft.subject_id, draft.subject_name) if draft.is_person and draft.subject_name else None
    )
    known.add(_chain(batch, draft, content, sealed))
    if not others:
        return Receipt("ACCEPTED", batch.position, batch.now, content, (), (draft.subject_id,))
    is_late = any(other.version > draft.version for other in others)
    subjects = tuple(dict.fromkeys([draft.subject_id, *(other.subject_id for other in others)]))
    return Receipt("SUPERSEDED_LATE" if is_late else "ACCEPTED", batch.position, batch.now, content, (), subjects)


def _replay(draft: Draft, stored: StoredVersion, content: bytes) -> Receipt:
    if stored.content_hash == content:
        return Receipt("DUPLICATE", stored.position, stored.collect_time, stored.content_hash)
    problem = Problem(
        "source_record_id",
        f"{draft.record_id} version {draft.version} with another content",
        "the stored content, or a higher version that corrects it",
        Reason.KEY_CONFLICT,
    )
    return Receipt("CONFLICT", stored.position, stored.collect_time, stored.content_hash, [problem])


_EVENT_COLUMNS = (
    "subject_id", "position", "source", "record_id", "version", "op", "subject_name", "subject_kind", "kind",
    "domain", "occur_time", "occur_day", "publish_time", "collect_time", "document_no", "legal_basis", "refers_to",
    "payload", "personal_commitment", "content_hash", "chain_hash",
)  # fmt: skip


def _chain(batch: _Batch, draft: Draft, content: bytes, sealed: Sealed | None) -> StoredVersion:
    batch.position += 1
    commitment = sealed.commitment if sealed else None
    batch.chain_hash = chain_hash(batch.chain_hash, batch.position, batch.now, content, commitment)
    key = StoredVersion(
        draft.source, draft.record_id, draft.version, draft.subject_id, batch.position, batch.now, content
    )
    batch.events.append(
        (
            draft.subject_id, batch.position, draft.source, draft.record_id, draft.version, draft.op,
            "" if draft.is_person else draft.subject_name, draft.subject_kind, draft.kind, draft.domain,
            draft.occur_time, civil_day(draft.occur_time), draft.publish_time, batch.now, draft.document_no,
            draft.legal_basis, draft.refers_to, draft.payload_text, commitment, content, batch.chain_hash,
        )
    )  # fmt: skip
    batch.keys.append(key)
    batch.drafts.append(draft)
    if sealed:
        batch.personal.append(
            {
                "subject_id": draft.subject_id,
                "position": batch.position,
                "salt": sealed.salt,
                "sealed": sealed.ciphertext,
            }
        )
    return key


def chain_hash(
    previous: bytes, position: int, collect_time: datetime, content: bytes, commitment: bytes | None
) -> bytes:
    """Links one event to all before it."""
    clock = to_microseconds(collect_time)
    link = previous + position.to_bytes(8) + clock.to_bytes(8, signed=True) + content + (commitment or b"")
    return hashlib.sha256(link).digest()
