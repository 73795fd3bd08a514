"""Numbered, linear, forward-only migrations: one chain for the ledger's database, one for the query records'.

Each migration runs before, with and after the code it serves. On SQLite the two databases are two files; on
PostgreSQL they may be one, so each chain keeps its place in a version table of its own.
"""

import uuid
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from credit_service import changes
from credit_service.database import AUDIT_LOCK, Database
from credit_service.errors import CreditError, Reason
from credit_service.ledger import tables as ledger_tables

FOLDER = Path(__file__).parent
CHAINS = ("ledger", "audit")


def version_table(chain: str) -> str:
    """Names the table in which a chain keeps its place."""
    return f"migration_{chain}"


def upgrade(database_url: str, audit_url: str) -> list[str]:
    """Brings both databases to the newest migration; returns what was run, in order."""
    ran: list[str] = []
    for chain, url in zip(CHAINS, (database_url, audit_url), strict=True):
        with closing(Database(url, AUDIT_LOCK)) as database, database.engine.connect() as connection:
            before = _current(connection, chain)
            command.upgrade(_config(chain, connection), "head")
            connection.commit()
            ran += [f"{chain}/{name}" for name in _names(chain) if before is None or name > before]
    _start_heads(database_url)
    return ran


def pending(database_url: str, audit_url: str) -> list[str]:
    """Returns the migrations that `upgrade` would run."""
    found = []
    for chain, url in zip(CHAINS, (database_url, audit_url), strict=True):
        before = _found(url, chain)
        found += [f"{chain}/{name}" for name in _names(chain) if before is None or name > before]
    return found


def check(database_url: str, audit_url: str) -> None:
    """Fails with MIGRATION_NEEDED or DATABASE_NEWER unless both databases fit this program."""
    for chain, url in zip(CHAINS, (database_url, audit_url), strict=True):
        found = _found(url, chain)
        newest = _names(chain)[-1]
        if found is None or found < newest:
            raise CreditError(
                Reason.MIGRATION_NEEDED,
                f"{chain} database: got {found or 'no tables'}, want {newest}; run `credit-service migrate`",
            )
        if found > newest:
            raise CreditError(
                Reason.DATABASE_NEWER,
                f"{chain} database: got {found}, want {newest} or a newer program",
            )


def _start_heads(database_url: str) -> None:
    """Writes the first rows of an empty database; a new epoch tells partners that it is another life."""
    database = Database(database_url)
    with database.transaction() as session:
        if session.get(ledger_tables.LedgerHead, ledger_tables.HEAD_ID) is None:
            ledger_tables.start(session, uuid.uuid4().hex)
            changes.start(session)
    database.close()


def _found(url: str, chain: str) -> str | None:
    """Returns where a chain stands; looking at a file that is not there does not make it."""
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).is_file():
        return None
    database = Database(url, AUDIT_LOCK)
    with database.engine.connect() as connection:
        found = _current(connection, chain)
    database.close()
    return found


def _config(chain: str, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(FOLDER / chain))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["chain"] = chain
    return config


def _names(chain: str) -> list[str]:
    """Returns the migrations of a chain, first to last."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(FOLDER / chain))
    config.set_main_option("path_separator", "os")
    return [script.revision for script in reversed(list(ScriptDirectory.from_config(config).walk_revisions()))]


def _current(connection: Connection, chain: str) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": version_table(chain)}).get_current_revision()
