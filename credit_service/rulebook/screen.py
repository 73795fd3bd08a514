"""Looks at the conditions of an edition for many subjects at once, over arrays. Pure.

Each condition gets two answers a subject: whether it may hold, and whether it surely does. Where both say the same that
is the answer of `matching`; where they differ, and wherever a proof is wanted, `matching` looks at the one subject.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from credit_service.arrays import NEVER, Bools, Ints, after
from credit_service.ledger.crowd import Crowd
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
)
from credit_service.rulebook.law import Edition
from credit_service.rulebook.matching import Match
from credit_service.rulebook.stretches import Spans, Stretches, latest


class Bounds(NamedTuple):
    """Says by subject whether a condition may hold, and whether it surely does."""

    may: Bools
    must: Bools


class Screen:
    """Screens subjects by their facts on one day; the facts of each are sorted by day and event."""

    def __init__(
        self, edition: Edition, crowd: Crowd, unusable_from: Ints, as_of_day: int, lists: Sequence[Sequence[str]]
    ) -> None:
        """Takes facts, the first day on which each may no longer be used, and the lists on which subjects stand."""
        self.edition, self.subjects, self.day = edition, len(crowd.facts), as_of_day
        self._crowd, self._ends, self._lists = crowd, unusable_from, lists
        self._stretches = Stretches(edition, crowd, unusable_from, as_of_day)
        self._bounds: dict[int, Bounds] = {}
        self._current: dict[int, Spans] = {}
        self._since: dict[int, Ints] = {}

    def bounds(self, condition: Condition) -> Bounds:
        """Returns by subject whether the condition may hold on the day, and whether it surely does."""
        found = self._bounds.get(id(condition))
        if found is None:
            found = self._bounds[id(condition)] = _BOUNDS[type(condition)](self, condition)
        return found

    def next_days(self) -> Ints:
        """Returns by subject what `review.next_change_day` would, NEVER for none."""
        first = np.full(self.subjects, NEVER, dtype=np.int64)
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
            self._see_spans(first, part, self._stretches.spans(pattern), those)
        return first

    def _turning(self) -> Iterable[tuple[Condition, Bools]]:
        """Returns the parts of laws, each with the subjects whose facts can meet one of its laws."""
        wanted: dict[int, tuple[Condition, Bools]] = {}
        for needed, parts in self.edition.law_sieve.laws:
            those = [self._stretches.passing_rows(pattern) for pattern in needed]
            if not all(map(len, those)):
                continue
            met = np.ones(self.subjects, dtype=np.bool_)
            for rows in those:
                met &= self.marked(rows)
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
        known = self._current.get(id(pattern))
        if known is None:
            known = self._current[id(pattern)] = self._lying(pattern)
        return known

    def _lying(self, pattern: FactPattern) -> Spans:
        spans = self._stretches.spans(pattern)
        if not len(spans.rows):
            return spans
        found = spans.some((spans.start <= self.day) & (self.day < spans.until))
        if pattern.unless is None or not len(found.rows):
            return found
        return found.some(np.fromiter(self._unexcused(pattern, pattern.unless, found.rows), np.bool_, len(found.rows)))

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
        if isinstance(condition, FactPattern):
            return self._matches(self.current(condition)), np.zeros_like(may)
        return {}, may

    def _matches(self, spans: Spans) -> dict[int, list[Match]]:
        found: dict[int, list[Match]] = {}
        columns = (self._crowd.subject, self._crowd.event_id, self._crowd.day)
        told = [*(of[spans.rows].tolist() for of in columns), spans.start.tolist(), spans.until.tolist()]
        if spans.beside is None:
            for subject, event, day, start, until in zip(*told, strict=True):
                found.setdefault(subject, []).append(Match(start, until, day, (event,), (event,)))
            return found
        for (subject, event, day, start, until), other in zip(
            zip(*told, strict=True), self._crowd.event_id[spans.beside].tolist(), strict=True
        ):
            found.setdefault(subject, []).append(Match(start, until, day, (event,), tuple(sorted((event, other)))))
        return found

    def told(self, subject: int, spans: Spans) -> list[Match]:
        """Returns the matches of one subject among spans."""
        first, end = self._crowd.offsets[subject : subject + 2]
        start, stop = np.searchsorted(spans.rows, (first, end))
        return self._matches(spans.some(np.arange(start, stop))).get(subject, []) if start < stop else []

    def passes(self, subject: int, pattern: int) -> bool:
        """Says whether a fact of one subject passes a pattern, named by its identity."""
        rows = self._stretches.passing_rows(pattern)
        first, end = self._crowd.offsets[subject : subject + 2]
        start, stop = np.searchsorted(rows, (first, end))
        return bool(start < stop)

    def every_span(self, pattern: FactPattern) -> Spans:
        """Returns every stretch in which a fact matches, past, present and to come."""
        return self._stretches.spans(pattern)

    def operating_since(self, condition: Operated) -> Ints:
        """Returns the day of founding as last registered, else that of the first usable record; else NEVER."""
        found = self._since.get(id(condition))
        if found is None:
            found = self._since[id(condition)] = self._operating_since(condition)
        return found

    def _operating_since(self, condition: Operated) -> Ints:
        usable = (self._ends > self.day) & self._stretches.happened
        found = np.full(self.subjects, NEVER, dtype=np.int64)
        for name in condition.shown_by or tuple(self._crowd.kinds):
            if name in self._crowd.kinds:
                rows = self._crowd.kinds[name].rows
                rows = rows[usable[rows]]
                np.minimum.at(found, self._crowd.subject[rows], self._crowd.day[rows])
        if "REG" in self._crowd.kinds:
            kind = self._crowd.kinds["REG"]
            rows = latest(self._crowd, kind.rows[kind.states("founded_date") & usable[kind.rows]])
            founded = kind.days("founded_date")[np.searchsorted(kind.rows, rows)]
            found[self._crowd.subject[rows]] = founded
        return found


class ToldOf:
    """Tells of one subject what a screen knows of its patterns."""

    __slots__ = ("_screen", "_subject")

    def __init__(self, screen: Screen, subject: int) -> None:
        """Takes the screen, and the place of the subject."""
        self._screen, self._subject = screen, subject

    def passes(self, pattern: int) -> bool:
        """Says whether a fact passes a pattern."""
        return self._screen.passes(self._subject, pattern)

    def spans(self, pattern: FactPattern) -> list[Match]:
        """Returns every match of a pattern."""
        return self._screen.told(self._subject, self._screen.every_span(pattern))

    def standing(self, pattern: FactPattern) -> list[Match]:
        """Returns the matches that stand on the day of the screen."""
        return self._screen.told(self._subject, self._screen.current(pattern))

    def operating_since(self, condition: Operated) -> int | None:
        """Returns the day since which the subject operates."""
        since = int(self._screen.operating_since(condition)[self._subject])
        return None if since >= NEVER else since


def _pattern(screen: Screen, pattern: FactPattern) -> Bounds:
    found = screen.marked(screen.current(pattern).rows)
    return Bounds(found, found)


def _count(screen: Screen, count: Count) -> Bounds:
    # A fact counts once, however many penalties stand beside it.
    may = screen.count(np.unique(screen.current(count.pattern).rows)) >= count.at_least
    return Bounds(may, may if count.span is None else np.zeros_like(may))


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
