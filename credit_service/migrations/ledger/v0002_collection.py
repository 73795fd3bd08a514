"""Adds how far events were judged, offsets of named streams, signs of life and watermarks of sources."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Creates the tables; everything collected before was judged in its own transaction."""
    op.add_column("ledger_head", sa.Column("judged_position", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE ledger_head SET judged_position = position")
    op.create_table(
        "stream_offset",
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("stream_id", sa.String(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("commit_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agency", "stream_id"),
    )
    op.create_table(
        "source_state",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.Column("last_collect_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )
    op.execute("INSERT INTO source_state SELECT source, count(*), max(collect_time) FROM event_key GROUP BY source")
    op.create_table(
        "watermark",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("declare_time", sa.BigInteger(), nullable=False),
        sa.Column("complete_until_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "declare_time"),
    )
    op.create_index(
        "ix_quarantined_record_waiting", "quarantined_record", ["source", "receive_time", "record_id", "version"]
    )
    # The primary key finds a subject's events as well; a second scattered index only slowed every insert.
    op.drop_index("ix_ledger_event_subject_day", "ledger_event")
