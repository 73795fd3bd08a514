"""Registered sources 数据来源单位: what each is, and how its files become events, as data."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from credit_service.errors import CreditError, Reason, shown
from credit_service.normal.amounts import Unit, fen
from credit_service.normal.dates import Calendar, civil_date

SHIPPED = Path(__file__).parent / "sources"
REGISTRATIONS = ("backfill", "live")
PARTS = ("event", "subject", "payload")
ARTICLE_LIMIT = 50
ARTICLE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Says where one field of an event comes from: a column read in a form, or a fixed value."""

    name: str
    column: str = ""
    form: str = "text"
    value: Any = None
    values: Mapping[str, Any] = field(default_factory=dict)
    default: Any = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Describes the rows of a source's file."""

    rows: Mapping[str, str]
    document: str
    entity: str
    event: tuple[FieldMap, ...]
    subject: tuple[FieldMap, ...]
    payload: tuple[FieldMap, ...]
    citation: re.Pattern[str] | None
    enabling: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Holds the registration of one source.

    A `backfill` source is collected long after the facts; training takes them as known from the
    later of the stated publication and `declared_lag_days` after the fact. A `live` source is known
    on receipt.
    """

    id: str
    scheme: str
    registration: str
    declared_lag_days: int
    title_zh: str
    title_en: str
    layout: Layout | None
    # Agreed days between signs of life (an event or a declared watermark); None: silence means nothing.
    interval_days: int | None = None
    # Its records may speak only of subjects whose registration was collected; others wait in quarantine.
    needs_registration: bool = False


def load_sources(directory: Path = SHIPPED) -> dict[str, Source]:
    """Loads every registration of a directory, by source id."""
    found: dict[str, Source] = {}
    for path in sorted(directory.glob("*.toml")):
        source = load_source(path)
        if source.id in found:
            raise _invalid(path.name, "id", source.id, "an id that no other file uses")
        found[source.id] = source
    return found


def load_source(path: Path) -> Source:
    """Loads one registration; says which key is wrong, got and wanted."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise _invalid(path.name, "file", str(fault), "a readable TOML file") from fault
    lag = table.get("declared_lag_days", 0)
    if table.get("registration") not in REGISTRATIONS:
        raise _invalid(path.name, "registration", table.get("registration"), " or ".join(REGISTRATIONS))
    if not isinstance(lag, int) or isinstance(lag, bool) or lag < 0:
        raise _invalid(path.name, "declared_lag_days", lag, "a whole number of days, 0 or more")
    for key in ("id", "scheme", "title_zh", "title_en"):
        if not isinstance(table.get(key), str) or not table[key]:
            raise _invalid(path.name, key, table.get(key), "a text")
    layout = _layout(path.name, table["layout"]) if "layout" in table else None
    return Source(
        id=table["id"],
        scheme=table["scheme"],
        registration=table["registration"],
        declared_lag_days=lag,
        title_zh=table["title_zh"],
        title_en=table["title_en"],
        layout=layout,
        interval_days=_interval(path.name, table.get("interval_days")),
        needs_registration=_flag(path.name, "needs_registration", table.get("needs_registration", False)),
    )


def _flag(name: str, key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _invalid(name, key, value, "true or false")
    return value


def _interval(name: str, days: object) -> int | None:
    if days is not None and (not isinstance(days, int) or isinstance(days, bool) or days < 1):
        raise _invalid(name, "interval_days", days, "a whole number of days, 1 or more")
    return days


def drafts(source: Source, rows: Iterable[Mapping[str, str]]) -> Iterator[dict[str, Any]]:
    """Turns the source's rows into events, in order; rows of other sources are skipped.

    The record id is document, entity and an ordinal that counts only distinct contents, so that a
    row that was published twice yields the same record with the same content. Values are not
    checked here: what cannot be read is passed on as it came, and the ledger names the fault.
    """
    layout = source.layout
    if layout is None:
        raise CreditError(Reason.FILE_INVALID, f"source: got {source.id}, want a source with a layout")
    seen: dict[tuple[str, str], dict[tuple[str, ...], int]] = {}
    for row in rows:
        if any(row.get(column) != value for column, value in layout.rows.items()):
            continue
        key = (row.get(layout.document) or "", row.get(layout.entity) or "")
        contents = seen.setdefault(key, {})
        ordinal = contents.setdefault(tuple(row.values()), len(contents) + 1)
        yield _event(source, layout, row, ":".join((*key, str(ordinal))))


def _event(source: Source, layout: Layout, row: Mapping[str, str], record_id: str) -> dict[str, Any]:
    event: dict[str, Any] = {
        "source": source.id, "source_record_id": record_id, "source_version": 1, "op": "ASSERT",
    }  # fmt: skip
    event |= _fields(layout, layout.event, row)
    event["subject"] = {"scheme": source.scheme, **_fields(layout, layout.subject, row)}
    event["payload"] = _fields(layout, layout.payload, row)
    return event


def _fields(layout: Layout, maps: Iterable[FieldMap], row: Mapping[str, str]) -> dict[str, Any]:
    found = {m.name: _value(layout, m, row) for m in maps}
    return {name: value for name, value in found.items() if value is not None}


def _value(layout: Layout, m: FieldMap, row: Mapping[str, str]) -> Any:
    if not m.column:
        return m.value
    text = (row.get(m.column) or "").strip()
    if not text:
        return m.default
    if m.form == "choice":
        return m.values.get(text, text if m.default is None else m.default)
    if m.form == "articles":
        return articles(layout, text)
    return _READERS[m.form](text)


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
    return f"{_day(text, calendar)}T00:00:00+08:00"


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
FORMS = (*_READERS, "choice", "articles")

_NUMERAL = re.compile(r"(?<=第)([一二三四五六七八九十百]+)(?=[條項款条])")
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


def _citation(instruments: Iterable[str]) -> re.Pattern[str]:
    names = "|".join(sorted((re.escape(name) for name in instruments), key=len, reverse=True))
    return re.compile(rf"({names})第*(\d+)(?:-(\d+))?條?(?:之(\d+))?(?:第?(\d+)項)?", re.ASCII)


def _layout(file: str, table: Mapping[str, Any]) -> Layout:
    parts = {part: _maps(file, part, table.get(part, {})) for part in PARTS}
    cited = table.get("articles", {})
    if not isinstance(table.get("document"), str) or not isinstance(table.get("entity"), str):
        raise _invalid(file, "layout", sorted(table), "the columns `document` and `entity`")
    return Layout(
        rows=table.get("rows", {}),
        document=table["document"],
        entity=table["entity"],
        event=parts["event"],
        subject=parts["subject"],
        payload=parts["payload"],
        citation=_citation(cited["instruments"]) if cited.get("instruments") else None,
        enabling=tuple(cited.get("enabling", ())),
    )


def _maps(file: str, part: str, table: Mapping[str, Any]) -> tuple[FieldMap, ...]:
    maps = []
    for name, given in table.items():
        unknown = set(given) - {"column", "form", "value", "values", "default"}
        if unknown or ("column" in given) == ("value" in given):
            raise _invalid(file, f"layout.{part}.{name}", given, "either a column or a value")
        if given.get("form", "text") not in FORMS:
            raise _invalid(file, f"layout.{part}.{name}.form", given["form"], ", ".join(FORMS))
        maps.append(FieldMap(name, **given))
    return tuple(maps)


def _invalid(file: str, path: str, got: object, want: str) -> CreditError:
    return CreditError(Reason.FILE_INVALID, f"{file}: {path}: got {shown(got)}, want {want}", file=file, path=path)
