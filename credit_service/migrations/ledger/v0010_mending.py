"""Notes what superseded a record that waited, and under which id it may come back once its code is mended.

Timelines hold their facts in another order from now on: those of before are thrown away, and packed anew.
"""

import json
import unicodedata
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
PAGE = 500
LISTED = ["source", "receive_time", "record_id", "version"]
ROWS = sa.table(
    "quarantined_record",
    *(sa.column(name) for name in ("source", "record_id", "version", "record", "release_time", "case_id")),
)
KEY = ("source", "record_id", "version")


def upgrade() -> None:
    """Adds both columns; what waits is told its case, so that a mended record finds it."""
    op.add_column("quarantined_record", sa.Column("superseded_by", sa.String(), nullable=True))
    op.add_column("quarantined_record", sa.Column("case_id", sa.String(), nullable=False, server_default=""))
    _fill(op.get_bind())
    op.drop_index("ix_quarantined_record_waiting", "quarantined_record")
    for name, condition in (("waiting", "release_time IS NULL"), ("superseded", "superseded_by IS NOT NULL")):
        only = sa.text(condition)
        op.create_index(
            f"ix_quarantined_record_{name}", "quarantined_record", LISTED, sqlite_where=only, postgresql_where=only
        )
    op.execute("DELETE FROM timeline")
    op.create_index("ix_quarantined_record_case", "quarantined_record", ["case_id", "source"])


def _fill(connection: sa.Connection) -> None:
    key = [ROWS.c[name] for name in KEY]
    change = (
        sa.update(ROWS)
        .where(*(ROWS.c[name] == sa.bindparam(f"its_{name}") for name in KEY))
        .values(case_id=sa.bindparam("case"))
    )
    place: tuple[object, ...] = ("", "", 0)
    while rows := connection.execute(
        sa.select(*key, ROWS.c.record).where(sa.tuple_(*key) > sa.tuple_(*place)).order_by(*key).limit(PAGE)
    ).all():
        cases = [
            {"its_source": row[0], "its_record_id": row[1], "its_version": row[2], "case": case}
            for row in rows
            if (case := _case(json.loads(row[3])))
        ]
        if cases:
            connection.execute(change, cases)
        place = tuple(rows[-1][:3])


def _case(record: dict[str, Any]) -> str:
    """Returns a record id without the code in it, as collection does since."""
    told = (str(record["source_record_id"]), str((record.get("subject") or {}).get("code") or ""))
    plain, sought = ("".join(unicodedata.normalize("NFKC", text).upper().split()) for text in told)
    return plain.replace(sought, "{code}") if sought and sought in plain else ""
