"""Which facts of a kind pass a test, all at once, as the test says it of each. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from credit_service.arrays import Bools, one_of
from credit_service.ledger.crowd import Kind
from credit_service.ledger.figures import ABSENT
from credit_service.rulebook.condition import Between, Cites, Has, Mentions, OneOf, OtherThan, Test

# Tests that differ in nothing share their answer.
Known = dict[Test, Bools]
_WORDS, _NUMBERS = frozenset({"enum", "bool"}), frozenset({"int", "number"})


def passing(kind: Kind, tests: Iterable[Test], known: Known) -> Bools:
    """Marks the facts that pass every test."""
    found: Bools | None = None
    for test in tests:
        if test not in known:
            known[test] = _holds(kind, test)
        found = known[test] if found is None else found & known[test]
    return np.ones(len(kind.rows), dtype=np.bool_) if found is None else found


def _holds(kind: Kind, test: Test) -> Bools:
    lane = kind.lanes.get(test.field)
    look = _LOOKS.get((type(test), lane.form)) if lane is not None else None
    if look is None:
        return np.array([test.holds(payload) for payload in kind.payloads()], dtype=np.bool_)
    return look(kind, test)


def _coded(kind: Kind, field: str, values: Iterable[Any]) -> Bools:
    """Marks the facts that state one of the values."""
    lane, codes = kind.lanes[field], kind.codes(field)
    # A word of a closed list, or a mark, which is its own number.
    wanted = [lane.codes.get(value, ABSENT - 1) if isinstance(value, str) else int(value) for value in values]
    return one_of(codes, wanted)


def _numbered(kind: Kind, field: str, values: Sequence[Any]) -> Bools:
    return one_of(kind.numbers(field), [float(v) for v in values if not isinstance(v, str)])


def _one_of(kind: Kind, test: OneOf, states: Callable[[Kind, str, Sequence[Any]], Bools]) -> Bools:
    found = states(kind, test.field, test.values)
    return found if test.absent not in test.values else found | ~kind.states(test.field)


def _between(kind: Kind, test: Between) -> Bools:
    numbers = kind.numbers(test.field)
    is_absent = np.isnan(numbers)
    found = ~is_absent
    if test.low is not None:
        found &= numbers >= test.low
    if test.high is not None:
        found &= numbers <= test.high
    return found | is_absent if test.is_absent_meant else found


def _has(kind: Kind, test: Has) -> Bools:
    lane, marks = kind.lanes[test.field], kind.codes(test.field)
    wanted = sum(1 << code for word, code in lane.codes.items() if word in test.values)
    found: Bools = (marks != ABSENT) & ((marks & wanted) != 0)
    return found


def _cites(kind: Kind, test: Cites) -> Bools:
    part, known = test.article + "/", dict[str, bool]()
    found = []
    for articles in kind.texts(test.field):
        for article in articles or ():
            if article not in known:
                known[article] = article == test.article or article.startswith(part)
        found.append(any(map(known.__getitem__, articles or ())))
    return np.array(found, dtype=np.bool_)


def _mentions(kind: Kind, test: Mentions) -> Bools:
    texts = kind.texts(test.field)
    known = {text: any(word in text for word in test.words) for text in set(texts) if text is not None}
    return np.array([known.get(text, False) for text in texts], dtype=np.bool_)


_LOOKS: Mapping[tuple[type, str], Callable[[Kind, Any], Bools]] = {
    **{(OneOf, form): lambda kind, test: _one_of(kind, test, _coded) for form in _WORDS},
    **{(OneOf, form): lambda kind, test: _one_of(kind, test, _numbered) for form in _NUMBERS},
    **{(OtherThan, form): lambda kind, test: ~_coded(kind, test.field, test.values) for form in _WORDS},
    **{(OtherThan, form): lambda kind, test: ~_numbered(kind, test.field, test.values) for form in _NUMBERS},
    **{(Between, form): _between for form in _NUMBERS},
    (Has, "enums"): _has,
    (Cites, "compared"): _cites,
    (Mentions, "compared"): _mentions,
}
