"""What an import tells a clerk of the records that were not kept: one line a fault, by file, row and column."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from credit_service.errors import Problem, Reason, shown
from credit_service.ledger.layouts import Layout

HEADER = ("file", "row", "column", "got", "want", "reason", "status", "record", "说明")
# What a cell must look like, by the form in which its column is read.
WANTED = {
    "day": "a day, such as 2026-03-01", "day_start": "a day, such as 2026-03-01", "roc_day": "a day, such as 115/03/01",
    "roc_day_start": "a day, such as 115/03/01", "wan_yuan": "an amount in 万元, such as 1.5",
    "yuan": "an amount in yuan, such as 15000", "articles": "the articles of law, such as 《安全生产法》第99条",
}  # fmt: skip
FORMAL = frozenset({Reason.FIELD_INVALID, Reason.ENUM_UNKNOWN, Reason.CLAUSE_MISSING})
# For the clerk who mends the row.
WORDS = {
    Reason.FIELD_MISSING: "未填写", Reason.FIELD_INVALID: "格式不符", Reason.FIELD_OUT_OF_RANGE: "超出范围",
    Reason.ENUM_UNKNOWN: "不在规定的取值之内", Reason.TEXT_INVALID: "含有无法识别的字符",
    Reason.TIME_IN_FUTURE: "日期尚未到来", Reason.TIME_ORDER: "日期先后不符", Reason.AMOUNT_NEGATIVE: "金额为负",
    Reason.CODE_INVALID: "代码不是十八位或者含有不使用的字母", Reason.CHECK_DIGIT: "代码校验位不符",
    Reason.CLAUSE_MISSING: "未写明处罚依据的条款", Reason.REFERENCE_MISSING: "缺少所引用的记录",
    Reason.LEVEL_DISAGREES: "事故等级与伤亡损失不符", Reason.NAME_DISAGREES: "名称与该代码登记的名称不符",
    Reason.SUBJECT_UNKNOWN: "该主体尚未登记",
    Reason.KEY_CONFLICT: "与已归集的同一记录内容不同，确属更正的加 --correct 重报",
}  # fmt: skip
OUTCOMES = {"REJECTED": "未归集，改正后重报", "QUARANTINED": "隔离待核，改正后重报"}


class Unkept(NamedTuple):
    """Holds one record that was not kept: its place in the file, its id at the source, its faults, and its row."""

    place: int
    record_id: str
    status: str
    problems: Sequence[Problem]
    cells: Mapping[str, str] | None = None


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
            got, want = self._as_written(unkept, p)
            said = "；".join(filter(None, (WORDS.get(p.reason), OUTCOMES.get(unkept.status))))
            cells = (
                self._file, unkept.place, column, got or "nothing", want, p.reason.value, unkept.status,
                shown(unkept.record_id), said,
            )  # fmt: skip
            csv.writer(self._out).writerow([_harmless(str(cell)) for cell in cells])

    def _as_written(self, unkept: Unkept, p: Problem) -> tuple[str, str]:
        """Returns what stands in the cell and what must stand there, in the words of the table.

        Of subjects only what the service said is told: their columns may hold the number of a natural person.
        """
        found = self._layout.map_of(p.field) if self._layout else None
        if found is None or not unkept.cells or p.field.startswith("subject"):
            return p.got, p.want
        got = ";".join(filter(None, (unkept.cells.get(column, "") for column in found.column.split())))
        want = " or ".join(found.values) if found.values else WANTED.get(found.form, "")
        return shown(got), want if want and p.reason in FORMAL else p.want

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
