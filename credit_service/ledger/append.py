"""Appends checked records: idempotent by key, hash-chained, one result per record in order."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from credit_service.database import from_microseconds, insert_rows, insert_stored, to_microseconds
from credit_service.errors import CreditError, Problem, Reason, shown
from credit_service.ledger.doubt import Doubt
from credit_service.ledger.drafts import CheckedDraft, Draft, record_of
from credit_service.ledger.mending import Twins, settle
from credit_service.ledger.quarantine import put_aside
from credit_service.ledger.relations import note_relations
from credit_service.ledger.streams import note_sources
from credit_service.ledger.tables import (
    EventKey,
    LedgerEvent,
    StoredVersion,
    head,
    registrations,
    stored_versions,
)
from credit_service.ledger.timelines import unpack
from credit_service.subjects.tables import Registration, note_subjects, register
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
    # Highest stored version, where the submitted one is another or says something else; 0: nothing to tell.
    latest_version: int = 0
    # The id of a person's record, which the service completes.
    record_id: str = ""


@dataclass(frozen=True, slots=True)
class Reception:
    """Holds what receiving needs: the vault of personal values, and the sources that speak of registered subjects."""

    vault: Vault
    strict_sources: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Batch:
    """Gathers what one append is going to write."""

    position: int
    chain_hash: bytes
    now: datetime
    clock: int
    events: list[tuple[Any, ...]] = field(default_factory=list)
    keys: list[StoredVersion] = field(default_factory=list)
    personal: list[dict[str, Any]] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)


class _Known:
    """Knows the stored versions of the records of a batch, and those the batch itself adds."""

    def __init__(self, session: Session, checked: Sequence[CheckedDraft]) -> None:
        self._versions: dict[tuple[str, str], list[StoredVersion]] = {
            (c.draft.source, c.draft.record_id) if c.draft else c.mended_key[:2]: []
            for c in checked
            if c.draft or c.is_mendable
        }
        for row in stored_versions(session, self._versions):
            self._versions[row.source, row.record_id].append(row)

    def of(self, source: str, record_id: str) -> list[StoredVersion]:
        """Returns the versions of a record; what is appended to the list is known from then on."""
        return self._versions[source, record_id]


def append(
    session: Session,
    checked: Sequence[CheckedDraft],
    now: datetime,
    reception: Reception,
    is_all_or_nothing: bool = False,
) -> list[Receipt]:
    """Appends what is well formed and new; the caller commits before anybody is told.

    Same key and content answer DUPLICATE with the first receipt; same key and other content CONFLICT. A record whose
    subject is in doubt waits in quarantine.
    All or nothing fails with BATCH_REFUSED, before anything is written, when one record would not be kept.
    """
    row = head(session)
    batch = _Batch(row.position, row.chain_hash, now, to_microseconds(now))
    known = _Known(session, checked)
    doubt = Doubt(session, [c.draft for c in checked if c.draft], reception.strict_sources)
    twins = Twins(session, checked)
    receipts = [_receive(session, c, (known, doubt, twins, reception.vault), batch) for c in checked]
    receipts = [_named(c, r) for c, r in zip(checked, receipts, strict=True)]
    if is_all_or_nothing:
        _refuse_partial(receipts)
    put_aside(session, [_aside(c, r) for c, r in zip(checked, receipts, strict=True) if r.status == "QUARANTINED"], now)
    if batch.events:
        insert_stored(session, LedgerEvent, _EVENT_COLUMNS, batch.events)
        insert_stored(session, EventKey, StoredVersion._fields, batch.keys)
        # Where versions of a record name different subjects, no event of the former one tells that it has ended.
        unpack(session, {subject for receipt in receipts for subject in receipt.subject_ids[1:]})
        if batch.personal:
            insert_rows(session, PersonalValue, batch.personal)
        row.position, row.chain_hash = batch.position, batch.chain_hash
        session.add(row)
        told = [(c.draft, r) for c, r in zip(checked, receipts, strict=True) if c.draft and c.draft.kind == "REG"]
        first = _first_registrations(told)
        note_relations(session, [(d, r.event_id) for d, r in told if r.event_id and r.subject_ids])
        note_subjects(session, batch.drafts, doubt.known, first, now)
        moved = dict.fromkeys(s for _, r in told for s in r.subject_ids if s in doubt.known or s not in first)
        register(session, registrations(session, list(moved)))
        note_sources(session, Counter(draft.source for draft in batch.drafts), now)
    settle(session, [c.draft for c, r in zip(checked, receipts, strict=True) if c.draft and r.status in KEPT], now)
    return receipts


def _named(checked: CheckedDraft, receipt: Receipt) -> Receipt:
    """Returns a receipt with the id under which a person's record is kept; all others name theirs themselves."""
    if checked.draft:
        return (
            receipt._replace(record_id=checked.draft.record_id) if checked.draft.subject_kind == "PERSON" else receipt
        )
    is_person = checked.is_mendable and (checked.record.get("subject") or {}).get("kind") == "PERSON"
    return receipt._replace(record_id=checked.mended_key[1]) if is_person else receipt


def _first_registrations(told: Sequence[tuple[Draft, Receipt]]) -> dict[str, Registration]:
    """Returns what the registrations of a batch say of each subject, as far as none corrects another record.

    It is all that is known of a subject met for the first time, and spares most subjects the look into the ledger.
    """
    drafts: dict[str, list[Draft]] = {}
    corrected: set[str] = set()
    for draft, receipt in told:
        if draft.version == 1 and receipt.status == "ACCEPTED":
            drafts.setdefault(draft.subject_id, []).append(draft)
        else:
            corrected.update(receipt.subject_ids)
    found: dict[str, Registration] = {}
    for subject_id in drafts.keys() - corrected:
        in_order = sorted(drafts[subject_id], key=lambda draft: (draft.occur_time, *draft.key))
        merged = {name: value for draft in in_order for name, value in json.loads(draft.payload).items()}
        name = next((draft.subject_name for draft in reversed(in_order) if draft.subject_name), "")
        found[subject_id] = (from_microseconds(in_order[-1].occur_time), merged, name)
    return found


def _refuse_partial(receipts: Sequence[Receipt]) -> None:
    for index, receipt in enumerate(receipts):
        if receipt.status not in KEPT:
            fault = str(receipt.problems[0]) if receipt.problems else receipt.status
            raise CreditError(
                Reason.BATCH_REFUSED, f"events[{index}].{fault}; nothing was kept", index=str(index), problem=fault
            )


def _aside(checked: CheckedDraft, receipt: Receipt) -> CheckedDraft:
    """Returns what quarantine keeps of a record."""
    return CheckedDraft(None, receipt.problems, record_of(checked.draft)) if checked.draft else checked


def _receive(
    session: Session, checked: CheckedDraft, desk: tuple[_Known, Doubt, Twins, Vault], batch: _Batch
) -> Receipt:
    draft, (known, doubt, twins, vault) = checked.draft, desk
    if draft is None:
        return _faulty(checked, known, twins)
    versions, status = known.of(draft.source, draft.record_id), "ACCEPTED"
    subjects: tuple[str, ...] = (draft.subject_id,)
    if versions:
        for stored in versions:
            if stored.version == draft.version:
                return _replay(draft, stored, versions)
        if any(other.version > draft.version for other in versions):
            status = "SUPERSEDED_LATE"
        subjects = tuple(dict.fromkeys([draft.subject_id, *(other.subject_id for other in versions)]))
    elif problem := twins.of(checked):
        return Receipt("CONFLICT", problems=[problem])
    if problem := doubt.about(draft):
        return Receipt("QUARANTINED", problems=[problem])
    twins.note(draft)
    sealed = vault.seal(session, draft.subject_id, draft.person_name) if draft.person_name else None
    versions.append(_chain(batch, draft, sealed))
    return Receipt(status, batch.position, batch.now, draft.content_hash, (), subjects)


def _faulty(checked: CheckedDraft, known: _Known, twins: Twins) -> Receipt:
    """Says what becomes of a record with faults; where its key is stored, no mended form could ever take its place."""
    if not checked.is_mendable:
        return Receipt("REJECTED", problems=checked.problems)
    source, record_id, version = checked.mended_key
    versions = known.of(source, record_id)
    for stored in versions:
        if stored.version == version:
            return _conflict(stored, versions)
    if problem := twins.of(checked):
        return Receipt("CONFLICT", problems=[problem])
    return Receipt("QUARANTINED", problems=checked.problems)


def _replay(draft: Draft, stored: StoredVersion, versions: Sequence[StoredVersion]) -> Receipt:
    if stored.content_hash != draft.content_hash:
        return _conflict(stored, versions)
    latest = max(other.version for other in versions)
    told, first_time = latest if latest > draft.version else 0, from_microseconds(stored.collect_time)
    return Receipt("DUPLICATE", stored.position, first_time, stored.content_hash, latest_version=told)


def _conflict(stored: StoredVersion, versions: Sequence[StoredVersion]) -> Receipt:
    problem = Problem(
        "source_record_id",
        f"{shown(stored.record_id)} version {stored.version} with another content",
        "the stored content, or a higher version that corrects it",
        Reason.KEY_CONFLICT,
    )
    latest, first_time = max(other.version for other in versions), from_microseconds(stored.collect_time)
    return Receipt("CONFLICT", stored.position, first_time, stored.content_hash, [problem], latest_version=latest)


_EVENT_COLUMNS = (
    "subject_id", "position", "source", "record_id", "version", "op", "subject_name", "subject_kind", "kind",
    "domain", "occur_time", "occur_day", "publish_time", "collect_time", "document_no", "legal_basis", "refers_to",
    "payload", "personal_commitment", "content_hash", "chain_hash",
)  # fmt: skip


def _chain(batch: _Batch, draft: Draft, sealed: Sealed | None) -> StoredVersion:
    batch.position = position = batch.position + 1
    commitment, content, clock = sealed.commitment if sealed else None, draft.content_hash, batch.clock
    batch.chain_hash = chain_hash(batch.chain_hash, position, clock, content, commitment)
    batch.events.append(
        (draft.subject_id, position, *draft[1:12], clock, *draft[12:16], commitment, content, batch.chain_hash)
    )
    key = StoredVersion(draft.source, draft.record_id, draft.version, draft.subject_id, position, clock, content)
    batch.keys.append(key)
    batch.drafts.append(draft)
    if sealed:
        batch.personal.append(
            {
                "subject_id": draft.subject_id,
                "position": position,
                "salt": sealed.salt,
                "sealed": sealed.ciphertext,
            }
        )
    return key


def chain_hash(previous: bytes, position: int, clock: int, content: bytes, commitment: bytes | None) -> bytes:
    """Links one event to all before it; `clock` is its collect time in microseconds since 1970 UTC."""
    link = previous + position.to_bytes(8) + clock.to_bytes(8, signed=True) + content + (commitment or b"")
    return hashlib.sha256(link).digest()
