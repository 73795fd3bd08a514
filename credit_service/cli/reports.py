"""What an import tells a clerk of the records that were not kept: one line a fault, by file, row and column."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from credit_service.errors import Problem, shown
from credit_service.ledger.layouts import Layout

HEADER = ("file", "row", "column", "got", "want", "reason", "status", "record")


class Unkept(NamedTuple):
    """Holds one record that was not kept: its place in the file, its id at the source, and its faults."""

    place: int
    record_id: str
    status: str
    problems: Sequence[Problem]


class Report:
    """Writes faults as CSV, which spreadsheets open, or as JSON lines, by the name of the file."""

    def __init__(self, path: Path, file: Path, layout: Layout | None, *, is_resumed: bool) -> None:
        """Takes where to write, which file is reported on, and the layout that names its columns."""
        self._file, self._layout = file.name, layout
        self._is_table = path.suffix == ".csv"
        is_new = not is_resumed or not path.exists()
        # A byte order mark, or spreadsheets take the text for another encoding.
        encoding = "utf-8-sig" if self._is_table and is_new else "utf-8"
        self._out: TextIO = path.open("w" if is_new else "a", encoding=encoding, newline="")
        if self._is_table and is_new:
            csv.writer(self._out).writerow(HEADER)

    def write(self, unkept: Unkept) -> None:
        """Writes every fault of a record."""
        if not self._is_table:
            self._out.write(json.dumps(self._document(unkept), ensure_ascii=False) + "\n")
            return
        for p in unkept.problems:
            column = (self._layout.column_of(p.field) if self._layout else "") or p.field
            cells = (
                self._file, unkept.place, column, p.got or "nothing", p.want, p.reason.value, unkept.status,
                shown(unkept.record_id),
            )  # fmt: skip
            csv.writer(self._out).writerow([_harmless(str(cell)) for cell in cells])

    def flush(self) -> None:
        """Hands over what was written."""
        self._out.flush()

    def close(self) -> None:
        """Ends the report."""
        self._out.close()

    def _document(self, unkept: Unkept) -> dict[str, Any]:
        faults = [{"field": p.field, "got": p.got, "want": p.want, "reason": p.reason.value} for p in unkept.problems]
        return {
            "record": unkept.place, "source_record_id": shown(unkept.record_id), "status": unkept.status,
            "problems": faults,
        }  # fmt: skip


def _harmless(cell: str) -> str:
    """Keeps a spreadsheet from taking what a file said for a formula."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@"} else cell
