"""Tries a draft edition on the whole ledger before anybody adopts it: who would enter, leave, or change grade."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from credit_service.assessment import Assessor
from credit_service.database import Database
from credit_service.errors import CreditError, Reason
from credit_service.grades.grading import Graded
from credit_service.ledger.facts import facts_of
from credit_service.legal_days import civil_day
from credit_service.listings.moves import CANDIDATE
from credit_service.listings.tables import blacklisted_until
from credit_service.rulebook.evaluate import Finding
from credit_service.rulebook.law import Edition
from credit_service.subjects.schemes import split
from credit_service.subjects.tables import SubjectRow, all_subject_ids, subjects_by_id

SUBJECTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Change:
    """Holds what a draft would change for one subject; grades are None where there is none."""

    subject: SubjectRow
    grade_before: str | None
    grade_after: str | None
    entering: Sequence[Finding]
    leaving: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class Tried:
    """Holds a page of a trial: the subjects judged so far, the grades of this page before and after, the changes."""

    judged: int
    grades: Sequence[tuple[str | None, str | None]]
    changes: Sequence[Change]


def try_edition(
    database: Database, assessor: Assessor, draft: Edition, as_of: datetime, known: datetime
) -> Iterator[Tried]:
    """Judges every subject that the draft governs twice, under the editions in force and under the draft.

    The draft counts as in force on the day, whatever its dates. Nothing is written; each page reads one state of the
    database, and all pages know the same. Fails with MODEL_NOT_FOUND when the draft's model is not installed.
    """
    if draft.grading.model not in assessor.scorecards:
        want = f"one of {', '.join(sorted(assessor.scorecards))}"
        raise CreditError(Reason.MODEL_NOT_FOUND, f"model: got {draft.grading.model}, want {want}")
    day = civil_day(as_of)
    drafted = replace(draft, valid_from=min(draft.valid_from, day), valid_to=None)
    other = Assessor(lambda: (drafted,), assessor.scorecards)
    after, judged = "", 0
    while True:
        with database.reading() as session:
            ids = all_subject_ids(session, after, SUBJECTS_AT_ONCE)
            governed = [i for i in ids if split(i)[0] in draft.schemes]
            rows = [r for r in subjects_by_id(session, governed).values() if r.first_collect_time <= known]
            ids_read = [row.subject_id for row in rows]
            facts = facts_of(session, ids_read, as_of, known)
            listed = blacklisted_until(session, ids_read, as_of, known)
        before, then = ({g.subject_id: g for g in a.judge(rows, facts, as_of, listed)} for a in (assessor, other))
        judged += len(rows)
        grades = [(before[row.subject_id].grade, then[row.subject_id].grade) for row in rows]
        changes = [_change(row, before[row.subject_id], then[row.subject_id]) for row in rows]
        yield Tried(judged, grades, [change for change in changes if change is not None])
        if len(ids) < SUBJECTS_AT_ONCE:
            return
        after = ids[-1]


def _change(row: SubjectRow, before: Graded, after: Graded) -> Change | None:
    old, new = _candidates(before), _candidates(after)
    entering = [finding for key, finding in new.items() if key not in old]
    leaving = [finding for key, finding in old.items() if key not in new]
    if before.grade == after.grade and not entering and not leaving:
        return None
    return Change(row, before.grade, after.grade, entering, leaving)


def _candidates(graded: Graded) -> Mapping[tuple[str, str], Finding]:
    """Returns the findings that would open a candidate, by list and rule."""
    return {(f.list, f.rule_id): f for f in graded.findings if f.effect == CANDIDATE}
