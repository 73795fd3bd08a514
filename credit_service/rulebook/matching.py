"""Matches conditions against a view: who proves it, since when, and until when. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

from credit_service.arrays import NEVER
from credit_service.ledger.fact import Fact, Place, place_of
from credit_service.legal_days import Period, parse_day
from credit_service.rulebook.condition import (
    AllOf,
    Always,
    AnyOf,
    Condition,
    Count,
    Excuse,
    FactPattern,
    FindingOf,
    HardRecord,
    Listed,
    Not,
    Operated,
    Test,
    passes,
)
from credit_service.rulebook.law import Rule
from credit_service.rulebook.view import View, stretch


class Match(NamedTuple):
    """Proves a condition on each day of [start, until).

    `day` is that of the fact itself, which rolling windows count; `anchor` names what the match is
    about and `proof` adds the penalties behind it.
    """

    start: int
    until: int
    day: int
    anchor: tuple[int, ...]
    proof: tuple[int, ...]


# Gives the records of events their names, by which equals are put in an order that every order of arrival shares.
Named = Callable[[tuple[int, ...]], tuple[str, ...]]


def current(condition: Condition, view: View) -> list[Match]:
    """Returns every match that stands on the day of the view."""
    return _CURRENT[type(condition)](condition, view)


def holds(condition: Condition, view: View) -> bool:
    """Says whether the condition matches on the day of the view."""
    return not holds(condition.part, view) if isinstance(condition, Not) else bool(current(condition, view))


def rule_matches(rule: Rule, view: View) -> list[Match]:
    """Returns every match of a rule that has a legal basis of the required rank."""
    if not rule.is_founded or not view.passes(rule.needs):
        return []
    found = view.matches.get(rule.id)
    if found is None:
        found = view.matches[rule.id] = current(rule.when, view)
    return found


def firsts(matches: Iterable[Match], named: Named) -> list[Match]:
    """Keeps one match per anchor, the first begun, so that a proof stays while it stands.

    Of those begun on one day the name of the record decides: the order of arrival proves nothing.
    """
    kept: dict[tuple[int, ...], Match] = {}
    for match in _sorted(matches, _START, _PROOF, named):
        kept.setdefault(match.anchor, match)
    return list(kept.values())


def _sorted(
    matches: Iterable[Match], days: Callable[[Match], Any], events: Callable[[Match], tuple[int, ...]], named: Named
) -> list[Match]:
    """Sorts matches by days, and those of equal days by the names of events, which are asked for only then."""
    found = sorted(matches, key=days)
    if any(days(one) == days(other) for one, other in pairwise(found)):
        found.sort(key=lambda match: (days(match), named(events(match))))
    return found


def bounds(condition: Condition, view: View) -> Iterator[int]:
    """Yields each day on which a match begins or ends: between two of them nothing changes."""
    match condition:
        case FactPattern():
            yield from _pattern_bounds(condition, view)
        case Count(pattern=pattern, span=span, since=since):
            yield from _pattern_bounds(pattern, view)
            if span is not None and since is not None:
                yield from (since.after(match.day) for match in spans(pattern, view))
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from bounds(part, view)
        case Not(part=part):
            yield from bounds(part, view)
        case Operated(period=period):
            start = _operating_since(condition, view)
            yield from () if start is None else (period.after(start),)
        case _:
            # Listings come from outside; rules and the hard record give their own bounds.
            return


def _pattern_bounds(pattern: FactPattern, view: View) -> Iterator[int]:
    for match in spans(pattern, view):
        yield match.start
        yield match.until
    if pattern.unless is not None:
        yield from _pattern_bounds(pattern.unless.pattern, view)


_NOTHING: list[Match] = []
_START, _UNTIL, _DAY = attrgetter("start"), attrgetter("until"), attrgetter("day")
_UNTIL_AND_DAY = attrgetter("until", "day")
_ANCHOR, _PROOF = attrgetter("anchor"), attrgetter("proof")


def spans(pattern: FactPattern, view: View) -> list[Match]:
    """Returns every match of a pattern, past, present and to come; the same for all who ask of one view."""
    # By identity: a pattern lives as long as its edition, which the view holds; hashing it costs more than it saves.
    found: list[Match] | None = view.spans.get(id(pattern))
    if found is None:
        if not view.passes((id(pattern),)):
            return _NOTHING
        found = list(_every_span(pattern, view)) if view.told is None else view.told.spans(pattern)
        view.spans[id(pattern)] = found
    return found


def _every_span(pattern: FactPattern, view: View) -> Iterator[Match]:
    for fact in _candidates(pattern, view):
        start, until = fact.day, NEVER
        if pattern.state is not None:
            start, until = stretch(pattern.state, fact)
        until = min(until, view.lasting(fact, pattern.is_statutory))
        if pattern.penalised is None:
            span = _since(pattern, start, until)
            if span[0] < span[1]:
                yield Match(*span, fact.day, (fact.event_id,), (fact.event_id,))
        else:
            yield from _penalised(pattern, pattern.penalised, view, fact, (start, until))


def _penalised(
    pattern: FactPattern, tests: tuple[Test, ...], view: View, fact: Fact, stretch: tuple[int, int]
) -> Iterator[Match]:
    start, until = stretch
    for penalty in view.penalties(fact):
        if not passes(tests, penalty.payload):
            continue
        lasting = view.lasting(penalty, pattern.is_statutory)
        span = _since(pattern, max(start, penalty.day), min(until, lasting))
        if span[0] < span[1]:
            proof = tuple(sorted((fact.event_id, penalty.event_id)))
            yield Match(*span, fact.day, (fact.event_id,), proof)


def _since(pattern: FactPattern, start: int, until: int) -> tuple[int, int]:
    if pattern.since is None or start >= until:
        return start, until
    return start, min(until, pattern.since.after(start))


def _candidates(pattern: FactPattern, view: View) -> Iterator[Fact]:
    facts = view.passing[id(pattern)]
    if pattern.is_latest:
        facts = [fact for fact in _latest(pattern, view.by_kind[pattern.kind]) if fact in facts]
    for fact in facts:
        if not (pattern.not_linked_to and view.is_linked(fact, pattern.not_linked_to)):
            yield fact


def _latest(pattern: FactPattern, facts: list[Fact]) -> list[Fact]:
    fields = [test.field for test in pattern.tests]
    for fact in reversed(facts):
        if all(name in fact.payload for name in fields):
            return [fact]
    return []


def _now(matches: Iterable[Match], day: int) -> list[Match]:
    return [match for match in matches if match.start <= day < match.until]


def _fact(pattern: FactPattern, view: View) -> list[Match]:
    if view.told is not None:
        return view.told.standing(pattern)
    matches = _now(spans(pattern, view), view.as_of_day)
    if pattern.unless is None or not matches:
        return matches
    excuse = pattern.unless
    others = _values(excuse, view)
    facts = {fact.event_id: fact for fact in view.by_kind[pattern.kind]}
    return [match for match in matches if not _is_excused(facts[match.anchor[0]], excuse, others)]


def _is_excused(fact: Fact, excuse: Excuse, others: Mapping[Any, Place]) -> bool:
    latest = others.get(fact.payload.get(excuse.same))
    if latest is None or latest == place_of(fact):
        return False
    return not excuse.is_later or latest > place_of(fact)


def _values(excuse: Excuse, view: View) -> dict[Any, Place]:
    """Returns the place of the latest current fact that excuses, by the value that both must share."""
    facts = {fact.event_id: fact for fact in view.by_kind.get(excuse.pattern.kind, ())}
    values: dict[Any, Place] = {}
    for match in _fact(excuse.pattern, view):
        fact = facts[match.anchor[0]]
        value = fact.payload.get(excuse.same)
        if value is not None:
            values[value] = max(values.get(value, place_of(fact)), place_of(fact))
    return values


def _count(count: Count, view: View) -> list[Match]:
    matches = _fact(count.pattern, view)
    if len(matches) < count.at_least:
        return []
    if count.span is None:
        return _lasting_longest(matches, count.at_least, view.named)
    return _rolling(count, count.span, matches, view)


def _lasting_longest(matches: list[Match], at_least: int, named: Named) -> list[Match]:
    """Returns the group of different facts that stands longest."""
    kept = {match.anchor: match for match in _sorted(matches, _UNTIL, _PROOF, named)}
    group = _sorted(kept.values(), _UNTIL_AND_DAY, _ANCHOR, named)
    return [_group(group[-at_least:], NEVER)] if len(group) >= at_least else []


def _rolling(count: Count, span: Period, matches: list[Match], view: View) -> list[Match]:
    """Returns, per fact that completes a window, the smallest group that proves it."""
    facts = _sorted(firsts(matches, view.named), _DAY, _ANCHOR, view.named)
    groups = []
    for end in range(count.at_least, len(facts) + 1):
        group = facts[end - count.at_least : end]
        if group[-1].day < span.after(group[0].day):
            last = NEVER if count.since is None else count.since.after(group[-1].day)
            groups.append(_group(group, last))
    return _now(groups, view.as_of_day)


def _group(matches: list[Match], until: int) -> Match:
    """Joins matches that must all stand."""
    return Match(
        max(match.start for match in matches),
        min(until, *(match.until for match in matches)),
        max(match.day for match in matches),
        tuple(sorted({n for match in matches for n in match.anchor})),
        tuple(sorted({n for match in matches for n in match.proof})),
    )


def _all(condition: AllOf, view: View) -> list[Match]:
    chosen = []
    for part in condition.parts:
        matches = current(part, view)
        if not matches:
            return []
        chosen.append(_sorted(matches, _START, _PROOF, view.named)[0])
    return [_group(chosen, NEVER)]


def _any(condition: AnyOf, view: View) -> list[Match]:
    return [match for part in condition.parts for match in current(part, view)]


def _not(condition: Not, view: View) -> list[Match]:
    if current(condition.part, view):
        return []
    days = set(bounds(condition.part, view))
    start = max((day for day in days if day <= view.as_of_day), default=0)
    until = min((day for day in days if day > view.as_of_day), default=NEVER)
    return [Match(start, until, start, (), ())]


def _operated(condition: Operated, view: View) -> list[Match]:
    since = _operating_since(condition, view)
    if since is None:
        return []
    start = condition.period.after(since)
    return _now([Match(start, NEVER, start, (), ())], view.as_of_day)


def _operating_since(condition: Operated, view: View) -> int | None:
    """Returns the day of founding as last registered, else that of the first usable record."""
    if view.told is not None:
        return view.told.operating_since(condition)
    for fact in reversed(view.by_kind.get("REG", [])):
        if "founded_date" in fact.payload and view.as_of_day < view.lasting(fact, is_statutory=False):
            return parse_day(fact.payload["founded_date"])
    days = [
        fact.day
        for kind in condition.shown_by or tuple(view.by_kind)
        for fact in view.by_kind.get(kind, ())
        if view.as_of_day < view.lasting(fact, is_statutory=False)
    ]
    return min(days, default=None)


def _listed(condition: Listed, view: View) -> list[Match]:
    return [Match(0, NEVER, 0, (), ())] if condition.list in view.lists else []


def _finding_of(condition: FindingOf, view: View) -> list[Match]:
    rules = [rule for rule in view.edition.rules if rule.list == condition.list]
    return [match for rule in rules for match in rule_matches(rule, view)]


def _hard_record(_condition: HardRecord, view: View) -> list[Match]:
    hard = view.edition.grading.hard_record
    return [] if hard is None else current(hard, view)


def _always(_condition: Always, _view: View) -> list[Match]:
    return [Match(0, NEVER, 0, (), ())]


_CURRENT: Mapping[type, Callable[[Any, View], list[Match]]] = {
    FactPattern: _fact,
    Count: _count,
    AllOf: _all,
    AnyOf: _any,
    Not: _not,
    Operated: _operated,
    Listed: _listed,
    FindingOf: _finding_of,
    HardRecord: _hard_record,
    Always: _always,
}
