"""The condition language: small typed values that say what must be in the facts.

FactPattern   a fact of a kind with certain attributes, in a state, recently, penalised …
Count         at least n such facts, within a rolling span or looking back
AllOf, AnyOf, Not, Operated, Listed, FindingOf, HardRecord, Always
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from credit_service.legal_days import Period

NOTHING: frozenset[int] = frozenset()

Value = str | int | bool


@dataclass(frozen=True, slots=True)
class OneOf:
    """Holds when the field, or what its absence stands for, is one of the values."""

    field: str
    values: tuple[Value, ...]
    absent: str | None = None

    def holds(self, payload: Mapping[str, Any]) -> bool:
        """Says whether the payload passes."""
        return payload.get(self.field, self.absent) in self.values


@dataclass(frozen=True, slots=True)
class OtherThan:
    """Holds when the field is absent or none of the values."""

    field: str
    values: tuple[Value, ...]

    def holds(self, payload: Mapping[str, Any]) -> bool:
        """Says whether the payload passes."""
        return payload.get(self.field) not in self.values


@dataclass(frozen=True, slots=True)
class Between:
    """Holds when the field is a number within the limits, both included, or absent where that is meant too."""

    field: str
    low: float | None
    high: float | None
    is_absent_meant: bool = False

    def holds(self, payload: Mapping[str, Any]) -> bool:
        """Says whether the payload passes."""
        value = payload.get(self.field)
        if value is None:
            return self.is_absent_meant
        if self.low is not None and value < self.low:
            return False
        return self.high is None or value <= self.high


@dataclass(frozen=True, slots=True)
class Has:
    """Holds when the list contains one of the values."""

    field: str
    values: tuple[str, ...]

    def holds(self, payload: Mapping[str, Any]) -> bool:
        """Says whether the payload passes."""
        return any(value in self.values for value in payload.get(self.field, ()))


@dataclass(frozen=True, slots=True)
class Cites:
    """Holds when one of the articles is the given one or a part of it (`a/1` covers `a/1/2`)."""

    field: str
    article: str

    def holds(self, payload: Mapping[str, Any]) -> bool:
        """Says whether the payload passes."""
        part = self.article + "/"
        return any(cited == self.article or cited.startswith(part) for cited in payload.get(self.field, ()))


@dataclass(frozen=True, slots=True)
class Mentions:
    """Holds when the text contains one of the words."""

    field: str
    words: tuple[str, ...]

    def holds(self, payload: Mapping[str, Any]) -> bool:
        """Says whether the payload passes."""
        text = payload.get(self.field, "")
        return any(word in text for word in self.words)


Test = OneOf | OtherThan | Between | Has | Cites | Mentions


@dataclass(frozen=True, slots=True)
class State:
    """Describes a stretch of a record's life by its own dates, such as an overdue hazard.

    It begins on the first stated of `starts` (the fact's day when none is named) moved by `after`,
    and ends before the earliest of `until` or after the earliest of `through`. Without a stated
    start, or with a date of `absent`, it never is. A stretch that was at all goes on for `lingers`.
    """

    name: str
    kind: str
    starts: tuple[str, ...]
    after: Period | None
    until: tuple[str, ...]
    through: tuple[str, ...]
    absent: tuple[str, ...] = ()
    lingers: Period | None = None


@dataclass(frozen=True, slots=True)
class Excuse:
    """Excuses a fact while another of the kind is in the state and has the same field value.

    `is_later` wants the other to have happened later: an older licence is no answer to its own revocation.
    """

    pattern: "FactPattern"
    same: str
    is_later: bool = False


@dataclass(frozen=True, slots=True)
class FactPattern:
    """Matches each fact of a kind that passes every test, as long as it may be used.

    `penalised` wants a penalty that passes the tests and names the fact, or that the fact names.
    `since` ends the match that long after it began. A statutory pattern also counts records that
    are repaired or past their publicity. `is_latest` looks only at the last fact that states every
    tested field.
    """

    kind: str
    domain: str | None = None
    tests: tuple[Test, ...] = ()
    state: State | None = None
    since: Period | None = None
    penalised: tuple[Test, ...] | None = None
    is_statutory: bool = False
    is_latest: bool = False
    not_linked_to: tuple[str, ...] = ()
    unless: Excuse | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """Matches `at_least` facts of a pattern.

    With `span` they lie in one rolling window [d, d + span) from the earliest, and `since` ends the
    match that long after the last of them; without it each lies within the pattern's own `since`.
    """

    pattern: FactPattern
    at_least: int
    span: Period | None
    since: Period | None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Matches when every part does."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Matches as often as any part does."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Matches, without proof, when the part does not."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class Operated:
    """Matches when the subject is known to have operated that long.

    The day of founding decides, else the first usable record of the kinds named in `shown_by` (any
    if empty).
    """

    period: Period
    shown_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """Matches, without proof, while the caller says that the subject stands on the list."""

    list: str


@dataclass(frozen=True, slots=True)
class FindingOf:
    """Matches whatever the founded rules of a list find."""

    list: str


@dataclass(frozen=True, slots=True)
class HardRecord:
    """Matches what the edition calls a hard record."""


@dataclass(frozen=True, slots=True)
class Always:
    """Matches, without proof, whatever the facts are."""


Condition = FactPattern | Count | AllOf | AnyOf | Not | Operated | Listed | FindingOf | HardRecord | Always


def passes(tests: tuple[Test, ...], payload: Mapping[str, Any]) -> bool:
    """Says whether the payload passes every test."""
    for test in tests:  # noqa: SIM110 - a loop is a third faster than all() on the hottest line of ingestion
        if not test.holds(payload):
            return False
    return True


def parts_of(condition: Condition) -> Iterator[Condition]:
    """Yields the condition and everything that it is made of, the patterns of excuses too."""
    yield condition
    match condition:
        case FactPattern(unless=unless):
            yield from () if unless is None else parts_of(unless.pattern)
        case Count(pattern=pattern):
            yield from parts_of(pattern)
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from parts_of(part)
        case Not(part=part):
            yield from parts_of(part)
        case _:
            return


def needs(condition: Condition) -> frozenset[int]:
    """Returns the patterns, by their identity, that facts must pass before the condition can match at all."""
    match condition:
        case FactPattern():
            return frozenset({id(condition)})
        case Count(pattern=pattern):
            return needs(pattern)
        case AllOf(parts=parts):
            return NOTHING.union(*(needs(part) for part in parts))
        case AnyOf(parts=parts):
            return frozenset.intersection(*(needs(part) for part in parts))
        case _:
            return NOTHING
