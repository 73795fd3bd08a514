"""Backup and restore: both databases in one archive, each as it stood at one moment.

Rows are written alike for both databases, so that either restores what the other gave. Keys and addresses are
never in an archive.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from credit_service import __version__, migrations
from credit_service.backup import databases, shapes
from credit_service.backup.archive import (
    FORMAT,
    MANIFEST,
    Manifest,
    add_content,
    add_member,
    check_archive,
    invalid,
    members,
    packing,
    telling_damage,
    whole_or_absent,
)
from credit_service.errors import shown
from credit_service.ledger.verify import Verified

__all__ = ["Manifest", "Restored", "back_up", "check_archive", "restore"]


@dataclass(frozen=True, slots=True)
class Restored:
    """Tells what stands in the databases after a restore, verified."""

    manifest: Manifest
    ledger: Verified


def back_up(urls: tuple[str, str], file: Path, now: datetime, *, force: bool = False) -> Manifest:
    """Writes ledger and query records into one new file while others write to the databases."""
    with databases.telling_faults():
        databases.require_tables(urls)
        with (
            whole_or_absent(file, force=force) as target,
            databases.reading(urls) as sessions,
            packing(target) as archive,
        ):
            # Every head is read before the first row: from here on each session sees its one state.
            stand = databases.stand(sessions)
            found = []
            for chain, revision in stand["migrations"].items():
                for shape in shapes.tables(chain, revision):
                    rows = databases.encoded(sessions[chain], shape)
                    digest = add_member(archive, shape.member_name, rows, file.parent, now)
                    found.append(shape.described(digest))
            manifest = Manifest(FORMAT, __version__, now.isoformat(), members=tuple(found), **stand)
            add_content(archive, MANIFEST, json.dumps(asdict(manifest), indent=1).encode(), now)
    return manifest


def restore(file: Path, urls: tuple[str, str], epoch: str) -> Restored:
    """Fills two empty databases under a new epoch and verifies both chains; a failure leaves them empty."""
    with databases.telling_faults():
        databases.require_empty(urls)
        manifest = check_archive(file)
        for chain in migrations.CHAINS:
            shapes.require_known(chain, manifest.migrations.get(chain), "backup")
        wanted = shapes.fitting(manifest)
        with databases.filling(urls) as sessions:
            for chain, session in sessions.items():
                databases.lay_tables(session, chain, manifest.migrations[chain])
            _load(file, wanted, sessions)
            for chain, session in sessions.items():
                databases.finish(session, chain, manifest.migrations[chain])
            return Restored(manifest, databases.proven(sessions, manifest, epoch))


def _load(file: Path, wanted: dict[str, shapes.Fitting], sessions: databases.Sessions) -> None:
    """Loads every member; a file that changed since it was checked is refused."""
    loaded = set()
    with telling_damage():
        for name, stream in members(file):
            if name == MANIFEST:
                continue
            shape, digest = wanted.get(name, (None, ""))
            if shape is None or databases.load(sessions[shape.chain], shape, stream) != digest:
                raise invalid(shown(name), "other content than a moment ago", "a file that nobody writes")
            loaded.add(name)
    if loaded != set(wanted):
        raise invalid("file", "fewer members than a moment ago", "a file that nobody writes")
