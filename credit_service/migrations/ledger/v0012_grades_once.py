"""Keeps the document of a grade once, in the feed: history reads it there, and the current grade names its revision."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
_KEPT = "subject_id, grade, score, fingerprint, assess_time, next_review_day, is_review_open, basis"


def upgrade() -> None:
    """Finds the change by which each current grade was recorded; history, which repeats the feed, is dropped."""
    told = (
        "SELECT count(*) FROM grade_record r WHERE NOT EXISTS (SELECT 1 FROM change c"
        " WHERE c.entry_key = 'grade/' || r.subject_id AND c.commit_time = r.assess_time)"
    )
    if missing := op.get_bind().execute(sa.text(told)).scalar_one():
        raise RuntimeError(f"got {missing} recorded grades that the feed does not hold, want none; nothing was changed")
    for name in ("due", "review"):
        op.drop_index(f"ix_current_grade_{name}", "current_grade")
    op.rename_table("current_grade", "current_grade_before")
    op.create_table(
        "current_grade",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("grade", sa.String(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("assess_time", sa.BigInteger(), nullable=False),
        sa.Column("next_review_day", sa.Integer(), nullable=True),
        sa.Column("is_review_open", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("basis", sa.String(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("subject_id", name="grade_standing_pkey"),
    )
    op.execute(
        f"INSERT INTO current_grade ({_KEPT}, revision) SELECT {_KEPT}, c.revision FROM current_grade_before g"  # noqa: S608  # names of our own
        " JOIN (SELECT entry_key, max(revision) AS revision FROM change WHERE kind = 'grade' GROUP BY entry_key) c"
        " ON c.entry_key = 'grade/' || g.subject_id"
    )
    op.drop_table("current_grade_before")
    op.create_index("ix_current_grade_due", "current_grade", ["next_review_day"])
    only = sa.text("is_review_open")
    op.create_index(
        "ix_current_grade_review", "current_grade", ["subject_id"], sqlite_where=only, postgresql_where=only
    )
    op.drop_table("grade_record")
