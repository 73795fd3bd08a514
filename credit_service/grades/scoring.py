"""Scores of many subjects under one edition on any day: by the model, by the rules, or by both. Pure."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np

from credit_service.arrays import NEVER, Ints
from credit_service.errors import CreditError, Reason
from credit_service.grades.columns import Columns, lay, members, take, visible
from credit_service.grades.features import Evidence, kinds_of, matrix, turning_days
from credit_service.grades.scorecard import REASON_LIMIT, Contribution, ReasonLine, Scorecard
from credit_service.ledger.figures import PackedFacts
from credit_service.rulebook.law import Edition, GradingPolicy, RulePoints
from credit_service.rulebook.laws import Laws
from credit_service.rulebook.points import LEAST, MOST, LinePoints, line_points, next_points_day, rule_score
from credit_service.rulebook.view import View

# Fewer subjects are looked at on every day: to find out who moved costs more.
FEW_WALKERS = 200
MODEL, BOUNDED, RULES = "model", "bounded", "rules"
_UNIT = "records"


def mode_on(policy: GradingPolicy, scorecard: Scorecard | None, day: int) -> str:
    """Returns what sets the score on a day: a model that has expired retires to the rules.

    Fails with MODEL_NOT_FOUND when the edition's model is not installed, and with MODEL_EXPIRED when there are no
    rules to retire to.
    """
    if policy.mode == RULES:
        return RULES
    if scorecard is None:
        raise CreditError(Reason.MODEL_NOT_FOUND, f"model: got none, want {policy.model}")
    if scorecard.expires_day is None or day <= scorecard.expires_day:
        return policy.mode
    if policy.points is None:
        raise CreditError(Reason.MODEL_EXPIRED, f"model: got {scorecard.model_id}, which has expired, want a newer one")
    return RULES


class Scores(Protocol):
    """Answers the scores of the subjects; every number of a subject is by its place."""

    base_points: int
    now: Sequence[int]

    def chance(self, subject: int) -> float | None:
        """Returns the published probability of the model's label, where a model speaks."""

    def next_day(self, subject: int) -> int | None:
        """Returns the first later day on which time alone may move the score."""

    def moved_since(self, day: int) -> Sequence[int]:
        """Returns, rising, the subjects whose score may have moved after an earlier day."""

    def on(self, days: Sequence[int], subjects: Sequence[int]) -> Ints:
        """Returns the scores of some subjects on earlier days, both rising, a row a subject."""

    def contributions(self, subject: int) -> list[Contribution]:
        """Returns what every feature or line adds; with the base points they sum to the score."""

    def exposure(self, subject: int) -> list[Contribution]:
        """Returns by how many points each exposure moves the probability, where a model speaks."""

    def reasons(self, subject: int) -> list[ReasonLine]:
        """Returns why most points were lost, at most four, what the subject can act on first."""


def scores_of(edition: Edition, scorecard: Scorecard | None, laws: Laws) -> tuple[str, Scores]:
    """Returns what sets the scores on the day, and the scores; fails like `mode_on`."""
    mode, points = mode_on(edition.grading, scorecard, laws.day), edition.grading.points
    if mode == MODEL and scorecard is not None:
        return mode, ModelScores(scorecard, laws)
    if points is None:
        raise TypeError(f"{edition.id}: got mode {mode} without points")
    rules = RuleScores(points, laws)
    if mode == RULES or scorecard is None:
        return mode, rules
    return mode, BoundedScores(rules, ModelScores(scorecard, laws), points.model_reach)


class ModelScores:
    """Scores by the points of a model."""

    def __init__(self, scorecard: Scorecard, laws: Laws) -> None:
        """Lays the facts into columns; earlier days are seen with what is usable on this one."""
        self._card, self._day = scorecard, laws.day
        # Scores alone need no line that cannot move them.
        self._moving = scorecard.moving
        self._columns = visible(lay(laws.crowd, laws.unusable_from), laws.day)
        self._rows = matrix(self._columns, laws.day, scorecard.feature_names)
        self._exposures = matrix(self._columns, laws.day, scorecard.exposure_names)
        self._evidence = Evidence(self._columns, laws.day)
        # The values that are told move with every feature, the probability with every exposure.
        self._turning = turning_days(self._columns, laws.day, scorecard.columns).tolist()
        points = scorecard.contributions(self._rows)
        scores = scorecard.base_points + points.sum(axis=1)
        self._worst = scorecard.worst(points)
        self._chances = scorecard.probability(scores, scorecard.exposure_points(self._exposures)).tolist()
        self.base_points = scorecard.base_points
        self.now: Sequence[int] = scores.tolist()

    def chance(self, subject: int) -> float | None:
        """Returns the published probability."""
        found: float = self._chances[subject]
        return found

    def next_day(self, subject: int) -> int | None:
        """Returns the first later day on which a feature may move."""
        day: int = self._turning[subject]
        return None if day >= NEVER else day

    def moved_since(self, day: int) -> Sequence[int]:
        """Returns the subjects of which a feature may have moved."""
        moved: list[int] = np.flatnonzero(self._turning_days(self._columns, day) <= self._day).tolist()
        return moved

    def on(self, days: Sequence[int], subjects: Sequence[int]) -> Ints:
        """Looks at a day again only for those whose features may have moved since the one before."""
        # Records that no feature reads neither move a score nor name a day.
        read = kinds_of(self._moving.feature_names)
        columns = members(take(self._columns, self._columns.of_kind(*read)), subjects)
        if len(subjects) < FEW_WALKERS:
            return self._on_each(days, columns)
        found = np.empty((len(subjects), len(days)), dtype=np.int64)
        turning = np.full(len(subjects), days[0], dtype=np.int64)
        for place, day in enumerate(days):
            found[:, place] = found[:, place - 1]
            moved = np.flatnonzero(turning <= day)
            if len(moved):
                some = members(columns, moved.tolist())
                then = take(some, some.day <= day)
                found[moved, place] = self._moving.score(matrix(then, day, self._moving.feature_names))
                turning[moved] = self._turning_days(some, day)
        return found

    def _on_each(self, days: Sequence[int], columns: Columns) -> Ints:
        """Looks at every day, and scores all of them at once."""
        names, looked = self._moving.feature_names, []
        for day in days:
            happened = columns.day <= day
            looked.append(matrix(columns if happened.all() else take(columns, happened), day, names))
        return self._moving.score(np.concatenate(looked)).reshape(len(days), columns.subjects).T

    def contributions(self, subject: int) -> list[Contribution]:
        """Returns what every feature adds."""
        return self._card.explain(self._rows[subject].tolist(), partial(self._evidence.of, subject))

    def exposure(self, subject: int) -> list[Contribution]:
        """Returns by how many points each exposure moves the probability."""
        proof = partial(self._evidence.of, subject)
        return self._card.explain_exposure(self._exposures[subject].tolist(), proof)

    def reasons(self, subject: int) -> list[ReasonLine]:
        """Returns the features that lost most points."""
        row, proof = self._rows[subject].tolist(), partial(self._evidence.of, subject)
        return self._card.reasons(row, proof, self._worst[subject])

    def _turning_days(self, columns: Columns, day: int) -> Ints:
        return turning_days(columns, day, self._moving.feature_names)


class RuleScores:
    """Scores by the lines of the edition."""

    def __init__(self, points: RulePoints, laws: Laws) -> None:
        """Looks at every line of every subject once."""
        self._points, self._laws = points, laws
        PackedFacts.read(laws.crowd.facts)
        self._views = [laws.whole_view(i) for i in range(len(laws.crowd.facts))]
        self._lines = [line_points(points, view) for view in self._views]
        self.base_points = points.base
        self.now: Sequence[int] = [rule_score(points, lines) for lines in self._lines]

    def chance(self, _subject: int) -> float | None:
        """Returns nothing: rules state no probability."""
        return None

    def next_day(self, subject: int) -> int | None:
        """Returns the first later day on which a line may move."""
        return next_points_day(self._points, self._views[subject])

    def moved_since(self, _day: int) -> Sequence[int]:
        """Returns all: lines that fade move with every day."""
        return range(len(self.now))

    def on(self, days: Sequence[int], subjects: Sequence[int]) -> Ints:
        """Looks at every day with what is usable now."""
        found = [[self._on(subject, day) for day in days] for subject in subjects]
        return np.array(found, dtype=np.int64).reshape(len(subjects), len(days))

    def contributions(self, subject: int) -> list[Contribution]:
        """Returns what every line adds, and what the limits of the score take back."""
        told = [_told(one) for one in self._lines[subject]]
        beyond = self.now[subject] - self._points.base - sum(one.points for one in told)
        return [*told, _limit(beyond)] if beyond else told

    def exposure(self, _subject: int) -> list[Contribution]:
        """Returns nothing: rules state no probability."""
        return []

    def reasons(self, subject: int) -> list[ReasonLine]:
        """Returns the lines that lost most points."""
        acted_on = {one.line.id for one in self._lines[subject] if one.line.is_actionable}
        return reasons_of(self.contributions(subject), acted_on)

    def _on(self, subject: int, day: int) -> int:
        laws = self._laws
        pairs = zip(laws.crowd.facts[subject], laws.ends(subject), strict=True)
        kept = [(fact, end) for fact, end in pairs if fact.day <= day and laws.day < end]
        facts, ends = [fact for fact, _ in kept], [end for _, end in kept]
        view = View(self._views[subject].edition, facts, ends, day)
        return rule_score(self._points, line_points(self._points, view))


class BoundedScores:
    """Scores by a model that is held within reach of the rule score."""

    def __init__(self, rules: RuleScores, model: ModelScores, reach: int) -> None:
        """Takes both scores."""
        self._rules, self._model, self._reach = rules, model, reach
        self.base_points = rules.base_points
        self.now: Sequence[int] = [self._bounded(*pair) for pair in zip(rules.now, model.now, strict=True)]

    def chance(self, subject: int) -> float | None:
        """Returns the probability of the model's own score."""
        return self._model.chance(subject)

    def next_day(self, subject: int) -> int | None:
        """Returns the first later day on which either may move."""
        days = [day for one in (self._rules, self._model) if (day := one.next_day(subject)) is not None]
        return min(days, default=None)

    def moved_since(self, day: int) -> Sequence[int]:
        """Returns all, as the rules do."""
        return self._rules.moved_since(day)

    def on(self, days: Sequence[int], subjects: Sequence[int]) -> Ints:
        """Bounds the score of each day."""
        rules, model = self._rules.on(days, subjects), self._model.on(days, subjects)
        found: Ints = np.clip(np.clip(np.minimum(model, MOST), rules - self._reach, rules + self._reach), LEAST, None)
        return found

    def contributions(self, subject: int) -> list[Contribution]:
        """Returns what every line adds, and how far the model moves their sum."""
        moved = self.now[subject] - self._rules.now[subject]
        model = Contribution(
            "MODEL", float(self._model.now[subject]), "points", moved, self._reach,
            f"模型得分{self._model.now[subject]}，调整限于{self._reach}分以内",
            f"Score of the model {self._model.now[subject]}, which may move the rule score by {self._reach}", (),
        )  # fmt: skip
        return [*self._rules.contributions(subject), model]

    def exposure(self, subject: int) -> list[Contribution]:
        """Returns what moves the probability of the model's own score."""
        return self._model.exposure(subject)

    def reasons(self, subject: int) -> list[ReasonLine]:
        """Returns the lines that lost most points; the model's part is told among the contributions."""
        return self._rules.reasons(subject)

    def _bounded(self, rules: int, model: int) -> int:
        return max(rules - self._reach, min(rules + self._reach, model, MOST), LEAST)


def reasons_of(contributions: Sequence[Contribution], acted_on: set[str]) -> list[ReasonLine]:
    """Returns the four largest losses against the best that a line could add; what can be acted on comes first."""
    lost = sorted(
        (one for one in contributions if one.points < one.best_points), key=lambda c: c.points - c.best_points
    )
    worst = sorted(lost[:REASON_LIMIT], key=lambda c: c.feature not in acted_on)
    return [
        ReasonLine(
            c.feature, c.value, c.unit, c.points - c.best_points, c.feature in acted_on, c.text_zh, c.text_en,
            c.event_ids,
        )
        for c in worst
    ]  # fmt: skip


def _told(one: LinePoints) -> Contribution:
    line = one.line
    most = max(case.points for case in line.cases)
    best = 0 if most < 0 else line.at_most or most
    zh, en = f"{line.text_zh}：{one.matches}项", f"{line.text_en}: {one.matches}"
    return Contribution(line.id, float(one.matches), _UNIT, one.points, best, zh, en, one.event_ids)


def _limit(beyond: int) -> Contribution:
    zh, en = f"总分限于{LEAST}至{MOST}分", f"The score lies within {LEAST} and {MOST}"
    return Contribution("LIMIT", None, "points", beyond, max(beyond, 0), zh, en, ())
