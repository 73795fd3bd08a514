"""Tests of payloads are answered for a crowd as they are for each fact, in every form that a field has."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from credit_service.ledger.crowd import Crowd
from credit_service.ledger.fact import Fact
from credit_service.ledger.payloads import PAYLOADS, Field
from credit_service.rulebook.condition import Between, Cites, Has, Mentions, OneOf, OtherThan, Test, passes
from credit_service.rulebook.passing import passing
from tests.ledger.test_figures import CROWDS, SETTINGS, values_of

NUMBERS = st.none() | st.integers(0, 10**9) | st.floats(0, 10_000, allow_nan=False)
PARTS = st.sampled_from(["安全生产法", "安全生产法/114", "危险", "x"])


def some_tests(name: str, field: Field) -> st.SearchStrategy[Test]:
    """Returns tests that an edition may ask of a field."""
    if field.form in {"enums", "texts", "codes"}:
        part = st.sampled_from(sorted(field.values)) if field.values else PARTS
        has = st.builds(Has, st.just(name), st.tuples(part, part))
        return has if field.form == "enums" else has | st.builds(Cites, st.just(name), PARTS)
    value = values_of(field)
    one = st.builds(OneOf, st.just(name), st.tuples(value, value), st.none() | value)
    tests: st.SearchStrategy[Test] = one | st.builds(OtherThan, st.just(name), st.tuples(value))
    if field.form in {"int", "number"}:
        return tests | st.builds(Between, st.just(name), NUMBERS, NUMBERS, st.booleans())
    return tests | st.builds(Mentions, st.just(name), st.tuples(PARTS)) if field.form == "text" else tests


@SETTINGS
@given(CROWDS, st.data())
def test_a_crowd_passes_as_each_of_it_does(facts: list[list[Fact]], data: st.DataObject) -> None:
    crowd = Crowd(facts)
    for name, kind in crowd.kinds.items():
        wanted: list[Test] = data.draw(st.lists(_some(name), min_size=1, max_size=3))
        payloads: list[Any] = [crowd.fact(row).payload for row in kind.rows.tolist()]
        assert passing(kind, wanted, {}).tolist() == [passes(tuple(wanted), payload) for payload in payloads]


def _some(kind: str) -> st.SearchStrategy[Test]:
    return st.sampled_from(sorted(PAYLOADS[kind])).flatmap(lambda name: some_tests(name, PAYLOADS[kind][name]))
