"""Features: each case a sentence; alone as in a batch; monotone; constant until they say they change."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_service.arrays import NEVER
from credit_service.grades.columns import build, visible
from credit_service.grades.feature import ONE
from credit_service.grades.features import (
    BY_NAME,
    FEATURE_SET_HASH,
    FEATURES,
    Evidence,
    kinds_of,
    matrix,
    next_change_days,
    set_hash,
)
from credit_service.ledger.fact import Fact, place_of
from credit_service.legal_days import add_months
from tests.grades.conftest import AS_OF, LIVES, a_fact, laid

SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def value(name: str, *life: Fact, as_of: int = AS_OF) -> float:
    found = BY_NAME[name].function(visible(laid(list(life)), as_of), as_of)
    return float(found[0])


def penalty(months_ago: int, number: int = 0, *articles: str, days: int = 0, **payload: Any) -> Fact:
    day = add_months(AS_OF, -months_ago) - days
    return a_fact("PEN", day, number, articles=list(articles) or ["甲/1"], **payload)


PENALTIES = (penalty(1, 1), penalty(1, 2), penalty(13, 3), penalty(59, 4, "乙/1"), penalty(61, 5))


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("penalties_60m", 4),
        ("penalty_days_12m", 1),
        ("penalty_days_weighted", 1 + 0.5**0.5 + 0.5**2),
        ("penalty_quarters_60m", 3),
        ("months_since_penalty", 0),
        ("months_of_penalties", 57),
        ("provisions_60m", 2),
        ("provisions_at_once_60m", 1),
        ("repeat_penalties_60m", 2),
    ],
)
def test_penalties_are_counted_in_their_windows(name: str, want: float) -> None:
    assert value(name, *PENALTIES) == pytest.approx(want, abs=1e-15)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("penalties_60m", 0),
        ("months_since_penalty", 60),
        ("months_of_penalties", 0),
        ("months_since_harm", 60),
        ("harm_weighted", 0),
        ("violation_share_36m", 0.25),
        ("standard_level", 0),
        ("is_insured", 0),
        ("lapsed_licences", 0),
        ("headcount", np.nan),
    ],
)
def test_subject_without_records_has_the_value_of_silence(name: str, want: float) -> None:
    np.testing.assert_equal(value(name), float(want))


def test_penalty_of_the_same_day_under_the_same_provision_is_no_repeat() -> None:
    assert value("repeat_penalties_60m", penalty(5, 1), penalty(5, 2)) == 0
    assert value("repeat_penalties_60m", penalty(5, 1), penalty(4, 2), penalty(4, 3, "乙/1")) == 1


def test_repeat_looks_back_no_further_than_the_window() -> None:
    assert value("repeat_penalties_60m", penalty(61, 1), penalty(4, 2)) == 0


def test_serious_penalties_and_fines_end_after_36_months() -> None:
    life = [penalty(n, n, severity="SERIOUS", fine_fen=5_000_000) for n in (1, 35, 37)]
    assert value("serious_penalties_36m", *life) == 2
    assert value("fines_36m", *life) == 10.0


def test_accident_without_liability_counts_for_nothing() -> None:
    acquitted = a_fact("ACC", AS_OF, 1, victims=3, liability="NOT_LIABLE")
    open_case = a_fact("ACC", AS_OF, 2, victims=2)
    assert value("accidents_60m", acquitted) == value("casualties_60m", acquitted) == 0
    assert value("months_since_harm", acquitted) == 60
    assert value("accidents_60m", acquitted, open_case) == 1
    assert value("casualties_60m", acquitted, open_case) == 2


def test_harm_takes_accidents_and_notices_that_follow_one() -> None:
    life = [penalty(1, 1, is_accident_related=True), penalty(1, 2), a_fact("ACC", add_months(AS_OF, -30), 3)]
    assert value("harm_weighted", *life) == 1.5
    assert value("months_since_harm", *life) == 0


def a_hazard(number: int = 1, found_by: str = "AUTHORITY", level: str = "MAJOR", **dates: Any) -> Fact:
    return a_fact("HAZ", "2026-01-10", number, hazard_level=level, found_by=found_by, **dates)


@pytest.mark.parametrize(
    ("hazard", "overdue", "late"),
    [
        (a_hazard(due_date="2026-06-29"), 1, 1),
        (a_hazard(due_date="2026-06-30"), 0, 0),
        (a_hazard(due_date="2026-03-01", extended_due_date="2026-12-31"), 0, 0),
        (a_hazard(due_date="2026-03-01", closed_date="2026-03-01"), 0, 0),
        (a_hazard(due_date="2026-03-01", closed_date="2026-03-02"), 0, 1),
        (a_hazard(due_date="2026-03-01", level="GENERAL"), 0, 0),
        (a_hazard(due_date="2026-03-01", found_by="SELF"), 0, 0),
        (a_hazard(), 0, 0),
    ],
)
def test_hazards_are_overdue_after_their_due_day(hazard: Fact, overdue: int, late: int) -> None:
    assert (value("overdue_hazards", hazard), value("late_hazards_36m", hazard)) == (overdue, late)


def test_hazard_that_was_reported_and_closed_in_time_is_a_merit() -> None:
    assert (
        value("own_hazards_closed_12m", a_hazard(found_by="SELF", due_date="2026-02-01", closed_date="2026-02-01")) == 1
    )
    assert (
        value("own_hazards_closed_12m", a_hazard(found_by="SELF", due_date="2026-02-01", closed_date="2026-02-02")) == 0
    )


@pytest.mark.parametrize(("visits", "found"), [(0, 0), (1, 0), (1, 1), (3, 1), (17, 17), (240, 77)])
def test_share_of_violations_says_from_which_counts_it_comes(visits: int, found: int) -> None:
    life = [an_inspection(n, "MAJOR_VIOLATION" if n <= found else "CLEAN") for n in range(1, visits + 1)]
    note = BY_NAME["violation_share_36m"].note
    assert note is not None
    zh, en = note(value("violation_share_36m", *life), visits)
    if visits:
        assert f"检查{visits}次，其中{found}次发现违法" in zh
        assert en.startswith(f"{found} of {visits} inspections found a violation")
        assert (f"({found}+1)/({visits}+4)" in zh, f"({found}+1)/({visits}+4)" in en) == (True, True)
    else:
        assert ("无检查记录" in zh, "No inspection on record" in en) == (True, True)


def an_inspection(number: int, result: str, mode: str = "RANDOM") -> Fact:
    return a_fact("INS", "2026-03-01", number, result=result, mode=mode)


def test_inspections_share_and_draws() -> None:
    life = [an_inspection(1, "CLEAN"), an_inspection(2, "MAJOR_VIOLATION"), an_inspection(3, "CLEAN", "PLANNED")]
    assert value("visits_36m", *life) == 3
    assert value("violation_share_36m", *life) == 2 / 7
    assert value("clean_draws_12m", *life) == 1


def test_standing_counts_only_while_it_is_in_force() -> None:
    standard = a_fact("STD", "2025-01-01", 1, level=1, from_date="2025-01-01", to_date="2026-06-30")
    revoked = a_fact(
        "STD", "2025-01-01", 2, level=1, from_date="2025-01-01", to_date="2027-01-01", revoked_date="2026-06-30"
    )
    later = a_fact("POL", "2026-06-01", 3, from_date="2026-07-01", to_date="2027-06-30")
    assert value("standard_level", standard) == 3
    assert value("standard_level", standard, as_of=AS_OF + 1) == 0
    assert value("standard_level", revoked, a_fact("STD", "2026-01-01", 4, level=3)) == 1
    assert value("is_insured", later) == 0
    assert value("is_insured", later, as_of=AS_OF + 1) == 1


def a_licence(number: int, day: str, **payload: Any) -> Fact:
    licence: dict[str, Any] = {"licence_type": "许可", "is_mandatory": True} | payload
    return a_fact("LIC", day, number, **licence)


def test_last_record_of_a_licence_decides_whether_it_lapsed() -> None:
    expired = a_licence(1, "2023-01-01", to_date="2026-01-01")
    assert value("lapsed_licences", expired) == 1
    assert value("lapsed_licences", expired, a_licence(2, "2026-02-01", to_date="2029-01-01")) == 0
    assert value("lapsed_licences", a_licence(1, "2024-01-01"), a_licence(2, "2026-01-01", status="SUSPENDED")) == 1
    assert value("lapsed_licences", a_licence(1, "2023-01-01", to_date="2026-01-01", is_mandatory=False)) == 0
    assert value("lapsed_licences", expired, a_licence(2, "2026-02-01", licence_type="其他")) == 1


def test_bad_faith_orders_honours_and_headcount() -> None:
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("OBSTR", {}),
        ("COM", {"status": "BROKEN"}),
        ("COM", {"status": "KEPT"}),
        ("LICV", {}),
    ]
    life = [a_fact(kind, "2026-01-01", n, **payload) for n, (kind, payload) in enumerate(kinds)]
    orders = [a_fact("ORD", "2026-01-01", n, order_kind=kind) for n, kind in enumerate(("STOP_WORK", "RECTIFY"), 10)]
    sizes = [a_fact("REG", day, n, headcount=n) for n, day in ((20, "2025-01-01"), (21, "2026-01-01"))]
    unsized = a_fact("REG", "2026-05-01", 22)
    assert value("breaches_36m", *life) == 3
    assert value("stop_orders_36m", *orders) == 1
    assert value("honours_24m", a_fact("HON", "2026-01-01", 1), a_fact("HON", "2024-01-01", 2)) == 1
    assert value("headcount", *sizes, unsized) == 21


@SLOW
@given(st.lists(LIVES, min_size=1, max_size=5))
def test_subject_alone_equals_the_subject_in_a_batch(lives: list[list[Fact]]) -> None:
    together = matrix(visible(laid(*lives), AS_OF), AS_OF)
    for row, life in zip(together, lives, strict=True):
        np.testing.assert_array_equal(row, matrix(visible(laid(life), AS_OF), AS_OF)[0])


TURNED: dict[str, dict[str, Any]] = {
    "INS": {"result": "VIOLATION"},
    "COM": {"status": "BROKEN"},
    "PEN": {"severity": "SERIOUS", "fine_fen": 10**9, "is_accident_related": True},
    "ACC": {"liability": "LIABLE", "victims": 20},
}


def worsened(fact: Fact) -> Fact | None:
    """Turns one fact adverse, at equal exposure."""
    return fact._replace(payload={**fact.payload, **TURNED[fact.kind]}) if fact.kind in TURNED else None


def adverse(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> list[str]:
    """Names the features that got better."""
    signs = np.array([feature.sign for feature in FEATURES])
    return [f.name for f, step in zip(FEATURES, np.nan_to_num(after - before) * signs, strict=True) if step > 1e-12]


@SLOW
@given(LIVES, st.sampled_from(["PEN", "ACC", "OBSTR", "ORD"]), st.integers(AS_OF - 2000, AS_OF), st.booleans())
def test_adding_an_adverse_fact_improves_no_feature(life: list[Fact], kind: str, day: int, is_related: bool) -> None:
    payloads: dict[str, dict[str, Any]] = {
        "PEN": {"articles": ["甲/1"], "severity": "SERIOUS", "fine_fen": 100, "is_accident_related": is_related},
        "ACC": {"victims": 1},
        "ORD": {"order_kind": "CLOSE"},
        "OBSTR": {},
    }
    new = a_fact(kind, day, 99, **payloads[kind])
    before, after = (matrix(visible(laid(one), AS_OF), AS_OF)[0] for one in (life, [*life, new]))
    assert adverse(before, after) == []


@SLOW
@given(LIVES, st.data())
def test_turning_a_fact_adverse_improves_no_feature(life: list[Fact], data: st.DataObject) -> None:
    turnable = [n for n, fact in enumerate(life) if worsened(fact)]
    if not turnable:
        return
    place = data.draw(st.sampled_from(turnable))
    turned = [worsened(f) or f if n == place else f for n, f in enumerate(life)]
    before, after = (matrix(visible(laid(one), AS_OF), AS_OF)[0] for one in (life, turned))
    assert adverse(before, after) == []


@SLOW
@given(LIVES)
def test_reporting_a_hazard_oneself_worsens_no_feature(life: list[Fact]) -> None:
    own = a_fact("HAZ", "2026-01-10", 99, hazard_level="MAJOR", found_by="SELF", due_date="2026-02-01")
    before, after = (matrix(visible(laid(one), AS_OF), AS_OF)[0] for one in (life, [*life, own]))
    assert adverse(after, before) == []


@SLOW
@given(LIVES, st.lists(st.integers(1, 400), min_size=12, max_size=12), st.data())
def test_features_hold_still_until_the_day_they_name(life: list[Fact], ends: list[int], data: st.DataObject) -> None:
    ordered = sorted(life, key=place_of)
    usable = [AS_OF + end if end > 200 else NEVER for end in ends[: len(ordered)]]
    columns = build([ordered], [usable])
    now = visible(columns, AS_OF)
    change = next_change_days(now, AS_OF)[0]
    last = min(change or AS_OF + 900, AS_OF + 900) - 1
    for day in (last, data.draw(st.integers(AS_OF, last))):
        np.testing.assert_array_equal(matrix(now, AS_OF), matrix(visible(columns, day), day))


@SLOW
@given(LIVES)
def test_evidence_is_what_the_value_rests_on(life: list[Fact]) -> None:
    alone = Evidence(visible(laid(life), AS_OF), AS_OF)
    batch = Evidence(visible(laid([], life, [penalty(3, 900)], life), AS_OF), AS_OF)
    for feature in FEATURES:
        found = alone.of(0, feature.name)
        assert set(found) <= {f.event_id for f in life}
        assert batch.of(0, feature.name) == ()
        assert batch.of(1, feature.name) == batch.of(3, feature.name) == found
        if feature.sign == 0:
            continue
        silent, now = value(feature.name), value(feature.name, *life)
        without = value(feature.name, *(f for f in life if f.event_id not in found))
        assert found or (now - silent) * feature.sign >= 0
        assert (without - now) * feature.sign * (1 if now * feature.sign < silent * feature.sign else -1) >= 0


@SLOW
@given(LIVES)
def test_deleting_a_fact_that_is_no_evidence_of_a_feature_changes_it_by_nothing(life: list[Fact]) -> None:
    """Whoever is told the records behind a value is told all of them."""
    evidence = Evidence(visible(laid(life), AS_OF), AS_OF)
    for feature in FEATURES:
        found, now = evidence.of(0, feature.name), value(feature.name, *life)
        for gone in {fact.event_id for fact in life}.difference(found):
            left = value(feature.name, *(fact for fact in life if fact.event_id != gone))
            assert left == pytest.approx(now, nan_ok=True, abs=0), (feature.name, gone)


def test_all_records_of_a_mandatory_licence_are_behind_its_lapse_and_behind_there_being_none() -> None:
    old = a_fact("LIC", "2024-01-01", 1, licence_type="a", is_mandatory=True, to_date="2025-12-31")
    renewed = a_fact("LIC", "2025-12-01", 2, licence_type="a", to_date="2028-12-31")
    other = a_fact("LIC", "2024-01-01", 3, licence_type="b", to_date="2025-01-01")
    whole, without = (laid(life) for life in ([old, renewed, other], [old, other]))
    assert Evidence(visible(whole, AS_OF), AS_OF).of(0, "lapsed_licences") == (1, 2)
    assert Evidence(visible(without, AS_OF), AS_OF).of(0, "lapsed_licences") == (1,)
    assert (value("lapsed_licences", old, renewed, other), value("lapsed_licences", old, other)) == (0, 1)


@SLOW
@given(LIVES)
def test_a_feature_reads_the_kinds_that_it_names_and_no_others(life: list[Fact]) -> None:
    for feature in FEATURES:
        kept = [fact for fact in life if fact.kind in kinds_of([feature.name])]
        assert value(feature.name, *kept) == pytest.approx(value(feature.name, *life), nan_ok=True, abs=0)


def test_next_change_is_the_earliest_step_of_the_asked_features() -> None:
    columns = laid([penalty(11, 1)], [], [penalty(61, 2)])
    first = add_months(AS_OF, -11)
    assert next_change_days(columns, AS_OF, ["penalty_days_12m"]) == [add_months(first, 12), None, None]
    assert next_change_days(columns, AS_OF, ["penalties_60m"])[0] == add_months(first, 60)
    assert next_change_days(columns, AS_OF, ["overdue_hazards"]) == [None, None, None]


def test_next_change_is_the_first_day_that_a_fact_names_itself() -> None:
    due = a_hazard(due_date="2026-07-09")
    closing = a_hazard(due_date="2026-01-20", closed_date="2026-07-04")
    covered = a_fact("POL", "2026-01-01", 1, from_date="2026-07-02", to_date="2026-12-31")
    ending = a_fact("POL", "2026-01-01", 1, from_date="2026-01-01", to_date="2026-07-02")
    found = next_change_days(laid([due], [closing], [covered], [ending]), AS_OF, [])
    assert found == [AS_OF + 10, AS_OF + 4, AS_OF + 2, AS_OF + 3]


def test_next_change_is_the_day_on_which_a_record_may_no_longer_be_used() -> None:
    columns = build([[penalty(1, 1)]], [[AS_OF + 5]])
    assert next_change_days(columns, AS_OF) == [AS_OF + 5]


def test_every_feature_explains_itself() -> None:
    assert 15 <= len(FEATURES) <= 30
    assert len(BY_NAME) == len(FEATURES)
    for feature in FEATURES:
        assert feature.explanation.endswith(".")
        assert feature.name == getattr(feature.function, "__name__", "")
        assert feature.zh
        assert feature.en
        assert feature.sign in {-1, 0, 1}
    banned = ("region", "inspector", "agency", "organ", "person", "owner", "name")
    assert not [f.name for f in FEATURES if any(word in f.name for word in banned)]


def test_hash_of_the_features_changes_with_their_order() -> None:
    names = list(BY_NAME)
    assert set_hash(names) == FEATURE_SET_HASH
    assert set_hash(names[::-1]) != FEATURE_SET_HASH


def test_text_says_the_value_in_both_languages() -> None:
    feature = BY_NAME["penalties_60m"]
    assert feature.text(3.0) == ("近60个月行政处罚：3次", "Penalties in the past 60 months: 3 penalties")
    assert BY_NAME["headcount"].text(None) == ("从业人数：未知", "People employed: unknown")
    assert BY_NAME["is_insured"].text(1.0)[1].endswith("(1: yes): 1")


def test_one_of_a_unit_is_said_in_the_singular() -> None:
    """Each unit has its form, or none is wanted: a unit that a new feature brings must be thought of."""
    same = {"", "10,000 yuan", "of 3", "of visits"}
    assert {feature.unit for feature in BY_NAME.values()} == same | set(ONE)
    penalties = BY_NAME["penalties_60m"]
    said = [penalties.text(value)[1] for value in (0, 1, 1.5, 2)]
    assert [text.rpartition(": ")[2] for text in said] == ["0 penalties", "1 penalty", "1.5 penalties", "2 penalties"]
    assert BY_NAME["penalties_60m"].text(1)[0].endswith("1" + penalties.unit_zh)
