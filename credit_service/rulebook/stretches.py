"""Which facts of a crowd match a pattern, and on which days, over arrays. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from credit_service.arrays import NEVER, Bools, Ints, after, one_of
from credit_service.ledger.crowd import Crowd, Kind
from credit_service.ledger.figures import ABSENT, DOMAIN_CODES, KIND_CODES
from credit_service.rulebook.condition import FactPattern, State, Test
from credit_service.rulebook.law import Edition
from credit_service.rulebook.passing import Known, passing
from credit_service.rulebook.usable import are_void


class Spans(NamedTuple):
    """Holds rows of facts and the days [start, until) on which each matches a pattern.

    `beside` holds the rows of the penalties that make the matches of a penalised pattern.
    """

    rows: Ints
    start: Ints
    until: Ints
    beside: Ints | None = None

    def some(self, kept: Bools | Ints) -> "Spans":
        """Keeps some of the spans."""
        beside = None if self.beside is None else self.beside[kept]
        return Spans(self.rows[kept], self.start[kept], self.until[kept], beside)


class Stretches:
    """Finds the stretches of the patterns of an edition on one day; each pattern is looked at once."""

    def __init__(self, edition: Edition, crowd: Crowd, unusable_from: Ints, as_of_day: int) -> None:
        """Takes facts, and the first day on which each may no longer be used."""
        self._edition, self._crowd, self._ends, self._day = edition, crowd, unusable_from, as_of_day
        self.happened: Bools = crowd.day <= as_of_day
        self._passing: dict[int, Ints] = {}
        self._known: dict[str, Known] = {}
        for name, kind in crowd.kinds.items():
            self._sort(kind, edition.law_sieve.patterns(name))
        self._spans: dict[int, Spans] = {}

    def passing_rows(self, pattern: int) -> Ints:
        """Returns the rows that pass a pattern, named by its identity, whatever their days and links."""
        return self._passing.get(pattern, _NO_ROWS)

    def spans(self, pattern: FactPattern) -> Spans:
        """Returns every stretch in which a fact matches, past, present and to come."""
        found = self._spans.get(id(pattern))
        if found is None:
            found = self._spans[id(pattern)] = self._every_span(pattern)
        return found

    def _every_span(self, pattern: FactPattern) -> Spans:
        rows = self._candidates(pattern)
        if not len(rows):
            return _NO_SPANS
        kind = self._crowd.kinds[pattern.kind]
        places = np.searchsorted(kind.rows, rows)
        start, until = self._crowd.day[rows], np.full(len(rows), NEVER, dtype=np.int64)
        if pattern.state is not None:
            start, until = stretch(kind, pattern.state, places, start)
        spans = Spans(rows, start, np.minimum(until, self._lasting(kind, places, is_statutory=pattern.is_statutory)))
        if pattern.penalised is not None:
            spans = self._penalised(spans, pattern.penalised, is_statutory=pattern.is_statutory)
        if pattern.since is not None:
            # What never is has no beginning from which time runs.
            ended = np.where(spans.start < spans.until, after(pattern.since, spans.start), NEVER)
            spans = spans._replace(until=np.minimum(spans.until, ended))
        return spans.some(spans.start < spans.until)

    def _lasting(self, kind: Kind, places: Ints, *, is_statutory: bool) -> Ints:
        """Returns the first day on which each of some facts no longer counts, its own day if it never did."""
        rows = kind.rows[places]
        if not is_statutory:
            return self._ends[rows]
        return np.where(are_void(self._edition.usability, kind)[places], self._crowd.day[rows], NEVER)

    def _penalised(self, spans: Spans, tests: Sequence[Test], *, is_statutory: bool) -> Spans:
        """Returns the stretches in which a penalty that passes the tests stands beside the fact."""
        kind = self._crowd.kinds.get(_PENALTY)
        if kind is None:
            return _NO_PENALISED
        # By place among the spans; and the penalties that name the fact come before the one that it names.
        place_of = np.full(len(self._crowd), ABSENT, dtype=np.int64)
        place_of[spans.rows] = np.arange(len(spans.rows))
        naming = kind.rows[self.happened[kind.rows] & (self._crowd.link[kind.rows] != ABSENT)]
        named = place_of[self._crowd.link[naming]]
        naming, named = naming[named != ABSENT], named[named != ABSENT]
        target = self._crowd.link[spans.rows]
        names = np.flatnonzero((target != ABSENT) & self.happened[target] & (self._crowd.kind[target] == _PENALTY_CODE))
        places, penalties = np.concatenate([named, names]), np.concatenate([naming, target[names]])
        order = np.argsort(places, kind="stable")
        places, penalties = places[order], penalties[order]
        among = np.searchsorted(kind.rows, penalties)
        kept = passing(kind, tests, self._known.setdefault(_PENALTY, {}))[among]
        places, penalties, among = places[kept], penalties[kept], among[kept]
        lasting = self._lasting(kind, among, is_statutory=is_statutory)
        return Spans(
            spans.rows[places], np.maximum(spans.start[places], self._crowd.day[penalties]),
            np.minimum(spans.until[places], lasting), penalties,
        )  # fmt: skip

    def _unlinked(self, rows: Ints, kinds: Sequence[str]) -> Ints:
        """Returns the rows that no record of these kinds names, and that name none."""
        codes = [KIND_CODES[kind] for kind in kinds]
        is_such = one_of(self._crowd.kind, codes) & self.happened
        target = self._crowd.link[rows]
        linked = (target != ABSENT) & is_such[target]
        naming = self._crowd.link[is_such]
        linked |= np.isin(rows, naming)
        unlinked: Ints = rows[~linked]
        return unlinked

    def _candidates(self, pattern: FactPattern) -> Ints:
        """Returns the rows that pass the tests of a pattern, only the latest of each subject where it wants that."""
        rows = self._passing.get(id(pattern), _NO_ROWS)
        if not len(rows):
            return rows
        if pattern.is_latest:
            rows = self._last_stated(pattern, rows)
        return self._unlinked(rows, pattern.not_linked_to) if pattern.not_linked_to else rows

    def _last_stated(self, pattern: FactPattern, rows: Ints) -> Ints:
        """Keeps of the rows the last of each subject that states every tested field."""
        kind = self._crowd.kinds[pattern.kind]
        stated = self.happened[kind.rows]
        for test in pattern.tests:
            stated = stated & kind.states(test.field)
        found: Ints = np.intersect1d(latest(self._crowd, kind.rows[stated]), rows, assume_unique=True)
        return found

    def _sort(self, kind: Kind, patterns: Sequence[FactPattern]) -> None:
        """Keeps the rows that pass each pattern."""
        happened, known = self.happened[kind.rows], self._known.setdefault(kind.name, {})
        for pattern in patterns:
            passed = happened & passing(kind, pattern.tests, known)
            if pattern.domain is not None:
                passed &= kind.domain == DOMAIN_CODES[pattern.domain]
            rows = kind.rows[passed]
            if len(rows):
                self._passing[id(pattern)] = rows


def latest(crowd: Crowd, rows: Ints) -> Ints:
    """Returns the last of each subject's rows; rows rise."""
    subjects = crowd.subject[rows]
    is_last = np.ones(len(rows), dtype=np.bool_)
    is_last[:-1] = subjects[1:] != subjects[:-1]
    found: Ints = rows[is_last]
    return found


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


_NO_ROWS = np.empty(0, dtype=np.int64)
_NO_SPANS = Spans(_NO_ROWS, _NO_ROWS, _NO_ROWS)
_NO_PENALISED = Spans(_NO_ROWS, _NO_ROWS, _NO_ROWS, _NO_ROWS)
_PENALTY = "PEN"
_PENALTY_CODE = KIND_CODES[_PENALTY]
