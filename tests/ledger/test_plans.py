"""Large tables are read through an index, whatever their size: the plan of each question says so."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlmodel import Session

from credit_service.ledger.facts import facts_of
from credit_service.ledger.quarantine import waiting_keys
from credit_service.ledger.relations import bearers, relations_of
from credit_service.ledger.tables import count_events, find_event, judged_window, list_events, stored_versions
from credit_service.ledger.timelines import packed
from credit_service.subjects.tables import all_subject_ids, names_of
from tests.ledger.conftest import CODE, NOW, OTHER, Desk, a_record

SUBJECT = f"USCC:{CODE}"
LATER = datetime(2027, 1, 1, tzinfo=UTC)
# `t` is a large table joined with the wanted keys.
LARGE = ("timeline", "ledger_event", "event_key", "subject", "subject_relation", "quarantined_record", "t")
QUESTIONS: dict[str, Callable[[Session], Any]] = {
    "keys of a batch": lambda s: stored_versions(s, [("bureau", "R1"), ("bureau", "R2")]),
    "event of a key": lambda s: find_event(s, "bureau", "R1", 1),
    "what a batch releases": lambda s: waiting_keys(s, [("bureau", "R1", 1), ("bureau", "R2", 1)]),
    "events of a subject": lambda s: list_events(s, SUBJECT, NOW, 0, 10),
    "number of events": lambda s: count_events(s, [SUBJECT], NOW),
    "facts of subjects": lambda s: facts_of(s, [SUBJECT], LATER, LATER),
    "timelines of subjects": lambda s: packed(s, [SUBJECT], lambda _: {}),
    "what is to be judged": lambda s: judged_window(s, 0, 10),
    "relations of a subject": lambda s: relations_of(s, [SUBJECT], LATER, LATER),
    "who bears what a subject did": lambda s: bearers(s, [SUBJECT]),
    "names of a batch": lambda s: names_of(s, [SUBJECT, f"USCC:{OTHER}"]),
    "a page of the subjects": lambda s: all_subject_ids(s, SUBJECT, 10),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_walks_through_a_large_table(desk: Desk, question: str) -> None:
    desk.submit(*(a_record(f"R{n}") for n in range(300)))
    with desk.database.transaction() as session:
        facts_of(session, [SUBJECT], LATER, LATER, is_packing=True)
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    with desk.database.reading() as session:
        event.listen(desk.database.engine, "before_cursor_execute", note)
        QUESTIONS[question](session)
        event.remove(desk.database.engine, "before_cursor_execute", note)
        connection = session.connection()
        if not desk.database.is_sqlite:
            session.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN " if desk.database.is_sqlite else "EXPLAIN "
        plans = [
            str(row)
            for statement, parameters in asked
            if statement.lstrip().startswith(("SELECT", "WITH"))
            for row in connection.exec_driver_sql(explain + statement, parameters)
        ]
    assert plans
    assert not [line for line in plans for table in LARGE if f"SCAN {table}" in line and "INDEX" not in line]
    assert not [line for line in plans for table in LARGE if f"Seq Scan on {table}" in line]
