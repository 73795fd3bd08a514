"""A clerk sends a file again after mending it: changed rows become next versions, others are what they were."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from credit_service.api.wire import draft_of
from credit_service.cli.connection import Connection, read_profile
from credit_service.cli.files import open_records
from credit_service.errors import Problem
from credit_service.v1 import ledger_pb2, ledger_pb2_grpc
from tests.conftest import fresh_database
from tests.stories.processes import ServerProcess, server_process
from tests.stories.test_files import FILES, SEED, UNTIL, imported, rows_of, write
from training.simulated_city import shuanggongshi
from training.simulated_city.city import subject_events

ROWS = 30


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Runs the real server on each database."""
    folder = tmp_path_factory.mktemp("server")
    with (
        fresh_database(request, request.param, folder) as url,
        server_process(folder, CREDIT_SERVICE_DATABASE_URL=url) as process,
    ):
        process.start()
        yield process


def penalties() -> list[dict[str, Any]]:
    """Draws the penalties of a file."""
    found: list[dict[str, Any]] = []
    for index in range(400, 2400):
        events = shuanggongshi.latest(subject_events(index, SEED, UNTIL))
        found += [e for e in events if (e["source"], e["kind"]) == (FILES[0].source, "PEN")]
        if len(found) >= ROWS:
            break
    return found[:ROWS]


def rows(columns: str = "current") -> list[list[str]]:
    """Writes the rows of a penalty file, header first."""
    return rows_of(FILES[0]._replace(columns=columns), penalties())


def test_withdrawn_record_is_not_brought_back_by_a_file(server: ServerProcess, tmp_path: Path) -> None:
    """What was withdrawn, such as by an upheld objection, stays so until its source says otherwise on purpose."""
    file, table = FILES[0]._replace(name="withdrawn.csv"), rows()
    for row in table[1:]:
        row[table[0].index("CF_WSH")] += "-撤"
    path = write(file, table, tmp_path)
    assert imported(server, path, file)["statuses"] == {"ACCEPTED": ROWS}
    record = next(iter(open_records(path, file.source).records)).record
    assert not isinstance(record, Problem)
    connection = Connection(read_profile(server.profile("source")))
    withdrawal = draft_of({**record, "source_version": 2, "op": "RETRACT", "payload": {}})
    request = ledger_pb2.SubmitEventsRequest(request_id="withdrawal", events=[withdrawal])
    connection.call(ledger_pb2_grpc.LedgerServiceStub, "SubmitEvents", request)
    connection.channel.close()
    assert imported(server, path, file, "--correct")["statuses"] == {"CONFLICT": 1, "DUPLICATE": ROWS - 1}
    assert "withdrawn by version 2" in Path(f"{path}.report.csv").read_text("utf-8-sig")


def test_decision_in_both_column_sets_is_one_record(server: ServerProcess, tmp_path: Path) -> None:
    """A bureau that changes its forms sends a month again: no penalty may count twice."""
    file = FILES[0]._replace(name="older.csv", columns="older", encoding="gbk")
    marked = {columns: rows(columns) for columns in ("current", "older")}
    for header, *content in marked.values():
        for row in content:
            row[header.index("CF_WSH")] += "-两表"
    older = write(file, marked["older"], tmp_path)
    current = file._replace(name="current.csv", columns="current", encoding="utf-8")
    assert imported(server, older, file)["statuses"] == {"ACCEPTED": ROWS}
    again = imported(server, write(current, marked["current"], tmp_path), current)["statuses"]
    assert sum(again.values()) == ROWS
    assert set(again) <= {"CONFLICT", "DUPLICATE"}
    corrected = imported(server, tmp_path / current.name, current, "--correct")["statuses"]
    assert set(corrected) <= {"ACCEPTED", "DUPLICATE"}
    assert imported(server, tmp_path / current.name, current, "--correct")["statuses"] == {"DUPLICATE": ROWS}


def test_changed_rows_become_next_versions_and_nothing_else_changes(server: ServerProcess, tmp_path: Path) -> None:
    """First content, another one, and the first again: each file stands in the ledger as it was sent last."""
    file, table = FILES[0]._replace(name="month.csv"), rows()
    fine = table[0].index("CF_NR_FK")

    def sent(content: list[list[str]], *options: str) -> Counter[str]:
        return Counter(imported(server, write(file, content, tmp_path), file, *options)["statuses"])

    changed = [row.copy() for row in table]
    for row in changed[1:4]:
        row[fine] = "9.99"
    assert sent(table) == {"ACCEPTED": ROWS}
    assert sent(changed) == {"CONFLICT": 3, "DUPLICATE": ROWS - 3}
    assert sent(changed, "--correct") == {"ACCEPTED": 3, "DUPLICATE": ROWS - 3}
    # The same file once more says nothing new, whatever was sent in between.
    assert sent(changed, "--correct") == {"DUPLICATE": ROWS}
    assert sent(table, "--correct") == {"ACCEPTED": 3, "DUPLICATE": ROWS - 3}
    assert sent(table, "--correct") == {"DUPLICATE": ROWS}
    assert sent(changed, "--correct") == {"ACCEPTED": 3, "DUPLICATE": ROWS - 3}
