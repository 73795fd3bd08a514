"""Writes a city to a folder: events or 双公示 tables, their manifest, the planted cases."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from training.simulated_city import shuanggongshi
from training.simulated_city.city import planted, sources, subject_events
from training.simulated_city.codes import person_code

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_NAMES = {"PEN": "penalties", "LIC": "licences"}


@dataclass(frozen=True, slots=True)
class Order:
    """Says which city is wanted and how; columns and encoding are for 双公示 tables."""

    subjects: int
    seed: int
    until: date
    layout: str = "events"
    columns: str = "current"
    encoding: str = "utf-8"


class HashedFile:
    """Writes a file under a passing name and counts and digests what it writes."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        """Takes the stream to write to and the name the file gets in the end."""
        self.path = path
        self._stream = stream
        self._digest = sha256()
        self._bytes = 0
        self._rows = 0

    def write(self, data: bytes, rows: int = 1) -> None:
        """Appends these bytes, which hold so many rows."""
        self._stream.write(data)
        self._digest.update(data)
        self._bytes += len(data)
        self._rows += rows

    def entry(self) -> dict[str, Any]:
        """Returns the manifest's entry of this file."""
        return {"rows": self._rows, "bytes": self._bytes, "sha256": self._digest.hexdigest()}


def event_line(event: dict[str, Any]) -> bytes:
    """Writes an event as one line of JSON."""
    return _encode(event).encode() + b"\n"


def write_folder(order: Order, folder: Path) -> dict[str, Any]:
    """Writes the whole city to the folder and returns its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest: dict[str, Any] = {
        "simulated": True,
        "note": "模拟数据，不涉及任何真实单位 / simulated data about no real firm",
        "layout": order.layout,
        "seed": order.seed,
        "subjects": order.subjects,
        "until": order.until.isoformat(),
    }
    if order.layout == "events":
        manifest |= _write_events(order, folder)
        _write_json(folder / "cases.json", cases_document(order))
        _write_json(folder / "manifest.json", manifest)
    else:
        manifest |= {"columns": order.columns, "encoding": order.encoding}
        manifest |= _write_tables(order, folder)
        _write_json(folder / "manifest.shuanggongshi.json", manifest)
    return manifest


def cases_document(order: Order) -> dict[str, Any]:
    """Returns the planted cases by subject code, with what must find them."""
    cases = {}
    for life, case in planted(order.subjects, order.seed, order.until):
        entry: dict[str, Any] = {
            "index": life.firm.index,
            "name": life.firm.name,
            "planted": case.id,
            "rules": list(case.rules),
            "forbids": list(case.forbids),
            "zh": case.zh,
            "en": case.en,
        }
        if case.limit:
            entry["limit"] = case.limit
        if case.has_person:
            entry["person"] = person_code(order.seed, life.firm.index)
        cases[life.firm.code] = entry
    head = {
        "simulated": True,
        "seed": order.seed,
        "subjects": order.subjects,
        "until": order.until.isoformat(),
    }
    return head | {"edition": "cn-2026-04", "cases": cases}


def _write_events(order: Order, folder: Path) -> dict[str, Any]:
    kinds: Counter[str] = Counter()
    with ExitStack() as stack:
        files = {source: stack.enter_context(_open(folder / f"{source}.simulated.jsonl")) for source in sources()}
        for index in range(order.subjects):
            for event in subject_events(index, order.seed, order.until):
                files[event["source"]].write(event_line(event))
                kinds[f"{event['kind']}/{event['domain']}"] += 1
        entries = {file.path.name: file.entry() for file in files.values()}
    return {"events": kinds.total(), "kinds": dict(sorted(kinds.items())), "files": entries}


def _write_tables(order: Order, folder: Path) -> dict[str, Any]:
    with ExitStack() as stack:
        files = {}
        for source in sources():
            for kind, name in _NAMES.items():
                file = stack.enter_context(_open(folder / f"{source}.{name}.simulated.csv"))
                file.write(shuanggongshi.header(kind, order.columns).encode(order.encoding), rows=0)
                files[source, kind] = file
        for index in range(order.subjects):
            for event in shuanggongshi.latest(subject_events(index, order.seed, order.until)):
                row = shuanggongshi.line(event, order.columns)
                files[event["source"], event["kind"]].write(row.encode(order.encoding))
        return {"files": {file.path.name: file.entry() for file in files.values()}}


@contextmanager
def _open(path: Path) -> Iterator[HashedFile]:
    passing = path.with_name(path.name + ".part")
    with passing.open("wb", buffering=1 << 20) as stream:
        yield HashedFile(path, stream)
    passing.replace(path)


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
