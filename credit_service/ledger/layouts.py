"""Layouts of files: how a row becomes an event, as data. A new layout is a mapping file, never code."""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from credit_service.errors import CreditError, Reason, shown
from credit_service.ledger.drafts import PERSON_MARK
from credit_service.normal.amounts import Unit, fen
from credit_service.normal.dates import Calendar, civil_date

SHIPPED = Path(__file__).parent / "layouts"
PARTS = ("event", "subject", "payload")
ARTICLE_LIMIT = 50
ARTICLE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Says where one field of an event comes from: a column, a fixed value, or what the source's registration gives."""

    name: str
    column: str = ""
    form: str = "text"
    value: Any = None
    given: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    default: Any = None


@dataclass(frozen=True, slots=True)
class PersonRows:
    """Says which rows are of natural persons, and which column then holds the ID number."""

    column: str
    value: str
    code: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Describes the rows of a file.

    `key` are the columns that name a record; where records are numbered, rows of one key and other content are
    further records, else they are the same record, corrected. A file is recognised by the columns of `header`.
    """

    id: str
    rows: Mapping[str, str]
    key: tuple[str, ...]
    is_numbered: bool
    event: tuple[FieldMap, ...]
    subject: tuple[FieldMap, ...]
    payload: tuple[FieldMap, ...]
    citation: re.Pattern[str] | None
    enabling: tuple[str, ...]
    header: tuple[str, ...] = ()
    # Other ways to write a column, such as its Chinese title.
    aliases: Mapping[str, str] = field(default_factory=dict)
    # Columns that are known and not read; those of persons among them are never shown.
    unread: tuple[str, ...] = ()
    person: PersonRows | None = None

    def column_of(self, path: str) -> str:
        """Returns the column behind a field of the contract, empty when none is; a key is named by its columns."""
        if path == "source_record_id":
            return " ".join(self.key)
        found = self.map_of(path)
        return found.column if found else ""

    def map_of(self, path: str) -> FieldMap | None:
        """Returns what fills a field of the contract; None when nothing of the layout does."""
        part, _, name = path.rpartition(".")
        name = "name" if path == "subject_name" else name
        maps = {"": self.event, "subject": self.subject, "payload": self.payload}
        found = self.subject if path == "subject_name" else maps.get(part, ())
        return next((m for m in found if m.name == name), None)

    def named(self, header: Sequence[str]) -> list[str]:
        """Returns the columns of a header by their codes, in order."""
        titles = [folded_title(title) for title in header]
        return [self.aliases.get(title, title) for title in titles]

    def dated(self) -> set[str]:
        """Returns the columns that hold days."""
        maps = (*self.event, *self.subject, *self.payload)
        return {column for m in maps if m.form in DATED for column in m.column.split()}

    def columns(self) -> set[str]:
        """Returns every column that the layout knows."""
        maps = (*self.event, *self.subject, *self.payload)
        person = {self.person.column, self.person.code} if self.person else set()
        return (
            {column for m in maps for column in m.column.split()}
            | {*self.key, *self.rows, *self.header, *self.unread}
            | person
        )


class RowReader:
    """Turns the rows of one source in one layout into events; remembers what it numbered."""

    def __init__(self, layout: Layout, source: str, scheme: str, given: Mapping[str, str]) -> None:
        """Takes the source's id, the scheme of its subjects, and what its registration gives."""
        self.layout, self._source, self._scheme, self._given = layout, source, scheme, given
        self._seen: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}

    def event(self, row: Mapping[str, str]) -> dict[str, Any] | None:
        """Returns the event of a row; None for a row that another source's registration reads.

        Values are not checked here: what cannot be read is passed on as it came, and the ledger names the fault.
        """
        layout = self.layout
        if any(row.get(column) != value for column, value in layout.rows.items()):
            return None
        person = layout.person if layout.person and row.get(layout.person.column) == layout.person.value else None
        event: dict[str, Any] = {
            "source": self._source, "source_record_id": self._record_id(row, person), "source_version": 1,
            "op": "ASSERT", **self._fields(layout.event, row),
            "subject": {"scheme": self._scheme, **self._fields(layout.subject, row)},
            "payload": self._fields(layout.payload, row),
        }  # fmt: skip
        if person:
            event["subject"] |= {"scheme": "PERSON", "kind": "PERSON", "code": _cell(row, person.code)}
        return event

    def _record_id(self, row: Mapping[str, str], person: PersonRows | None) -> str:
        # A person's ID number must not live on in a record id: the service puts a keyed hash in its place.
        # Clerks put it into the column of codes as well.
        hidden = {person.code, self.layout.column_of("subject.code")} if person else set()
        key = tuple(PERSON_MARK if column in hidden else _cell(row, column) for column in self.layout.key)
        if person:
            named = key if PERSON_MARK in key else (*key, PERSON_MARK)
            return ":".join(named) if all(named) else ""
        if not self.layout.is_numbered:
            return ":".join(key) if all(key) else ""
        contents = self._seen.setdefault(key, {})
        return ":".join((*key, str(contents.setdefault(tuple(row.values()), len(contents) + 1))))

    def _fields(self, maps: Iterable[FieldMap], row: Mapping[str, str]) -> dict[str, Any]:
        found = {m.name: self._value(m, row) for m in maps}
        return {name: value for name, value in found.items() if value is not None}

    def _value(self, m: FieldMap, row: Mapping[str, str]) -> Any:
        if m.given:
            return self._given.get(m.given, m.default)
        if not m.column:
            return m.value
        # Only kinds of penalties are told in two columns.
        text = ";".join(filter(None, (_cell(row, column) for column in m.column.split())))
        if not text:
            return m.default
        if m.form == "choice":
            return m.values.get(text, text if m.default is None else m.default)
        if m.form == "choices":
            return list(dict.fromkeys(m.values.get(part, part) for part in _PARTS.split(text) if part))
        if m.form == "articles":
            return articles(self.layout, text)
        return _READERS[m.form](text)


def _cell(row: Mapping[str, str], column: str) -> str:
    return (row.get(column) or "").strip()


_PARTS = re.compile(r"\s*[;；]\s*")  # files separate by either


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() else text


def _amount(text: str, unit: Unit = Unit.YUAN) -> int | str:
    """Reads an amount as whole fen; what is none stays as it is, for the checks to name it."""
    try:
        return fen(text, unit)
    except CreditError:
        return text


def _day(text: str, calendar: Calendar = "ce") -> str:
    """Reads a civil date in any written form; what is none stays as it is."""
    try:
        return civil_date(text, calendar)
    except CreditError:
        return text


def _day_start(text: str, calendar: Calendar = "ce") -> str:
    """Reads a civil date as midnight at the sources' common offset, UTC+8."""
    try:
        return f"{civil_date(text, calendar)}T00:00:00+08:00"
    except CreditError:
        return text


_READERS: Mapping[str, Callable[[str], Any]] = {
    "text": str,
    "whole": _whole,
    "yuan": _amount,
    "wan_yuan": partial(_amount, unit=Unit.WAN),
    "day": _day,
    "day_start": _day_start,
    "roc_day": partial(_day, calendar="roc"),
    "roc_day_start": partial(_day_start, calendar="roc"),
}
DATED = frozenset({"day", "day_start", "roc_day", "roc_day_start"})
FORMS = (*_READERS, "choice", "choices", "articles")

_NUMERAL = re.compile(r"(?<=第)([零一二三四五六七八九十百]+)(?=[條項款条项])")
_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")}


def articles(layout: Layout, text: str) -> list[str]:
    """Reads cited provisions as `instrument/article/paragraph`, in order, each once.

    A provision that only empowers another is left out when it stands beside one. A text in which no
    known instrument is found stands for itself, for a penalty always has a basis.
    """
    plain = _NUMERAL.sub(lambda m: str(_number(m[1])), re.sub(r"\s", "", text))
    found: dict[str, None] = {}
    for match in layout.citation.finditer(plain) if layout.citation else ():
        instrument, article, dash, sub, paragraph = match.groups()
        number = article + (f"-{dash or sub}" if dash or sub else "")
        found["/".join(filter(None, (instrument, number, paragraph)))] = None
    own = [a for a in found if "/".join(a.split("/")[:2]) not in layout.enabling]
    return (own or list(found) or [plain[:ARTICLE_LENGTH]])[:ARTICLE_LIMIT]


def _number(numeral: str) -> int:
    """Reads a Chinese numeral below 1,000."""
    total, digit = 0, 0
    for c in numeral:
        if c in _DIGITS:
            digit = _DIGITS[c]
        else:
            total += max(digit, 1) * (10 if c == "十" else 100)
            digit = 0
    return total + digit


def _citation(instruments: Iterable[str], paragraph: str) -> re.Pattern[str]:
    names = "|".join(sorted((re.escape(name) for name in instruments), key=len, reverse=True))
    return re.compile(rf"({names})[》〉]?第*(\d+)(?:-(\d+))?[條条]?(?:之(\d+))?(?:第?(\d+){paragraph})?", re.ASCII)


def load_layouts(directory: Path = SHIPPED) -> tuple[Layout, ...]:
    """Loads the layouts that any source may use, in order of their ids."""
    return tuple(
        read_layout(path.name, tomllib.loads(path.read_text("utf-8")), path.stem)
        for path in sorted(directory.glob("*.toml"))
    )


def folded_title(title: str) -> str:
    """Returns a column's title in the one form in which titles are compared."""
    return unicodedata.normalize("NFKC", title).strip()


def recognised(header: Sequence[str], layouts: Iterable[Layout]) -> Layout | None:
    """Returns the layout whose header a file has, by columns or their other names; the one that asks for most wins."""
    fitting = [layout for layout in layouts if layout.header and set(layout.header) <= set(layout.named(header))]
    return max(fitting, key=lambda layout: len(layout.header), default=None)


def read_layout(file: str, table: Mapping[str, Any], name: str = "") -> Layout:
    """Reads a layout; fails with FILE_INVALID naming the path, got and want."""
    parts = {part: _maps(file, part, table.get(part, {})) for part in PARTS}
    cited, person = table.get("articles", {}), table.get("person")
    key = table.get("key") or [table.get("document"), table.get("entity")]
    if not all(isinstance(column, str) for column in key):
        raise invalid(file, "layout", sorted(table), "the columns `document` and `entity`, or a `key` of columns")
    if person is not None and set(person) != {f.name for f in fields(PersonRows)}:
        raise invalid(file, "layout.person", person, "column, value and code")
    aliases = {folded_title(title): column for title, column in table.get("aliases", {}).items()}
    return Layout(
        id=name, rows=table.get("rows", {}), key=tuple(key), is_numbered="key" not in table,
        event=parts["event"], subject=parts["subject"], payload=parts["payload"],
        citation=_citation(cited["instruments"], cited.get("paragraph", "項")) if cited.get("instruments") else None,
        enabling=tuple(cited.get("enabling", ())), header=tuple(table.get("header", ())),
        aliases=aliases, unread=tuple(table.get("unread", ())),
        person=PersonRows(**person) if person else None,
    )  # fmt: skip


def _maps(file: str, part: str, table: Mapping[str, Any]) -> tuple[FieldMap, ...]:
    maps = []
    for name, given in table.items():
        unknown = set(given) - {"column", "form", "value", "given", "values", "default"}
        if unknown or sum(origin in given for origin in ("column", "value", "given")) != 1:
            raise invalid(file, f"layout.{part}.{name}", given, "either a column or a value, or what is given")
        if given.get("form", "text") not in FORMS:
            raise invalid(file, f"layout.{part}.{name}.form", given["form"], ", ".join(FORMS))
        maps.append(FieldMap(name, **given))
    return tuple(maps)


def invalid(file: str, path: str, got: object, want: str) -> CreditError:
    """Names what is wrong in a file of the house."""
    return CreditError(Reason.FILE_INVALID, f"{file}: {path}: got {shown(got)}, want {want}", file=file, path=path)
