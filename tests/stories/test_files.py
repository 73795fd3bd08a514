"""A clerk imports a month of 双公示 files, dirty as files are: nothing is lost, and every bad row is named."""

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pytest

from tests.ledger.test_append import ric_number
from tests.stories.processes import ServerProcess, server_process
from training.simulated_city import shuanggongshi
from training.simulated_city.city import subject_events

SUBJECTS, SEED, UNTIL = 13_000, 7, date(2026, 10, 31)
EVERY = 20
PERSON_NUMBER = ric_number("11010119000101123")


class Dirt(NamedTuple):
    """Spoils one row, and says how the report must name it: column, reason, status."""

    column: str
    spoil: Callable[[str], str]
    reason: str
    status: str
    named: str = ""


class File(NamedTuple):
    """Names a file of the story: source, kind, column set, form of writing, and the dirt in it."""

    name: str
    source: str
    kind: str
    columns: str
    encoding: str
    dirt: Sequence[Dirt]


def other_check_character(code: str) -> str:
    """Spoils the last character of a code."""
    return code[:17] + ("1" if code[17] != "1" else "2")


def dirt(code: str, day: str, document: str, more: Sequence[Dirt] = ()) -> list[Dirt]:
    """Lists what clerks do to every table, by the names of its columns."""
    return [
        Dirt(code, other_check_character, "CHECK_DIGIT", "QUARANTINED"),
        Dirt(code, lambda code: code[:17], "CODE_INVALID", "REJECTED"),
        Dirt(day, lambda _: "2026/13/41", "FIELD_INVALID", "REJECTED"),
        Dirt(day, lambda _: "2031/01/05", "TIME_IN_FUTURE", "REJECTED"),
        Dirt(document, lambda _: "", "FIELD_MISSING", "REJECTED", "key"),
        *more,
    ]


PENALTY = [
    Dirt("CF_YJ", lambda _: "", "CLAUSE_MISSING", "QUARANTINED"),
    Dirt("CF_CFLB", lambda _: "批评教育一下", "ENUM_UNKNOWN", "REJECTED"),
    Dirt("CF_NR_FK", lambda _: "叁万", "FIELD_INVALID", "REJECTED"),
    Dirt("CF_XDR_MC", lambda name: name[:2] + "\udcff" + name[2:], "TEXT_INVALID", "REJECTED"),
]
FILES = [
    File("penalties.csv", "sim-city-em", "PEN", "current", "utf-8", dirt("CF_XDR_SHXYM", "CF_JDRQ", "CF_WSH", PENALTY)),
    File("fire.csv", "sim-city-fire", "PEN", "older", "gbk", dirt("CF_XDR_SHXYM", "CF_JDRQ", "CF_WSH", PENALTY[:1])),
    File("licences.xlsx", "sim-city-em", "LIC", "current", "", dirt("XK_XDR_SHXYM", "XK_JDRQ", "XK_WSH")),
    File("fire-licences.csv", "sim-city-fire", "LIC", "older", "gbk", dirt("XK_XDR_SHXYM", "XK_JDRQ", "XK_WSH")),
]


@pytest.fixture(scope="module")
def tables() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Draws the records of every file once."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for index in range(400, 400 + SUBJECTS):
        for event in shuanggongshi.latest(subject_events(index, SEED, UNTIL)):
            found.setdefault((event["source"], event["kind"]), []).append(event)
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Runs the real server."""
    with server_process(tmp_path_factory.mktemp("server")) as process:
        process.start()
        yield process


def rows_of(file: File, events: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Writes the table of a file, header first, clean."""
    lines = [shuanggongshi.header(file.kind, file.columns), *(shuanggongshi.line(e, file.columns) for e in events)]
    return list(csv.reader(io.StringIO("".join(lines))))


def spoiled(file: File, rows: list[list[str]]) -> dict[int, Dirt]:
    """Spoils every twentieth row in turn; returns what was done, by row as a spreadsheet counts."""
    header, done = rows[0], {}
    turns = cycle(file.dirt)
    for place in range(EVERY, len(rows), EVERY):
        one, row = next(turns), rows[place]
        at = header.index(one.column)
        row[at] = one.spoil(row[at])
        done[place + 1] = one
    return done


def write(file: File, rows: list[list[str]], folder: Path) -> Path:
    """Writes a table in the form of its file."""
    path = folder / file.name
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet("双公示")
        for row in rows:
            sheet.append(row)
        book.save(path)
        return path
    with path.open("w", encoding=file.encoding, errors="surrogateescape", newline="") as out:
        csv.writer(out).writerows(rows)
    return path


def imported(server: ServerProcess, path: Path, file: File, *more: str) -> dict[str, Any]:
    """Runs the import as a clerk does; returns its account."""
    command = [sys.executable, "-m", "credit_service", "import", str(path), "--source", file.source, "--json", *more]
    ended = subprocess.run(
        [*command, "--profile", server.profile("source")], capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.stdout, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def named(path: Path) -> dict[int, tuple[str, str, str]]:
    """Reads the report: column, reason and status by row."""
    with Path(f"{path}.report.csv").open(encoding="utf-8-sig", newline="") as report:
        return {int(line["row"]): (line["column"], line["reason"], line["status"]) for line in csv.DictReader(report)}


def wanted(file: File, header: Sequence[str], done: dict[int, Dirt]) -> dict[int, tuple[str, str, str]]:
    """Says how the report must name what was done; a record without its number is named by the columns of its key."""
    prefix = header[0][:2]
    key = f"{prefix}_WSH {prefix}_XDR_SHXYM"
    return {row: (key if d.named else d.column, d.reason, d.status) for row, d in done.items()}


def test_month_of_files_comes_in_whole_and_every_bad_row_is_named(
    server: ServerProcess, tables: dict[tuple[str, str], list[dict[str, Any]]], tmp_path: Path
) -> None:
    rows_in_all, kinds = 0, set()
    for file in FILES:
        rows = rows_of(file, tables[file.source, file.kind])
        done = spoiled(file, rows)
        path = write(file, rows, tmp_path)
        account = imported(server, path, file)
        assert named(path) == wanted(file, rows[0], done)
        bad = Counter(d.status for d in done.values())
        assert account["statuses"] == {"ACCEPTED": len(rows) - 1 - len(done), **bad}
        assert account["submitted"] == len(rows) - 1
        rows_in_all += account["submitted"]
        kinds |= {(d.column, d.reason) for d in done.values()}
    assert rows_in_all >= 10_000
    assert len(kinds) >= 8


def test_dry_run_foretells_the_report_and_sends_nothing_and_a_second_run_changes_nothing(
    server: ServerProcess, tables: dict[tuple[str, str], list[dict[str, Any]]], tmp_path: Path
) -> None:
    file = FILES[0]._replace(name="tried.csv")
    rows = rows_of(file, tables[file.source, file.kind][:200])
    for row in rows[1:]:
        row[rows[0].index("CF_WSH")] += "-2"
    done = spoiled(file, rows)
    path = write(file, rows, tmp_path)
    tried = imported(server, path, file, "--dry-run")
    foretold, bad = named(path), Counter(d.status for d in done.values())
    assert tried["statuses"] == {"WELL_FORMED": 200 - len(done), **bad}
    assert imported(server, path, file)["statuses"] == {"ACCEPTED": 200 - len(done), **bad}
    assert foretold == named(path) == wanted(file, rows[0], done)
    assert imported(server, path, file)["statuses"] == {"DUPLICATE": 200 - len(done), **bad}


def test_person_s_row_is_kept_by_a_hash_and_the_number_stands_nowhere(
    server: ServerProcess, tables: dict[tuple[str, str], list[dict[str, Any]]], tmp_path: Path
) -> None:
    """Neither in the report, nor in the log, nor in the database; the unread columns of representatives neither."""
    file = FILES[0]
    rows = rows_of(file, tables[file.source, file.kind][:3])
    place = {column: at for at, column in enumerate(rows[0])}
    rows[1][place["CF_XDR_LB"]], rows[1][place["CF_XDR_ZJHM"]] = "自然人", PERSON_NUMBER
    rows[1][place["CF_XDR_SHXYM"]], rows[1][place["CF_WSH"]] = PERSON_NUMBER, "模拟〔2026〕9001号"
    rows[2][place["CF_FR_ZJHM"]], rows[2][place["CF_WSH"]] = PERSON_NUMBER, "模拟〔2026〕9002号"
    rows[3][place["CF_XDR_SHXYM"]], rows[3][place["CF_WSH"]] = PERSON_NUMBER, "模拟〔2026〕9003号"
    path = write(file._replace(name="persons.csv"), rows, tmp_path)
    assert imported(server, path, file)["statuses"] == {"ACCEPTED": 2, "REJECTED": 1}
    written = [Path(f"{path}.report.csv"), *(p for p in server.folder.iterdir() if p.suffix in {".log", ".db"})]
    written += server.folder.glob("*.db-wal")
    assert len(written) >= 3
    assert all(PERSON_NUMBER.encode() not in one.read_bytes() for one in written)
