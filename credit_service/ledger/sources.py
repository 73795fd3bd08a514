"""Registered sources 数据来源单位: what each is, as data; its files are read by layouts."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from credit_service.errors import CreditError, Reason
from credit_service.ledger.layouts import Layout, RowReader, invalid, read_layout

SHIPPED = Path(__file__).parent / "sources"
REGISTRATIONS = ("backfill", "live")
# Whose records repairs are: the service's own, so nobody may register it and submit for it.
SERVICE = "credit-service"


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
    # What its files leave unsaid and layouts ask for, such as `domain`.
    given: Mapping[str, str] = field(default_factory=dict)


def load_sources(directory: Path = SHIPPED) -> dict[str, Source]:
    """Loads every registration of a directory, by source id."""
    found: dict[str, Source] = {}
    for path in sorted(directory.glob("*.toml")):
        source = load_source(path)
        if source.id in found:
            raise invalid(path.name, "id", source.id, "an id that no other file uses")
        found[source.id] = source
    return found


def load_source(path: Path) -> Source:
    """Loads one registration; says which key is wrong, got and wanted."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise invalid(path.name, "file", str(fault), "a readable TOML file") from fault
    lag = table.get("declared_lag_days", 0)
    if table.get("registration") not in REGISTRATIONS:
        raise invalid(path.name, "registration", table.get("registration"), " or ".join(REGISTRATIONS))
    if not isinstance(lag, int) or isinstance(lag, bool) or lag < 0:
        raise invalid(path.name, "declared_lag_days", lag, "a whole number of days, 0 or more")
    for key in ("id", "scheme", "title_zh", "title_en"):
        if not isinstance(table.get(key), str) or not table[key]:
            raise invalid(path.name, key, table.get(key), "a text")
    if table["id"] == SERVICE:
        raise invalid(path.name, "id", SERVICE, "another id: this one is the service's own")
    layout = read_layout(path.name, table["layout"]) if "layout" in table else None
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
        given=_texts(path.name, "given", table.get("given", {})),
    )


def _texts(name: str, key: str, table: object) -> Mapping[str, str]:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise invalid(name, key, table, "a table of texts")
    return table


def _flag(name: str, key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise invalid(name, key, value, "true or false")
    return value


def _interval(name: str, days: object) -> int | None:
    if days is not None and (not isinstance(days, int) or isinstance(days, bool) or days < 1):
        raise invalid(name, "interval_days", days, "a whole number of days, 1 or more")
    return days


def drafts(source: Source, rows: Iterable[Mapping[str, str]]) -> Iterator[dict[str, Any]]:
    """Turns rows of the source's own layout into events, in order; rows of other sources are skipped."""
    if source.layout is None:
        raise CreditError(Reason.FILE_INVALID, f"source: got {source.id}, want a source with a layout")
    reader = RowReader(source.layout, source.id, source.scheme, source.given)
    for row in rows:
        event = reader.event(row)
        if event is not None:
            yield event
