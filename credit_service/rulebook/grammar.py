"""The grammar of conditions: reads a table of an edition into the values of `condition`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from credit_service.ledger.payloads import Field
from credit_service.rulebook.condition import (
    AllOf,
    Always,
    AnyOf,
    Between,
    Cites,
    Condition,
    Count,
    Excuse,
    FactPattern,
    FindingOf,
    HardRecord,
    Has,
    Listed,
    Mentions,
    Not,
    OneOf,
    Operated,
    OtherThan,
    State,
    Test,
)
from credit_service.rulebook.schema import Table
from credit_service.rulebook.vocabulary import ABSENT, DOMAINS, KINDS

LISTS = ("BLACK", "RED", "WATCH", "FIRE_SERIOUS", "JOINT_PUNISHMENT", "ALERT")

_PATTERN_KEYS = (
    *("domain", "where", "state", "since", "penalised", "standing", "latest"),
    *("not_linked_to", "unless"),
)

_STANDINGS = ("USABLE", "STATUTORY")

States = Mapping[str, State]


def read_states(table: Table) -> States:
    """Reads the named states, each of one kind, that patterns refer to as KIND state."""
    return {name: _state(table.table(name), name) for name in table.names()}


def _state(table: Table, name: str) -> State:
    kind = table.choice("kind", KINDS)
    dates = tuple(key for key, field in KINDS[kind].items() if field.form == "date")
    state = State(
        name=name,
        kind=kind,
        starts=table.choices("starts", dates, ()),
        after=table.period_or_none("after"),
        until=table.choices("until", dates, ()),
        through=table.choices("through", dates, ()),
        absent=table.choices("absent", dates, ()),
        lingers=table.period_or_none("lingers"),
    )
    table.finish(("kind", "starts", "after", "until", "through", "absent", "lingers"))
    return state


def read_condition(table: Table, states: States) -> Condition:
    """Reads one condition; exactly one of the leading words says which."""
    words = [word for word in _READERS if table.has(word)]
    if len(words) != 1:
        got = " and ".join(words) or ", ".join(table.names()) or None
        table.refuse("", got, f"exactly one of {', '.join(_READERS)}")
    condition = _READERS[words[0]](table, states)
    table.finish((*_READERS, *_PATTERN_KEYS))
    return condition


def _fact(table: Table, states: States) -> FactPattern:
    return _pattern(table, "fact", states)


def _pattern(table: Table, word: str, states: States) -> FactPattern:
    kind = table.choice(word, KINDS)
    return FactPattern(
        kind=kind,
        domain=table.choice("domain", DOMAINS) if table.has("domain") else None,
        tests=read_tests(table.table_or_empty("where"), kind),
        state=_named_state(table, kind, states),
        since=table.period_or_none("since"),
        penalised=read_tests(table.table("penalised"), "PEN") if table.has("penalised") else None,
        is_statutory=table.choice("standing", _STANDINGS, "USABLE") == "STATUTORY",
        is_latest=table.flag("latest", default=False),
        not_linked_to=table.choices("not_linked_to", KINDS, ()),
        unless=_excuse(table, kind, states) if table.has("unless") else None,
    )


def _named_state(table: Table, kind: str, states: States) -> State | None:
    if not table.has("state"):
        return None
    return states[table.choice("state", [name for name in states if states[name].kind == kind])]


def _excuse(table: Table, kind: str, states: States) -> Excuse:
    inner = table.table("unless")
    pattern = _pattern(inner, "fact", states)
    shared = [key for key in KINDS[kind] if key in KINDS[pattern.kind]]
    excuse = Excuse(pattern, inner.choice("same", shared), inner.flag("later", default=False))
    inner.finish(("fact", "same", "later", *_PATTERN_KEYS))
    return excuse


def _count(table: Table, states: States) -> Count:
    span = table.period_or_none("span")
    since = table.period_or_none("since")
    if span is None and since is None:
        table.refuse("span", None, "a period, or `since`, so that the count has a window")
    count = Count(_pattern(table, "count", states), table.whole("at_least", 2, 99), span, since)
    if span is None:
        return count
    # The window is rolling between the facts, so `since` dates the count and not each fact of it.
    return replace(count, pattern=replace(count.pattern, since=None))


def _all(table: Table, states: States) -> AllOf:
    return AllOf(_parts(table, "all", states))


def _any(table: Table, states: States) -> AnyOf:
    return AnyOf(_parts(table, "any", states))


def _parts(table: Table, word: str, states: States) -> tuple[Condition, ...]:
    parts = tuple(read_condition(part, states) for part in table.tables(word))
    if not parts:
        table.refuse(word, [], "at least one condition")
    return parts


def _not(table: Table, states: States) -> Not:
    return Not(read_condition(table.table("not"), states))


def _operated(table: Table, _states: States) -> Operated:
    return Operated(table.period("operated"), table.choices("shown_by", KINDS, ()))


def _listed(table: Table, _states: States) -> Listed:
    return Listed(table.choice("listed", ("BLACK",)))


def _finding_of(table: Table, _states: States) -> FindingOf:
    return FindingOf(table.choice("finding_of", LISTS))


def _hard_record(table: Table, _states: States) -> HardRecord:
    _want_true(table, "hard_record")
    return HardRecord()


def _always(table: Table, _states: States) -> Always:
    _want_true(table, "always")
    return Always()


def _want_true(table: Table, word: str) -> None:
    if not table.flag(word, default=True):
        table.refuse(word, False, "true (write `not` around it for the opposite)")


_READERS: Mapping[str, Callable[[Table, States], Condition]] = {
    "fact": _fact,
    "count": _count,
    "all": _all,
    "any": _any,
    "not": _not,
    "operated": _operated,
    "listed": _listed,
    "finding_of": _finding_of,
    "hard_record": _hard_record,
    "always": _always,
}


def read_tests(table: Table, kind: str) -> tuple[Test, ...]:
    """Reads the attribute matches of a kind: a value, a list, or a table with an operator."""
    tests = []
    for name in table.names():
        if name not in KINDS[kind]:
            table.check_word(name, name, KINDS[kind])
        tests.append(_test(table, name, KINDS[kind][name], ABSENT.get((kind, name))))
    table.finish()
    return tuple(tests)


def _test(table: Table, name: str, field: Field, absent: str | None) -> Test:
    value = table.raw(name, (str, int, float, bool, list, dict), "a value, a list or a table")
    operator = _OPERATORS.get(field.form)
    if isinstance(value, dict):
        if operator is None:
            table.refuse(name, value, _PLAIN.get(field.form, "no match: dates are read by states"))
        inner = table.within(name, value)
        test = operator.read(inner, name, field)
        inner.finish(operator.words)
        return test
    if field.form not in _PLAIN:
        words = " or ".join(operator.words) if operator else "nothing: dates are read by states"
        table.refuse(name, value, f"a table with {words}")
    values = tuple(value) if isinstance(value, list) else (value,)
    for item in values:
        _check_value(table, name, field, item)
    return OneOf(name, values, absent)


def _check_value(table: Table, name: str, field: Field, item: object) -> None:
    if field.form == "enum":
        table.check_word(name, item, sorted(field.values))
    elif field.form == "bool" and not isinstance(item, bool):
        table.refuse(name, item, _PLAIN["bool"])
    elif field.form == "text" and not isinstance(item, str):
        table.refuse(name, item, _PLAIN["text"])
    elif field.form == "int":
        is_whole = isinstance(item, int) and not isinstance(item, bool)
        if not is_whole or not field.least <= item <= field.most:  # type: ignore[operator]
            table.refuse(name, item, f"a whole number from {field.least:g} to {field.most:g}")


# Forms that a plain value or a list of values can match, and what such a value is.
_PLAIN: Mapping[str, str] = {
    "enum": "one of its values",
    "bool": "true or false",
    "text": "a text",
    "int": "a whole number",
}


class _Operator(NamedTuple):
    """Names the keys of an operator's table and reads it."""

    words: tuple[str, ...]
    read: Callable[[Table, str, Field], Test]


def _between(table: Table, name: str, _field: Field) -> Test:
    low, high = table.number("min"), table.number("max")
    if low is None and high is None:
        table.refuse("min", None, "a number, or `max`")
    if low is not None and high is not None and low > high:
        table.refuse("max", high, f"a number not below min, {low:g}")
    return Between(name, low, high, table.flag("or_absent", default=False))


def _mentions(table: Table, name: str, _field: Field) -> Test:
    return Mentions(name, table.texts("mentions"))


def _cites(table: Table, name: str, _field: Field) -> Test:
    return Cites(name, table.text("cites"))


def _has(table: Table, name: str, field: Field) -> Test:
    return Has(name, table.choices("has", sorted(field.values)))


def _other_than(table: Table, name: str, field: Field) -> Test:
    return OtherThan(name, table.choices("other_than", sorted(field.values)))


_OPERATORS: Mapping[str, _Operator] = {
    "int": _Operator(("min", "max", "or_absent"), _between),
    "number": _Operator(("min", "max", "or_absent"), _between),
    "text": _Operator(("mentions",), _mentions),
    "texts": _Operator(("cites",), _cites),
    "enums": _Operator(("has",), _has),
    "enum": _Operator(("other_than",), _other_than),
}
