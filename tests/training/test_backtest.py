"""The backtest: the latest cut-off, every figure, every rival; what is absent is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from credit_service.legal_days import day_text
from tests.training.made_up import MSHA_COLUMNS, TW_COLUMNS, msha_row, msha_rows, tw_row, tw_rows, write
from training.__main__ import main
from training.backtest import NO_SCORE, figures_or_why, latest_cutoff, summary
from training.metrics import auc, brier
from training.tasks.figures import by_grade, figures, is_rising
from training.tasks.rivals import Rival
from training.tasks.task import TASKS

FIGURES = {
    "auc", "auc_ci", "pr_auc", "capture_at_5pct", "capture_at_10pct", "brier", "brier_reference", "ece", "oe_ratio",
    "slope", "paired_vs_rule_ci", "paired_vs_free_ci",
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs the command on made-up records."""
    folder = tmp_path_factory.mktemp("backtest")
    events = write(folder / "tw.csv", tw_rows(), TW_COLUMNS)
    mines = write(folder / "msha.csv", msha_rows(), MSHA_COLUMNS)
    out = folder / "deep" / "backtest.json"
    assert main(["backtest", "--tw", str(events), "--msha", str(mines), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def document(written: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(written.read_text("utf-8"))
    return found


def test_document_says_from_what_it_came(document: dict[str, Any]) -> None:
    assert set(document["tasks"]) == set(TASKS)
    assert len(document["git_commit"]) == 40
    assert set(document["versions"]) == {"lightgbm", "numpy", "scikit-learn", "scipy"}
    assert document["cores"] >= 1
    assert document["resamples"] >= 500


@pytest.mark.parametrize("task", list(TASKS))
def test_every_contender_has_every_figure(document: dict[str, Any], task: str) -> None:
    found = document["tasks"][task]
    contenders = {"ours": found, **found["comparators"]}
    assert set(contenders) == {"ours", "rule", "rule_score", "logistic", "free"}
    if task.startswith("msha"):
        assert contenders.pop("rule_score") == NO_SCORE
    for name, one in contenders.items():
        assert set(one) >= FIGURES, name
        assert one["auc_ci"][0] <= one["auc"] <= one["auc_ci"][1]
        assert (one["brier"] is None) == ("reason" in one) == (name in {"rule", "rule_score"})
    assert found["comparators"]["rule"]["paired_vs_rule_ci"] == [0, 0]
    assert found["n"] == sum(grade["n"] for grade in found["grades"].values())
    assert found["learned_from"]["cutoffs"][1] < found["cutoff"] < found["label_until"]


def test_records_that_are_not_shipped_are_null_with_a_reason_but_a_wrong_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = figures_or_why(TASKS["msha-a"], None)
    assert found["auc"] is None
    assert "--msha" in found["reason"]
    assert found["reason"] in summary({"msha-a": found})
    out = tmp_path / "out.json"
    assert main(["backtest", "--msha", str(tmp_path / "absent.csv"), "--task", "msha-a", "--out", str(out)]) == 2
    assert "absent.csv" in capsys.readouterr().err
    assert not out.exists()


def test_same_records_give_the_same_figures(document: dict[str, Any], written: Path) -> None:
    again = written.parent / "again.json"
    events = written.parent.parent / "tw.csv"
    assert main(["backtest", "--tw", str(events), "--out", str(again), "--task", "tw-b"]) == 0
    assert json.loads(again.read_text("utf-8"))["tasks"] == {"tw-b": document["tasks"]["tw-b"]}


def test_table_of_mines_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = write(tmp_path / "msha.csv", msha_rows(), MSHA_COLUMNS)
    out = tmp_path / "backtest.json"
    assert main(["backtest", "--msha", str(events), "--out", str(out), "--task", "msha-b"]) == 0
    head, row, last = capsys.readouterr().out.splitlines()
    found = json.loads(out.read_text("utf-8"))["tasks"]["msha-b"]
    assert head.split()[:4] == ["task", "cut-off", "n", "bad"]
    assert row.split()[:5] == ["msha-b", "2006-12-31", str(found["n"]), str(found["positives"]), f"{found['auc']:.3f}"]
    assert last.endswith("backtest.json")


def test_earlier_cutoff_is_measured_by_what_was_known_then_and_a_later_one_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = write(tmp_path / "msha.csv", msha_rows(), MSHA_COLUMNS)
    given = ["backtest", "--msha", str(events), "--task", "msha-b", "--out", str(tmp_path / "out.json"), "--cutoff"]
    assert main([*given, "2005-12-31"]) == 0
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))["tasks"]["msha-b"]
    assert (found["cutoff"], found["label_until"]) == ("2005-12-31", "2006-12-31")
    assert found["learned_from"]["cutoffs"][1] == "2004-12-31"
    assert main([*given, "2007-01-31"]) == 2
    assert "cutoff: got 2007-01-31 with a year after it that is not all on file" in capsys.readouterr().err


def test_latest_cutoff_leaves_a_year_and_the_time_of_publication(tmp_path: Path) -> None:
    tw = TASKS["tw-b"].read([write(tmp_path / "a", [tw_row("a", "2023-10-01", "2023-12-12")], TW_COLUMNS)])
    assert day_text(latest_cutoff(TASKS["tw-b"], tw)) == "2022-06-30"
    mines = TASKS["msha-a"].read([write(tmp_path / "b", [msha_row("a", 2013, 4, viol=1)], MSHA_COLUMNS)])
    assert day_text(latest_cutoff(TASKS["msha-a"], mines)) == "2012-12-31"


def test_figures_of_ten_rows_by_hand() -> None:
    labels = np.array([True] * 3 + [False] * 7)
    chances = np.array([0.9, 0.6, 0.2, 0.5, 0.4, 0.1, 0.1, 0.1, 0.05, 0.05])
    found = figures(labels, Rival(chances, chances), np.array([0.8, 0.9, 1.0]), {"rule": np.array([0.7, 0.7, 0.7])})
    assert found["auc"] == auc(labels, chances) == pytest.approx(19 / 21)
    assert found["pr_auc"] == pytest.approx((1 + 1 + 3 / 5) / 3)
    assert found["capture_at_10pct"] == pytest.approx(1 / 3)
    assert found["brier_reference"] == pytest.approx(0.21)
    assert found["brier"] == brier(labels, chances)
    assert found["oe_ratio"] == pytest.approx(1.0)
    assert found["paired_vs_rule_ci"] == pytest.approx([0.105, 0.295])
    assert figures(labels, Rival(chances), np.array([0.9]), {})["ece"] is None


def test_grades_of_few_entities_do_not_decide_whether_rates_rise() -> None:
    sizes, rates = (400, 300, 250, 10), (0.01, 0.04, 0.08, 0.0)
    letters = np.repeat(["A", "B", "C", "D"], sizes)
    labels = np.concatenate([np.arange(n) < round(n * rate) for n, rate in zip(sizes, rates, strict=True)])
    found = by_grade(labels, np.full(960, 0.1), letters)
    assert [one["n"] for one in found.values()] == list(sizes)
    assert found["B"]["observed"] == pytest.approx(0.04)
    assert is_rising(found)
    assert not is_rising({letter: one | {"n": 200} for letter, one in found.items()})
