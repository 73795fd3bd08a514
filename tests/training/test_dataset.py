"""Point-in-time sets: only what was known, labels only of the year after, cut by what was published."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from credit_service.ledger.sources import Source, load_sources
from credit_service.legal_days import add_months, day_start, parse_day
from training import tw_osh
from training.data import gather, known_day
from training.dataset import TASKS, Sample, history, sample
from training.making import Held, sets
from training.recipe import RECIPES, load_recipe

T = parse_day("2022-06-30")
LIVE = Source("s", "USCC", "live", 0, "源", "source", None)
NAMES = ["penalties_60m", "accidents_60m"]


def an_event(record: str, day: int, published: int | None = None, version: int = 1, **rest: Any) -> dict[str, Any]:
    event = {
        "source": "s", "source_record_id": record, "source_version": version, "op": "ASSERT", "kind": "PEN",
        "domain": "WORK",
        "subject": {"scheme": "USCC", "code": "A"}, "occur_time": day_start(day).isoformat(),
        "payload": {"articles": ["甲/1"]},
    }  # fmt: skip
    if published is not None:
        event["source_publish_time"] = day_start(published).isoformat()
    return event | rest


def looked_at(*events: dict[str, Any], known_by: int = 10**6, task: str = "tw-b") -> Sample:
    held = history(gather(events, {"s": LIVE}))
    return sample(held, [TASKS["tw-b"], TASKS["tw-c"], TASKS["cn-main"]], T, known_by, NAMES)


OLD = an_event("old", T - 100, T - 30)


def test_features_use_only_what_was_known_on_the_cutoff() -> None:
    late = an_event("late", T - 50, T + 1)
    assert looked_at(OLD, late).features[0].tolist() == [1.0, 0.0]
    assert looked_at(OLD, an_event("in time", T - 50, T)).features[0].tolist() == [2.0, 0.0]


@pytest.mark.parametrize(
    ("day", "want"), [(T, False), (T + 1, True), (parse_day("2023-06-30"), True), (parse_day("2023-07-01"), False)]
)
def test_label_is_open_at_the_cutoff_and_closed_a_year_later(day: int, want: bool) -> None:
    found = looked_at(OLD, an_event("new", day, day + 70))
    assert found.labels["tw-c"].tolist() == [want]
    assert found.labels["tw-b"].tolist() == [False]


def test_label_is_cut_by_what_was_published_by_then() -> None:
    new = an_event("new", T + 300, T + 500)
    assert looked_at(OLD, new, known_by=T + 499).labels["tw-c"].tolist() == [False]
    assert looked_at(OLD, new, known_by=T + 500).labels["tw-c"].tolist() == [True]


def test_harm_is_an_accident_or_a_notice_that_follows_one() -> None:
    related = an_event("new", T + 9, payload={"articles": ["甲/1"], "is_accident_related": True})
    accident = an_event("new", T + 9, kind="ACC", payload={"accident_kind": "WORK"})
    assert looked_at(OLD, related).labels["tw-b"].tolist() == [True]
    assert looked_at(OLD, accident).labels["tw-b"].tolist() == [True]
    assert looked_at(OLD, accident).labels["tw-c"].tolist() == [False]


def test_penalty_for_an_earlier_accident_is_paperwork_and_no_label() -> None:
    registered = an_event("reg", T - 900, kind="REG", payload={})
    serious = {"articles": ["甲/1"], "severity": "SERIOUS"}
    held = [TASKS["cn-main"]]
    for payload, want in ((serious, True), (serious | {"is_accident_related": True}, False)):
        past = history(gather([registered, an_event("p", T + 9, payload=payload)], {"s": LIVE}))
        assert sample(past, held, T, 10**6, NAMES).labels["cn-main"].tolist() == [want]


def test_population_is_fixed_by_what_was_known_in_36_months() -> None:
    edge = add_months(T, -36)
    assert len(looked_at(an_event("a", edge - 50, edge))) == 0
    assert len(looked_at(an_event("a", edge - 50, edge + 1))) == 1
    assert len(looked_at(an_event("a", T - 50, T + 1))) == 0


def test_persons_are_left_out() -> None:
    person = OLD | {"subject": {"scheme": "USCC", "code": "A", "kind": "PERSON"}}
    assert len(looked_at(person)) == 0


def test_version_counts_until_the_next_is_known() -> None:
    first = an_event("acc", T - 90, T - 80, kind="ACC", payload={"accident_kind": "WORK"})
    acquitted = {"accident_kind": "WORK", "liability": "NOT_LIABLE"}
    for published, want in ((T, 0.0), (T + 1, 1.0)):
        second = an_event("acc", T - 90, published, 2, kind="ACC", payload=acquitted)
        assert looked_at(OLD, second, first).features[0].tolist() == [1.0, want]


def test_label_follows_the_last_version_known_by_then() -> None:
    registered = an_event("reg", T - 900, kind="REG", payload={})
    liable = {"accident_kind": "WORK", "liability": "LIABLE"}
    first = an_event("acc", T + 9, T + 20, kind="ACC", payload=liable)
    second = an_event("acc", T + 9, T + 200, 2, kind="ACC", payload=liable | {"liability": "NOT_LIABLE"})
    held = history(gather([registered, first, second], {"s": LIVE}))
    for known_by, want in ((T + 199, True), (T + 200, False)):
        found = sample(held, [TASKS["cn-main"]], T, known_by, NAMES)
        assert found.labels["cn-main"].tolist() == [want]


def test_withdrawn_record_is_gone_from_the_day_that_it_is_known() -> None:
    for published, want in ((T, 1.0), (T + 1, 2.0)):
        gone = an_event("gone", T - 90, published, 2, op="RETRACT", payload={})
        assert looked_at(OLD, an_event("gone", T - 90, T - 80), gone).features[0, 0] == want


def test_known_from_the_later_of_publication_and_declared_lag() -> None:
    slow = replace(LIVE, declared_lag_days=60)
    assert known_day(an_event("a", T), LIVE) == T
    assert known_day(an_event("a", T), slow) == T + 60
    assert known_day(an_event("a", T, T + 70), slow) == T + 70
    assert known_day(an_event("a", T, T - 1), LIVE) is None


@pytest.fixture(scope="module")
def tw() -> Held:
    held = history(gather(tw_osh.events(tw_osh.read()), load_sources()))
    return Held(held, held, {})


def test_public_records_give_the_population_of_the_yardsticks(tw: Held) -> None:
    built = sets(load_recipe(RECIPES / "tw_osh_pd.toml"), tw)
    assert len(built.test) == 10_751
    assert {name: int(label.sum()) for name, label in built.test.labels.items()} == {"tw-b": 139, "tw-c": 1_934}
    assert set(np.array(tw.test.kinds)[built.test.subject]) == {"ENTERPRISE", "SOLE_TRADER"}
    assert (built.fitting.cutoff < built.calibration.cutoff[0]).all()


def test_cutoff_that_had_not_matured_is_refused(tw: Held) -> None:
    recipe = replace(load_recipe(RECIPES / "tw_osh_pd.toml"), calibration_cutoff=parse_day("2021-01-01"))
    with pytest.raises(ValueError, match="cut-off 2021-01-01: matured on 2022-07-01"):
        sets(recipe, tw)


def test_rows_of_duplicates_and_early_notices_stay_out(tw: Held) -> None:
    assert len(tw.past.columns.day) == 59_206 - 14 - 6
    assert (tw.past.columns.known_day >= tw.past.columns.day).all()
