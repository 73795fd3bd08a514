"""What waits in quarantine is released by its mended form, at a cost that its number and the batch's keep small."""

from typing import Any

from sqlalchemy import event

from credit_service.database import PAIRS_AT_ONCE
from credit_service.ledger.quarantine import find_quarantined
from tests.ledger.conftest import CODE, Desk, a_record

WRONG = "91350100M000100Y44"


def is_waiting(desk: Desk, record_id: str, version: int = 1) -> bool:
    with desk.database.reading() as session:
        return find_quarantined(session, "bureau", record_id, version) is not None


def test_look_for_what_a_batch_releases_is_planned_at_once(desk: Desk) -> None:
    """A statement with every key of a batch in it takes a database longer to plan than the whole batch to write."""
    desk.submit(a_record("W", subject={"code": WRONG, "name": ""}))
    given: list[int] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if "quarantined_record" in statement:
            given.append(len(parameters))

    event.listen(desk.database.engine, "before_cursor_execute", note)
    desk.submit(*(a_record(f"R{n}") for n in range(PAIRS_AT_ONCE)), a_record("W"))
    event.remove(desk.database.engine, "before_cursor_execute", note)
    assert given
    assert max(given) <= (PAIRS_AT_ONCE + 1 if desk.database.is_sqlite else 4)
    assert not is_waiting(desk, "W")


def test_only_the_version_that_waits_is_released(desk: Desk) -> None:
    faulty = {"subject": {"code": WRONG, "name": ""}}
    desk.submit(a_record("W", 2, **faulty), a_record("V", 1, **faulty))
    desk.submit(a_record("W", 1, subject={"code": CODE, "name": ""}))
    assert (is_waiting(desk, "W", 2), is_waiting(desk, "V")) == (True, True)
