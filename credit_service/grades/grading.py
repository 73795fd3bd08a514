"""From facts to grades, many subjects at once: points of the model, then the law of the edition. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import orjson

from credit_service.errors import CreditError
from credit_service.grades.prior import ClassPrior, industries_of
from credit_service.grades.scorecard import Contribution, ReasonLine, Scorecard
from credit_service.grades.scoring import RULES, Scores, scores_of
from credit_service.grades.stability import LETTERS, Held, cycle_days, held, letter_of, settle
from credit_service.ledger.crowd import Crowd
from credit_service.ledger.fact import Fact
from credit_service.legal_days import day_text
from credit_service.rulebook.articles import articles_behind
from credit_service.rulebook.evaluate import Finding
from credit_service.rulebook.law import Edition
from credit_service.rulebook.laws import Laws
from credit_service.rulebook.vetoes import Statement, Veto
from credit_service.subjects.schemes import split

PENDING = "PENDING"
BLACKLISTED = ("BLACK",)
# The worst cap first.
_CAPS = {letter: place for place, letter in enumerate(reversed(LETTERS))}


@dataclass(frozen=True, slots=True)
class Override:
    """Holds the letter that two officers set by hand, until the end of its last day."""

    override_id: str
    grade: str
    reason: str
    last_day: int


@dataclass(frozen=True, slots=True)
class Review:
    """Holds that an officer looked at a score on a day and kept the grade, before `until_day`.

    Of that day the officer saw the events up to `position`.
    """

    day: int
    until_day: int
    position: int = 0


class Case(NamedTuple):
    """Holds one subject's facts, and what other rooms know of it."""

    subject_id: str
    subject_kind: str
    facts: Sequence[Fact]
    # The first day on which no blacklist listing is in force any more; none: the subject is on no blacklist.
    blacklisted_until: int | None = None
    override: Override | None = None
    review: Review | None = None


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
    # What set the score: `model`, `bounded` or `rules`; empty without a score.
    mode: str = ""
    # Whether the edition's model had expired on the day, so that the rules alone set the score.
    is_retired: bool = False
    held: Held | None = None
    override: Override | None = None
    # What is expected of the class of a subject that shows PENDING.
    class_prior: ClassPrior | None = None
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
            found |= {"score": self.score, "mode": self.mode}
            found |= {} if self.model_id is None else {"model_id": self.model_id}
            found |= {} if self.probability is None else {"probability": self.probability}
            found |= {"is_retired": True} if self.is_retired else {}
        if self.held is not None:
            found |= {"held_zh": self.held.text_zh, "held_en": self.held.text_en, "earned_grade": self.held.earned}
        if self.override is not None:
            found["override"] = {
                "override_id": self.override.override_id, "grade": self.override.grade, "reason": self.override.reason,
                "last_date": day_text(self.override.last_day),
            }  # fmt: skip
        if self.pending is not None:
            found |= {"pending_zh": self.pending.text_zh, "pending_en": self.pending.text_en}
        if self.class_prior is not None:
            found["class_prior"] = self.class_prior.document()
        if self.next_review_day is not None:
            found["next_review_date"] = day_text(self.next_review_day)
        return found

    def written(self) -> tuple[str, str]:
        """Returns the after-image as text, and a digest of what makes a grade another grade.

        That is everything but the day it was looked at, which is the first in order and so left out of the digest.
        """
        text = orjson.dumps(self.document(), option=orjson.OPT_SORT_KEYS)
        rest = text.removeprefix(f'{{"as_of":"{day_text(self.as_of_day)}",'.encode())
        return text.decode(), hashlib.sha256(b"{" + rest).hexdigest()


@dataclass(frozen=True, slots=True)
class Explained:
    """Holds a grade with every point behind it."""

    graded: Graded
    base_points: int
    contributions: tuple[Contribution, ...]
    # What moves the probability, and not the score.
    exposure: tuple[Contribution, ...] = ()
    # What makes a score a letter: scores of the cycle days, and whether a hard record stands.
    cycles: tuple[tuple[int, int], ...] = ()
    has_hard_record: bool = False
    # The provisions that records behind the grade cite themselves, in order of their ids.
    cited: tuple[tuple[int, tuple[str, ...]], ...] = ()


class _Law(NamedTuple):
    findings: tuple[Finding, ...]
    vetoes: tuple[Veto, ...]
    pending: Statement | None
    unmet: tuple[Statement, ...]
    has_hard_record: bool
    next_day: int | None


class _Stays(NamedTuple):
    letter: str
    held: Held | None


def grade_many(edition: Edition, scorecard: Scorecard | None, cases: Sequence[Case], as_of_day: int) -> list[Graded]:
    """Grades the cases of one scheme under one edition; the facts were read as of the day."""
    return _judged(edition, scorecard, cases, as_of_day)[0] if cases else []


def explain(edition: Edition, scorecard: Scorecard | None, case: Case, as_of_day: int) -> Explained:
    """Grades one case and keeps the points of every feature or line; base and points sum to the score."""
    (graded,), scores = _judged(edition, scorecard, [case], as_of_day)
    if graded.score is None:
        return Explained(graded, 0, (), cited=_cited(case, graded.vetoes))
    state = partial(_founded, edition, as_of_day)
    contributions, exposure = (tuple(map(state, parts(0))) for parts in (scores.contributions, scores.exposure))
    days = cycle_days(edition.grading.stability, as_of_day) if edition.grading.stability else []
    cycles = tuple(zip(days, scores.on(days, [0])[0].tolist(), strict=True)) if days else ()
    law = Laws(edition, Crowd([case.facts]), as_of_day, [()])
    return Explained(
        graded, scores.base_points, contributions, exposure, cycles, has_hard_record=law.has_hard_record(0),
        cited=_cited(case, [*contributions, *exposure, *graded.vetoes]),
    )  # fmt: skip


def _founded(edition: Edition, day: int, one: Contribution) -> Contribution:
    """States by which articles a contribution counts on the day."""
    return replace(one, bases=articles_behind(edition, one.feature, day))


def _cited(case: Case, parts: Sequence[Contribution | Veto]) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Returns what the records behind the parts cite themselves, those that cite anything."""
    behind = {event_id for part in parts for event_id in part.event_ids}
    cited = {fact.event_id: tuple(fact.payload.get("articles", ())) for fact in case.facts if fact.event_id in behind}
    return tuple((event_id, articles) for event_id, articles in sorted(cited.items()) if articles)


def _judged(
    edition: Edition, scorecard: Scorecard | None, cases: Sequence[Case], as_of_day: int
) -> tuple[list[Graded], Scores]:
    lists = [BLACKLISTED if case.blacklisted_until else () for case in cases]
    every = Laws(edition, Crowd([case.facts for case in cases]), as_of_day, lists)
    mode, scores = scores_of(edition, scorecard, every)
    laws = [_law(every, i, case) for i, case in enumerate(cases)]
    settled = _settled(edition, scores, laws, as_of_day)
    priors = _class_priors(mode, scorecard, every, laws)
    # A model that had expired on the day is named by nothing: it did not speak.
    model_id = None if mode == RULES or scorecard is None else scorecard.model_id
    is_retired = mode == RULES and edition.grading.mode != RULES
    graded = []
    for i, (case, law) in enumerate(zip(cases, laws, strict=True)):
        day = _earliest(law.next_day, scores.next_day(i), _retires(mode, scorecard))
        common = partial(
            Graded, case.subject_id, case.subject_kind, as_of_day, vetoes=law.vetoes, pending=law.pending,
            edition_id=edition.id, findings=law.findings, override=case.override,
        )  # fmt: skip
        if law.pending is not None:
            # A cap beats PENDING: too little evidence never hides a hard fact.
            letter = _overridden(case, law, max((veto.cap for veto in law.vetoes), default=PENDING))
            prior = priors.get(i) if letter == PENDING else None
            graded.append(common(grade=letter, class_prior=prior, next_review_day=day))
            continue
        stays = settled[i]
        letter, is_review_open = _letter(law, stays.letter)
        graded.append(
            common(
                grade=_overridden(case, law, letter), score=scores.now[i], probability=scores.chance(i),
                reasons=tuple(scores.reasons(i)), mode=mode, is_retired=is_retired, model_id=model_id,
                unmet=law.unmet, held=stays.held, is_review_open=is_review_open and not _is_reviewed(case),
                next_review_day=_earliest(day, None if stays.held is None else stays.held.next_day),
            )
        )  # fmt: skip
    return graded, scores


def _settled(edition: Edition, scores: Scores, laws: Sequence[_Law], as_of_day: int) -> list[_Stays]:
    """Returns the letter of each score after the cycles; only scores that moved since the settling day walk them."""
    policy = edition.grading
    # Of many subjects few have a score of their own.
    letters = {score: letter_of(policy, score) for score in set(scores.now)}
    earned = [letters[score] for score in scores.now]
    as_earned = {letter: _Stays(letter, None) for letter in LETTERS}
    found = [as_earned[letter] for letter in earned]
    stability = policy.stability
    if stability is None:
        return found
    days = cycle_days(stability, as_of_day)
    moved = [i for i in scores.moved_since(days[0]) if laws[i].pending is None]
    now = np.array([scores.now[i] for i in moved], dtype=np.int64)
    is_hard = np.array([laws[i].has_hard_record for i in moved], dtype=np.bool_)
    for i, letter in zip(moved, settle(policy, scores.on(days, moved), now, is_hard), strict=True):
        if letter != earned[i]:
            found[i] = _Stays(letter, held(stability, earned[i], letter, as_of_day))
    return found


def _class_priors(
    mode: str, scorecard: Scorecard | None, every: Laws, laws: Sequence[_Law]
) -> Mapping[int, ClassPrior]:
    """Returns by pending subject what the model that speaks on the day publishes of its class, if anything."""
    if mode == RULES or scorecard is None or scorecard.priors is None:
        return {}
    priors, pending = scorecard.priors, [i for i, law in enumerate(laws) if law.pending is not None]
    industries = industries_of(every.crowd, pending)
    return {
        i: ClassPrior(priors.at(industry), priors.confidence, scorecard.model_id)
        for i, industry in zip(pending, industries, strict=True)
    }


def _is_reviewed(case: Case) -> bool:
    """Says whether officers have looked: by an override, or by a review since which nothing new became known."""
    if case.override is not None:
        return True
    return case.review is not None and all(_was_seen(fact, case.review) for fact in case.facts)


def _was_seen(fact: Fact, review: Review) -> bool:
    if fact.known_day != review.day:
        return fact.known_day < review.day
    # Records that are only supposed have ids below zero.
    return 0 < fact.event_id <= review.position


def _overridden(case: Case, law: _Law, letter: str) -> str:
    """Returns the letter that officers set, never better than a veto allows."""
    if case.override is None:
        return letter
    return max([case.override.grade, *(veto.cap for veto in law.vetoes)])


def _retires(mode: str, scorecard: Scorecard | None) -> int | None:
    if mode == RULES or scorecard is None or scorecard.expires_day is None:
        return None
    return scorecard.expires_day + 1


def _law(laws: Laws, place: int, case: Case) -> _Law:
    scheme, vetoes = split(case.subject_id)[0], laws.vetoes(place)
    return _Law(
        findings=tuple(laws.findings(place, scheme)),
        vetoes=tuple(sorted(vetoes, key=lambda v: _CAPS[v.cap])) if vetoes else (),
        pending=laws.pending(place, scheme),
        unmet=laws.unmet(place),
        has_hard_record=laws.has_hard_record(place),
        next_day=_earliest(
            laws.next_day(place), case.blacklisted_until, case.override.last_day + 1 if case.override else None,
            case.review.until_day if case.review else None,
        ),
    )  # fmt: skip


def _letter(law: _Law, letter: str) -> tuple[str, bool]:
    """Returns what the law leaves of a letter, and whether an officer has to look at it."""
    is_review_open = letter == "D" and not law.has_hard_record
    if is_review_open:
        letter = "C"
    if letter == "A" and law.unmet:
        letter = "B"
    return max([letter, *(veto.cap for veto in law.vetoes)]), is_review_open


def _earliest(*days: int | None) -> int | None:
    return min((day for day in days if day is not None), default=None)
