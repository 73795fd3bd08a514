"""Loads dated editions of the rulebook from files and finds the one in force; evaluates none."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from credit_service.errors import CreditError, Reason
from credit_service.legal_days import day_text
from credit_service.rulebook.law import Edition
from credit_service.rulebook.reading import read_edition
from credit_service.rulebook.schema import Table

SHIPPED = Path(__file__).parent / "editions"
# By which articles points count, a file an edition. Apart from the editions: what two officers adopted, and what grades
# were judged by, is known by the digest of the edition file, and the basis of points moves no grade.
POINTS_BASES = Path(__file__).parent / "points_bases"


class _Link(NamedTuple):
    """Holds one document of the chain of an edition, and the bases of points beneath it: name, text and values."""

    name: str
    content: bytes
    own: dict[str, Any]
    beneath_content: bytes
    beneath: dict[str, Any]


def load_edition(path: Path) -> Edition:
    """Loads one edition; a file that extends another is read as the difference to it.

    The digest is SHA-256 over the file, followed by those of the files it extends. The bases of points that come
    with this program for any of them lie beneath, and are not part of it.
    """
    return _read(path.name, _chain(path.name, _content(path), lambda base: _beside(path, base)))


def read_draft(document: str, installed: Sequence[Edition]) -> Edition:
    """Reads an edition that is no file yet; it may extend an installed one. Fails with EDITION_INVALID."""
    content, documents = document.encode(), {edition.id: edition.document.encode() for edition in installed}
    # A draft has no file to be named after.
    name = f"{_parse('draft', content).get('id', 'draft')}.toml"
    return _read(name, _chain(name, content, documents.get))


def _read(name: str, chain: Sequence[_Link]) -> Edition:
    values: dict[str, Any] = {}
    laid = b""
    for link in reversed(chain):
        is_laid = _may_lie_beneath(link, values)
        laid = link.beneath_content if is_laid else b""
        values = merge(merge(values, link.beneath if is_laid else {}), link.own)
    digest = sha256(b"".join(link.content for link in chain)).hexdigest()
    return read_edition(Table(name, "", values), digest, chain[0].content.decode(), laid.decode())


def load_editions(directory: Path = SHIPPED) -> tuple[Edition, ...]:
    """Loads every edition of a directory; refuses two for one scheme that share a day."""
    editions = tuple(load_edition(path) for path in sorted(directory.glob("*.toml")))
    for n, one in enumerate(editions):
        for other in editions[:n]:
            _refuse_overlap(one, other)
    return editions


def edition_for(editions: Sequence[Edition], scheme: str, day: int) -> Edition:
    """Returns the edition in force for the scheme on the valid day."""
    for edition in editions:
        if scheme in edition.schemes and edition.is_in_force(day):
            return edition
    raise CreditError(
        Reason.NO_EDITION,
        f"as_of_time: got {day_text(day)}, want a day on which an edition for {scheme} is in force",
        scheme=scheme,
        day=day_text(day),
    )


def _refuse_overlap(one: Edition, other: Edition) -> None:
    shared = set(one.schemes) & set(other.schemes)
    day = max(one.valid_from, other.valid_from)
    if shared and one.is_in_force(day) and other.is_in_force(day):
        raise CreditError(
            Reason.EDITION_INVALID,
            f"{one.id}.toml: valid_from: got {day_text(one.valid_from)}, want no day shared with"
            f" {other.id} for {', '.join(sorted(shared))} (both in force on {day_text(day)})",
            file=f"{one.id}.toml",
            path="valid_from",
        )


def _chain(name: str, content: bytes, find: Callable[[str], bytes | None], seen: tuple[str, ...] = ()) -> list[_Link]:
    """Reads a document and those it extends, nearest first; `find` returns the document of an id."""
    values = _parse(name, content)
    base = values.pop("extends", None)
    link = _Link(Path(name).name, content, values, *_beneath(name))
    if base is None:
        return [link]
    found = find(base) if isinstance(base, str) and f"{base}.toml" not in (*seen, name) else None
    if found is None:
        Table(name, "", {}).refuse("extends", base, "the id of another edition beside this file")
    return [link, *_chain(f"{base}.toml", found, find, (*seen, name))]


def _beneath(name: str) -> tuple[bytes, dict[str, Any]]:
    """Returns the bases of points beneath a shipped edition; none for any other, which states its own."""
    file = POINTS_BASES / Path(name).name
    if not file.is_file():
        return b"", {}
    content = _content(file)
    return content, _parse(file.name, content)


def _may_lie_beneath(link: _Link, inherited: Mapping[str, Any]) -> bool:
    """Says whether an edition knows every instrument that is only dated: one that bears the name of another may not.

    Refuses what could move a grade: the digest, by which officers adopt, is not of what lies beneath.
    """
    beneath = Table(link.name, "", link.beneath)
    _refuse_more(beneath, ("instruments", "grading"))
    _refuse_more(beneath.table_or_empty("grading"), ("points_bases",))
    known = inherited.get("instruments", {}).keys() | link.own.get("instruments", {}).keys()
    instruments = beneath.table_or_empty("instruments")
    for name in known & instruments.values.keys():
        _refuse_more(instruments.table(name), ("valid_from",))
    return all("name" in instruments.table(name).values for name in instruments.values.keys() - known)


def _refuse_more(table: Table, wanted: Sequence[str]) -> None:
    if more := sorted(table.values.keys() - set(wanted)):
        table.refuse("", more[0], f"{' and '.join(wanted)} alone")


def _beside(path: Path, base: str) -> bytes | None:
    file = path.with_name(f"{base}.toml")
    return _content(file) if file.is_file() else None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise _unreadable(path.name, fault) from fault


def _parse(name: str, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise _unreadable(name, fault) from fault


def _unreadable(name: str, fault: Exception) -> CreditError:
    message = f"{name}: got {fault}, want a readable TOML file in UTF-8"
    return CreditError(Reason.EDITION_INVALID, message, file=name, path="")


def merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Lays a difference over a base: tables by key, lists of tables by id, anything else replaces.

    An entry of a list with `drop = true` leaves it.
    """
    merged = dict(base)
    for key, value in own.items():
        old = base.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = merge(old, value)
        elif _has_ids(old) and _has_ids(value):
            merged[key] = _merge_by_id(old, value)
        else:
            merged[key] = value
    return merged


def _has_ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and "id" in item for item in value)


def _merge_by_id(base: Any, own: Any) -> list[dict[str, Any]]:
    entries = {item["id"]: item for item in base}
    for item in own:
        entries[item["id"]] = merge(entries.get(item["id"], {}), item)
    return [item for item in entries.values() if not item.get("drop")]
