"""Keeps the standing facts of each subject in one row; judging fills it as it goes."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Creates the table, empty: whoever finds no timeline reads the ledger."""
    op.create_table(
        "timeline",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id"),
    )
