"""A crowd sees in figures what each fact says of itself, for every kind and every field, however it was read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from credit_service.arrays import NEVER
from credit_service.ledger.crowd import Crowd, Kind
from credit_service.ledger.fact import Fact, key
from credit_service.ledger.figures import ABSENT, DOMAIN_CODES, KINDS, LANES, Lane, PackedFacts, packs
from credit_service.ledger.payloads import PAYLOADS, Field
from credit_service.legal_days import day_text, parse_day

SETTINGS = settings(max_examples=80, deadline=None)
DAYS = st.integers(parse_day("1949-10-01"), parse_day("2200-12-31"))
TEXTS = st.sampled_from(["安全生产法/114", "安全生产法/114/2", "危险化学品经营许可证", "", "x"])
FORMS: Mapping[str, st.SearchStrategy[Any]] = {
    "date": DAYS.map(day_text), "bool": st.booleans(), "int": st.integers(0, 2**53),
    "number": st.floats(0, 10_000, allow_nan=False), "text": TEXTS, "texts": st.lists(TEXTS, min_size=1, max_size=3),
}  # fmt: skip


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """Returns values of the form of a field."""
    if field.values:
        words = st.sampled_from(sorted(field.values))
        return words if field.form == "enum" else st.lists(words, max_size=3, unique=True)
    return FORMS.get(field.form, TEXTS)


def _fact_of(kind: str) -> st.SearchStrategy[Fact]:
    payloads = st.fixed_dictionaries({}, optional={name: values_of(field) for name, field in PAYLOADS[kind].items()})
    names = st.none() | st.integers(0, 7).map(lambda n: f"s/R{n}")
    return st.builds(
        Fact, st.just(0), st.just("s"), st.just(""), st.just(1), st.just(kind), st.sampled_from(sorted(DOMAIN_CODES)),
        DAYS, DAYS, st.just("文号"), names, payloads,
    )  # fmt: skip


def _numbered(facts: list[Fact]) -> list[Fact]:
    # Numbers that need more than one lane.
    named = [fact._replace(event_id=n * 10**9 + 1, record_id=f"R{n}") for n, fact in enumerate(facts)]
    return sorted(named, key=lambda fact: (fact.day, fact.event_id))


FACTS = st.lists(st.sampled_from(KINDS).flatmap(_fact_of), max_size=8).map(_numbered)
CROWDS = st.lists(FACTS, max_size=5)


def stated(kind: Kind, lane: Lane, name: str) -> Sequence[Any]:
    """Returns what a crowd reads of a field, as the payloads say it."""
    words = {code: word for word, code in lane.codes.items()}
    if lane.form == "compared":
        return kind.texts(name)
    if lane.form == "date":
        return [None if day >= NEVER else day_text(day) for day in kind.days(name).tolist()]
    if lane.form in {"int", "number"}:
        return [None if np.isnan(number) else number for number in kind.numbers(name).tolist()]
    codes = kind.codes(name).tolist()
    if lane.form == "enums":
        return [None if n == ABSENT else [w for c, w in words.items() if n >> c & 1] for n in codes]
    return [None if n == ABSENT else bool(n) if lane.form == "bool" else words[n] for n in codes]


def said(payload: Mapping[str, Any], lane: Lane, name: str) -> Any:
    """Returns what a payload says of a field, as far as a crowd tells it apart."""
    value = payload.get(name)
    return sorted(value) if lane.form == "enums" and value is not None else value


@SETTINGS
@given(CROWDS)
@example([[Fact(1, "s", "R0", 1, "ACC", "WORK", 1, 1, "", None, {"deaths": 2**32 - 1})]])
def test_every_field_of_every_fact_is_read_as_it_is_stated(facts: list[list[Fact]]) -> None:
    crowd = Crowd(facts)
    every = [fact for mine in facts for fact in mine]
    assert [crowd.fact(row) for row in range(len(crowd))] == every
    assert [crowd.event_id.tolist(), crowd.day.tolist(), crowd.known_day.tolist()] == [
        [fact.event_id for fact in every], [fact.day for fact in every], [fact.known_day for fact in every]
    ]  # fmt: skip
    assert sorted(row for kind in crowd.kinds.values() for row in kind.rows.tolist()) == list(range(len(every)))
    for name, kind in crowd.kinds.items():
        mine = [every[row] for row in kind.rows.tolist()]
        assert [(fact.kind, DOMAIN_CODES[fact.domain]) for fact in mine] == [(name, n) for n in kind.domain.tolist()]
        for field in PAYLOADS[name]:
            assert kind.states(field).tolist() == [field in fact.payload for fact in mine], (name, field)
            lane = LANES[name].get(field)
            if lane is None:
                assert kind.texts(field) == [fact.payload.get(field) for fact in mine]
            else:
                assert stated(kind, lane, field) == [said(fact.payload, lane, field) for fact in mine], (name, field)


@SETTINGS
@given(CROWDS)
def test_links_are_the_facts_that_others_refer_to(facts: list[list[Fact]]) -> None:
    crowd, start = Crowd(facts), 0
    wanted = []
    for mine in facts:
        rows = {key(fact): start + place for place, fact in enumerate(mine)}
        wanted += [rows.get(fact.refers_to or "", ABSENT) for fact in mine]
        start += len(mine)
    assert crowd.link.tolist() == wanted


@SETTINGS
@given(CROWDS, st.lists(st.booleans(), min_size=5, max_size=5))
def test_a_crowd_is_the_same_whoever_of_it_is_packed(facts: list[list[Fact]], which: list[bool]) -> None:
    asked: list[list[str]] = []
    whole = {str(n): mine for n, mine in enumerate(facts)}

    def read(ids: Sequence[str]) -> Mapping[str, Sequence[Fact]]:
        asked.append(list(ids))
        return {i: whole[i] for i in ids}

    stored = [PackedFacts(i, mine.figures, mine.texts, read) for i, mine in packs(whole).items()]
    mixed: list[Sequence[Fact]] = [a if is_packed else b for a, b, is_packed in zip(stored, facts, which, strict=False)]
    alone = [packs({i: mine})[i] for i, mine in whole.items()]
    assert [(mine.figures, mine.texts) for mine in alone] == [(mine.figures, mine.texts) for mine in stored]
    plain, crowd = Crowd(facts), Crowd(mixed)
    assert crowd.figures.tolist() == plain.figures.tolist()
    assert [list(texts) for texts in crowd.texts] == [list(texts) for texts in plain.texts]
    assert [mine.last_day for mine in stored] == [mine[-1].day if mine else 0 for mine in facts]
    assert asked == []
    PackedFacts.read(mixed)
    PackedFacts.read(mixed)
    wanted = [i for i, is_packed in zip(whole, which, strict=False) if is_packed]
    assert asked == ([wanted] if wanted else [])
    assert [list(mine) for mine in mixed] == facts
