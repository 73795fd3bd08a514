"""Adds the relations of subjects that registrations tell of."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Creates the table; no registration could tell of another subject before."""
    op.create_table(
        "subject_relation",
        sa.Column("receiver_id", sa.String(), nullable=False),
        sa.Column("giver_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("relation", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("receiver_id", "giver_id", "position"),
    )
    op.create_index("ix_subject_relation_giver", "subject_relation", ["giver_id"])
