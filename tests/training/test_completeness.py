"""What is not reported: groups with too few light accidents, by figures worked out by hand, and silent sources."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest
from scipy.stats import binom, poisson

from credit_service.ledger.sources import Source
from credit_service.legal_days import day_start, day_text, parse_day
from training.completeness import QUARTER, reporting, silence
from training.data import gather
from training.dataset import History, history
from training.pages import page

T = parse_day("2026-06-30")
SOURCES = {
    name: Source(name, "USCC", "backfill", 0, "源", "source", None, days) for name, days in (("s", 31), ("quiet", None))
}
_RECORDS = count(1)
NOTHING: Mapping[str, Any] = {}


def an_event(code: str, kind: str, day: int, source: str = "s", payload: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
    return {
        "source": source, "source_record_id": f"R-{next(_RECORDS)}", "source_version": 1, "kind": kind,
        "domain": "WORK",
        "subject": {"scheme": "USCC", "code": code}, "occur_time": day_start(day).isoformat(), "payload": dict(payload),
    }  # fmt: skip


def firms(
    region: str, n: int, people: int, light: int, fatal: int, claims: int, founded: int = T - 4_000
) -> Iterator[Any]:
    """Builds firms of a district; each of the first ones has one of everything."""
    for number in range(n):
        code = f"{region}-{number}"
        told = {
            "headcount": people,
            "supervising_region": region,
            "industry_code": "C2611",
            "founded_date": day_text(founded),
        }
        yield an_event(code, "REG", founded, payload=told)
        for kind, many, payload in (("ACC", light, {"deaths": 0}), ("ACC", fatal, {"deaths": 1}), ("CLM", claims, {})):
            if number < many:
                yield an_event(code, kind, T - 100 - number, payload=payload)


def a_history(*events: Any) -> History:
    return history(gather(events, SOURCES))


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """Two districts of the same size and the same fatal accidents; the second is five times as quiet."""
    return reporting(a_history(*firms("110101", 400, 100, 100, 10, 50), *firms("110102", 400, 100, 20, 10, 50)), T)


def test_expected_is_what_exposure_fatal_accidents_and_claims_let_expect(told: dict[str, Any]) -> None:
    assert (told["light"], told["fatal"], told["claims"]) == (120, 20, 100)
    assert (told["from"], told["to"]) == ("2024-07-01", "2026-06-30")
    quiet = told["district"]["110102"]
    days = T - parse_day("2024-06-30")
    assert quiet["person_years"] == pytest.approx(400 * 100 * days / 365.25)
    assert {name: quiet[name]["expected"] for name in ("by_exposure", "by_fatal", "by_claims")} == pytest.approx(
        {"by_exposure": 60, "by_fatal": 60, "by_claims": 60}
    )
    assert quiet["by_exposure"]["sureness"] == pytest.approx(1 - float(poisson.cdf(20, 60)))
    assert quiet["by_fatal"]["sureness"] == pytest.approx(1 - float(binom.cdf(20, 30, 120 / 140)))
    assert quiet["by_claims"]["sureness"] == pytest.approx(1 - float(binom.cdf(20, 70, 120 / 220)))


def test_quiet_district_is_told_and_the_open_one_is_not(told: dict[str, Any]) -> None:
    alarms = {
        name: [measure for measure in ("by_exposure", "by_fatal", "by_claims") if one[measure]["is_alarm"]]
        for name, one in told["district"].items()
    }
    # Ten fatal accidents are too few to be sure by.
    assert alarms == {"110101": [], "110102": ["by_exposure", "by_claims"]}
    assert told["industry"]["C"]["by_exposure"]["observed_to_expected"] == pytest.approx(1)
    assert set(told["size"]["50 to 299"]) == {"n", "person_years", "light", "fatal", "claims", "by_fatal", "by_claims"}


def test_exposure_counts_people_only_while_the_firm_was_there() -> None:
    young = reporting(a_history(*firms("110101", 1, 73, 1, 0, 0, founded=T - 365)), T)["district"]["110101"]
    assert young["person_years"] == pytest.approx(73 * 365 / 365.25)
    assert "by_fatal" not in young
    assert "by_claims" not in young


def test_what_cannot_be_measured_is_absent() -> None:
    events = [an_event("a", "REG", T - 900), an_event("a", "ACC", T - 90, payload={"deaths": 0})]
    (found,) = reporting(a_history(*events), T)["size"].values()
    assert found == {"n": 1, "person_years": 0, "light": 1, "fatal": 0, "claims": 0}


def test_accidents_outside_the_two_years_do_not_count() -> None:
    begin = parse_day("2024-06-30")
    days = (begin, begin + 1, T, T + 1)
    found = reporting(
        a_history(an_event("a", "REG", T - 3_000), *(an_event("a", "ACC", day, payload={"deaths": 0}) for day in days)),
        T,
    )
    assert found["light"] == 2


def test_accident_whose_dead_nobody_counted_is_neither_light_nor_fatal() -> None:
    found = reporting(a_history(an_event("a", "REG", T - 900), an_event("a", "ACC", T - 90, payload={"victims": 1})), T)
    assert (found["light"], found["fatal"]) == (0, 0)


def test_source_is_silent_after_its_agreed_days_unless_it_says_that_it_is_complete() -> None:
    days = [*range(T - QUARTER - 365, T - QUARTER, 5), T - 40]
    held = a_history(*(an_event(f"f{day}", "PEN", day) for day in days), an_event("q", "PEN", T - 300, "quiet"))
    found = silence(held, SOURCES, T)
    assert (found["s"]["days_since_last"], found["s"]["interval_days"], found["s"]["is_silent"]) == (40, 31, True)
    assert (found["s"]["quarter"], found["s"]["year_before"]) == (1, 72)
    assert found["s"]["expected"] == pytest.approx(72 * 91 / 365)
    assert found["s"]["is_alarm"]
    assert found["quiet"]["is_silent"] is None, "nothing was agreed"
    assert not silence(held, SOURCES, T - 10)["s"]["is_silent"]
    sign = {"source": "s", "is_stale": False, "complete_until_time": day_start(T).isoformat()}
    assert not silence(held, SOURCES, T, [sign])["s"]["is_silent"]
    assert silence(held, SOURCES, T, [{**sign, "is_stale": True}])["s"]["is_silent"]


def test_steady_source_gives_no_alarm() -> None:
    held = a_history(*(an_event(f"f{day}", "PEN", day) for day in range(T - QUARTER - 365, T, 5)))
    found = silence(held, SOURCES, T)["s"]
    assert (found["is_alarm"], found["is_silent"]) == (False, False)
    assert found["observed_to_expected"] == pytest.approx(1, rel=0.05)


def test_page_shows_who_reports_too_little_and_who_is_silent(told: dict[str, Any]) -> None:
    held = a_history(an_event("f", "PEN", T - 40), an_event("q", "PEN", T - 300, "quiet"))
    by_reason = {"<EVIDENCE>": {"n": 3, "known": 2, "harmed": 1, "agreed": 1, "agreed_expected": 0.75}}
    ledger = {
        "as_of": "2026-06-30", "reporting": told, "sources": silence(held, SOURCES, T),
        "overrides": {"in_force": 3, "share": 0.125, "by_reason": by_reason, "by_direction": {}},
    }  # fmt: skip
    text = page({"model": "m", "is_simulated": False, "tasks": {}, "ledger": ledger})
    assert "<td>district 110102</td><td>400</td><td>20</td><td>10</td><td>50</td><td>0.3333</td>" in text
    assert "<td>by_exposure, by_claims</td>" in text
    assert "<td>s</td><td>1</td><td>–</td><td>–</td><td>40</td><td>31</td><td>silent</td>" in text
    assert "<td>by_reason &lt;EVIDENCE&gt;</td><td>3</td><td>2</td><td>1</td><td>1</td><td>0.75</td>" in text
    assert "In force: 3 (0.125 of the graded)" in text
