"""Chains the acts of officers and agencies; those made before are linked in the order in which they were recorded."""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_MADE = (
    ("listing_move", "move_time, subject_id, listing_id, number"),
    ("remedy_move", "move_time, subject_id, remedy_id, number"),
    ("measure_report", "collect_time, agency, report_id"),
)


def upgrade() -> None:
    """Creates the chain and links what was made so far."""
    acts = op.create_table(
        "act",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("chain_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    number, chain = 0, bytes(32)
    for table, order in _MADE:
        rows = op.get_bind().execute(sa.text(f"SELECT * FROM {table} ORDER BY {order}"))  # noqa: S608  # names of our own
        for row in rows.mappings().all():
            number += 1
            content = json.dumps(dict(row), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            chain = hashlib.sha256(chain + number.to_bytes(8) + f"{table}\x00{content}".encode()).digest()
            kept = {"number": number, "subject_id": row["subject_id"], "table_name": table}
            op.get_bind().execute(sa.insert(acts).values(**kept, content=content, chain_hash=chain))
