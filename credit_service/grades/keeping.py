"""Keeps what was judged: the grade that stands, every grade that is another one, and the change in the feed."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from credit_service.changes import Recorder
from credit_service.database import insert_tuples, upsert_tuples
from credit_service.grades.tables import CurrentGrade, GradeRow, last_written


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
    "subject_id", "grade", "score", "fingerprint", "number", "assess_time", "next_review_day", "document",
    "is_review_open", "basis",
)  # fmt: skip
_RECORDED = ("subject_id", "number", "assess_time", "document")


def keep(session: Session, verdicts: Sequence[Verdict], recorder: Recorder, now: datetime) -> None:
    """Keeps verdicts of different subjects; only those that say something new are recorded and told."""
    written = last_written(session, [verdict.subject_id for verdict in verdicts])
    standing, recorded = [], []
    for verdict in verdicts:
        subject_id, kind, grade, score, fingerprint, next_day, document, is_open, basis = verdict
        number, former = written.get(subject_id, (0, ""))
        if fingerprint != former:
            number += 1
            recorded.append((subject_id, number, now, document))
            recorder.upsert("grade", subject_id, (subject_id, kind), document)
        standing.append((subject_id, grade, score, fingerprint, number, now, next_day, document, is_open, basis))
    upsert_tuples(session, CurrentGrade, _STANDING, standing, ("subject_id",))
    insert_tuples(session, GradeRow, _RECORDED, recorded)
