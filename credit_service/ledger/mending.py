"""Mending: a waiting record whose code was wrong may come back under another id, for ids of files hold the code.

What waited is then superseded, and what both say counts once, whichever of the two ids is sent again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlmodel import Session

from credit_service.database import select_by_pairs
from credit_service.errors import Problem, Reason, shown
from credit_service.ledger.drafts import CheckedDraft, Draft
from credit_service.ledger.quarantine import (
    QuarantinedRecord,
    any_cased,
    any_waiting,
    case_of,
    end_waiting,
    record_text,
)
from credit_service.ledger.tables import LedgerEvent, find_event, stored_versions
from credit_service.normal.names import Agreement, agrees, folded

Pair = tuple[str, str]
_COLUMNS = ("source", "record_id", "version", "release_time", "superseded_by", "case_id", "record", "problems")


def _case(draft: Draft) -> str:
    scheme, _, code = draft.subject_id.partition(":")
    return "" if scheme == "PERSON" else case_of(draft.record_id, code)


def _fact(draft: Draft) -> tuple[str, str, str]:
    return draft.subject_id, draft.kind, draft.document_no


class Twins:
    """Knows which records of a batch say again, under another id, what quarantine has seen and the ledger holds."""

    def __init__(self, session: Session, checked: Sequence[CheckedDraft]) -> None:
        """Reads the rows of quarantine that share an id or a case with the batch."""
        self._session = session
        self._own: dict[Pair, list[QuarantinedRecord]] = {}
        self._by_case: dict[Pair, list[QuarantinedRecord]] = {}
        # What the batch itself collected of these, by case, subject, kind and document.
        self._collected: dict[tuple[str, ...], str] = {}
        if not any_cased(session):
            return
        drafts = [c.draft for c in checked if c.draft]
        mendable = [c.mended_key[:2] for c in checked if not c.draft and c.is_mendable]
        for row in _rows(session, "record_id", [*(draft.key[:2] for draft in drafts), *mendable]):
            self._own.setdefault((row.source, row.record_id), []).append(row)
        cases = ((draft.source, _case(draft)) for draft in drafts)
        for row in _rows(session, "case_id", [pair for pair in cases if pair[1]]):
            self._by_case.setdefault((row.source, row.case_id), []).append(row)

    def of(self, checked: CheckedDraft) -> Problem | None:
        """Returns what is wrong with a record that the ledger holds under another id; None for nothing."""
        if not (self._own or self._by_case):
            return None
        draft = checked.draft
        if draft is None:
            other = self._repeated(checked)
        else:
            other = self._in_batch(draft) or self._superseding(draft) or self._released(draft)
        if other is None:
            return None
        mine = checked.mended_key[1] if draft is None else draft.record_id
        want = f"{shown(other)}, which stands for it, or a higher version of that"
        return Problem("source_record_id", shown(mine), want, Reason.KEY_CONFLICT)

    def note(self, draft: Draft) -> None:
        """Notes a record of the batch that is going to be collected."""
        for case in self._cases(draft):
            self._collected[case, *_fact(draft)] = draft.record_id

    def _cases(self, draft: Draft) -> set[str]:
        """Returns the cases of quarantine that a record may belong to, with their source."""
        if not (self._own or self._by_case):
            return set()
        cases = {row.case_id for row in self._own.get(draft.key[:2], ()) if row.case_id}
        if (draft.source, case := _case(draft)) in self._by_case:
            cases.add(case)
        return {f"{draft.source}/{case}" for case in cases}

    def _in_batch(self, draft: Draft) -> str | None:
        told = (self._collected.get((c, *_fact(draft))) for c in self._cases(draft))
        return next((other for other in told if other not in {None, draft.record_id}), None)

    def _repeated(self, checked: CheckedDraft) -> str | None:
        """Returns what superseded the same faulty record."""
        key, text = checked.mended_key, record_text(checked.record)
        rows = self._own.get(key[:2], ())
        others = {r.superseded_by for r in rows if r.version == key[2] and r.is_elsewhere() and r.record == text}
        return next((other for other in others if other and _standing(self._session, key[0], other)), None)

    def _superseding(self, draft: Draft) -> str | None:
        """Returns the id under which what waited under this one was collected, where both speak of one subject."""
        others = {row.superseded_by for row in self._own.get(draft.key[:2], ()) if row.is_elsewhere()}
        return next((other for other in others if other and self._stands(draft, other)), None)

    def _released(self, draft: Draft) -> str | None:
        """Returns the id with the wrong code under which the record was released."""
        rows = self._by_case.get((draft.source, _case(draft)), ())
        others = {r.record_id for r in rows if r.is_released() and r.record_id != draft.record_id and _fits(r, draft)}
        return next((other for other in others if self._stands(draft, other)), None)

    def _stands(self, draft: Draft, other: str) -> bool:
        """Says whether the newest version of another record speaks of the draft's subject and withdraws nothing."""
        event = _standing(self._session, draft.source, other)
        return event is not None and event.subject_id == draft.subject_id


def _standing(session: Session, source: str, record_id: str) -> LedgerEvent | None:
    """Returns the newest version of a record; None where there is none, or it withdraws the record."""
    versions = stored_versions(session, [(source, record_id)])
    newest = max((version.version for version in versions), default=0)
    event = find_event(session, source, record_id, newest) if newest else None
    return event if event is not None and event.op == "ASSERT" else None


def settle(session: Session, drafts: Iterable[Draft], now: datetime) -> None:
    """Ends the waiting of records whose mended form the ledger holds.

    Under its own key a record is released; under a higher version, or with another code under another id, superseded.
    """
    # Spares most commits the look for what they settle.
    if not any_waiting(session):
        return
    versions: dict[Pair, set[int]] = {}
    cases: dict[Pair, list[Draft]] = {}
    for draft in drafts:
        versions.setdefault(draft.key[:2], set()).add(draft.version)
        if draft.op == "ASSERT" and (case := _case(draft)):
            cases.setdefault((draft.source, case), []).append(draft)
    ended: dict[tuple[str, str, int], str | None] = {}
    waiting = (row for row in _rows(session, "case_id", list(cases)) if row.release_time is None)
    found = [(row, next((d for d in cases[row.source, row.case_id] if _mends(row, d)), None)) for row in waiting]
    mended = [(row, draft) for row, draft in found if draft is not None]
    stored = stored_versions(session, dict.fromkeys(draft.key[:2] for _, draft in mended))
    corrected = {(version.source, version.record_id) for version in stored if version.version > 1}
    for row, draft in mended:
        # What was sent again may have been withdrawn meanwhile: it takes nobody's place.
        if draft.key[:2] not in corrected or _standing(session, *draft.key[:2]):
            ended[row.source, row.record_id, row.version] = draft.record_id
    for row in _rows(session, "record_id", list(versions)):
        told = versions[row.source, row.record_id]
        if row.release_time is None and row.version <= max(told):
            ended[row.source, row.record_id, row.version] = None if row.version in told else row.record_id
    end_waiting(session, ended, now)


def _rows(session: Session, column: str, pairs: Sequence[Pair]) -> list[QuarantinedRecord]:
    """Returns the rows whose source and other column equal one of the pairs."""
    # Text by text: a database plans for longer over thousands of whole keys than it looks for them.
    found = select_by_pairs(session, QuarantinedRecord, _COLUMNS, ("source", column), list(dict.fromkeys(pairs)))
    return [QuarantinedRecord(**dict(zip(_COLUMNS, row, strict=True))) for row in found]


def _mends(row: QuarantinedRecord, draft: Draft) -> bool:
    """Says whether a record is a waiting one with its subject mended."""
    is_about_subject = any(p.field.startswith("subject") for p in row.faults())
    return row.record_id != draft.record_id and is_about_subject and _fits(row, draft)


def _fits(row: QuarantinedRecord, draft: Draft) -> bool:
    """Says whether both tell of one fact: one document and kind, and one name, or names that fit and similar codes."""
    record = row.content()
    if (record.get("kind"), record.get("document_no") or "") != (draft.kind, draft.document_no):
        return False
    subject = record.get("subject") or {}
    agreement = agrees(str(subject.get("name") or ""), draft.subject_name)
    if agreement is Agreement.VARIANT:
        return _is_slip(folded(str(subject.get("code") or "")).upper(), draft.subject_id.partition(":")[2])
    return agreement is Agreement.SAME


def _is_slip(one: str, other: str) -> bool:
    """Says whether one character, or the order of two neighbours, makes the difference of two codes."""
    places = [n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b]
    if len(one) != len(other) or len(places) > 2:
        return False
    if len(places) < 2:
        return True
    first, last = places
    return last - first == 1 and (one[first], one[last]) == (other[last], other[first])
