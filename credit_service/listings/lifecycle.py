"""The moves of a listing that rules may make: open a candidate, and drop it when its basis is gone.

Software never moves a listing any further: notice, decision and publication are acts of named officers.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlmodel import Session, col, func, select

from credit_service.changes import Recorder
from credit_service.listings.tables import ListingMoveRow, ListingRow
from credit_service.rulebook.evaluate import Finding

CANDIDATE = "CANDIDATE"
DROPPED = "DROPPED"
# (from, to) → what the software may do by itself, and why.
RULE_MOVES: Mapping[tuple[str | None, str], str] = {
    (None, CANDIDATE): "a rule found its condition fulfilled",
    (CANDIDATE, CANDIDATE): "the events that prove the finding changed",
    (CANDIDATE, DROPPED): "the events that proved the finding were corrected or retracted",
}


def propose(
    session: Session,
    subject: tuple[str, str],
    findings: Sequence[tuple[str, Finding]],
    existing: Sequence[ListingRow],
    recorder: Recorder,
    now: datetime,
) -> None:
    """Makes the candidates of one subject agree with its findings; `findings` pairs (edition id, finding).

    Opens what is new, renews a changed proof, drops what lost its basis. Repeating it changes nothing.
    """
    found = _by_rule(findings)
    open_rows = {row.rule_id: row for row in existing if row.state == CANDIDATE}
    for rule_id, (edition, finding) in found.items():
        row = open_rows.get(rule_id)
        if row is None:
            number = sum(1 for old in existing if old.rule_id == rule_id)
            _open(session, subject, (edition, finding, number), recorder, now)
        elif row.proof() != finding.event_ids:
            row.event_ids = json.dumps(finding.event_ids)
            _move(session, row, CANDIDATE, edition, recorder, now)
    for rule_id, row in open_rows.items():
        if rule_id not in found:
            _move(session, row, DROPPED, row.edition_id, recorder, now)


def _by_rule(findings: Sequence[tuple[str, Finding]]) -> dict[str, tuple[str, Finding]]:
    """Joins the findings of one rule: one open candidate per rule carries every proof."""
    found: dict[str, tuple[str, Finding]] = {}
    for edition, finding in findings:
        if finding.effect != CANDIDATE:
            continue
        if finding.rule_id in found:
            former = found[finding.rule_id][1]
            finding = replace(former, event_ids=tuple(sorted({*former.event_ids, *finding.event_ids})))
        found[finding.rule_id] = (edition, finding)
    return found


def _open(
    session: Session,
    subject: tuple[str, str],
    opened: tuple[str, Finding, int],
    recorder: Recorder,
    now: datetime,
) -> None:
    edition, finding, number = opened
    subject_id, subject_kind = subject
    name = f"{finding.list}\x00{finding.rule_id}\x00{subject_id}\x00{number}"
    row = ListingRow(
        subject_id=subject_id,
        listing_id=f"{finding.list}-{hashlib.sha256(name.encode()).hexdigest()[:16]}",
        subject_kind=subject_kind,
        list=finding.list,
        state=CANDIDATE,
        rule_id=finding.rule_id,
        edition_id=edition,
        event_ids=json.dumps(finding.event_ids),
        text_zh=finding.text_zh,
        text_en=finding.text_en,
        open_time=now,
    )
    session.add(row)
    _record(session, row, None, f"rule:{finding.rule_id}@{edition}", recorder, now)


def _move(session: Session, row: ListingRow, to: str, edition: str, recorder: Recorder, now: datetime) -> None:
    before, row.state = row.state, to
    session.add(row)
    _record(session, row, before, f"rule:{row.rule_id}@{edition}", recorder, now)


def _record(
    session: Session, row: ListingRow, before: str | None, actor: str, recorder: Recorder, now: datetime
) -> None:
    number = session.execute(
        select(func.count()).where(
            col(ListingMoveRow.subject_id) == row.subject_id, col(ListingMoveRow.listing_id) == row.listing_id
        )
    ).scalar_one()
    reason = RULE_MOVES[before, row.state]
    session.add(
        ListingMoveRow(
            subject_id=row.subject_id, listing_id=row.listing_id, number=number + 1, from_state=before,
            to_state=row.state, move_time=now, actor=actor, reason=reason,
        )
    )  # fmt: skip
    session.flush()
    subject = (row.subject_id, row.subject_kind)
    if row.state == DROPPED:
        recorder.remove("listing", row.listing_id, subject, reason)
    else:
        recorder.upsert("listing", row.listing_id, subject, row.document())
