"""The points table: points sum to the score on every path, reasons tell where they went."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_service.errors import CreditError, Reason
from credit_service.grades.features import BY_NAME
from credit_service.grades.scorecard import ROWS_AT_ONCE, Calibrator, Line, Scale, Scorecard

NAMES = ("penalties_60m", "standard_level", "overdue_hazards", "fines_36m", "headcount", "accidents_60m")
LINES = (
    Line(BY_NAME["penalties_60m"], (0.5, 2.5), (0, -30, -90)),
    Line(BY_NAME["standard_level"], (0.5,), (-40, 0)),
    Line(BY_NAME["overdue_hazards"], (0.5,), (0, -20)),
    Line(BY_NAME["fines_36m"], (1.0, 10.0), (0, -5, -40)),
    Line(BY_NAME["headcount"], (), (0,), -7),
    Line(BY_NAME["accidents_60m"], (), (0,)),
)
CARD = Scorecard("m/1", 950, LINES, Scale(75.0, 750.0, 49.0), Calibrator(0.0, 1.0))
VALUES = st.one_of(st.integers(0, 20).map(float), st.floats(0, 20))
ROWS = st.lists(VALUES, min_size=6, max_size=6)
SIZE = Line(BY_NAME["headcount"], (10.0, 100.0), (30, 0, -90), -5)
EXPOSED = replace(CARD, exposure=(SIZE,))
UNMOVED = np.zeros(1, dtype=np.int64)
BEST = [0.0, 3.0, 0.0, 0.0, 10.0, 0.0]
WORST = [9.0, 0.0, 1.0, 99.0, 10.0, 9.0]


def no_proof(_: str) -> tuple[int, ...]:
    return ()


@given(st.lists(ROWS, min_size=1, max_size=8))
def test_every_path_gives_the_same_score(rows: list[list[float]]) -> None:
    matrix = np.array(rows)
    scores = CARD.score(matrix)
    assert scores.dtype == np.int64
    assert scores.tolist() == [CARD.score_row(row) for row in rows]
    assert scores.tolist() == (CARD.base_points + CARD.contributions(matrix).sum(axis=1)).tolist()


@pytest.mark.parametrize("order", ["C", "F"])
def test_many_rows_score_as_each_does_alone(order: str) -> None:
    cuts = tuple(float(cut) for cut in range(1, 20))
    card = replace(CARD, lines=(Line(BY_NAME["harm_weighted"], cuts, tuple(-(n * n) for n in range(20))), *LINES))
    random = np.random.default_rng(5)
    rows = np.array(random.integers(0, 24, (2 * ROWS_AT_ONCE + 77, 7)) / 2 + random.choice([0, 0.25], (1, 7)))
    # In the second part only, so that both ways are gone.
    rows[ROWS_AT_ONCE::911, 5] = np.nan
    given_rows = np.asarray(rows, order=order)  # type: ignore[call-overload]
    assert card.score(given_rows).tolist() == [card.score_row(row) for row in rows.tolist()]
    with pytest.raises(ValueError, match="columns"):
        card.score(given_rows[:, 1:])


@given(st.lists(ROWS, min_size=1, max_size=12))
def test_lines_that_can_move_give_the_whole_score(rows: list[list[float]]) -> None:
    card = replace(CARD, lines=(*LINES[:-1], Line(BY_NAME["accidents_60m"], (), (-15,))))
    kept = [NAMES.index(name) for name in card.moving.feature_names]
    assert "accidents_60m" not in card.moving.feature_names
    assert card.moving.score(np.array(rows)[:, kept]).tolist() == card.score(np.array(rows)).tolist()


@given(ROWS)
def test_base_and_points_of_the_explanation_are_the_score(row: list[float]) -> None:
    told = CARD.explain(row, no_proof)
    assert CARD.base_points + sum(one.points for one in told) == CARD.score_row(row)
    assert [one.feature for one in told] == list(NAMES)


@given(ROWS)
def test_reasons_are_the_largest_losses_and_with_the_rest_they_sum_exactly(row: list[float]) -> None:
    reasons = CARD.reasons(row, no_proof)
    lost = {c.feature: c.points - c.best_points for c in CARD.explain(row, no_proof)}
    best = CARD.base_points + sum(line.best for line in CARD.lines)
    rest = sum(points for name, points in lost.items() if name not in {r.feature for r in reasons})
    assert best + sum(r.points for r in reasons) + rest == CARD.score_row(row)
    assert len(reasons) == min(4, sum(points < 0 for points in lost.values()))
    assert all(
        r.points <= min((lost[n] for n in lost if n not in {q.feature for q in reasons}), default=0) for r in reasons
    )


def test_reasons_put_first_what_the_subject_can_act_on() -> None:
    found = CARD.reasons(WORST, no_proof)
    assert [(r.feature, r.points) for r in found] == [
        ("standard_level", -40), ("overdue_hazards", -20), ("penalties_60m", -90), ("fines_36m", -40),
    ]  # fmt: skip
    assert [r.is_actionable for r in found] == [True, True, False, False]


def test_equal_losses_keep_the_order_of_features() -> None:
    lines = tuple(Line(BY_NAME[name], (0.5,), (0, -10)) for name in ("accidents_60m", "penalties_60m", "fines_36m"))
    card = Scorecard("m/1", 900, lines, CARD.scale, CARD.calibrator)
    assert [r.feature for r in card.reasons([1.0, 1.0, 1.0], no_proof)] == [
        "accidents_60m",
        "penalties_60m",
        "fines_36m",
    ]


def test_best_row_has_no_reasons() -> None:
    assert CARD.reasons(BEST, no_proof) == []
    assert CARD.score_row(BEST) == 950


def test_value_on_a_cut_belongs_to_the_bin_below() -> None:
    assert LINES[0].at(2.5) == -30
    assert LINES[0].at(math.nextafter(2.5, 3)) == -90
    assert LINES[0].points_of(np.array([2.5, math.nextafter(2.5, 3)])).tolist() == [-30, -90]


def test_missing_value_has_a_bin_of_its_own_or_is_refused() -> None:
    row = [*BEST[:4], math.nan, 0.0]
    assert CARD.score_row(row) == CARD.score(np.array([row]))[0] == 943
    assert CARD.reasons(row, no_proof)[0].value is None
    assert CARD.explain(row, no_proof)[4].value is None
    for broken in ([math.nan, *BEST[1:]],):
        with pytest.raises(CreditError, match="no missing bin") as caught:
            CARD.score_row(broken)
        assert caught.value.reason is Reason.MODEL_INVALID
        with pytest.raises(CreditError, match="no missing bin"):
            CARD.score(np.array([broken]))


def test_scale_halves_the_odds_every_pdo() -> None:
    found = CARD.probability(np.array([750, 825, 675]), UNMOVED)
    assert found == pytest.approx([0.02, 1 / 99, 2 / 51])


def test_calibrator_moves_the_published_probability_alone() -> None:
    moved = Scorecard("m/1", 950, LINES, CARD.scale, Calibrator(0.5, 1.1))
    assert moved.score_row(WORST) == CARD.score_row(WORST)
    odds = math.log(0.02 / 0.98)
    assert float(moved.probability(np.array([750]), UNMOVED)[0]) == pytest.approx(
        1 / (1 + math.exp(-(0.5 + 1.1 * odds)))
    )


@given(st.integers(0, 1000))
def test_higher_score_is_a_lower_probability(score: int) -> None:
    low, high = CARD.probability(np.array([score, score + 1]), UNMOVED)
    assert high < low


def test_probability_does_not_depend_on_the_batch() -> None:
    scores = np.array([700, 801, 750, 633, 912] * 13)
    alone = [CARD.probability(scores[i : i + 1], UNMOVED)[0] for i in range(len(scores))]
    for offset in range(8):
        assert list(CARD.probability(scores[offset:], UNMOVED)) == alone[offset:]


def test_exposure_moves_the_probability_and_never_the_score() -> None:
    people = np.array([[4.0], [10.0], [50.0], [5_000.0], [math.nan]])
    moved = EXPOSED.exposure_points(people)
    assert moved.tolist() == [30, 30, 0, -90, -5]
    score = np.full(len(people), EXPOSED.score_row(WORST))
    assert score[0] == CARD.score_row(WORST)
    found = EXPOSED.probability(score, moved)
    assert found.tolist() == CARD.probability(score + moved, UNMOVED).tolist()
    assert found[0] == found[1] < found[2] < found[4] < found[3]
    assert EXPOSED.columns == (*NAMES, "headcount")
    assert CARD.exposure_points(np.empty((3, 0))).tolist() == [0, 0, 0]


def test_exposure_is_told_with_its_value_and_proof_and_is_no_reason() -> None:
    (told,) = EXPOSED.explain_exposure([5_000.0], lambda _: (8,))
    assert (told.feature, told.value, told.points, told.event_ids) == ("headcount", 5_000.0, -90, (8,))
    assert told.text_zh == "从业人数：5,000人"
    assert EXPOSED.explain_exposure([math.nan], no_proof)[0].text_en == "People employed: unknown"
    assert EXPOSED.reasons(WORST, no_proof) == CARD.reasons(WORST, no_proof)


def test_reason_carries_value_words_and_proof() -> None:
    reason = CARD.reasons(WORST, lambda name: (3, 5) if name == "penalties_60m" else ())[2]
    assert reason.document() == {
        "feature": "penalties_60m", "value": 9.0, "unit": "penalties", "points": -90, "is_actionable": False,
        "text_zh": "近60个月行政处罚：9次", "text_en": "Penalties in the past 60 months: 9 penalties",
        "event_ids": [3, 5],
    }  # fmt: skip


def test_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        CARD.score_row(BEST[:-1])
