"""Which tables a chain has at a migration, with which columns: what the migrations themselves make."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Float, Integer, LargeBinary, String, TableClause, column, inspect, table
from sqlmodel import Session

from credit_service import migrations
from credit_service.backup.archive import Digest, Manifest, Member, invalid
from credit_service.database import Database
from credit_service.errors import CreditError, Reason, shown

KINDS = ((LargeBinary, "bytes"), (Boolean, "boolean"), (Integer, "integer"), (Float, "number"), (String, "text"))


@dataclass(frozen=True, slots=True)
class Shape:
    """Knows a table as its migrations make it; a column is (name, kind)."""

    chain: str
    clause: TableClause
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]

    @property
    def member_name(self) -> str:
        """Names the member that holds the rows."""
        return f"{self.chain}/{self.clause.name}.jsonl"

    def described(self, digest: Digest) -> Member:
        """Describes the member that holds the rows."""
        return Member(self.member_name, self.chain, self.clause.name, self.columns, digest.rows, digest.sha256)


Fitting = tuple[Shape, str]


@cache
def revisions(chain: str) -> tuple[str, ...]:
    """Returns the migrations of a chain, first to last."""
    scripts = ScriptDirectory.from_config(_config(chain)).walk_revisions()
    return tuple(reversed([script.revision for script in scripts]))


def migrate(session: Session, chain: str, revision: str) -> None:
    """Runs migrations inside the transaction of the session."""
    config = _config(chain)
    config.attributes.update(connection=session.connection(), chain=chain)
    command.upgrade(config, revision)


@cache
def tables(chain: str, revision: str) -> tuple[Shape, ...]:
    """Returns the tables of a chain at a migration, referenced ones first.

    An empty database in memory is asked: one that serves may hold tables of others, and a backup may be older
    than the tables of the code.
    """
    database = Database("sqlite://")
    with database.transaction() as session:
        migrate(session, chain, revision)
        inspector = inspect(session.connection())
        names = [name for name, _ in inspector.get_sorted_table_and_fkc_names() if name]
        names.remove(migrations.version_table(chain))
        found = tuple(_shape(inspector, chain, name) for name in names)
    database.close()
    return found


def require_known(chain: str, revision: str | None, what: str) -> None:
    """Refuses what no migration made, and what a newer program made."""
    newest = revisions(chain)[-1]
    if revision is None:
        raise CreditError(Reason.MIGRATION_NEEDED, f"{chain} {what}: got no tables, want those of a migration")
    if revision not in revisions(chain):
        raise CreditError(
            Reason.DATABASE_NEWER, f"{chain} {what}: got {shown(revision)}, want {newest} or a newer program"
        )


def fitting(manifest: Manifest) -> dict[str, Fitting]:
    """Pairs the members with the tables of their migrations; names from a file never become SQL."""
    shapes = {shape.member_name: shape for chain in migrations.CHAINS for shape in _of(manifest, chain)}
    given = {member.name: member for member in manifest.members}
    for name in sorted(shapes.keys() | given.keys()):
        shape, member = shapes.get(name), given.get(name)
        if shape is None or member != shape.described(Digest(member.rows, member.sha256) if member else Digest(0, "")):
            raise invalid(shown(name), "a table of another form", "the tables of the migrations that it names")
    return {name: (shape, given[name].sha256) for name, shape in shapes.items()}


def _of(manifest: Manifest, chain: str) -> tuple[Shape, ...]:
    return tables(chain, manifest.migrations[chain])


def _shape(inspector: Any, chain: str, name: str) -> Shape:
    types = {given["name"]: given["type"] for given in inspector.get_columns(name)}
    clause = table(name, *(column(key, kind) for key, kind in types.items()))
    columns = tuple((key, _kind(kind)) for key, kind in types.items())
    return Shape(chain, clause, columns, tuple(inspector.get_pk_constraint(name)["constrained_columns"]))


def _kind(given: Any) -> str:
    for sql_type, kind in KINDS:
        if isinstance(given, sql_type):
            return kind
    raise TypeError(f"a backup has no kind for columns of type {given!r}")


def _config(chain: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    config.set_main_option("version_locations", str(migrations.FOLDER / chain))
    config.set_main_option("path_separator", "os")
    return config
