"""The rule score 规则分 of one subject on one day: base and lines of the edition, within 0 and 1,000. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from credit_service.arrays import NEVER
from credit_service.ledger.fact import Fact, place_of
from credit_service.rulebook.law import PointsCase, PointsLine, Repeat, RulePoints
from credit_service.rulebook.matching import Match, bounds, current
from credit_service.rulebook.view import View

LEAST, MOST = 0, 1000


@dataclass(frozen=True, slots=True)
class LinePoints:
    """Holds what one line gives or takes, and the events behind it; `matches` counts what was found."""

    line: PointsLine
    points: int
    matches: int
    event_ids: tuple[int, ...]


def line_points(points: RulePoints, view: View) -> list[LinePoints]:
    """Returns what every line gives on the view's day, in the edition's order."""
    return [_line(line, view) for line in points.lines]


def rule_score(points: RulePoints, lines: Iterable[LinePoints]) -> int:
    """Returns the score that the lines make."""
    return min(MOST, max(LEAST, points.base + sum(one.points for one in lines)))


def _line(line: PointsLine, view: View) -> LinePoints:
    total, event_ids, matches = 0.0, set[int](), 0
    for case in line.cases:
        for match in _matches(case, view):
            total += case.points * _left(line, match, view.as_of_day) * _factor(line.repeat, match, view)
            event_ids.update(match.proof)
            matches += 1
    # Half a point more or less is decided once, for the line: away from nothing, as in plain arithmetic.
    points = int(abs(total) + 0.5) * (1 if total > 0 else -1)
    if line.at_most is not None:
        points = max(-line.at_most, min(line.at_most, points))
    return LinePoints(line, points, matches, tuple(sorted(event_ids)))


def _matches(case: PointsCase, view: View) -> list[Match]:
    return current(case.when, view) if view.passes(case.needs) else []


def _left(line: PointsLine, match: Match, day: int) -> float:
    return (match.until - day) / (match.until - match.start) if line.is_fading else 1.0


def _factor(repeat: Repeat | None, match: Match, view: View) -> float:
    if repeat is None:
        return 1.0
    facts = {fact.event_id: fact for same_kind in view.by_kind.values() for fact in same_kind}
    fact = facts[match.anchor[0]]
    return repeat.percent / 100 if _is_repeated(repeat, fact, view.by_kind, view) else 1.0


def _is_repeated(repeat: Repeat, fact: Fact, by_kind: Mapping[str, list[Fact]], view: View) -> bool:
    values = set(fact.payload.get(repeat.field, ()))
    return any(
        place_of(other) < place_of(fact)
        and fact.day < repeat.within.after(other.day)
        and view.as_of_day < view.lasting(other, is_statutory=False)
        and not values.isdisjoint(other.payload.get(repeat.field, ()))
        for other in by_kind[fact.kind]
    )


def next_points_day(points: RulePoints, view: View) -> int | None:
    """Returns the first later day on which a line may give other points, by time alone."""
    days = [day for line in points.lines for case in line.cases for day in bounds(case.when, view)]
    ahead = [day for day in (*days, *view.days) if view.as_of_day < day < NEVER]
    fading = [day for line in points.lines if line.is_fading for day in _fading(line, view)]
    return min((*ahead, *fading), default=None)


def _fading(line: PointsLine, view: View) -> Iterator[int]:
    """Yields the day on which the points of a fading line pass the next half point."""
    left = fall = 0.0
    for case in line.cases:
        for match in _matches(case, view):
            daily = abs(case.points) * _factor(line.repeat, match, view) / (match.until - match.start)
            fall += daily
            left += daily * (match.until - view.as_of_day)
    if fall:
        # A day too early costs one look, a day too late would leave a stale grade.
        yield view.as_of_day + max(1, int((left + 0.5) % 1 / fall))
