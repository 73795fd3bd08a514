"""Predictions of the evaluation tasks: the same every time, blind to what became known later, monotone."""

import csv
import gzip
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from credit_service.legal_days import parse_day
from tests.training.made_up import MSHA_COLUMNS, TW_COLUMNS, Row, msha_row, msha_rows, tw_row, tw_rows, write
from training.__main__ import main
from training.fit import Calibration, fit_signed
from training.metrics import auc, logit, sigmoid
from training.predict import predicted
from training.tasks import model
from training.tasks.model import Learned, grades, learn, leveled, unseen, weighed
from training.tasks.settings import SETTINGS
from training.tasks.task import TASKS, Sample


@dataclass(frozen=True)
class Made:
    """Holds made-up records of one family, and a cut-off in the midst of them."""

    rows: list[Row]
    columns: tuple[str, ...]
    cutoff: str

    def predict(self, task: str, path: Path) -> str:
        return predicted(task, [path], parse_day(self.cutoff))

    def write(self, path: Path, rows: list[Row]) -> Path:
        return write(path, rows, self.columns)


MADE: Mapping[str, Made] = {
    "tw-a": Made(tw_rows(), TW_COLUMNS, "2021-06-30"),
    "msha-b": Made(msha_rows(), MSHA_COLUMNS, "2005-12-31"),
}


@pytest.fixture(params=sorted(MADE), scope="module")
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="module")
def whole(task: str, folder: Path) -> str:
    """Predicts from all made-up records."""
    made = MADE[task]
    return made.predict(task, made.write(folder / f"{task}.csv", made.rows))


@pytest.fixture(scope="module")
def learned(task: str, folder: Path, whole: str) -> Learned:
    cutoff = parse_day(MADE[task].cutoff)
    return learn(TASKS[task], TASKS[task].read([folder / f"{task}.csv"]), cutoff)


def known_day(row: Row) -> str:
    """Returns the day on which a made-up record was known."""
    return row["known_on"] if "known_on" in row else f"{row['year']}-{int(row['quarter']) * 3:02}-30"


def test_order_of_rows_number_of_files_and_gzip_change_no_byte(task: str, folder: Path, whole: str) -> None:
    made = MADE[task]
    shuffled = random.Random(3).sample(made.rows, len(made.rows))
    halves = [made.write(folder / f"{task}-{n}.csv", shuffled[n::2]) for n in (0, 1)]
    halves[1].write_bytes(gzip.compress(halves[1].read_bytes()))
    assert predicted(task, halves, parse_day(made.cutoff)) == whole
    assert predicted(task, [*halves, *halves], parse_day(made.cutoff)) == whole


def test_what_becomes_known_after_the_cutoff_changes_no_byte(task: str, folder: Path, whole: str) -> None:
    made = MADE[task]
    early = [row for row in made.rows if known_day(row) <= made.cutoff]
    assert len(early) < len(made.rows) - 100
    assert made.predict(task, made.write(folder / f"{task}-early.csv", early)) == whole
    twice = [*made.rows, *(row | {"entity_id": "new", "mine_id": "new"} for row in made.rows if row not in early)]
    assert made.predict(task, made.write(folder / f"{task}-twice.csv", twice)) == whole


def test_records_published_only_after_the_cutoff_are_as_good_as_absent(folder: Path) -> None:
    made = MADE["tw-a"]
    before = (date.fromisoformat(made.cutoff) - timedelta(300)).isoformat()
    moved = {n for n, row in enumerate(made.rows) if before < row["known_on"] <= made.cutoff and n % 3 == 0}
    late = [row | {"known_on": "2021-07-01"} if n in moved else row for n, row in enumerate(made.rows)]
    without = [row for n, row in enumerate(made.rows) if n not in moved]
    shifted = made.predict("tw-a", made.write(folder / "late.csv", late))
    assert shifted == made.predict("tw-a", made.write(folder / "without.csv", without))
    assert shifted != made.predict("tw-a", made.write(folder / "all.csv", made.rows))


def test_every_member_of_the_population_is_written_once_in_order(task: str, whole: str) -> None:
    made = MADE[task]
    rows = list(csv.DictReader(whole.splitlines()))
    ids = [row["entity_id"] for row in rows]
    assert ids == sorted(set(ids))
    first, kind = ("2018-06-30", "penalty") if task == "tw-a" else ("2003-12-31", None)
    known = [row for row in made.rows if first < known_day(row) <= made.cutoff and row.get("kind") == kind]
    assert set(ids) == {row.get("entity_id", row.get("mine_id")) for row in known}
    chances = [float(row["probability"]) for row in rows]
    assert all(0 < chance < 1 for chance in chances)
    assert len(set(chances)) > len(chances) / 4


def test_more_of_what_is_worse_never_lowers_the_chance(task: str, learned: Learned) -> None:
    features = learned.population.features
    for place, measure in enumerate(TASKS[task].measures):
        low, high = features[:, place].min(), features[:, place].max()
        steps = []
        for value in np.linspace(low - 1, high * 1.5 + 1, 9):
            moved = features.copy()
            moved[:, place] = value
            steps.append(learned.probability(moved) * measure.sign)
        assert (np.diff(steps, axis=0) >= 0).all(), measure.name


def test_level_lies_between_the_share_and_the_number_of_the_past() -> None:
    labels = [np.arange(100) < 30, np.arange(200) < 20]
    past = [Sample(np.arange(len(one)), np.zeros((len(one), 1)), one) for one in labels]
    now = Sample(np.arange(400), np.zeros((400, 1)), np.zeros(400, dtype=np.bool_))
    weights = np.array([0.25, 0.75])
    number = 0.25 * 30 + 0.75 * 20
    share, among_all = number / (0.25 * 100 + 0.75 * 200), number / 400
    log_share, log_all = logit(np.array([share, among_all]))
    for name in ("tw-a", "msha-b"):
        growth = SETTINGS["level"][name]["growth"]
        shift, base_rate = leveled(TASKS[name], lambda features: features[:, 0], past, weights, now)
        assert shift == pytest.approx(growth * log_share + (1 - growth) * log_all)
        assert base_rate == pytest.approx(sigmoid(np.array(shift)))
        assert base_rate == pytest.approx(share) or 0 < growth < 1


def test_later_cutoffs_count_more_for_the_level() -> None:
    days = [parse_day(day) for day in ("2015-12-31", "2018-12-31", "2021-12-31")]
    lasting, last = weighed(TASKS["tw-a"], days), weighed(TASKS["msha-b"], days)
    assert SETTINGS["level"]["tw-a"]["half_life_years"] == 3
    assert lasting == pytest.approx(np.array([1, 2, 4]) / 7, rel=1e-3)
    assert last == pytest.approx([0, 0, 1])


def test_model_expects_what_its_past_tells(learned: Learned, task: str) -> None:
    weights = weighed(TASKS[task], learned.cutoffs)
    among = np.array([learned.probability(one.features).sum() for one in (*learned.past, learned.population)])
    came = np.array([one.labels.sum() for one in learned.past])
    if task == "tw-a":
        # Between as many and as large a share: here fewer firms than before are on file at the end.
        expected = sorted([(came * weights).sum(), (came * weights).sum() * among[-1] / (among[:-1] * weights).sum()])
        assert expected[0] <= among[-1] <= expected[1]
    else:
        assert among[-2] == pytest.approx(came[-1], rel=1e-6)
        assert learned.base_rate == pytest.approx(learned.past[-1].labels.mean())


def test_log_odds_of_a_row_come_from_a_fit_without_its_entity() -> None:
    random = np.random.default_rng(4)
    subject = np.repeat(np.arange(600), 4)
    # Noise alone, the same in all rows of an entity: whoever saw the entity seems to know its label.
    features = np.repeat(random.random((600, 1)), 4, axis=0)
    labels = np.repeat(random.random(600) < 0.3, 4)
    seen = fit_signed(features, labels, {"noise": 0}, SETTINGS["booster"], 1).log_odds(features)
    left_out = unseen(Sample(subject, features, labels), labels, {"noise": 0})
    assert auc(labels, seen) > 0.6
    assert auc(labels, left_out) < 0.55
    moved = unseen(Sample(subject * 7 + 3, features, labels), labels, {"noise": 0})
    assert np.array_equal(moved, left_out)


def test_chances_are_drawn_together_as_far_as_the_fit_was_too_sure(learned: Learned) -> None:
    assert 0 < learned.slope < 1
    log_odds = learned.fitted.log_odds(learned.population.features)
    found = logit(learned.probability(learned.population.features))
    assert found == pytest.approx(learned.slope * log_odds + learned.shift, abs=1e-6)


def test_cutoffs_that_teach_had_matured_and_been_published(learned: Learned, task: str) -> None:
    newest = {"tw-a": "2020-02-29", "msha-b": "2004-12-31"}[task]
    assert learned.cutoffs[-1] == parse_day(newest)
    assert list(learned.cutoffs) == sorted(set(learned.cutoffs))


def test_years_after_the_end_of_the_records_do_not_count_as_years_without_harm(folder: Path) -> None:
    made = MADE["tw-a"]
    early = [row for row in made.rows if row["known_on"] <= made.cutoff]
    records = TASKS["tw-a"].read([made.write(folder / "ended.csv", early)])
    found = learn(TASKS["tw-a"], records, parse_day("2022-03-31"))
    assert found.cutoffs[-1] == parse_day("2020-02-29")
    assert found.past[-1].labels.sum() > 0


def test_grade_follows_the_probability_that_is_written(whole: str, learned: Learned) -> None:
    rows = [(float(row["probability"]), row["grade"]) for row in csv.DictReader(whole.splitlines())]
    letters = [grade for _, grade in sorted(rows)]
    assert letters == sorted(letters)
    assert len(set(letters)) > 1
    assert [grade for _, grade in rows] == grades(np.array([chance for chance, _ in rows]), learned.base_rate).tolist()


def test_rows_of_two_files_count_once_whatever_other_columns_they_have(task: str, folder: Path, whole: str) -> None:
    made = MADE[task]
    first = made.write(folder / f"{task}-first.csv", made.rows)
    noted = [row | {"note": str(n)} for n, row in enumerate(made.rows)][::3]
    other = write(folder / f"{task}-noted.csv", noted, ("note", *reversed(made.columns)))
    for files in ([first, other], [other, first], [first, first]):
        assert predicted(task, files, parse_day(made.cutoff)) == whole


def test_few_left_out_that_rank_the_wrong_way_round_turn_no_ranking(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "calibrate", lambda *_: Calibration(0.0, -0.7, 10, 5))
    made = MADE["msha-b"]
    records = TASKS["msha-b"].read([made.write(folder / "mines.csv", made.rows)])
    turned = learn(TASKS["msha-b"], records, parse_day(made.cutoff))
    log_odds = turned.fitted.log_odds(turned.population.features)
    assert auc(log_odds > np.median(log_odds), turned.probability(turned.population.features)) == 1


def test_nobody_is_certain(learned: Learned) -> None:
    for shift in (-90.0, 90.0):
        chances = replace(learned, shift=shift).probability(learned.population.features)
        assert all(0 < float(f"{chance:.10g}") < 1 for chance in chances)
        assert set(grades(chances, learned.base_rate)) == {"A" if shift < 0 else "D"}


def test_nobody_and_everybody_come_to_harm_in_no_level() -> None:
    everybody = [Sample(np.arange(1), np.zeros((1, 1)), np.ones(1, dtype=np.bool_))] * 2
    alone = Sample(np.arange(1), np.zeros((1, 1)), np.zeros(1, dtype=np.bool_))
    for name in ("tw-a", "tw-c", "msha-b"):
        for past in (everybody, [alone, alone]):
            weights = weighed(TASKS[name], [730_000, 730_365])
            _, base_rate = leveled(TASKS[name], lambda features: features[:, 0], past, weights, alone)
            assert 0 < base_rate < 1


def test_grade_depends_on_the_odds_beside_those_of_the_base_rate() -> None:
    chances = np.array([0.0100, 0.0102, 0.0391, 0.0393, 0.1403, 0.1405])
    assert "".join(grades(chances, 0.02)) == "ABBCCD"
    assert "".join(grades(np.array([0.01, 0.5, 0.99]), 0.5)) == "ABD"


def test_words_of_columns_that_nobody_knows_do_no_harm(folder: Path) -> None:
    made = MADE["tw-a"]
    odd = [row | {"agency": "?", "severity": "unheard of"} if n % 7 == 0 else row for n, row in enumerate(made.rows)]
    odd.append(tw_row("other", "2020-01-01", "2020-03-01", "warning"))
    odd.append(tw_row("person", "2020-01-01", "2020-03-01", entity_kind="person"))
    text = made.predict("tw-a", made.write(folder / "odd.csv", odd))
    assert "firm" in text
    assert "other" not in text
    assert "person" not in text


@pytest.mark.parametrize(
    ("task", "rows", "cutoff", "want"),
    [
        ("tw-a", [], "2021-06-30", "events: got no rows, want at least one record"),
        ("tw-a", [tw_row("a", "2020-01-32", "2020-03-01")], "2021-06-30", "occurred_on: got '2020-01-32', want YYYY"),
        ("tw-a", [tw_row("a", "2020-01-01", "soon")], "2021-06-30", "known_on: got 'soon', want YYYY-MM-DD"),
        ("tw-a", MADE["tw-a"].rows, "2010-01-01", "cutoff: got 2010-01-01 with no record known by then"),
        ("tw-a", MADE["tw-a"].rows, "2016-01-31", "with records since 2014-"),
        ("tw-a", MADE["tw-a"].rows[:300], "2019-12-31", "positives known by then"),
        ("tw-a", MADE["tw-a"].rows, "2030-01-31", "cutoff: got 2030-01-31 with no entity in the population"),
        ("tw-a", MADE["tw-a"].rows, "9999-12-31", "cutoff: got 9999-12-31 with no entity in the population"),
        ("msha-b", MADE["msha-b"].rows, "2012-06-30", "with no entity in the population"),
        ("tw-a", MADE["tw-a"].rows, "2021-13-01", "date: got '2021-13-01', want YYYY-MM-DD"),
        ("msha-a", [msha_row("1", 2001, 5, viol=1)], "2005-12-31", "quarter: got '5', want 1 to 4"),
        ("msha-a", [msha_row("1", 2001, 1, viol=-1)], "2005-12-31", "viol: got -1.0, want 0 or more"),
        ("msha-a", [tw_row("a", "2020-01-01", "2020-03-01")], "2005-12-31", "columns"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(
    task: str, rows: list[Row], cutoff: str, want: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = tuple(rows[0]) if rows else TW_COLUMNS
    events = write(tmp_path / "events.csv", rows, columns)
    out = tmp_path / "out.csv"
    code = main(["predict", "--task", task, "--events", str(events), "--cutoff", cutoff, "--out", str(out)])
    assert code == 2
    assert want in capsys.readouterr().err
    assert not out.exists()


def test_row_with_more_cells_than_columns_is_named_by_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = write(tmp_path / "events.csv", MADE["tw-a"].rows[:3], TW_COLUMNS)
    events.write_text(events.read_text("utf-8") + "," * 40 + "\n", "utf-8")
    given = ["--events", str(events), "--cutoff", "2021-06-30", "--out", str(tmp_path / "out.csv")]
    assert main(["predict", "--task", "tw-a", *given]) == 2
    assert "events.csv, line 5, with more cells than columns" in capsys.readouterr().err


def test_file_is_written_into_a_folder_that_did_not_exist(folder: Path, tmp_path: Path) -> None:
    made, out = MADE["msha-b"], tmp_path / "new" / "deep" / "out.csv"
    events = made.write(folder / "again.csv", made.rows)
    given = ["--task", "msha-b", "--events", str(events), "--cutoff", made.cutoff]
    assert main(["predict", *given, "--out", str(out)]) == 0
    assert out.read_text("utf-8").startswith("entity_id,probability,grade\n")


def test_absent_file_and_unknown_task_are_usage_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--events", str(tmp_path / "absent.csv"), "--cutoff", "2021-06-30", "--out", str(tmp_path / "out.csv")]
    assert main(["predict", "--task", "tw-a", *given]) == 2
    assert "absent.csv" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "--task", "tw-z", *given])
