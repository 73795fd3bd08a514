"""Watermarks: only the latest declaration of a source is read, however many came before it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import event

from credit_service.ledger.streams import declare, watermarks
from tests.ledger.conftest import NOW, Desk


def test_declarations_of_years_are_never_read_again(desk: Desk) -> None:
    with desk.database.transaction() as session:
        for hours in range(50):
            for source in ("bureau", "taiwan"):
                declare(session, source, NOW + timedelta(hours=hours), NOW + timedelta(hours=hours))
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    event.listen(desk.database.engine, "before_cursor_execute", note)
    with desk.database.transaction() as session:
        now = NOW + timedelta(hours=50)
        found = watermarks(session, {"bureau": 1, "silent": 1, "taiwan": None}, now)
        declare(session, "bureau", now, now)
        event.remove(desk.database.engine, "before_cursor_execute", note)
        again = [session.connection().exec_driver_sql(*one) for one in asked if "FROM watermark" in one[0]]
        assert again
        assert sum(len(rows.all()) for rows in again) <= 4
    latest = NOW + timedelta(hours=49)
    assert [w.complete_until_time for w in found] == [latest, None, latest]
