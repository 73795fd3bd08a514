"""The command that writes what data scientists learn from: the ledger, what officers set, and how far sources came."""

import json
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import Session

from credit_service.cli.connection import JsonOption
from credit_service.cli.databases import check_ready
from credit_service.cli.operating import UrlOption
from credit_service.cli.output import print_json, say
from credit_service.database import Database
from credit_service.errors import CreditError, Reason
from credit_service.grades.overrides import all_moves
from credit_service.ledger.extracting import event_lines
from credit_service.ledger.sources import SHIPPED, load_sources
from credit_service.ledger.streams import watermarks
from credit_service.legal_days import day_text
from credit_service.settings import Settings, from_environment

EVENTS, OVERRIDES, SOURCES = "events.jsonl", "overrides.jsonl", "sources.jsonl"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(extract)


def extract(
    folder: Annotated[Path, typer.Argument(help="Folder to make, such as extract-2026-11-23.")],
    url: UrlOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write what training learns from, as it stands at one moment: events, overrides, how far sources came.

    Neither persons nor names nor officers are in it; codes of enterprises are. Only its owner may read the files.
    """
    settings = from_environment(database_url=url or None)
    check_ready(settings)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as fault:
        raise CreditError(Reason.FILE_INVALID, f"folder: got {folder}, which is there, want a new one") from fault
    database = Database(settings.database_url)
    try:
        with database.reading() as session:
            counts = {
                EVENTS: _write(folder / EVENTS, event_lines(session)),
                OVERRIDES: _write(folder / OVERRIDES, _override_lines(session)),
                SOURCES: _write(folder / SOURCES, _source_lines(session, settings)),
            }
    finally:
        database.close()
    if as_json:
        print_json(counts)
    else:
        say(f"written: {folder}, " + ", ".join(f"{count} lines of {name}" for name, count in counts.items()))


def _override_lines(session: Session) -> Iterator[bytes]:
    for move in all_moves(session):
        told = {
            "override_id": move.override_id, "subject_id": move.subject_id, "number": move.number, "name": move.name,
            "grade": move.grade, "reason": move.reason_code, "last_date": day_text(move.last_day),
            "move_time": move.move_time.isoformat(),
        }  # fmt: skip
        yield _line(told)


def _source_lines(session: Session, settings: Settings) -> Iterator[bytes]:
    sources = load_sources(Path(settings.sources_dir) if settings.sources_dir else SHIPPED)
    now = datetime.now(UTC)
    for one in watermarks(session, {name: source.interval_days for name, source in sources.items()}, now):
        told = {"source": one.source, "is_stale": one.is_stale, "asked_time": now.isoformat()}
        for name in ("complete_until_time", "last_collect_time"):
            time: datetime | None = getattr(one, name)
            told |= {} if time is None else {name: time.isoformat()}
        yield _line(told)


def _line(told: dict[str, object]) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode() + b"\n"


def _write(path: Path, lines: Iterable[bytes]) -> int:
    count = 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        for line in lines:
            out.write(line)
            count += 1
    return count
