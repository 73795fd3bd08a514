"""What is kept of grades: the current one of each subject. Every one that was recorded stands in the feed."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, false, func, or_, select, text
from sqlmodel import Field, Session, SQLModel, col

from credit_service.changes import ChangeRow, entry_key
from credit_service.database import UtcTime, select_by_keys, select_where
from credit_service.subjects.tables import SubjectRow


class CurrentGrade(SQLModel, table=True):
    """Keeps the grade that stands now, and the day on which it must be looked at again.

    Its document is that of the change at `revision`, by which it was recorded.
    """

    __tablename__ = "current_grade"
    __table_args__ = (
        Index("ix_current_grade_due", "next_review_day"),
        Index(
            "ix_current_grade_review", "subject_id", sqlite_where=text("is_review_open"),
            postgresql_where=text("is_review_open"),
        ),
    )  # fmt: skip
    subject_id: str = Field(primary_key=True)
    grade: str
    score: int | None
    fingerprint: str
    revision: int = Field(sa_type=BigInteger)
    assess_time: datetime = Field(sa_type=UtcTime)
    next_review_day: int | None
    is_review_open: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    # What judged it: digest of the edition, model, and version of this program.
    basis: str = Field(default="", sa_column_kwargs={"server_default": ""})


TABLES: list[Any] = [CurrentGrade]
# What a recorded grade is in the feed.
KIND = "grade"


def last_written(session: Session, subject_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Returns the revision by which the grade of each subject was last recorded, and the digest that it had."""
    names = ("subject_id", "revision", "fingerprint")
    rows = select_by_keys(session, CurrentGrade, names, "subject_id", subject_ids)
    return {row[0]: (row[1], row[2]) for row in rows}


_STANDING = """
    SELECT s.subject_id, s.kind, s.supervising_region, c.document, g.next_review_day, g.assess_time, g.basis
    FROM subject s LEFT JOIN current_grade g ON g.subject_id = s.subject_id
    LEFT JOIN change c ON c.revision = g.revision WHERE s.subject_id"""


def standing_rows(session: Session, subject_ids: Sequence[str]) -> Sequence[Any]:
    """Returns (subject, kind, region, document, next review day, time, basis) of the known ones of the subjects.

    Without a current grade all of its columns are absent; the time is in microseconds.
    """
    return select_where(session, _STANDING, subject_ids)


def stale_subjects(session: Session, bases: Collection[str], day: int, after: str, limit: int) -> Sequence[str]:
    """Returns a page of subjects, in order of id, that were not judged on one of these bases, or are due by the day.

    Persons are never graded and left out.
    """
    is_stale = or_(
        col(CurrentGrade.basis).is_(None),
        col(CurrentGrade.basis).not_in(bases),
        col(CurrentGrade.next_review_day) <= day,
    )
    statement = (
        select(col(SubjectRow.subject_id))
        .outerjoin(CurrentGrade, col(CurrentGrade.subject_id) == col(SubjectRow.subject_id))
        .where(col(SubjectRow.subject_id) > after, col(SubjectRow.kind) != "PERSON", is_stale)
        .order_by(col(SubjectRow.subject_id))
        .limit(limit)
    )
    return session.execute(statement).scalars().all()


def grade_history(session: Session, subject_id: str, before: int | None, limit: int) -> Sequence[ChangeRow]:
    """Returns recorded grades, newest first, before a revision."""
    statement = select(ChangeRow).where(col(ChangeRow.entry_key) == entry_key(KIND, subject_id))
    if before is not None:
        statement = statement.where(col(ChangeRow.revision) < before)
    return session.execute(statement.order_by(col(ChangeRow.revision).desc()).limit(limit)).scalars().all()


def due_subjects(session: Session, day: int, limit: int) -> Sequence[str]:
    """Returns subjects whose grade must be looked at again by that day, next first."""
    statement = (
        select(col(CurrentGrade.subject_id))
        .where(col(CurrentGrade.next_review_day) <= day)
        .order_by(col(CurrentGrade.next_review_day))
        .limit(limit)
    )
    return session.execute(statement).scalars().all()


def reviews(session: Session, after: str, limit: int) -> Sequence[tuple[str, datetime, str]]:
    """Returns (subject, time, document) of the grades under review, in order of subject, after one."""
    statement = (
        select(col(CurrentGrade.subject_id), col(CurrentGrade.assess_time), col(ChangeRow.document))
        .join(ChangeRow, col(ChangeRow.revision) == col(CurrentGrade.revision))
        .where(col(CurrentGrade.is_review_open), col(CurrentGrade.subject_id) > after)
        .order_by(col(CurrentGrade.subject_id))
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in session.execute(statement)]


def score_counts(session: Session) -> dict[str, dict[int, int]]:
    """Counts current scores, by what judged them."""
    names = (col(CurrentGrade.basis), col(CurrentGrade.score))
    statement = select(*names, func.count()).where(col(CurrentGrade.score).is_not(None)).group_by(*names)
    found: dict[str, dict[int, int]] = {}
    for basis, score, number in session.execute(statement):
        found.setdefault(basis, {})[score] = number
    return found


def review_count(session: Session) -> int:
    """Counts the grades under review."""
    return int(session.execute(select(func.count()).where(col(CurrentGrade.is_review_open))).scalar_one())


def grade_counts(session: Session) -> dict[str, int]:
    """Counts current grades by letter."""
    statement = select(col(CurrentGrade.grade), func.count()).group_by(col(CurrentGrade.grade))
    return {row[0]: row[1] for row in session.execute(statement)}
