"""Keeps the moves of overrides and reviews of grades, and finds the grades under review."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Creates the table of moves, and marks the grades that are under review."""
    op.create_table(
        "override_move",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("override_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("grade", sa.String(), nullable=False),
        sa.Column("reason_code", sa.String(), nullable=False),
        sa.Column("last_day", sa.Integer(), nullable=False),
        sa.Column("move_time", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("document_no", sa.String(), nullable=False),
        sa.Column("document_digest", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "override_id", "number"),
    )
    op.add_column("current_grade", sa.Column("is_review_open", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Grades of before are judged again when they are asked: nobody knows by which rules and model they were made.
    op.add_column("current_grade", sa.Column("basis", sa.String(), nullable=False, server_default=""))
    op.execute("UPDATE current_grade SET is_review_open = (document LIKE '%\"is_review_open\": true%')")
    is_open = sa.text("is_review_open")
    op.create_index(
        "ix_current_grade_review", "current_grade", ["subject_id"], sqlite_where=is_open, postgresql_where=is_open
    )
    op.create_index("ix_override_move_id", "override_move", ["override_id"])
    op.create_index("ix_override_move_time", "override_move", ["move_time"])
