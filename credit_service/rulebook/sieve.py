"""Sorts facts to the patterns whose kind, domain and tests they pass, and remembers what it has seen. Pure.

A pattern that no fact passes cannot match, today or later: most clauses are done with before they are looked at.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from credit_service.ledger.fact import Fact
from credit_service.ledger.payloads import PAYLOADS
from credit_service.rulebook.condition import (
    Condition,
    Count,
    FactPattern,
    Operated,
    needs,
    parts_of,
    passes,
)

# Fields with few possible values, which are compared themselves; of others only the outcomes of the tests are.
_CLOSED = ("enum", "bool")
_NONE: tuple[int, ...] = ()
# Sets of patterns that are remembered, at a kilobyte each.
REMEMBERED = 1_000


class Turning(NamedTuple):
    """Holds what may turn conditions as time goes by: patterns, windows of counts, terms."""

    patterns: tuple[FactPattern, ...]
    counts: tuple[Count, ...]
    terms: tuple[Operated, ...]


class Sieve:
    """Knows the patterns of an edition; each is named by its identity, as in `condition.needs`."""

    def __init__(self, laws: Iterable[Condition], points: Iterable[Condition]) -> None:
        """Takes the conditions of the law and of the rule score; the edition keeps them as long as the sieve lives."""
        # Of each law, what facts must pass before it can be met at all, and everything that it is made of.
        self.laws = tuple((needs(condition), tuple(parts_of(condition))) for condition in laws)
        parts = [part for _, parts in self.laws for part in parts] + [p for one in points for p in parts_of(one)]
        by_kind: dict[str, list[FactPattern]] = {}
        for pattern in {id(part): part for part in parts if isinstance(part, FactPattern)}.values():
            by_kind.setdefault(pattern.kind, []).append(pattern)
        self._turnings: dict[frozenset[int], Turning] = {}
        self._kinds = {kind: _Kind(kind, patterns) for kind, patterns in by_kind.items()}

    def of(self, fact: Fact) -> tuple[int, ...]:
        """Returns the patterns that the fact passes, whatever its days and its links."""
        kind = self._kinds.get(fact.kind)
        return _NONE if kind is None else kind.passed(fact.domain, fact.payload)

    def patterns(self, kind: str) -> Sequence[FactPattern]:
        """Returns the patterns of a kind."""
        known = self._kinds.get(kind)
        return () if known is None else known.patterns

    def turning(self, present: frozenset[int]) -> Turning:
        """Returns what may turn the laws that can be met where some facts pass these patterns, each part once."""
        found = self._turnings.get(present)
        if found is None:
            met = {id(part): part for need, parts in self.laws if need <= present for part in parts}.values()
            patterns = tuple(part for part in met if isinstance(part, FactPattern) and id(part) in present)
            counts = tuple(part for part in met if isinstance(part, Count) and id(part.pattern) in present)
            terms = tuple(part for part in met if isinstance(part, Operated))
            if len(self._turnings) >= REMEMBERED:
                self._turnings.clear()
            found = self._turnings[present] = Turning(patterns, counts, terms)
        return found


class _Kind:
    def __init__(self, kind: str, patterns: Sequence[FactPattern]) -> None:
        tests = dict.fromkeys(test for pattern in patterns for test in pattern.tests)
        closed = {name for name, field in PAYLOADS[kind].items() if field.form in _CLOSED}
        self.patterns = patterns
        self._words = tuple(dict.fromkeys(test.field for test in tests if test.field in closed))
        self._tests = tuple(test for test in tests if test.field not in closed)
        # Facts that are alike in every tested way pass the same patterns.
        self._seen: dict[tuple[Any, ...], tuple[int, ...]] = {}

    def passed(self, domain: str, payload: Mapping[str, Any]) -> tuple[int, ...]:
        alike = (domain, *map(payload.get, self._words), *[test.holds(payload) for test in self._tests])
        found = self._seen.get(alike)
        if found is None:
            passing = (p for p in self.patterns if p.domain in {None, domain} and passes(p.tests, payload))
            found = self._seen[alike] = tuple(id(pattern) for pattern in passing)
        return found
