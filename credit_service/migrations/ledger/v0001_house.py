"""Lays the ledger, subjects, listings, grades, the feed and approvals."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "approval",
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("first_officer", sa.String(), nullable=False),
        sa.Column("first_key", sa.String(), nullable=False),
        sa.Column("first_time", sa.BigInteger(), nullable=False),
        sa.Column("second_officer", sa.String(), nullable=True),
        sa.Column("second_key", sa.String(), nullable=True),
        sa.Column("second_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("act", "digest"),
    )
    op.create_table(
        "change",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("commit_time", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("revision"),
    )
    op.create_index("ix_change_entry", "change", ["entry_key", "revision"], unique=False)
    op.create_table(
        "current_grade",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("grade", sa.String(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("assess_time", sa.BigInteger(), nullable=False),
        sa.Column("next_review_day", sa.Integer(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id"),
    )
    op.create_index("ix_current_grade_due", "current_grade", ["next_review_day"], unique=False)
    op.create_table(
        "event_key",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("collect_time", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source", "record_id", "version"),
    )
    op.create_table(
        "feed_head",
        sa.Column("head_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("head_id"),
    )
    op.create_table(
        "grade_record",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("assess_time", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "number"),
    )
    op.create_table(
        "ledger_event",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("op", sa.String(), nullable=False),
        sa.Column("subject_name", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("occur_time", sa.BigInteger(), nullable=False),
        sa.Column("occur_day", sa.Integer(), nullable=False),
        sa.Column("publish_time", sa.BigInteger(), nullable=True),
        sa.Column("collect_time", sa.BigInteger(), nullable=False),
        sa.Column("document_no", sa.String(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.Column("refers_to", sa.String(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("personal_commitment", sa.LargeBinary(), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("chain_hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("domain IN ('WORK','FIRE')", name="ck_ledger_event_domain"),
        sa.CheckConstraint("op IN ('ASSERT','RETRACT')", name="ck_ledger_event_op"),
        sa.CheckConstraint("version >= 1", name="ck_ledger_event_version"),
        sa.PrimaryKeyConstraint("subject_id", "position"),
    )
    op.create_index("ix_ledger_event_position", "ledger_event", ["position"], unique=False)
    op.create_index(
        "ix_ledger_event_subject_day",
        "ledger_event",
        ["subject_id", "occur_day", "position"],
        unique=False,
    )
    op.create_table(
        "ledger_head",
        sa.Column("head_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("chain_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("head_id"),
    )
    op.create_table(
        "listing",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("listing_id", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("list", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("rule_id", sa.String(), nullable=False),
        sa.Column("edition_id", sa.String(), nullable=False),
        sa.Column("event_ids", sa.Text(), nullable=False),
        sa.Column("text_zh", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.Column("open_time", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('CANDIDATE','DROPPED')", name="ck_listing_state"),
        sa.PrimaryKeyConstraint("subject_id", "listing_id"),
    )
    op.create_index("ix_listing_id", "listing", ["listing_id"], unique=False)
    op.create_index("ix_listing_state", "listing", ["list", "state", "open_time"], unique=False)
    op.create_table(
        "listing_move",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("listing_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("from_state", sa.String(), nullable=True),
        sa.Column("to_state", sa.String(), nullable=False),
        sa.Column("move_time", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "listing_id", "number"),
    )
    op.create_table(
        "personal_value",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "position"),
    )
    op.create_table(
        "quarantined_record",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("receive_time", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column("release_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("source", "record_id", "version"),
    )
    op.create_table(
        "subject",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("scheme", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("first_collect_time", sa.BigInteger(), nullable=False),
        sa.Column("registered_time", sa.BigInteger(), nullable=True),
        sa.Column("industry_code", sa.String(), nullable=True),
        sa.Column("supervising_region", sa.String(), nullable=True),
        sa.Column("headcount", sa.Integer(), nullable=True),
        sa.Column("founded_date", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("subject_id"),
    )
    op.create_index("ix_subject_code", "subject", ["code"], unique=False)
    op.create_index("ix_subject_name", "subject", ["name"], unique=False)
    op.create_table(
        "subject_key",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id"),
    )
    # ### end Alembic commands ###
