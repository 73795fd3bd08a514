"""Commands that keep the databases safe: backup and restore."""

import secrets
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from credit_service.backup import Manifest, back_up, check_archive
from credit_service.backup import restore as restore_databases
from credit_service.cli.connection import JsonOption
from credit_service.cli.operating import UrlOption
from credit_service.cli.output import print_json, say
from credit_service.settings import from_environment, mask_url


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(backup)
    app.command()(restore)


def backup(
    file: Annotated[Path, typer.Argument(help="Archive to write, such as credit-2026-11-23.tar.gz.")],
    url: UrlOption = "",
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    only_verify: Annotated[
        bool,
        typer.Option("--verify", help="Write nothing: check that FILE is whole; its chains are proven by restore."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Back up both databases into one file, while the server serves.

    The file restores to SQLite and to PostgreSQL. No key is in it: keep the person key, certificates and settings
    elsewhere; without the person key, names of persons cannot be read again. Beside the file there must be room
    for the largest table, unpacked.
    """
    if only_verify:
        found, verb = check_archive(file), "whole"
    else:
        found, verb = back_up(_urls(url), file, datetime.now(UTC), force=force), "written"
    if as_json:
        print_json(_facts(found))
        return
    say(f"{verb}: {file}, {_rows(found)} rows in {len(found.members)} tables, by {found.version} at {found.made_time}")
    say(f"{found.position} events, head {found.chain_hash}; {found.query_number} query records; epoch {found.epoch}")
    if only_verify:
        say("as it was written; that its chains hold is proven by `credit-service restore` into an empty database")


def restore(
    file: Annotated[Path, typer.Argument(help="Archive that `credit-service backup` wrote.")],
    url: UrlOption = "",
    as_json: JsonOption = False,
) -> None:
    """Fill two empty databases from a backup and verify them; a failure leaves them empty.

    The restored ledger gets a new epoch: partners are told EPOCH_CHANGED and take a new snapshot. No key is in a
    backup: serve with the person key that was in use when it was made.
    """
    urls, epoch = _urls(url), secrets.token_hex(16)
    done = restore_databases(file, urls, epoch)
    if as_json:
        facts = {**_facts(done.manifest), "content_root": done.ledger.content_root.hex(), "verified": True}
        print_json({**facts, "former_epoch": done.manifest.epoch, "epoch": epoch})
        return
    say(f"restored {_rows(done.manifest)} rows to {mask_url(urls[0])}")
    say(f"the chain of {done.ledger.events} events holds, and so does that of {done.manifest.query_number} queries")
    say(f"head {done.ledger.head.hex()}, content root {done.ledger.content_root.hex()}")
    say(f"epoch {epoch}: partners must take a new snapshot")


def _urls(url: str) -> tuple[str, str]:
    settings = from_environment(database_url=url or None)
    return settings.database_url, settings.audit_database_url()


def _rows(manifest: Manifest) -> int:
    return sum(member.rows for member in manifest.members)


def _facts(manifest: Manifest) -> dict[str, Any]:
    facts = asdict(manifest)
    facts["rows"] = {member["table"]: member["rows"] for member in facts.pop("members")}
    return facts
