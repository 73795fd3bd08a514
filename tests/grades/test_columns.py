"""Columns hold facts as they are, and hide what was not known, not yet, or no longer usable."""

import numpy as np

from credit_service.arrays import NEVER
from credit_service.grades.columns import build, mark_of, take, visible
from credit_service.legal_days import parse_day
from tests.grades.conftest import AS_OF, a_fact, laid


def test_rows_stay_with_their_subject_and_empty_subjects_stay() -> None:
    columns = laid([a_fact("PEN", "2026-01-01", 1, articles=["甲/1"])], [], [a_fact("ACC", "2026-02-01", 2)])
    assert columns.offsets.tolist() == [0, 1, 1, 2]
    assert columns.subject.tolist() == [0, 2]
    assert columns.subjects == 3


def test_visible_hides_the_future_the_unknown_and_the_unusable() -> None:
    life = [
        a_fact("PEN", AS_OF, 1, articles=["甲/1"]),
        a_fact("PEN", AS_OF + 1, 2, articles=["甲/1"]),
        a_fact("PEN", AS_OF - 9, 3, known_day=AS_OF + 1, articles=["甲/1"]),
        a_fact("PEN", AS_OF - 9, 4, articles=["甲/1"]),
        a_fact("PEN", AS_OF - 9, 5, articles=["甲/1", "乙/1"]),
    ]
    columns = build([life], [[NEVER, NEVER, NEVER, AS_OF, AS_OF + 1]])
    assert visible(columns, AS_OF, AS_OF).event_id.tolist() == [1, 5]
    assert visible(columns, AS_OF).event_id.tolist() == [1, 3, 5]


def test_citations_follow_their_row_when_rows_go() -> None:
    life = [a_fact("PEN", AS_OF - n, n, articles=[f"甲/{n}", "乙/1"]) for n in (3, 2, 1)]
    columns = laid([], life)
    kept = take(columns, columns.event_id != 2)
    assert kept.event_id[kept.cite_row].tolist() == [3, 3, 1, 1]
    assert kept.cite[1] == kept.cite[3]


def test_words_dates_and_amounts_are_laid_by_kind() -> None:
    life = [
        a_fact("PEN", AS_OF, 1, articles=["甲/1"], severity="SERIOUS", fine_fen=150_000),
        a_fact("ACC", AS_OF, 2, deaths=1, serious_injuries=2, victims=2, liability="NOT_LIABLE"),
        a_fact("HAZ", AS_OF, 3, hazard_level="MAJOR", found_by="AUTHORITY", due_date="2026-07-01"),
        a_fact("STD", AS_OF, 4, level=2, from_date="2026-01-01", to_date="2026-12-31", revoked_date="2026-05-01"),
        a_fact("REG", AS_OF, 5),
    ]
    columns = laid(life)
    assert columns.mark.tolist() == [mark_of("PEN", "SERIOUS"), 2, 2, 2, 0]
    assert np.isnan(columns.amount).tolist() == [False, False, True, True, True]
    assert columns.amount[:2].tolist() == [1500.0, 3.0]
    assert columns.due_day[2] == parse_day("2026-07-01")
    assert columns.over_day.tolist() == [NEVER, NEVER, NEVER, parse_day("2026-05-01"), NEVER]
