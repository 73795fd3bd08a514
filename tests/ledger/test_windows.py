"""What is to be judged behind collection: read by parts, told as one window."""

import pytest

from credit_service.ledger import tables
from credit_service.ledger.tables import judged_window
from tests.ledger.conftest import CODE, OTHER, Desk, a_record

NAMED = {"code": OTHER, "name": "模拟建筑工程有限公司"}


def test_a_window_of_many_parts_names_each_subject_once_and_ends_where_it_was_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order of the events, whatever the size of the parts."""
    monkeypatch.setattr(tables, "WINDOW_ROWS_AT_ONCE", 3)
    first, second = f"USCC:{CODE}", f"USCC:{OTHER}"
    desk.submit(*(a_record(f"R{n}") for n in range(7)), a_record("S1", subject=NAMED), a_record("R9"))
    with desk.database.reading() as session:
        assert judged_window(session, 0, 7) == ([first], 7)
        assert judged_window(session, 0, 9) == ([first, second], 9)
        assert judged_window(session, 7, 100) == ([second, first], 9)
        assert judged_window(session, 9, 100) == ([], 9)


def test_a_correction_in_any_part_names_the_former_subject_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The former subject has lost a fact, though no event of the window is its own."""
    monkeypatch.setattr(tables, "WINDOW_ROWS_AT_ONCE", 2)
    desk.submit(a_record("R1"))
    moved = a_record("R1", version=2, subject=NAMED)
    desk.submit(moved, *(a_record(f"S{n}", subject=NAMED) for n in range(4)))
    with desk.database.reading() as session:
        assert judged_window(session, 1, 100) == ([f"USCC:{OTHER}", f"USCC:{CODE}"], 6)
        assert judged_window(session, 2, 100) == ([f"USCC:{OTHER}"], 6)
