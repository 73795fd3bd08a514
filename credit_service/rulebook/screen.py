"""Looks at the conditions of an edition for many subjects at once, over arrays. Pure.

Each condition gets two answers a subject: whether it may hold, and whether it surely does. Where both say the same that
is the answer of `matching`; where they differ, and wherever a proof is wanted, `matching` looks at the one subject.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from credit_service.arrays import NEVER, Bools, Ints, after
from credit_service.ledger.crowd import Crowd, Kind
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
    State,
)
from credit_service.rulebook.law import Edition
from credit_service.rulebook.matching import Match
from credit_service.rulebook.passing import Known, passing
from credit_service.rulebook.usable import are_void


class Bounds(NamedTuple):
    """Says by subject whether a condition may hold, and whether it surely does."""

    may: Bools
    must: Bools


class Spans(NamedTuple):
    """Holds rows of facts and the days [start, until) on which each matches a pattern."""

    rows: Ints
    start: Ints
    until: Ints


class Screen:
    """Screens subjects by their facts on one day; the facts of each are sorted by day and event."""

    def __init__(
        self, edition: Edition, crowd: Crowd, unusable_from: Ints, as_of_day: int, lists: Sequence[Sequence[str]]
    ) -> None:
        """Takes facts, the first day on which each may no longer be used, and the lists on which subjects stand."""
        self.edition, self.subjects, self.day = edition, len(crowd.facts), as_of_day
        self._crowd, self._ends, self._lists = crowd, unusable_from, lists
        self._happened: Bools = crowd.day <= as_of_day
        self._passing: dict[int, Ints] = {}
        for name, kind in crowd.kinds.items():
            self._sort(kind, edition.law_sieve.patterns(name))
        self._spans: dict[int, Spans] = {}
        self._bounds: dict[int, Bounds] = {}

    def bounds(self, condition: Condition) -> Bounds:
        """Returns by subject whether the condition may hold on the day, and whether it surely does."""
        found = self._bounds.get(id(condition))
        if found is None:
            found = self._bounds[id(condition)] = _BOUNDS[type(condition)](self, condition)
        return found

    def next_days(self) -> tuple[Ints, Bools]:
        """Returns by subject what `review.next_change_day` would, NEVER for none, and whether that is sure."""
        first = np.full(self.subjects, NEVER, dtype=np.int64)
        is_sure = np.ones(self.subjects, dtype=np.bool_)
        self._see(first, self._crowd.subject, self._crowd.day)
        self._see(first, self._crowd.subject, self._ends)
        if self.edition.valid_to is not None:
            everybody = np.arange(self.subjects, dtype=np.int64)
            self._see(first, everybody, np.full(self.subjects, self.edition.valid_to, dtype=np.int64))
        for part, those in self._turning():
            if isinstance(part, Operated):
                since = after(part.period, self.operating_since(part))
                self._see(first, np.flatnonzero(those), since[those])
                continue
            pattern = part.pattern if isinstance(part, Count) else part
            if not isinstance(pattern, FactPattern):
                continue
            rows = self.candidates(pattern)
            if pattern.penalised is not None or pattern.not_linked_to:
                named = self._crowd.subject[rows]
                is_sure[named[those[named]]] = False
                continue
            self._see_spans(first, part, self.spans(pattern), those)
        return first, is_sure

    def _turning(self) -> Iterable[tuple[Condition, Bools]]:
        """Returns the parts of laws, each with the subjects whose facts can meet one of its laws."""
        wanted: dict[int, tuple[Condition, Bools]] = {}
        for needed, parts in self.edition.law_sieve.laws:
            met = np.ones(self.subjects, dtype=np.bool_)
            for pattern in needed:
                met &= self.marked(self._passing.get(pattern, _NO_ROWS))
            if met.any():
                for part in parts:
                    known = wanted.get(id(part))
                    wanted[id(part)] = (part, met if known is None else known[1] | met)
        return wanted.values()

    def _see_spans(self, first: Ints, part: Condition, spans: Spans, those: Bools) -> None:
        """Sees the days on which spans begin and end, or on which a rolling count lets go of them."""
        subjects = self._crowd.subject[spans.rows]
        kept = those[subjects]
        subjects = subjects[kept]
        if not isinstance(part, Count):
            self._see(first, subjects, spans.start[kept])
            self._see(first, subjects, spans.until[kept])
        elif part.span is not None and part.since is not None:
            self._see(first, subjects, after(part.since, self._crowd.day[spans.rows][kept]))

    def _see(self, first: Ints, subjects: Ints, days: Ints) -> None:
        """Keeps the first later day of each subject."""
        ahead = (days > self.day) & (days < NEVER)
        np.minimum.at(first, subjects[ahead], days[ahead])

    def marked(self, rows: Ints) -> Bools:
        """Marks the subjects of the rows."""
        found = np.zeros(self.subjects, dtype=np.bool_)
        found[self._crowd.subject[rows]] = True
        return found

    def count(self, rows: Ints) -> Ints:
        """Counts the rows of each subject."""
        return np.bincount(self._crowd.subject[rows], minlength=self.subjects)

    def on_list(self, name: str) -> Bools:
        """Marks the subjects that stand on a list."""
        return np.array([name in mine for mine in self._lists], dtype=np.bool_)

    def current(self, pattern: FactPattern) -> Spans:
        """Returns the stretches in which the day lies, without those that an excuse takes away."""
        spans = self.spans(pattern)
        current = (spans.start <= self.day) & (self.day < spans.until)
        found = Spans(spans.rows[current], spans.start[current], spans.until[current])
        if pattern.unless is None or not len(found.rows):
            return found
        kept = np.fromiter(self._unexcused(pattern, pattern.unless, found.rows), np.bool_, len(found.rows))
        return Spans(found.rows[kept], found.start[kept], found.until[kept])

    def _unexcused(self, pattern: FactPattern, excuse: Excuse, rows: Ints) -> Iterable[bool]:
        """Says of each row whether no other fact with the same value excuses it."""
        others: dict[tuple[int, Any], int] = {}
        for row, subject, value in self._shared(excuse, excuse.pattern, self.current(excuse.pattern).rows):
            if value is not None:
                # Rows rise with day and event.
                others[subject, value] = row
        for row, subject, value in self._shared(excuse, pattern, rows):
            other = others.get((subject, value), row)
            yield other == row or (excuse.is_later and other < row)

    def _shared(self, excuse: Excuse, pattern: FactPattern, rows: Ints) -> Iterable[tuple[int, int, Any]]:
        """Yields row, subject and the value that both facts of an excuse must share."""
        if len(rows):
            kind = self._crowd.kinds[pattern.kind]
            values = kind.texts(excuse.same, np.searchsorted(kind.rows, rows))
            yield from zip(rows.tolist(), self._crowd.subject[rows].tolist(), values, strict=True)

    def proofs(self, condition: Condition) -> tuple[dict[int, list[Match]], Bools]:
        """Returns the matches of each subject, as `matching.current` does, and the subjects where it must be asked."""
        if isinstance(condition, AnyOf):
            found: dict[int, list[Match]] = {}
            unsure = np.zeros(self.subjects, dtype=np.bool_)
            for part in condition.parts:
                more, are_unsure = self.proofs(part)
                unsure |= are_unsure
                for subject, matches in more.items():
                    found.setdefault(subject, []).extend(matches)
            return found, unsure
        may = self.bounds(condition).may
        if isinstance(condition, FactPattern) and _is_plain(condition):
            return self._matches(self.current(condition)), np.zeros_like(may)
        return {}, may

    def _matches(self, spans: Spans) -> dict[int, list[Match]]:
        found: dict[int, list[Match]] = {}
        columns = (self._crowd.subject, self._crowd.event_id, self._crowd.day)
        told = [*(of[spans.rows].tolist() for of in columns), spans.start.tolist(), spans.until.tolist()]
        for subject, event, day, start, until in zip(*told, strict=True):
            found.setdefault(subject, []).append(Match(start, until, day, (event,), (event,)))
        return found

    def spans(self, pattern: FactPattern) -> Spans:
        """Returns every stretch in which a fact matches, whatever names it.

        Penalties and links only take from it: a match of a penalised fact begins later and ends no later, but for
        `since`, which runs from its later beginning and is left out for it.
        """
        found = self._spans.get(id(pattern))
        if found is None:
            found = self._spans[id(pattern)] = self._stretches(pattern)
        return found

    def _stretches(self, pattern: FactPattern) -> Spans:
        rows = self.candidates(pattern)
        if not len(rows):
            return _NO_SPANS
        kind = self._crowd.kinds[pattern.kind]
        places = np.searchsorted(kind.rows, rows)
        start, until = self._crowd.day[rows], np.full(len(rows), NEVER, dtype=np.int64)
        if pattern.state is not None:
            start, until = stretch(kind, pattern.state, places, start)
        if pattern.is_statutory:
            voided = are_void(self.edition.usability, kind)[places]
            until = np.minimum(until, np.where(voided, self._crowd.day[rows], NEVER))
        else:
            until = np.minimum(until, self._ends[rows])
        if pattern.since is not None and pattern.penalised is None:
            until = np.minimum(until, after(pattern.since, start))
        kept = start < until
        return Spans(rows[kept], start[kept], until[kept])

    def candidates(self, pattern: FactPattern) -> Ints:
        """Returns the rows that pass the tests of a pattern, only the latest of each subject where it wants that."""
        rows = self._passing.get(id(pattern), _NO_ROWS)
        if not pattern.is_latest or not len(rows):
            return rows
        kind = self._crowd.kinds[pattern.kind]
        stated = self._happened[kind.rows]
        for test in pattern.tests:
            stated = stated & kind.states(test.field)
        found: Ints = np.intersect1d(self.latest(kind.rows[stated]), rows, assume_unique=True)
        return found

    def latest(self, rows: Ints) -> Ints:
        """Returns the last of each subject's rows; rows rise."""
        subjects = self._crowd.subject[rows]
        is_last = np.ones(len(rows), dtype=np.bool_)
        is_last[:-1] = subjects[1:] != subjects[:-1]
        found: Ints = rows[is_last]
        return found

    def operating_since(self, condition: Operated) -> Ints:
        """Returns the day of founding as last registered, else that of the first usable record; else NEVER."""
        usable = (self._ends > self.day) & self._happened
        found = np.full(self.subjects, NEVER, dtype=np.int64)
        for name in condition.shown_by or tuple(self._crowd.kinds):
            if name in self._crowd.kinds:
                rows = self._crowd.kinds[name].rows
                rows = rows[usable[rows]]
                np.minimum.at(found, self._crowd.subject[rows], self._crowd.day[rows])
        if "REG" in self._crowd.kinds:
            kind = self._crowd.kinds["REG"]
            rows = self.latest(kind.rows[kind.states("founded_date") & usable[kind.rows]])
            founded = kind.days("founded_date")[np.searchsorted(kind.rows, rows)]
            found[self._crowd.subject[rows]] = founded
        return found

    def _sort(self, kind: Kind, patterns: Sequence[FactPattern]) -> None:
        """Keeps the rows that pass each pattern."""
        happened, known = self._happened[kind.rows], Known()
        for pattern in patterns:
            rows = kind.rows[happened & passing(kind, pattern, known)]
            if len(rows):
                self._passing[id(pattern)] = rows


def stretch(kind: Kind, state: State, places: Ints, start: Ints) -> tuple[Ints, Ints]:
    """Returns the days [from, until) of some facts in the state, as `view.stretch` does it one by one."""
    if state.starts:
        start = np.full(len(places), NEVER, dtype=np.int64)
        for field in reversed(state.starts):
            stated = kind.days(field)[places]
            start = np.where(stated < NEVER, stated, start)
    if state.after is not None:
        start = after(state.after, start)
    until = np.full(len(places), NEVER, dtype=np.int64)
    for field, more in (*((name, 0) for name in state.until), *((name, 1) for name in state.through)):
        stated = kind.days(field)[places]
        until = np.minimum(until, np.where(stated < NEVER, stated + more, NEVER))
    if state.lingers is not None:
        until = np.where((start < until) & (until < NEVER), after(state.lingers, until), until)
    for field in state.absent:
        start = np.where(kind.days(field)[places] < NEVER, NEVER, start)
    return start, until


def _pattern(screen: Screen, pattern: FactPattern) -> Bounds:
    may = screen.marked(screen.current(pattern).rows)
    return Bounds(may, may if _is_plain(pattern) else np.zeros_like(may))


def _count(screen: Screen, count: Count) -> Bounds:
    may = screen.count(screen.current(count.pattern).rows) >= count.at_least
    is_exact = _is_plain(count.pattern) and count.span is None
    return Bounds(may, may if is_exact else np.zeros_like(may))


def _is_plain(pattern: FactPattern) -> bool:
    excuse = pattern.unless
    return pattern.penalised is None and not pattern.not_linked_to and (excuse is None or _is_plain(excuse.pattern))


def _all(screen: Screen, condition: AllOf) -> Bounds:
    may, must = zip(*(screen.bounds(part) for part in condition.parts), strict=True)
    return Bounds(np.logical_and.reduce(may), np.logical_and.reduce(must))


def _any(screen: Screen, conditions: Iterable[Condition]) -> Bounds:
    nobody = np.zeros(screen.subjects, dtype=np.bool_)
    both = [screen.bounds(condition) for condition in conditions]
    return Bounds(
        np.logical_or.reduce([nobody, *(one.may for one in both)]),
        np.logical_or.reduce([nobody, *(one.must for one in both)]),
    )


def _not(screen: Screen, condition: Not) -> Bounds:
    part = screen.bounds(condition.part)
    return Bounds(~part.must, ~part.may)


def _operated(screen: Screen, condition: Operated) -> Bounds:
    holds = after(condition.period, screen.operating_since(condition)) <= screen.day
    return Bounds(holds, holds)


def _listed(screen: Screen, condition: Listed) -> Bounds:
    stands = screen.on_list(condition.list)
    return Bounds(stands, stands)


def _finding_of(screen: Screen, condition: FindingOf) -> Bounds:
    rules = screen.edition.rules
    return _any(screen, [rule.when for rule in rules if rule.list == condition.list and rule.is_founded])


def _hard_record(screen: Screen, _condition: HardRecord) -> Bounds:
    hard = screen.edition.grading.hard_record
    return _any(screen, [] if hard is None else [hard])


def _always(screen: Screen, _condition: Always) -> Bounds:
    everybody = np.ones(screen.subjects, dtype=np.bool_)
    return Bounds(everybody, everybody)


_NO_ROWS = np.empty(0, dtype=np.int64)
_NO_SPANS = Spans(_NO_ROWS, _NO_ROWS, _NO_ROWS)
_BOUNDS: Mapping[type, Callable[[Screen, Any], Bounds]] = {
    FactPattern: _pattern,
    Count: _count,
    AllOf: _all,
    AnyOf: lambda screen, condition: _any(screen, condition.parts),
    Not: _not,
    Operated: _operated,
    Listed: _listed,
    FindingOf: _finding_of,
    HardRecord: _hard_record,
    Always: _always,
}
