"""From facts to grades, many subjects at once: points of the model, then the law of the edition. Pure."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from credit_service.errors import CreditError
from credit_service.grades.columns import build, visible
from credit_service.grades.features import Evidence, matrix, next_change_days
from credit_service.grades.scorecard import Contribution, ReasonLine, Scorecard
from credit_service.ledger.facts import Fact
from credit_service.legal_days import day_text
from credit_service.rulebook.evaluate import Finding, evaluate
from credit_service.rulebook.law import Edition
from credit_service.rulebook.review import next_change_day
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.vetoes import Statement, Veto, a_conditions, hard_record, pending, vetoes
from credit_service.rulebook.view import View
from credit_service.subjects.schemes import split

LETTERS = ("A", "B", "C", "D")
PENDING = "PENDING"


@dataclass(frozen=True, slots=True)
class Case:
    """Holds one subject's facts, and what other rooms know of it."""

    subject_id: str
    subject_kind: str
    facts: Sequence[Fact]
    # The first day on which no blacklist listing is in force any more; none: the subject is on no blacklist.
    blacklisted_until: int | None = None


@dataclass(frozen=True, slots=True)
class Graded:
    """Holds the grade of one subject, or the problem that left it without one."""

    subject_id: str
    subject_kind: str
    as_of_day: int
    grade: str | None = None
    score: int | None = None
    probability: float | None = None
    reasons: tuple[ReasonLine, ...] = ()
    vetoes: tuple[Veto, ...] = ()
    pending: Statement | None = None
    unmet: tuple[Statement, ...] = ()
    is_review_open: bool = False
    edition_id: str = ""
    model_id: str | None = None
    next_review_day: int | None = None
    findings: tuple[Finding, ...] = ()
    problem: CreditError | None = field(default=None, compare=False)

    def document(self) -> dict[str, Any]:
        """Returns the after-image for history and feed; absent keys were not computed."""
        found: dict[str, Any] = {
            "subject_id": self.subject_id, "grade": self.grade, "as_of": day_text(self.as_of_day),
            "is_review_open": self.is_review_open, "edition_id": self.edition_id,
            "reasons": [r.document() for r in self.reasons],
            "vetoes": [
                {
                    "veto_id": v.id, "cap": v.cap, "event_ids": list(v.event_ids),
                    "until_date": None if v.until_day is None else day_text(v.until_day),
                    "instrument": v.basis.instrument, "article": v.basis.article, "source": v.basis.source,
                    "text_zh": v.text_zh, "text_en": v.text_en,
                }
                for v in self.vetoes
            ],
        }  # fmt: skip
        if self.score is not None:
            found |= {"score": self.score, "probability": self.probability, "model_id": self.model_id}
        if self.pending is not None:
            found |= {"pending_zh": self.pending.text_zh, "pending_en": self.pending.text_en}
        if self.next_review_day is not None:
            found["next_review_date"] = day_text(self.next_review_day)
        return found

    def fingerprint(self) -> str:
        """Digests what makes a grade another grade: everything but the day it was looked at."""
        kept = {k: v for k, v in self.document().items() if k != "as_of"}
        return hashlib.sha256(json.dumps(kept, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Explained:
    """Holds a grade with every point behind it."""

    graded: Graded
    base_points: int
    contributions: tuple[Contribution, ...]


def grade_many(edition: Edition, scorecard: Scorecard, cases: Sequence[Case], as_of_day: int) -> list[Graded]:
    """Grades the cases of one scheme under one edition; the facts were read as of the day."""
    if not cases:
        return []
    usable = [unusable_from(edition, case.facts) for case in cases]
    columns = visible(build([case.facts for case in cases], usable), as_of_day)
    features = matrix(columns, as_of_day, scorecard.feature_names)
    scores = scorecard.score(features)
    probabilities = scorecard.probability(scores)
    turning = next_change_days(columns, as_of_day, scorecard.feature_names)
    evidence = Evidence(columns, as_of_day)
    graded = []
    for i, case in enumerate(cases):
        law = _law(edition, case, usable[i], as_of_day)
        day = _earliest(law.next_day, turning[i])
        if law.pending is not None:
            graded.append(_pending(edition, case, law, as_of_day, day))
            continue
        reasons = scorecard.reasons(features[i].tolist(), partial(evidence.of, i))
        score = int(scores[i])
        letter, is_review_open = _letter(edition, law, score)
        graded.append(
            Graded(
                case.subject_id, case.subject_kind, as_of_day, letter, score, float(probabilities[i]),
                tuple(reasons), law.vetoes, None, law.unmet, is_review_open, edition.id, scorecard.model_id,
                day, law.findings,
            )
        )  # fmt: skip
    return graded


def explain(edition: Edition, scorecard: Scorecard, case: Case, as_of_day: int) -> Explained:
    """Grades one case and keeps every feature's points; base and points sum to the score."""
    graded = grade_many(edition, scorecard, [case], as_of_day)[0]
    if graded.score is None:
        return Explained(graded, 0, ())
    columns = visible(build([case.facts], [unusable_from(edition, case.facts)]), as_of_day)
    row = matrix(columns, as_of_day, scorecard.feature_names)[0]
    contributions = scorecard.explain(row, partial(Evidence(columns, as_of_day).of, 0))
    return Explained(graded, scorecard.base_points, tuple(contributions))


@dataclass(frozen=True, slots=True)
class _Law:
    findings: tuple[Finding, ...]
    vetoes: tuple[Veto, ...]
    pending: Statement | None
    unmet: tuple[Statement, ...]
    has_hard_record: bool
    next_day: int | None


def _law(edition: Edition, case: Case, usable: Sequence[int], day: int) -> _Law:
    scheme = split(case.subject_id)[0]
    order = {letter: place for place, letter in enumerate(reversed(LETTERS))}
    view = View(edition, case.facts, usable, day, ("BLACK",) if case.blacklisted_until else ())
    return _Law(
        findings=tuple(evaluate(view, scheme)),
        vetoes=tuple(sorted(vetoes(view), key=lambda v: order[v.cap])),
        pending=pending(view, scheme),
        unmet=tuple(a_conditions(view)),
        has_hard_record=bool(hard_record(view)),
        next_day=_earliest(next_change_day(view), case.blacklisted_until),
    )


def _letter(edition: Edition, law: _Law, score: int) -> tuple[str, bool]:
    """Returns the letter of a score under the law, and whether an officer has to look at it."""
    bands = edition.grading.bands
    letter = next((name for name in LETTERS[:-1] if score >= bands[name]), "D")
    is_review_open = letter == "D" and not law.has_hard_record
    if is_review_open:
        letter = "C"
    if letter == "A" and law.unmet:
        letter = "B"
    return max([letter, *(veto.cap for veto in law.vetoes)]), is_review_open


def _pending(edition: Edition, case: Case, law: _Law, as_of_day: int, day: int | None) -> Graded:
    """A cap beats PENDING: too little evidence never hides a hard fact."""
    return Graded(
        case.subject_id, case.subject_kind, as_of_day,
        grade=max((veto.cap for veto in law.vetoes), default=PENDING),
        vetoes=law.vetoes, pending=law.pending, edition_id=edition.id, next_review_day=day, findings=law.findings,
    )  # fmt: skip


def _earliest(*days: int | None) -> int | None:
    return min((day for day in days if day is not None), default=None)
