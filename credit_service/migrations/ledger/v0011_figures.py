"""Keeps the standing facts of each subject as the figures that crowds are judged by."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Creates the table anew, empty: whoever finds no timeline reads the ledger."""
    op.drop_table("timeline")
    op.create_table(
        "timeline",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("layout", sa.BigInteger(), nullable=False),
        sa.Column("figures", sa.LargeBinary(), nullable=False),
        sa.Column("texts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id"),
    )
