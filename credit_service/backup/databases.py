"""The databases of a backup: read at one moment, filled in one transaction, proven before it is kept."""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from credit_service import migrations
from credit_service.audit.acts import verify_acts
from credit_service.audit.queries import GENESIS, PAGE, chain_hash
from credit_service.audit.tables import query_page
from credit_service.backup import shapes
from credit_service.backup.archive import MANIFEST, Manifest, invalid
from credit_service.backup.shapes import Shape
from credit_service.changes import head_revision
from credit_service.database import AUDIT_LOCK, LEAST, Database, insert_rows
from credit_service.errors import CreditError, Reason, shown
from credit_service.ledger.verify import Verified, verify

ROWS_AT_ONCE = 1000
JSON_LINES = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=lambda content: b64encode(content).decode()
)
Sessions = dict[str, Session]


@contextmanager
def telling_faults() -> Iterator[None]:
    """Turns what a driver says into one line; its statement and values may hold personal data."""
    try:
        yield
    except DBAPIError as fault:
        raise CreditError(Reason.INTERNAL, f"database: got {_first_line(fault.orig)}, want an answer") from fault


def _first_line(fault: BaseException | None) -> str:
    return shown(str(fault).partition("\n")[0], 200)


@contextmanager
def reading(urls: tuple[str, str]) -> Iterator[Sessions]:
    """Opens a session per database that sees one state and cannot write; yields it by chain."""
    with ExitStack() as opened:
        sessions: dict[str, Session] = {}
        for url in dict.fromkeys(urls):
            database = Database(url, AUDIT_LOCK)
            opened.callback(database.close)
            sessions[url] = opened.enter_context(database.reading())
            if not database.is_sqlite:
                sessions[url].execute(text("SET TRANSACTION READ ONLY"))
        yield {chain: sessions[url] for chain, url in zip(migrations.CHAINS, urls, strict=True)}


@contextmanager
def filling(urls: tuple[str, str]) -> Iterator[Sessions]:
    """Opens a writing transaction per database and yields its session by chain; both are kept or neither."""
    ledger, audit = Database(urls[0]), Database(urls[1], AUDIT_LOCK)
    is_audit_kept = False
    try:
        with ledger.transaction() as session:
            _refuse_tables(session)
            if urls[0] == urls[1]:
                yield dict.fromkeys(migrations.CHAINS, session)
            else:
                with audit.transaction() as other:
                    _refuse_tables(other)
                    yield dict(zip(migrations.CHAINS, (session, other), strict=True))
                is_audit_kept = True
    except BaseException:
        if is_audit_kept:
            _drop_tables(audit)
        raise
    finally:
        ledger.close()
        audit.close()


def _drop_tables(audit: Database) -> None:
    names = [shape.clause.name for shape in shapes.tables("audit", shapes.revisions("audit")[-1])]
    with audit.transaction() as session:
        for name in (*names, migrations.version_table("audit")):
            session.execute(text(f'DROP TABLE "{name}"'))


def require_tables(urls: tuple[str, str]) -> None:
    """Refuses databases that were never migrated; looking at a file that is not there does not make it."""
    missing = set(migrations.pending(*urls))
    for chain in migrations.CHAINS:
        if f"{chain}/{shapes.revisions(chain)[0]}" in missing:
            shapes.require_known(chain, None, "database")


def require_empty(urls: tuple[str, str]) -> None:
    """Refuses databases that hold tables; looking at a file that is not there does not make it."""
    for url in urls:
        path = url.removeprefix("sqlite:///")
        if path == url or Path(path).is_file():
            with reading((url, url)) as sessions:
                _refuse_tables(sessions["ledger"])


def _refuse_tables(session: Session) -> None:
    found = inspect(session.connection()).get_table_names()
    if found:
        raise CreditError(
            Reason.SETTING_INVALID,
            f"database_url: got a database with {len(found)} tables such as {found[0]}, want an empty one",
        )


def stand(sessions: Sessions) -> dict[str, Any]:
    """Returns where both databases stand, as the manifest tells it."""
    found = {}
    for chain, session in sessions.items():
        options = {"version_table": migrations.version_table(chain)}
        revision = MigrationContext.configure(session.connection(), opts=options).get_current_revision()
        shapes.require_known(chain, revision, "database")
        found[chain] = revision
    # Plain statements: the tables may be older than those of the code.
    ledger, audit = sessions["ledger"], sessions["audit"]
    head = ledger.execute(text("SELECT epoch, position, chain_hash FROM ledger_head")).one()
    last = audit.execute(text("SELECT number, chain_hash FROM query_record ORDER BY number DESC LIMIT 1")).first()
    number, query_hash = last or (0, GENESIS)
    return {
        "migrations": found, "epoch": head.epoch, "position": head.position, "chain_hash": head.chain_hash.hex(),
        "revision": ledger.execute(text("SELECT revision FROM feed_head")).scalar_one(),
        "query_number": number, "query_chain_hash": query_hash.hex(),
    }  # fmt: skip


def encoded(session: Session, shape: Shape) -> Iterator[tuple[int, bytes]]:
    """Yields the rows of a table in order of its key as pieces of (rows, JSON lines); bytes are base64."""
    statement = select(shape.clause).order_by(*(shape.clause.c[name] for name in shape.key))
    streamed = session.execute(statement, execution_options={"yield_per": ROWS_AT_ONCE})
    for rows in streamed.partitions():
        yield len(rows), "".join(JSON_LINES.encode(tuple(row)) + "\n" for row in rows).encode()


def lay_tables(session: Session, chain: str, revision: str) -> None:
    """Makes the tables of a migration, and empties them of rows that the migrations planted."""
    shapes.migrate(session, chain, revision)
    for shape in reversed(shapes.tables(chain, revision)):
        session.execute(shape.clause.delete())


def load(session: Session, shape: Shape, stream: IO[bytes]) -> str:
    """Inserts the rows of a member and returns its SHA-256."""
    digest, model = hashlib.sha256(), SimpleNamespace(__table__=shape.clause)
    driver: Any = session.connection().dialect.loaded_dbapi
    while lines := list(islice(stream, ROWS_AT_ONCE)):
        digest.update(b"".join(lines))
        try:
            insert_rows(session, model, _decoded(shape, lines))
        except (ValueError, TypeError, DBAPIError, driver.Error) as fault:
            told = _first_line(fault.orig if isinstance(fault, DBAPIError) else fault)
            raise invalid(shape.member_name, f"rows that cannot be stored ({told})", "rows of its table") from fault
    return digest.hexdigest()


def _decoded(shape: Shape, lines: list[bytes]) -> list[dict[str, Any]]:
    names = [name for name, _ in shape.columns]
    packed = [name for name, kind in shape.columns if kind == "bytes"]
    rows = [dict(zip(names, values, strict=True)) for values in json.loads(b"[" + b",".join(lines) + b"]")]
    for row in rows:
        for name in packed:
            if row[name] is not None:
                row[name] = b64decode(row[name], validate=True)
    return rows


def finish(session: Session, chain: str, revision: str) -> None:
    """Lets numbers continue after the highest, then runs the migrations that the backup had not seen."""
    if session.get_bind().dialect.name == "postgresql":
        for shape in shapes.tables(chain, revision):
            _continue_sequences(session, shape)
    # What a later migration derives from rows, it finds: they are there before it runs.
    shapes.migrate(session, chain, shapes.revisions(chain)[-1])


def _continue_sequences(session: Session, shape: Shape) -> None:
    """Sets the sequences of a table; SQLite counts from the rows by itself."""
    name = f'"{shape.clause.name}"'
    for column, kind in shape.columns:
        asked = {"name": name, "column": column}
        sequence = (
            kind == "integer"
            and session.execute(text("SELECT pg_get_serial_sequence(:name, :column)"), asked).scalar_one()
        )
        if sequence:
            statement = f'SELECT setval(:sequence, max("{column}")) FROM {name}'  # noqa: S608  # names of our own tables
            session.execute(text(statement), {"sequence": sequence})


def proven(sessions: Sessions, manifest: Manifest, epoch: str) -> Verified:
    """Gives the ledger its new epoch and verifies both chains up to the heads of the manifest."""
    ledger = sessions["ledger"]
    ledger.execute(text("UPDATE ledger_head SET epoch = :epoch"), {"epoch": epoch})
    # They only repeat the ledger, and no chain proves them.
    ledger.execute(text("DELETE FROM timeline"))
    found = verify(ledger)
    if found.broken_position is not None:
        raise CreditError(Reason.CHAIN_BROKEN, f"ledger: got a broken link at event {found.broken_position}, want none")
    if (acts := verify_acts(ledger)).broken_number is not None:
        raise CreditError(Reason.CHAIN_BROKEN, f"acts: got a broken link at act {acts.broken_number}, want none")
    number, query_hash = _verified_queries(sessions["audit"])
    stands = (found.events, found.head.hex(), head_revision(ledger), number, query_hash.hex())
    told = (
        manifest.position, manifest.chain_hash, manifest.revision, manifest.query_number, manifest.query_chain_hash,
    )  # fmt: skip
    if stands != told:
        raise invalid(MANIFEST, f"heads {told}", f"those of the rows, {stands}")
    return found


def _verified_queries(session: Session) -> tuple[int, bytes]:
    """Walks the query records inside the transaction that restores them; returns their head."""
    chain, number = GENESIS, 0
    while page := query_page(session, number or LEAST, PAGE):
        for row in page:
            chain = chain_hash(chain, number + 1, row)
            if row.number != number + 1 or row.chain_hash != chain:
                raise CreditError(Reason.CHAIN_BROKEN, f"audit: got a broken link at query {number + 1}, want none")
            number = row.number
        session.expunge_all()
    return number, chain
