"""The evaluation tasks by hand: populations, labels, measures and the rule score of a few records."""

from pathlib import Path

import numpy as np
import pytest

from credit_service.legal_days import add_months, parse_day
from tests.training.made_up import ARTICLES, MSHA_COLUMNS, TW_COLUMNS, Row, msha_row, tw_row, write
from training.tasks import msha, tw
from training.tasks.measure import Measure
from training.tasks.records import Records, after
from training.tasks.rule_score import rule_score
from training.tasks.task import TASKS, sample

T = parse_day("2020-12-31")


def held(folder: Path, *rows: Row) -> Records:
    """Reads rows as a file of their layout."""
    if "known_on" in rows[0]:
        return tw.read([write(folder / "tw.csv", rows, TW_COLUMNS)])
    return msha.read([write(folder / "msha.csv", rows, MSHA_COLUMNS)])


def values(records: Records, measures: tuple[Measure, ...]) -> dict[str, float]:
    """Returns the measures of the only entity by name."""
    return {measure.name: float(measure.function(records.seen(T), T)[0]) for measure in measures}


@pytest.mark.parametrize(
    ("row", "is_member"),
    [
        (tw_row("a", "2017-10-01", "2018-01-01"), True),
        (tw_row("a", "2017-10-01", "2017-12-31"), False),
        (tw_row("a", "2020-12-01", "2020-12-31"), True),
        (tw_row("a", "2020-12-01", "2021-01-01"), False),
        (tw_row("a", "2021-02-01", "2020-12-31"), True),
        (tw_row("a", "2020-06-01", "2020-08-01", entity_kind="trade"), True),
        (tw_row("a", "2020-06-01", "2020-08-01", entity_kind="person"), False),
        (tw_row("a", "2020-06-01", "2020-08-01", "accident"), False),
    ],
)
def test_firm_is_looked_at_for_a_notice_published_in_36_months(row: Row, is_member: bool, tmp_path: Path) -> None:
    assert tw.population(held(tmp_path, row), T).tolist() == [is_member]


@pytest.mark.parametrize(
    ("row", "labels"),
    [
        (tw_row("a", "2021-01-01", "2021-03-01", "accident"), (True, True, False)),
        (tw_row("a", "2021-12-31", "2022-03-01", "accident"), (True, True, False)),
        (tw_row("a", "2020-12-31", "2021-03-01", "accident"), (False, False, False)),
        (tw_row("a", "2022-01-01", "2022-03-01", "accident"), (False, False, False)),
        (tw_row("a", "2021-05-01", "2021-07-01", severity="accident-related"), (False, True, True)),
        (tw_row("a", "2021-05-01", "2021-07-01", severity="accident-noted"), (False, False, True)),
    ],
)
def test_label_is_what_happened_in_the_year_after(row: Row, labels: tuple[bool, ...], tmp_path: Path) -> None:
    records = held(tmp_path, tw_row("a", "2020-06-01", "2020-08-01"), row)
    assert tuple(bool(sample(TASKS[f"tw-{n}"], records, T).labels[0]) for n in "abc") == labels


def test_mine_is_looked_at_for_24_months_and_labelled_by_the_next_four_quarters(tmp_path: Path) -> None:
    rows = [
        msha_row("old", 2018, 4, viol=1), msha_row("old", 2021, 1, days_lost=9),
        msha_row("lost", 2019, 1, viol=1), msha_row("lost", 2021, 4, days_lost=1),
        msha_row("grave", 2020, 4, viol=1), msha_row("grave", 2021, 1, perm_dis=1),
        msha_row("restricted", 2020, 4, viol=1), msha_row("restricted", 2021, 1, days_restrict=3),
        msha_row("late", 2020, 4, viol=1), msha_row("late", 2022, 1, deaths=1, days_lost=1),
        msha_row("new", 2021, 1, viol=1),
    ]  # fmt: skip
    records = held(tmp_path, *rows)
    found = {name: sample(TASKS[name], records, T) for name in ("msha-a", "msha-b")}
    ids = [records.entity_ids[n] for n in found["msha-a"].subject]
    assert ids == ["grave", "late", "lost", "restricted"]
    assert found["msha-a"].labels.tolist() == [True, False, False, False]
    assert found["msha-b"].labels.tolist() == [False, False, True, False]


def test_measures_of_a_firm_by_hand(tmp_path: Path) -> None:
    found = values(
        held(
            tmp_path,
            tw_row("a", "2018-12-31", "2019-03-01"),
            tw_row("a", "2018-12-31", "2019-03-01", legal_basis=ARTICLES[2]),
            tw_row("a", "2020-12-30", "2020-12-31", legal_basis=ARTICLES[1]),
            tw_row("a", "2020-11-30", "2020-12-31", severity="accident-related", legal_basis=ARTICLES[1]),
            tw_row("a", "2020-12-01", "2021-02-01"),
        ),
        tw.MEASURES,
    )
    fades = 0.5 ** (731 / 365.25)
    assert found["ordinary_days_1y"] == pytest.approx(fades + 0.5 ** (1 / 365.25))
    assert found["ordinary_days_2y"] == pytest.approx(fades**0.5 + 0.5 ** (1 / 730.5))
    assert (found["ordinary_quarters_36m"], found["ordinary_quarters"], found["years_with_notices"]) == (2, 2, 2)
    assert found["months_since_ordinary"] == pytest.approx(12 / 365.25)
    assert found["construction_days"] == found["joint_work_days"] == pytest.approx(fades**0.5)
    assert (found["other_notices_36m"], found["accidents_60m"], found["provisions_60m"]) == (3, 0, 3)
    # Two notices published on one day are one day: 671 days ago, and on the cut-off itself.
    assert found["published_days_6m"] == pytest.approx(1 + 0.5 ** (671 / 365.25 / 0.5))
    assert found["published_days_1y"] == pytest.approx(1 + 0.5 ** (671 / 365.25))
    assert found["is_company"] == 1


def test_sole_trader_is_no_company(tmp_path: Path) -> None:
    records = held(
        tmp_path,
        tw_row("firm", "2020-06-01", "2020-08-01"),
        tw_row("trader", "2020-06-01", "2020-08-01", entity_kind="trade"),
    )
    assert tw.is_company(records.seen(T), T).tolist() == [1, 0]


def test_measures_of_a_mine_by_hand(tmp_path: Path) -> None:
    found = values(
        held(
            tmp_path,
            msha_row("1", 2018, 4, viol=16, days_lost=7),
            msha_row("1", 2020, 4, viol=9, days_restrict=3, deaths=1),
            msha_row("1", 2021, 1, viol=99),
        ),
        msha.MEASURES,
    )
    years = 731 / 365.25
    assert found["violations_1y"] == pytest.approx(9 + 16 * 0.5**years)
    assert found["violations_damped_4y"] == pytest.approx(3 + 4 * 0.5 ** (years / 4))
    assert found["lost_time_quarters_2y"] == pytest.approx(0.5 ** (years / 2))
    assert found["injury_days_1y"] == pytest.approx(np.log(4) + np.log(8) * 0.5**years)
    assert (found["violations_12m"], found["quarters_seen_12m"], found["worst_quarter_60m"]) == (9, 1, 7)
    assert (found["serious_quarters"], found["quarters_since_injury"]) == (1, 0)
    assert found["quarters_since_lost_time"] == found["quarters_on_file"] == pytest.approx(4 * years)


def test_silent_mine_is_at_work_by_its_own_habit(tmp_path: Path) -> None:
    steady = [msha_row("steady", 2018 + n // 4, n % 4 + 1, viol=4) for n in range(10)]
    seldom = [msha_row("seldom", 2018, 1, viol=4), msha_row("seldom", 2020, 2, viol=4)]
    records = held(tmp_path, *steady, *seldom, msha_row("today", 2020, 4, viol=4), msha_row("later", 2021, 1, viol=4))
    found = dict(zip(records.entity_ids, msha.at_work(records.seen(T), T), strict=True))
    # Ten of ten quarters, two of ten: by habit 11 / 12 and 3 / 12; each was silent for two quarters.
    for mine, habit in (("steady", 11 / 12), ("seldom", 3 / 12)):
        silent_on = (1 - habit) * 0.97
        assert found[mine] == pytest.approx(silent_on**2 / (silent_on**2 + 0.03 * (1 + silent_on)))
    assert found["steady"] < found["seldom"] < found["today"] == 1
    assert found["later"] == 0


def test_history_counts_as_far_as_a_mine_is_at_work(tmp_path: Path) -> None:
    records = held(tmp_path, *(msha_row("1", 2019, n, viol=9, days_lost=3) for n in (1, 2, 3)))
    by_name, share = values(records, msha.MEASURES), float(msha.at_work(records.seen(T), T)[0])
    assert 0 < share < 0.05
    for name in ("lost_time_quarters_2y", "violations_2y", "violations_damped_4y", "quarters_seen_4y"):
        assert by_name[f"{name}_at_work"] == pytest.approx(share * by_name[name])
    assert by_name["injury_days_4y_at_work"] == pytest.approx(share * by_name["injury_days_4y"])


def test_quarter_in_two_rows_is_one_of_the_habit(tmp_path: Path) -> None:
    rows = [msha_row("1", 2019, n, viol=9) for n in (1, 2)]
    once = msha.at_work(held(tmp_path, *rows).seen(T), T)
    assert msha.at_work(held(tmp_path, *rows, rows[0] | {"viol": "5"}).seen(T), T).tolist() == once.tolist()


def test_record_moved_beyond_the_cutoff_changes_no_input_of_a_mine(tmp_path: Path) -> None:
    early = [msha_row("1", 2018, 2, viol=3), msha_row("1", 2019, 4, viol=7, days_lost=2)]
    alone = values(held(tmp_path, *early), msha.MEASURES)
    late = [msha_row("1", year, 1, viol=50, days_lost=9, deaths=1) for year in (2021, 2022)]
    assert all(values(held(tmp_path, *early, row), msha.MEASURES) == alone for row in late)
    inside = values(held(tmp_path, *early, msha_row("1", 2020, 4, viol=50, days_lost=9, deaths=1)), msha.MEASURES)
    assert inside["at_work"] == 1 > alone["at_work"]


def test_measure_counts_only_what_was_known_and_had_happened(tmp_path: Path) -> None:
    early = tw_row("a", "2020-06-01", "2020-08-01")
    alone = values(held(tmp_path, early), tw.MEASURES)
    unknown = tw_row("a", "2020-07-01", "2021-01-01", severity="accident-related")
    ahead = tw_row("a", "2021-01-01", "2020-12-30")
    assert values(held(tmp_path, early, unknown, ahead, unknown), tw.MEASURES) == alone
    assert values(held(tmp_path, early, unknown | {"known_on": "2020-12-31"}), tw.MEASURES) != alone


def test_set_of_a_cutoff_is_fixed_by_what_was_known_on_it(tmp_path: Path) -> None:
    records = held(
        tmp_path,
        tw_row("early", "2020-06-01", "2020-08-01"),
        tw_row("early", "2020-07-01", "2021-01-01"),
        tw_row("unknown", "2020-06-01", "2021-01-01"),
        tw_row("ahead", "2021-02-01", "2020-12-30"),
    )
    found = sample(TASKS["tw-c"], records, T)
    place = [measure.name for measure in tw.MEASURES].index("ordinary_quarters")
    assert [records.entity_ids[n] for n in found.subject] == ["ahead", "early"]
    assert found.features[:, place].tolist() == [0, 1]
    assert found.labels.tolist() == [True, False]


def test_one_line_rules_count_notices_and_violations(tmp_path: Path) -> None:
    firm = held(tmp_path, *(tw_row("a", "2019-01-01", day) for day in ("2017-12-31", "2018-01-01", "2020-12-31")))
    assert tw.rule(firm.known(T), T).tolist() == [2]
    mine = held(
        tmp_path, *(msha_row("1", 2019, 4, viol=5), msha_row("1", 2020, 1, viol=3), msha_row("1", 2020, 4, viol=4))
    )
    assert msha.rule(mine.seen(T), T).tolist() == [7]


@pytest.mark.parametrize(
    ("rows", "score"),
    [
        ([tw_row("a", "2020-06-01", "2020-08-01")], 850 - 30),
        ([tw_row("a", "2017-06-01", "2018-08-01")], 850 + 40),
        ([tw_row("a", "2020-02-01", "2020-08-01"), tw_row("a", "2020-06-01", "2020-08-01")], 850 - 30 - 45),
        ([tw_row("a", "2018-02-01", "2020-08-01"), tw_row("a", "2020-06-01", "2020-08-01")], 850 - 60),
        ([tw_row("a", "2020-06-01", "2020-08-01"), tw_row("a", "2020-06-01", "2020-08-01")], 850 - 30),
        ([tw_row("a", "2020-06-01", "2020-08-01", source_ref=n) for n in "12"], 850 - 60),
        (
            [tw_row("a", "2020-06-01", "2020-08-01"), tw_row("a", "2020-06-02", "2020-08-01", legal_basis=ARTICLES[1])],
            790,
        ),
        ([tw_row("a", "2020-12-31", "2020-12-31", "accident")], 850 - 120),
        ([tw_row("a", "2020-12-31", "2020-12-31", "accident", source_ref=n) for n in "12345678"], 0),
    ],
)
def test_rule_score_by_hand(rows: list[Row], score: float, tmp_path: Path) -> None:
    assert rule_score(held(tmp_path, *rows).seen(T), T).tolist() == [score]


def test_accident_in_the_rule_score_fades_over_36_months(tmp_path: Path) -> None:
    found = rule_score(held(tmp_path, tw_row("a", "2019-06-30", "2019-09-01", "accident")).seen(T), T)
    assert found[0] == pytest.approx(850 - 60, abs=0.5)


def test_windows_of_months_clamp_to_the_end_of_the_month() -> None:
    assert add_months(parse_day("2020-02-29"), -36) == parse_day("2017-02-28")
    for cutoff in ("2021-02-28", "2020-02-29"):
        day = parse_day(cutoff)
        assert after(np.array([day, day + 1, add_months(day, 12), add_months(day, 12) + 1]), day, 12).tolist() == [
            False, True, True, False,
        ]  # fmt: skip
