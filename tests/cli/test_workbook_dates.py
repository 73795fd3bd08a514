"""Dates of workbooks as spreadsheets keep them: numbers, in either of two systems, with or without the look of one."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from credit_service.cli.files import open_records
from tests.cli.conftest import Command

HEADER = [
    "CF_WSH", "CF_XDR_MC", "CF_XDR_SHXYM", "CF_CFLB", "CF_JDRQ", "CF_CFJG", "CF_YJ", "CF_NR_FK", "CF_GSJZQ", "CF_SY",
]  # fmt: skip
DAY = 46_082  # 2026-03-01, counted from 1900


def workbook(path: Path, decided: Sequence[Any], style: str = "General", *, is_1904: bool = False) -> Path:
    """Writes penalties with the given numbers as days of decision, and a number that is none in every other column."""
    book = openpyxl.Workbook()
    if is_1904:
        book.epoch = CALENDAR_MAC_1904
    sheet = book.worksheets[0]
    sheet.append(HEADER)
    for n, number in enumerate(decided, 1):
        sheet.append(
            [DAY, "模拟化工有限公司", "91350100M000100Y43", "罚款", number, "模拟市应急管理局", "安全生产法第102条",
             DAY, number, DAY + n]
        )  # fmt: skip
        sheet.cell(n + 1, 5).number_format = style
    book.save(path)
    return path


def days(path: Path) -> list[str]:
    """Returns the days of decision as they are read."""
    return [read.record["occur_time"] for read in open_records(path, "sim-city-em").records]  # type: ignore[index]


def midnight(*read: str) -> list[str]:
    return [f"{day}T00:00:00+08:00" for day in read]


@pytest.mark.parametrize("style", ["General", "yyyy-mm-dd", "m/d/yy h:mm"])
@pytest.mark.parametrize(("is_1904", "first"), [(False, DAY), (True, DAY - 1462)])
def test_serial_is_read_as_its_day_in_both_systems(tmp_path: Path, style: str, is_1904: bool, first: int) -> None:
    numbers = [first, first + 0.5, first + 0.9999999, first + 1]
    path = workbook(tmp_path / "a.xlsx", numbers, style, is_1904=is_1904)
    assert days(path) == midnight("2026-03-01", "2026-03-01", "2026-03-01", "2026-03-02")


def test_time_of_day_is_shown_as_it_was_written(tmp_path: Path) -> None:
    (read,) = open_records(workbook(tmp_path / "a.xlsx", [DAY + 0.75]), "sim-city-em").records
    assert read.cells is not None
    assert read.cells["CF_JDRQ"] == "2026-03-01 18:00:00"


def test_number_in_a_column_of_no_days_stays_a_number(tmp_path: Path) -> None:
    (read,) = open_records(workbook(tmp_path / "a.xlsx", [DAY]), "sim-city-em").records
    assert isinstance(read.record, dict)
    assert (read.record["document_no"], read.record["payload"]["facts"]) == (str(DAY), str(DAY + 1))
    assert read.record["payload"]["fine_fen"] == DAY * 1_000_000
    assert read.record["payload"]["publicity_end_date"] == "2026-03-01"


def test_number_that_writes_a_day_out_is_read_as_written(tmp_path: Path) -> None:
    assert days(workbook(tmp_path / "a.xlsx", [20260301])) == midnight("2026-03-01")


def test_day_that_never_was_is_none_and_its_neighbours_are(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [59, 60, 61], "yyyy-mm-dd")
    assert days(path) == [*midnight("1900-02-28"), "60", *midnight("1900-03-01")]
    other = workbook(tmp_path / "b.xlsx", [0, 59, 60], "yyyy-mm-dd", is_1904=True)
    assert days(other) == midnight("1904-01-01", "1904-02-29", "1904-03-01")


@pytest.mark.parametrize(
    ("number", "style"),
    [(-1, "General"), (-1, "yyyy-mm-dd"), (60, "yyyy-mm-dd"), (200_000, "yyyy-mm-dd"), (2026, "General"),
     (202603, "General"), (0.5, "General"), (True, "General")],
)  # fmt: skip
def test_number_that_is_no_day_is_refused_with_its_cell(
    command: Command, tmp_path: Path, number: float, style: str
) -> None:
    """A year that somebody typed is no day of 1905."""
    path, report = workbook(tmp_path / "a.xlsx", [number], style), tmp_path / "report.csv"
    ended = command("import", str(path), "--source", "sim-city-em", "--dry-run", "--report", str(report), "--json")
    assert json.loads(ended.out)["statuses"] == {"REJECTED": 1}
    said = report.read_text("utf-8-sig").replace("'", "")
    assert f'2,CF_JDRQ,{number},"a day, such as 2026-03-01",FIELD_INVALID' in said


def test_cell_with_a_date_of_the_library_is_read_as_before(tmp_path: Path) -> None:
    assert days(workbook(tmp_path / "a.xlsx", [datetime(2026, 3, 1, 9, 30)])) == midnight("2026-03-01")  # noqa: DTZ001
