"""A view of one subject's facts on one day, indexed once by kind and by reference, when one is looked at. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from credit_service.arrays import NEVER
from credit_service.ledger.fact import Fact, Place, key, place_of
from credit_service.legal_days import parse_day
from credit_service.rulebook.condition import FactPattern, Operated, State
from credit_service.rulebook.law import Edition
from credit_service.rulebook.usable import is_void


class Told(Protocol):
    """Answers of one subject, without its facts, what `matching` would find by looking at them."""

    def passes(self, pattern: int) -> bool:
        """Says whether a fact passes a pattern, named by its identity."""

    def spans(self, pattern: FactPattern) -> list[Any]:
        """Returns every match of a pattern, past, present and to come."""

    def standing(self, pattern: FactPattern) -> list[Any]:
        """Returns the matches of a pattern that stand on the day and that nothing excuses."""

    def operating_since(self, condition: Operated) -> int | None:
        """Returns the day of founding as last registered, else that of the first usable record."""


class View:
    """Indexes the facts that had happened by the day, and until when each may be used."""

    __slots__ = (
        *("edition", "as_of_day", "lists", "spans", "matches", "told"),
        *("_facts", "_ends", "_by_kind", "_passing", "_unusable_from"),
        *("_by_key", "_referring", "_links_built", "_names"),
    )

    def __init__(
        self,
        edition: Edition,
        facts: Sequence[Fact],
        unusable_from: Sequence[int],
        as_of_day: int,
        lists: Iterable[str] = (),
        told: Told | None = None,
    ) -> None:
        """Takes facts in any order; `lists` names the lists on which the subject stands.

        What is told of the patterns of the law is not looked up in the facts.
        """
        self.edition, self.as_of_day, self.lists = edition, as_of_day, frozenset(lists)
        self._facts, self._ends, self.told = facts, unusable_from, told
        self._by_kind: dict[str, list[Fact]] | None = None
        self._unusable_from: dict[int, int] = {}
        # The facts that pass each pattern of the edition, by its identity; patterns that none passes are absent.
        self._passing: dict[int, list[Fact]] = {}
        self._by_key: dict[str, Fact] = {}
        self._referring: dict[str, list[Fact]] = {}
        self._links_built = False
        self._names: dict[int, str] | None = None
        # What `matching` found of each pattern, by its identity.
        self.spans: dict[int, Any] = {}
        # What it found of each rule, by its id.
        self.matches: dict[str, Any] = {}

    @property
    def days(self) -> list[int]:
        """Returns every day on which a fact, also one to come, begins or ends to count."""
        return [*(fact.day for fact in self._facts), *self._ends]

    @property
    def by_kind(self) -> dict[str, list[Fact]]:
        """Returns the facts of each kind, in the order of their places."""
        if self._by_kind is None:
            self._by_kind = self._index()
        return self._by_kind

    def _index(self) -> dict[str, list[Fact]]:
        found: dict[str, list[Fact]] = {}
        for fact, end in sorted(zip(self._facts, self._ends, strict=True), key=_age):
            if fact.day > self.as_of_day:
                break
            found.setdefault(fact.kind, []).append(fact)
            self._unusable_from[fact.event_id] = end
            for pattern in self.edition.sieve.of(fact):
                self._passing.setdefault(pattern, []).append(fact)
        return found

    @property
    def passing(self) -> Mapping[int, Sequence[Fact]]:
        """Returns the facts that pass each pattern, in their order."""
        return self._passing if self.by_kind else {}

    def passes(self, patterns: Collection[int]) -> bool:
        """Says whether facts pass all of some patterns, each named by its identity."""
        if self.told is not None:
            return all(map(self.told.passes, patterns))
        return self.passing.keys() >= set(patterns)

    def lasting(self, fact: Fact, is_statutory: bool) -> int:
        """Returns the first day on which the fact no longer counts, its own day if it never did."""
        if not is_statutory:
            return self._unusable_from[fact.event_id]
        return fact.day if is_void(self.edition.usability, fact) else NEVER

    def named(self, event_ids: tuple[int, ...]) -> tuple[str, ...]:
        """Returns the names of the records of some events, sorted."""
        if self._names is None:
            self._names = {fact.event_id: key(fact) for facts in self.by_kind.values() for fact in facts}
        return tuple(sorted(self._names[event_id] for event_id in event_ids))

    def penalties(self, fact: Fact) -> Iterable[Fact]:
        """Returns the penalties that name the fact or that it names, oldest first."""
        self._build_links()
        named = self._by_key.get(fact.refers_to or "")
        for penalty in self._referring.get(key(fact), ()):
            if penalty.kind == "PEN":
                yield penalty
        if named is not None and named.kind == "PEN":
            yield named

    def is_linked(self, fact: Fact, kinds: Sequence[str]) -> bool:
        """Says whether a record of these kinds names the fact or is named by it."""
        self._build_links()
        named = self._by_key.get(fact.refers_to or "")
        if named is not None and named.kind in kinds:
            return True
        return any(other.kind in kinds for other in self._referring.get(key(fact), ()))

    def _build_links(self) -> None:
        """Builds the references only when a rule asks for them."""
        if self._links_built:
            return
        self._links_built = True
        for facts in self.by_kind.values():
            for fact in facts:
                self._by_key[key(fact)] = fact
                if fact.refers_to is not None:
                    self._referring.setdefault(fact.refers_to, []).append(fact)


def _age(known: tuple[Fact, int]) -> Place:
    return place_of(known[0])


def stretch(state: State, fact: Fact) -> tuple[int, int]:
    """Returns the days [from, until) of the fact in the state; empty when it never is."""
    payload = fact.payload
    start = fact.day
    if any(name in payload for name in state.absent):
        return NEVER, NEVER
    if state.starts:
        stated = [payload[name] for name in state.starts if name in payload]
        if not stated:
            return NEVER, NEVER
        start = parse_day(stated[0])
    if state.after is not None:
        start = state.after.after(start)
    ends = [parse_day(payload[name]) for name in state.until if name in payload]
    ends += [parse_day(payload[name]) + 1 for name in state.through if name in payload]
    end = min(ends, default=NEVER)
    if state.lingers is not None and start < end < NEVER:
        end = state.lingers.after(end)
    return start, end
