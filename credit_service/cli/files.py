"""Reads files of events: JSON lines as they are, tables by the layout of their source. One record, one place."""

import csv
import gzip
import io
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, NamedTuple

from credit_service.errors import CreditError, Problem, Reason, shown
from credit_service.ledger.layouts import Layout, RowReader, load_layouts, recognised
from credit_service.ledger.sources import Source, load_sources
from credit_service.normal.dates import serial_time

Record = dict[str, Any] | Problem
ENCODINGS = ("utf-8", "gb18030")
# What a file of a million rows tells of its encoding it tells here.
SAMPLE_BYTES = 4 << 20
# A number without the look of a date is read as one from here on: before it stand the years that somebody typed.
FIRST_SERIAL_DAY = datetime(1949, 10, 1)  # noqa: DTZ001  # cells carry no offset
TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
LINES = (".jsonl", ".ndjson", ".json")


class Read(NamedTuple):
    """Holds one record and its place: the line, or the row as a spreadsheet counts, the header being row 1.

    `cells` are those of a table's row, by column, as they were written.
    """

    place: int
    record: Record
    cells: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """Holds the records of a file, the layout that reads them, and what a clerk should know of the reading."""

    records: Iterator[Read]
    layout: Layout | None = None
    notes: tuple[str, ...] = ()


class _Number(NamedTuple):
    """Holds a number of a workbook: only its column tells whether one without the look of a date is a day."""

    value: float
    is_1904: bool
    looks_dated: bool


@dataclass(frozen=True, slots=True)
class _Table:
    header: Sequence[str]
    rows: Iterator[Sequence[Any] | Problem]
    note: str


def placed(records: Iterable[dict[str, Any]]) -> Iterator[Read]:
    """Numbers records that come from no file."""
    return (Read(place, record) for place, record in enumerate(records, 1))


def open_records(path: Path, source: str, encoding: str = "") -> Opened:
    """Opens a file of events: JSON lines, or a table by its source's layout or by a shared one it is recognised as.

    Fails at once, before the first record, with FILE_INVALID or SOURCE_UNKNOWN.
    """
    name, sources = path.name.lower().removesuffix(".gz"), load_sources()
    if name.endswith(LINES):
        return Opened(_json_lines(path))
    if not name.endswith(TABLES):
        raise _refused(path, path.name, f"a file that ends in {', '.join((*LINES, *TABLES))} (.gz too, save of .xlsx)")
    if source not in sources:
        raise CreditError(Reason.SOURCE_UNKNOWN, f"source: got {source or 'nothing'}, want one of {', '.join(sources)}")
    if encoding and encoding not in ENCODINGS:
        raise CreditError(Reason.FILE_INVALID, f"encoding: got {shown(encoding)}, want {' or '.join(ENCODINGS)}")
    table = _open_table(path, name, encoding)
    layout = sources[source].layout or recognised(table.header, load_layouts())
    if layout is None:
        raise _unrecognised(path, table.header)
    columns = layout.named(table.header)
    if twice := sorted(layout.columns().difference(layout.unread) & {c for c in columns if columns.count(c) > 1}):
        raise _refused(path, f"{shown(' '.join(twice))} more than once", "each column once: only one could be read")
    ignored = [title for title, column in zip(table.header, columns, strict=True) if column not in layout.columns()]
    notes = [table.note, *([f"layout {layout.id}"] if layout.id else [])]
    notes += [f"columns not known and not read: {shown(' '.join(ignored))}"] if ignored and layout.id else []
    return Opened(_table_records(table, columns, layout, sources[source]), layout, tuple(notes))


def _unrecognised(path: Path, header: Sequence[str]) -> CreditError:
    """Names what the header lacks to be that of the nearest shared layout."""
    layouts = load_layouts()
    lacking = {layout.id: [c for c in layout.header if c not in layout.named(header)] for layout in layouts}
    nearest = min(layouts, key=lambda layout: len(lacking[layout.id]) / len(layout.header))
    if len(lacking[nearest.id]) == len(nearest.header):
        known = ", ".join(layout.id for layout in layouts)
        want = f"the names of columns there, those of a layout ({known})"
        return _refused(path, f"the first row {shown(' '.join(header))}", want)
    titles = {column: title for title, column in nearest.aliases.items()}
    named = ", ".join(f"{column} {titles.get(column, '')}".strip() for column in lacking[nearest.id])
    return _refused(path, f"no column {named}", f"every column of the layout {nearest.id}")


def _table_records(table: _Table, columns: Sequence[str], layout: Layout, source: Source) -> Iterator[Read]:
    reader, known = RowReader(layout, source.id, source.scheme, source.given), layout.dated()
    dated = [column in known for column in columns]
    for place, cells in enumerate(table.rows, 2):
        if isinstance(cells, Problem):
            yield Read(place, cells)
            continue
        texts = [_text(cell, is_day) for cell, is_day in zip_longest(cells, dated[: len(cells)], fillvalue=False)]
        if not any(texts):
            continue
        if len(texts) > len(columns) and any(texts[len(columns) :]):
            got, want = f"{len(texts)} cells", f"{len(columns)}, as the header has"
            yield Read(place, Problem("row", got, want, Reason.FIELD_INVALID))
            continue
        row = dict(zip(columns, texts, strict=False))
        broken = next((column for column, text in row.items() if any("\udc80" <= c <= "\udcff" for c in text)), None)
        if broken is not None:
            got, want = "bytes that are no text", "text in the encoding of the file"
            yield Read(place, Problem(broken, got, want, Reason.TEXT_INVALID))
        elif (event := reader.event(row)) is not None:
            yield Read(place, event, row)


def _text(cell: Any, is_day: bool = False) -> str:
    """Writes a cell the way a clerk typed it; `is_day` says that its column holds days."""
    if cell is None:
        return ""
    if isinstance(cell, _Number):
        return _number_text(cell, is_day)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == datetime.min.time() else cell.isoformat(" ")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _number_text(number: _Number, is_day: bool) -> str:
    """Writes a serial as the day it says; a number that is no serial stays as it is, for the checks to name it."""
    if number.looks_dated or is_day:
        try:
            time = serial_time(number.value, is_1904=number.is_1904)
        except CreditError:
            return _text(number.value)
        if number.looks_dated or time >= FIRST_SERIAL_DAY:
            return _text(time)
    return _text(number.value)


def _open_table(path: Path, name: str, encoding: str) -> _Table:
    if name.endswith(".xlsx"):
        return _open_xlsx(path)
    if name.endswith(".parquet"):
        return _open_parquet(path)
    chosen = encoding or _encoding(path)
    rows = _delimited(path, chosen)
    header = next(rows, None)
    if not header or isinstance(header, Problem):
        raise _refused(path, "no header", "a first row of column names")
    return _Table(header, rows, f"encoding {chosen}")


def _delimited(path: Path, encoding: str) -> Iterator[Sequence[str] | Problem]:
    # What is no text in the encoding becomes lone surrogates, which are then named row by row.
    with _opened(path) as file:
        name = "utf-8-sig" if encoding == "utf-8" else encoding
        text = io.TextIOWrapper(file, name, errors="surrogateescape", newline="")
        first = text.readline()
        delimiter = "\t" if first.count("\t") > first.count(",") else ","
        yield next(csv.reader([first], delimiter=delimiter), [])
        lines = _Lines(text)
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            lines.begin_row()
            try:
                row: Sequence[str] | Problem | None = next(rows, None)
            except csv.Error as fault:
                row = _row_alone(lines.take_back(), delimiter, str(fault))
                rows = csv.reader(lines, delimiter=delimiter, strict=True)
            if row is None:
                return
            yield row


class _Lines:
    """Yields the lines of a table, and takes back what a faulty row swallowed: its neighbours are rows of their own."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text, self._again, self._row = iter(text), deque[str](), list[str]()

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self._row.append(line)
        return line

    def begin_row(self) -> None:
        self._row.clear()

    def take_back(self) -> str:
        """Returns the first line of the row; the others are yielded again."""
        first, *swallowed = self._row
        self._again.extendleft(reversed(swallowed))
        return first


def _row_alone(line: str, delimiter: str, fault: str) -> Sequence[str] | Problem:
    """Reads one line by itself, with quotation marks as clerks set them; one that stays open makes it no row."""
    is_open = False

    def once() -> Iterator[str]:
        nonlocal is_open
        yield line
        is_open = True

    try:
        row = next(csv.reader(once(), delimiter=delimiter), [])
    except csv.Error as other:
        return Problem("row", shown(str(other)), "a row of delimited cells", Reason.FIELD_INVALID)
    if is_open:
        want = "a row of delimited cells, each quotation mark with its pair"
        return Problem("row", f"a quotation mark without its pair ({fault})", want, Reason.FIELD_INVALID)
    return row


def _encoding(path: Path) -> str:
    """Returns the encoding that leaves the fewest lines of the beginning unreadable; UTF-8 when both do as well."""
    with _opened(path) as file:
        sample = file.read(SAMPLE_BYTES)
    lines = sample.split(b"\n")[: -1 if len(sample) == SAMPLE_BYTES else None]
    return min(ENCODINGS, key=lambda name: sum(not _reads(line, name) for line in lines))


def _reads(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _open_xlsx(path: Path) -> _Table:
    openpyxl: Any = _wanted("openpyxl")
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as fault:
        # Whatever a broken archive raises, it is the file's fault.
        raise _refused(path, shown(str(fault)) or "no workbook", "a readable .xlsx workbook") from fault
    sheet = book.worksheets[0]
    # Programs that write row by row state a size before they know it; believed, it would cut off what stands outside.
    sheet.reset_dimensions()
    rows = _cells(openpyxl, book, sheet)
    header = [_text(cell) for cell in next(rows, ())]
    while header and not header[-1]:
        header.pop()
    if not header:
        raise _refused(path, "no header", "a first row of column names")
    # A month that a clerk put on a second sheet must not be lost without a word.
    others = [other.title for other in book.worksheets[1:] if any(map(any, other.iter_rows(values_only=True)))]
    note = f"sheet {sheet.title}" + (f"; sheets not read: {shown(', '.join(others))}" if others else "")
    whole = _unmerged(rows, _merged_rows(openpyxl, sheet))
    return _Table(header, _closing(whole, book.close), note)


def _cells(openpyxl: Any, book: Any, sheet: Any) -> Iterator[Sequence[Any]]:
    """Yields the values of each row; numbers stay what they are, for the library reads 1900-02-29 as a day."""
    dates = book._date_formats - book._timedelta_formats
    book._date_formats = set()
    is_1904 = book.epoch == openpyxl.utils.datetime.MAC_EPOCH
    for row in sheet.iter_rows():
        yield tuple(
            _Number(cell.value, is_1904, cell._style_id in dates)
            if isinstance(cell.value, int | float) and not isinstance(cell.value, bool)
            else cell.value
            for cell in row
        )


_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="([A-Z]+[0-9]+:[A-Z]+[0-9]+)"')
_BLOCK = 1 << 20
_LONGEST_TAG = 200


def _merged_rows(openpyxl: Any, sheet: Any) -> dict[int, str]:
    """Returns the rows in which a merged cell hides another one, with the cell's place; the header's is no matter."""
    found: dict[int, str] = {}
    tail = b""
    with sheet._get_source() as source:
        while block := source.read(_BLOCK):
            for match in _MERGED.finditer(tail + block):
                place = match[1].decode()
                left, top, right, bottom = openpyxl.utils.range_boundaries(place)
                found |= dict.fromkeys(range(top + (left == right), bottom + 1), place)
            tail = block[-_LONGEST_TAG:]
    return found


def _unmerged(rows: Iterable[Any], merged: Mapping[int, str]) -> Iterator[Any]:
    """Yields the rows; of a merged cell only the first is filled, and nobody can tell what the others were to say."""
    for place, row in enumerate(rows, 2):
        if place in merged and any(cell is not None for cell in row):
            want = "a value of its own in every cell"
            yield Problem("row", f"the merged cell {merged[place]}", want, Reason.FIELD_INVALID)
        else:
            yield row


def _open_parquet(path: Path) -> _Table:
    parquet: Any = _wanted("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(path)
    except Exception as fault:
        # As for a workbook.
        raise _refused(path, shown(str(fault)) or "no parquet", "a readable Parquet file") from fault
    rows = (tuple(row.values()) for batch in file.iter_batches() for row in batch.to_pylist())
    return _Table(file.schema_arrow.names, _closing(rows, file.close), "Parquet")


def _closing(rows: Iterable[Any], close: Callable[[], object]) -> Iterator[Any]:
    with ExitStack() as stack:
        stack.callback(close)
        yield from rows


def _wanted(module: str) -> Any:
    """Imports what only some files need."""
    from importlib import import_module  # beside its one use

    try:
        return import_module(module)
    except ImportError as missing:
        name = module.partition(".")[0]
        want = f"{name}, which comes with `pip install 'safety-credit[import]'`"
        raise CreditError(Reason.FILE_INVALID, f"file: got a kind that needs {name}, want {want}") from missing


def _json_lines(path: Path) -> Iterator[Read]:
    with _opened(path) as file:
        for place, line in enumerate(file, 1):
            if line.strip():
                yield Read(place, _json_line(line))


def _json_line(line: bytes) -> Record:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as fault:
        return Problem("line", f"byte {fault.start} is not UTF-8", "UTF-8 text", Reason.TEXT_INVALID)
    except (ValueError, RecursionError) as fault:
        return Problem("line", shown(str(fault)), "one JSON object a line", Reason.FIELD_INVALID)
    if isinstance(value, dict):
        return value
    return Problem("line", shown(value), "one JSON object a line", Reason.FIELD_INVALID)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with ExitStack() as opened:
        plain = opened.enter_context(path.open("rb"))
        file: Any = opened.enter_context(gzip.open(plain)) if path.suffix == ".gz" else plain
        yield file


def _refused(path: Path, got: str, want: str) -> CreditError:
    return CreditError(Reason.FILE_INVALID, f"file: got {got}, want {want}", file=path.name)
