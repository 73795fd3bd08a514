"""Adds objections and repairs, what marks a listing as disputed, and the way to one subject's changes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Creates the tables; listings that were noticed before are known by their moves."""
    op.create_table(
        "remedy",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("remedy_id", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("edition_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("file_time", sa.BigInteger(), nullable=False),
        sa.Column("due_day", sa.Integer(), nullable=False),
        sa.Column("is_provisional", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "remedy_id"),
    )
    op.create_index("ix_remedy_id", "remedy", ["remedy_id"])
    op.create_index("ix_remedy_state", "remedy", ["state", "due_day", "remedy_id"])
    op.create_index("ix_remedy_target", "remedy", ["target"])
    op.create_table(
        "remedy_move",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("remedy_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("to_state", sa.String(), nullable=False),
        sa.Column("legal_time", sa.BigInteger(), nullable=False),
        sa.Column("move_time", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("document_no", sa.String(), nullable=False),
        sa.Column("document_digest", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "remedy_id", "number"),
    )
    for name in ("is_disputed", "was_noticed"):
        op.add_column("listing", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(
        "UPDATE listing SET was_noticed = (SELECT COUNT(*) > 0 FROM listing_move m WHERE m.to_state = 'NOTICED'"
        " AND m.subject_id = listing.subject_id AND m.listing_id = listing.listing_id)"
    )
    op.create_index("ix_change_subject", "change", ["subject_id", "revision"])
