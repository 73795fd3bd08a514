"""Keeps what was judged: every grade that is another one in the feed, and which of them stands."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from credit_service.changes import Recorder
from credit_service.database import upsert_tuples
from credit_service.grades.tables import KIND, CurrentGrade, last_written


class Verdict(NamedTuple):
    """Holds a grade as it is kept; `basis` names what judged it."""

    subject_id: str
    subject_kind: str
    grade: str
    score: int | None
    fingerprint: str
    next_review_day: int | None
    document: str
    is_review_open: bool
    basis: str


_STANDING = (
    "subject_id", "grade", "score", "fingerprint", "revision", "assess_time", "next_review_day", "is_review_open",
    "basis",
)  # fmt: skip


def keep(session: Session, verdicts: Sequence[Verdict], recorder: Recorder, now: datetime) -> int:
    """Keeps verdicts of different subjects and writes the recorder; returns the last revision.

    Only those that say something new are recorded.
    """
    written = last_written(session, [verdict.subject_id for verdict in verdicts])
    new = [v for v in verdicts if v.subject_id not in written or v.fingerprint != written[v.subject_id][1]]
    for verdict in new:
        recorder.upsert(KIND, verdict.subject_id, (verdict.subject_id, verdict.subject_kind), verdict.document)
    last = recorder.write(session)
    revisions = {subject_id: revision for subject_id, (revision, _) in written.items()}
    revisions |= {verdict.subject_id: last - place for place, verdict in enumerate(reversed(new))}
    standing = [
        (v.subject_id, v.grade, v.score, v.fingerprint, revisions[v.subject_id], now, v.next_review_day,
         v.is_review_open, v.basis)
        for v in verdicts
    ]  # fmt: skip
    upsert_tuples(session, CurrentGrade, _STANDING, standing, ("subject_id",))
    return last
