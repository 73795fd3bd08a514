"""Adds what listings oblige agencies to, and what these report."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Creates the tables; no listing was displayed before."""
    op.create_table(
        "obligation",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("listing_id", sa.String(), nullable=False),
        sa.Column("measure_id", sa.String(), nullable=False),
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("edition_id", sa.String(), nullable=False),
        sa.Column("open_time", sa.BigInteger(), nullable=False),
        sa.Column("due_day", sa.Integer(), nullable=False),
        sa.Column("is_provisional", sa.Boolean(), nullable=False),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "listing_id", "measure_id", "agency", "round", "kind"),
    )
    op.create_index("ix_obligation_due", "obligation", ["closed_by", "due_day", "listing_id"])
    op.create_index("ix_obligation_agency", "obligation", ["agency", "closed_by", "due_day"])
    op.create_table(
        "measure_report",
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("report_id", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("listing_id", sa.String(), nullable=False),
        sa.Column("measure_id", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("act_time", sa.BigInteger(), nullable=False),
        sa.Column("collect_time", sa.BigInteger(), nullable=False),
        sa.Column("evidence_no", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("agency", "report_id"),
    )
