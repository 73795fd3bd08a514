"""Drift that lasts: counted over evaluations far enough apart, of one version, and broken by a single quiet one."""

import json
from pathlib import Path
from typing import Any

import pytest

from credit_service.errors import CreditError, Reason
from credit_service.legal_days import day_text, parse_day
from training.lasting import lasting, read_reports
from training.monitoring import DRIFT_POLICY

NOW, MONTH = parse_day("2026-10-31"), 30
ABOVE, BELOW = {"psi": 0.05, "floor": 0.02}, {"psi": 0.01, "floor": 0.02}


def drift(score: dict[str, float], feature: dict[str, float] = BELOW) -> dict[str, Any]:
    return {"score": score | {"is_alarm": False}, "features": {"harm": feature | {"is_alarm": False}}}


def run_of(*latest_first: dict[str, float], apart: int = MONTH) -> tuple[int, bool]:
    earlier = [(NOW - apart * n, drift(one)) for n, one in enumerate(latest_first)][1:]
    found = lasting(drift(latest_first[0]), NOW, earlier)["score"]
    return found["periods_above_floor"], found["is_lasting"]


def test_policy_is_three_evaluations_a_month_apart() -> None:
    assert (DRIFT_POLICY["periods"], DRIFT_POLICY["least_days_apart"]) == (3, 28)


@pytest.mark.parametrize(
    ("latest_first", "wanted"),
    [
        ((ABOVE,), (1, False)),
        ((ABOVE, ABOVE), (2, False)),
        ((ABOVE, ABOVE, ABOVE), (3, True)),
        ((ABOVE, ABOVE, ABOVE, ABOVE), (4, True)),
        ((ABOVE, ABOVE, BELOW, ABOVE), (2, False)),
        ((BELOW, ABOVE, ABOVE, ABOVE), (0, False)),
        (({"psi": 0.02, "floor": 0.02}, ABOVE, ABOVE), (0, False)),
    ],
)
def test_run_ends_at_the_first_quiet_evaluation(
    latest_first: tuple[dict[str, float], ...], wanted: tuple[int, bool]
) -> None:
    assert run_of(*latest_first) == wanted


def test_evaluations_too_close_to_each_other_count_once() -> None:
    assert run_of(ABOVE, ABOVE, ABOVE, apart=27) == (2, False), "27 days are too few, 54 are enough"
    assert run_of(ABOVE, ABOVE, ABOVE, apart=28) == (3, True)
    assert run_of(*[ABOVE] * 28, apart=1) == (1, False)
    # The latest of those that lie close is the one that counts.
    close = [(NOW - 30, drift(BELOW)), (NOW - 31, drift(ABOVE)), (NOW - 60, drift(ABOVE))]
    assert lasting(drift(ABOVE), NOW, close)["score"]["periods_above_floor"] == 1


def test_order_given_and_reports_of_later_days_change_nothing() -> None:
    days = [(NOW - 60, drift(ABOVE)), (NOW + 30, drift(BELOW)), (NOW - 30, drift(ABOVE)), (NOW, drift(BELOW))]
    found = lasting(drift(ABOVE), NOW, days)
    assert found["score"]["is_lasting"]
    assert [one["day"] for one in found["periods"]] == [day_text(NOW - n) for n in (60, 30, 0)]
    assert found == lasting(drift(ABOVE), NOW, days[::-1])


def test_features_have_runs_of_their_own_and_a_new_one_begins() -> None:
    earlier = [(NOW - 30 * n, drift(BELOW, ABOVE)) for n in (1, 2)]
    found = lasting(drift(BELOW, ABOVE), NOW, earlier)
    assert (found["score"]["is_lasting"], found["features"]["harm"]["is_lasting"]) == (False, True)
    later = {"score": BELOW, "features": {"young": ABOVE}}
    assert lasting(later, NOW, earlier)["features"]["young"]["periods_above_floor"] == 1


def a_report(**changed: Any) -> dict[str, Any]:
    monitoring = {"drift": drift(BELOW), "to": "2025-01-31"}
    ledger = {"as_of": "2026-09-30", "drift": drift(ABOVE)}
    return {"model": "m/1", "tasks": {"t": {"monitoring": monitoring}}, "ledger": ledger} | changed


def test_reports_of_files_and_folders_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "b.json").write_text(json.dumps(a_report()), "utf-8")
    (folder / "notes.txt").write_text("no report", "utf-8")
    (tmp_path / "a.json").write_text(json.dumps(a_report(ledger={"as_of": "2026-08-31"})), "utf-8")
    one, other = read_reports([tmp_path / "a.json", folder])
    assert (one.model, one.ledger, one.test and one.test[0]) == ("m/1", None, parse_day("2025-01-31"))
    assert other.ledger is not None
    assert (other.ledger[0], other.ledger[1]["score"]["psi"]) == (parse_day("2026-09-30"), 0.05)


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", '{"model": "m/1"}', json.dumps(a_report(tasks=[])),
        json.dumps(a_report(ledger={"as_of": "soon", "drift": drift(ABOVE)})),
        json.dumps(a_report(ledger={"as_of": "2026-09-30", "drift": {"score": ABOVE}})),
        json.dumps(a_report(ledger={"as_of": "2026-09-30", "drift": drift({"psi": "high", "floor": 1})})),  # type: ignore[dict-item]
        json.dumps(a_report(ledger={"as_of": "2026-09-30", "drift": drift({"psi": float("nan"), "floor": 1})})),
    ],
)  # fmt: skip
def test_damaged_report_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "broken.json").write_text(content, "utf-8")
    with pytest.raises(CreditError) as refused:
        read_reports([tmp_path])
    assert refused.value.reason is Reason.FILE_INVALID
    assert "broken.json" in refused.value.message
