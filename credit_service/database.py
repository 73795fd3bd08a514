"""Engine, transactions and column types: the only place that knows the database dialect."""

import errno
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Connection, Dialect, Engine, bindparam, collate, event, text
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session, SQLModel, create_engine

from credit_service.errors import CreditError, Reason

PAIRS_AT_ONCE = 1000
KEYS_AT_ONCE = 1000
# So many rows go into one statement.
ROWS_TOGETHER = (64, 16, 4)
DRIVERS = frozenset({"sqlalchemy", "sqlite3", "psycopg"})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
PASSING = frozenset({"OperationalError", "InterfaceError", "TimeoutError"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# The least whole number that a column holds: what a walk from the very beginning begins after.
LEAST = -(2**63)
# What a connection keeps of the pages of a SQLite file. The writer's grows full early and stays so; one that reads is
# emptied by every commit of the writer, and there are many.
WRITER_CACHE_KIB, READER_CACHE_KIB = 32768, 8192
# Pages of the write-ahead log before a commit carries them over to a SQLite file: of four commits in a row those pages
# that all of them wrote go over once.
CHECKPOINT_PAGES = 4000
# Statements that a connection to a SQLite file keeps prepared: the steady ones of collecting and judging find room.
# Those that ask for a list differ by its length, hold a quarter of a megabyte each, and would fill any number.
PREPARED = 48
# A stable number names the lock; any 64-bit value serves as long as every writer uses the same.
LEDGER_LOCK = 0x6C656467
AUDIT_LOCK = 0x61756474


def to_microseconds(time: datetime) -> int:
    """Counts microseconds since 1970-01-01 UTC, exactly."""
    gap = time - EPOCH
    return (gap.days * 86400 + gap.seconds) * 1_000_000 + gap.microseconds


def from_microseconds(count: int) -> datetime:
    """Turns microseconds since 1970-01-01 UTC back into a time."""
    return EPOCH + timedelta(microseconds=count)


class UtcTime(TypeDecorator[datetime]):
    """Keeps an aware time as microseconds since 1970 UTC, alike on every dialect."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Refuses naive times; stores the rest."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time reached the database")
        return to_microseconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Reads a time back in UTC."""
        return None if value is None else from_microseconds(int(value))


class Database:
    """Opens transactions on one database; writers are serialised, so revisions follow commit order."""

    def __init__(self, url: str, lock_number: int = LEDGER_LOCK) -> None:
        """Prepares the engine; nothing is opened yet."""
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._lock_number = lock_number
        self._writer = threading.Lock()
        self._writing: Connection | None = None
        self._watching: Any = None

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Opens the writing transaction; commits at the end, rolls back on an error."""
        with self._writer:
            try:
                with Session(self._writing_bind(), expire_on_commit=False) as session:
                    if not self.is_sqlite:
                        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": self._lock_number})
                    yield session
                    session.commit()
            except BaseException:
                # A commit that failed leaves its transaction open, and no other process could write meanwhile.
                self._let_go_unless_clean()
                raise

    def _writing_bind(self) -> Engine | Connection:
        """Returns what the writer works on: on SQLite always the same connection, whose pages stay warm.

        A connection forgets every page it keeps as soon as another one has written.
        """
        if not self.is_sqlite:
            return self.engine
        self._let_go_unless_clean()
        if self._writing is None:
            # A plain BEGIN lets two writers read first and then fail with "database is locked";
            # IMMEDIATE takes the write lock at once and makes revision order equal commit order.
            self._writing = self.engine.connect().execution_options(credit_begin="BEGIN IMMEDIATE")
            driver: Any = self._writing.connection
            driver.execute(f"PRAGMA cache_size=-{WRITER_CACHE_KIB}")
        return self._writing

    def _let_go_unless_clean(self) -> None:
        """Closes a writing connection that is lost, or whose transaction is still open: another begins afresh."""
        if self._writing is not None and not _is_clean(self._writing):
            self._writing.invalidate()
            self._writing.close()
            self._writing = None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Opens a transaction that sees one state of the database and changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            if not self.is_sqlite:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    def version(self) -> int | None:
        """Returns what moves whenever somebody commits, be it another process; for one thread, as it asks no disk.

        None on PostgreSQL, which could only say so across the network.
        """
        if not self.is_sqlite:
            return None
        if self._watching is None:
            # One connection alone has numbers that can be compared, and one that never writes misses no commit.
            self._watching = self.engine.raw_connection()
            self._watching.detach()
        number: int = self._watching.dbapi_connection.execute("PRAGMA data_version").fetchone()[0]
        return number

    def create_tables(self, tables: list[Any]) -> None:
        """Creates the given tables where they are missing; tests use it, operators migrate."""
        SQLModel.metadata.create_all(self.engine, tables=tables)

    def close(self) -> None:
        """Closes every connection."""
        if self._writing is not None:
            self._writing.close()
            self._writing = None
        if self._watching is not None:
            self._watching.close()
            self._watching = None
        self.engine.dispose()


def is_storage_failure(error: Exception) -> bool:
    """Says whether the database, not the data's own rules above it, refused; drivers used directly are not wrapped."""
    return any(kind.__module__.partition(".")[0] in DRIVERS for kind in type(error).__mro__)


def is_passing_failure(error: Exception) -> bool:
    """Says whether the database was not there, or had no room or lock: the same work may succeed in a moment."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    kinds = ((kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__)
    if any(module in DRIVERS and name in PASSING for module, name in kinds):
        return True
    # What the database says while a failure is cleared away is its consequence.
    cause = error.__cause__ or error.__context__
    return is_storage_failure(error) and isinstance(cause, Exception) and is_passing_failure(cause)


def insert_rows(session: Session, model: Any, rows: list[dict[str, Any]]) -> None:
    """Inserts plain rows, all with the keys of the first, the way of `insert_tuples`."""
    if rows:
        names = tuple(rows[0])
        insert_tuples(session, model, names, [tuple(row[name] for name in names) for row in rows])


def insert_tuples(session: Session, model: Any, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts rows by the driver's fastest way; none is no statement.

    Collection meets thousands of rows a second, and neither mapper nor statement compiler may see each of them.
    """
    if not rows:
        return
    table = model.__table__
    times = frozenset(place for place, name in enumerate(names) if isinstance(table.c[name].type, UtcTime))
    insert_stored(session, model, names, rows if not times else [_stored(row, times) for row in rows])


def upsert_tuples(
    session: Session, model: Any, names: Sequence[str], rows: Sequence[tuple[Any, ...]], keys: Sequence[str]
) -> None:
    """Inserts rows, or replaces the other columns of those whose key exists, past mapper and statement compiler."""
    if not rows:
        return
    session.flush()
    table, connection = model.__table__, session.connection()
    times = frozenset(place for place, name in enumerate(names) if isinstance(table.c[name].type, UtcTime))
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    columns, marks = ", ".join(f'"{name}"' for name in names), ", ".join([mark] * len(names))
    changed = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in keys)
    sql = (
        f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks}) '  # noqa: S608  # names of our own tables
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changed}"
    )
    connection.exec_driver_sql(sql, [_stored(row, times) for row in rows])


def insert_stored(session: Session, model: Any, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts rows whose values are already as they are kept: times as microseconds."""
    session.flush()
    table, connection = model.__table__, session.connection()
    columns = ", ".join(f'"{name}"' for name in names)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(names))
        sql = f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})'  # noqa: S608  # names of our own tables
        connection.exec_driver_sql(sql, list(rows))
        return
    driver: Any = connection.connection
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)


def insert_together(session: Session, model: Any, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts rows like `insert_stored`, many to a statement.

    The driver of SQLite lets the interpreter go at every row, and a thread beside the event loop may wait long to have
    it back. Few sizes of statements keep few of them prepared.
    """
    start = 0
    for size in ROWS_TOGETHER if session.connection().dialect.name == "sqlite" else ():
        marks = f"({', '.join('?' * len(names))})"
        columns = ", ".join(f'"{name}"' for name in names)
        sql = f'INSERT INTO "{model.__table__.name}" ({columns}) VALUES {", ".join([marks] * size)}'  # noqa: S608  # names of our own tables
        while len(rows) - start >= size:
            given = tuple(chain.from_iterable(rows[start : start + size]))
            session.connection().exec_driver_sql(sql, given)
            start += size
    if start < len(rows):
        insert_stored(session, model, names, rows[start:])


def _stored(row: tuple[Any, ...], times: frozenset[int]) -> tuple[Any, ...]:
    """Returns a row with its times as they are kept."""
    changed = list(row)
    for place in times:
        if changed[place] is not None:
            changed[place] = to_microseconds(changed[place])
    return tuple(changed)


def select_by_pairs(
    session: Session, model: Any, columns: Sequence[str], key: tuple[str, str], pairs: Sequence[tuple[str, str]]
) -> Sequence[Any]:
    """Returns plain rows of a table whose two text columns equal one of the pairs; times as microseconds.

    There are few different first texts among the pairs: each is asked for by itself.
    """
    table, connection = model.__table__.name, session.connection()
    wanted, is_sqlite = ", ".join(f'"{name}"' for name in columns), connection.dialect.name == "sqlite"
    by_first: dict[str, list[str]] = {}
    for first, second in pairs:
        by_first.setdefault(first, []).append(second)
    found: list[Any] = []
    for first, seconds in by_first.items():
        for start in range(0, len(seconds), PAIRS_AT_ONCE):
            part = seconds[start : start + PAIRS_AT_ONCE]
            given: tuple[str, ...] = (first, *part) if is_sqlite else (first, _listed(part))
            mark, condition = ("?", f"IN ({', '.join('?' * len(part))})") if is_sqlite else ("%s", f"= ANY({_LISTED})")
            sql = f'SELECT {wanted} FROM "{table}" WHERE "{key[0]}" = {mark} AND "{key[1]}" {condition}'  # noqa: S608  # names of our own tables
            found.extend(connection.exec_driver_sql(sql, given).all())
    return found


# A list of texts as one parameter: the driver writes an array text by text, which costs more than the look-up.
_LISTED = "string_to_array(%s::text, chr(31))"


def _listed(texts: Sequence[str]) -> str:
    """Joins texts; the character between them stands in no checked text, and in no other one it matches anything."""
    if any("\x1f" in text for text in texts):
        texts = [text.replace("\x1f", "\ufffd") for text in texts]
    return "\x1f".join(texts)


def by_characters(session: Session, column: Any) -> Any:
    """Orders texts by their characters' numbers, alike on every dialect and as Python does."""
    return collate(column, "BINARY" if session.connection().dialect.name == "sqlite" else "C")


def select_by_keys(
    session: Session, model: Any, columns: Sequence[str], key: str, values: Iterable[str]
) -> Sequence[Any]:
    """Returns plain rows of a table whose text column equals one of the values; times as microseconds."""
    wanted = ", ".join(f'"{c}"' for c in columns)
    return select_where(session, f'SELECT {wanted} FROM "{model.__table__.name}" WHERE "{key}"', values)  # noqa: S608  # names of our own tables


def select_where(session: Session, sql: str, values: Iterable[str]) -> Sequence[Any]:
    """Returns plain rows of a question whose last word is a text column that must equal one of the values.

    It goes past the statement compiler, which would cost more than the rows.
    """
    connection, found, keys = session.connection(), list[Any](), list(values)
    for start in range(0, len(keys), KEYS_AT_ONCE):
        part = keys[start : start + KEYS_AT_ONCE]
        if connection.dialect.name == "sqlite":
            condition = f"IN ({', '.join('?' * len(part))})"
            given: tuple[Any, ...] = tuple(part)
        else:
            condition, given = f"= ANY({_LISTED})", (_listed(part),)
        found.extend(connection.exec_driver_sql(f"{sql} {condition}", given).all())
    return found


def upsert(
    session: Session, table: Any, rows: list[dict[str, Any]], keys: list[str], added: Sequence[str] = ()
) -> None:
    """Inserts rows, or replaces the other columns of those whose key exists; columns `added` are added up instead."""
    if rows:
        session.flush()
        connection = session.connection()
        statement = _upsert(connection.dialect.name, table.__table__, tuple(rows[0]), tuple(keys), tuple(added))
        connection.execute(statement, rows)


@cache
def _upsert(dialect: str, table: Any, names: tuple[str, ...], keys: tuple[str, ...], added: tuple[str, ...]) -> Any:
    """Returns the statement, built once: building it costs more than writing a row."""
    make = sqlite_insert if dialect == "sqlite" else postgres_insert
    statement = make(table).values({name: bindparam(name) for name in names})
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    changed |= {name: table.c[name] + statement.excluded[name] for name in added}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=changed)


def _engine(url: str) -> Engine:
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        if path and path != url and not Path(path).expanduser().resolve().parent.is_dir():
            raise CreditError(Reason.SETTING_INVALID, "database_url: got a folder that does not exist")
        given = {"check_same_thread": False, "timeout": 30, "cached_statements": PREPARED}
        engine = create_engine(url, hide_parameters=True, connect_args=given)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if url.startswith("postgresql"):
        engine = create_engine(
            url.replace("postgresql://", "postgresql+psycopg://", 1),
            hide_parameters=True,
            pool_pre_ping=True,
            # The same connection for the writer each time: it has its statements prepared and its caches warm.
            pool_use_lifo=True,
        )
        event.listen(engine, "connect", _prepare_postgresql)
        return engine
    raise CreditError(Reason.SETTING_INVALID, "database_url: want sqlite:///FILE or postgresql://…")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not open transactions by itself: _begin_sqlite does.
    connection.isolation_level = None
    cursor = connection.cursor()
    # FULL: an acknowledged event survives a power failure, which NORMAL does not promise.
    for pragma in (
        "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"cache_size=-{READER_CACHE_KIB}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):  # fmt: skip
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _is_clean(connection: Connection) -> bool:
    """Says whether a connection is there and no transaction was left open, by the driver or above it."""
    if connection.invalidated or connection.get_transaction() is not None:
        # Asked for its driver it would connect again, and refuse to while a transaction that failed stands above it.
        return False
    driver: Any = connection.connection
    return not driver.in_transaction


def _prepare_postgresql(connection: Any, _record: object) -> None:
    # Whatever server, database or role say: an acknowledged event survives a power failure.
    connection.execute("SET synchronous_commit TO on")
    connection.commit()


def _begin_sqlite(connection: Any) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(options.get("credit_begin", "BEGIN"))
