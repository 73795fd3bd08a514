"""Dated records of many entities as row arrays, and the few array verbs over them."""

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from credit_service.arrays import NEVER, Bools, Floats, Ints
from credit_service.errors import CreditError, Reason
from credit_service.grades.columns import Columns, take
from credit_service.legal_days import add_months

GZIP = b"\x1f\x8b"
Row = Mapping[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Records:
    """Holds one row a record, by entity and day: when it happened, when it was known, its values.

    `subject` is a place in `entity_ids`. `columns` holds the same rows as the service sees them,
    where the records are of kinds that the service knows.
    """

    entity_ids: tuple[str, ...]
    subject: Ints
    day: Ints
    known_day: Ints
    values: Mapping[str, Floats]
    columns: Columns | None = None

    @property
    def entities(self) -> int:
        """Counts the entities, those without rows too."""
        return len(self.entity_ids)

    def known(self, day: int) -> "Records":
        """Keeps the rows that were known by the day."""
        return self._take(self.known_day <= day)

    def seen(self, day: int) -> "Records":
        """Keeps the rows that had happened and were known by the day."""
        return self._take((self.known_day <= day) & (self.day <= day))

    def _take(self, kept: Bools) -> "Records":
        return replace(
            self,
            subject=self.subject[kept],
            day=self.day[kept],
            known_day=self.known_day[kept],
            values={name: value[kept] for name, value in self.values.items()},
            columns=None if self.columns is None else take(self.columns, kept),
        )

    def marked(self, name: str) -> Bools:
        """Marks the rows whose value is above zero."""
        found: Bools = self.values[name] > 0
        return found

    def count(self, rows: Bools) -> Floats:
        """Counts the marked rows of each entity."""
        return np.bincount(self.subject[rows], minlength=self.entities).astype(np.float64)

    def has(self, rows: Bools) -> Bools:
        """Says of each entity whether one of its rows is marked."""
        return self.count(rows) > 0

    def total(self, weights: Floats) -> Floats:
        """Sums the weights of each entity's rows."""
        return np.bincount(self.subject, weights, minlength=self.entities).astype(np.float64)

    def largest(self, weights: Floats) -> Floats:
        """Returns the largest of the weights of each entity's rows, 0 without any."""
        found = np.zeros(self.entities)
        np.maximum.at(found, self.subject, weights)
        return found

    def latest(self, rows: Bools) -> Ints:
        """Returns the last day of each entity's marked rows, -NEVER without any."""
        found = np.full(self.entities, -NEVER, dtype=np.int64)
        np.maximum.at(found, self.subject[rows], self.day[rows])
        return found

    def earliest(self, rows: Bools) -> Ints:
        """Returns the first day of each entity's marked rows, NEVER without any."""
        found = np.full(self.entities, NEVER, dtype=np.int64)
        np.minimum.at(found, self.subject[rows], self.day[rows])
        return found

    def once(self, rows: Bools, period: Ints) -> Bools:
        """Marks one of an entity's marked rows in each period."""
        places = np.flatnonzero(rows)
        _, first = np.unique(np.stack([self.subject[places], period[places]]), axis=1, return_index=True)
        kept = np.zeros(len(rows), dtype=np.bool_)
        kept[places[first]] = True
        return kept


def before(days: Ints, cutoff: int, months: int) -> Bools:
    """Marks the days in (cutoff - months, cutoff]."""
    found: Bools = (days > add_months(cutoff, -months)) & (days <= cutoff)
    return found


def after(days: Ints, cutoff: int, months: int) -> Bools:
    """Marks the days in (cutoff, cutoff + months]."""
    found: Bools = (days > cutoff) & (days <= add_months(cutoff, months))
    return found


def read_rows(paths: Sequence[Path], columns: Iterable[str]) -> list[Row]:
    """Reads files of one layout one after the other, plain or gzip; says which column a file lacks.

    A row that was published twice, or stands in two files, counts once: rows of two files are compared by the columns
    that all files have, in whatever order. Rows that a file itself tells apart stay apart.
    """
    files = {path: csv.DictReader(io.StringIO(_text(path), newline="")) for path in paths}
    heads = [set(reader.fieldnames or ()) for reader in files.values()]
    for path, head in zip(files, heads, strict=True):
        if lacking := sorted(set(columns) - head):
            raise refused("events", f"{path.name} without {', '.join(lacking)}", "a file with these columns")
    shared = sorted(set.intersection(*heads))
    rows: dict[tuple[str, ...], list[Row]] = {}
    for path, reader in files.items():
        for alike, mine in _told_apart(path, reader, shared).items():
            if len(mine) > len(rows.get(alike, ())):
                rows[alike] = mine
    if not rows:
        raise refused("events", "no rows", "at least one record")
    return [row for alike in rows.values() for row in alike]


def _told_apart(path: Path, reader: "csv.DictReader[str]", shared: Sequence[str]) -> dict[tuple[str, ...], list[Row]]:
    """Returns the different rows of one file, those together that are alike in the shared columns."""
    found: dict[tuple[str, ...], dict[tuple[str, ...], Row]] = {}
    for row in reader:
        if None in row:
            got = f"{path.name}, line {reader.line_num}, with more cells than columns"
            raise refused("events", got, "as many cells as the header has")
        alike = tuple(row[column] or "" for column in shared)
        found.setdefault(alike, {}).setdefault(tuple(value or "" for value in row.values()), row)
    return {alike: list(mine.values()) for alike, mine in found.items()}


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if content[:2] == GZIP else content).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as fault:
        raise refused("events", f"{path.name}: {fault}", "a readable CSV file in UTF-8, plain or gzip") from fault


def cell(row: Row, column: str, read: Callable[[str], T], want: str) -> T:
    """Reads one cell; names column, value and what is wanted when it cannot be read."""
    text = (row[column] or "").strip()
    try:
        return read(text)
    except (ValueError, CreditError) as fault:
        raise refused(column, repr(text[:40]), want) from fault


def refused(field: str, got: str, want: str) -> CreditError:
    """Makes the refusal of a file."""
    return CreditError(Reason.FILE_INVALID, f"{field}: got {got}, want {want}")
