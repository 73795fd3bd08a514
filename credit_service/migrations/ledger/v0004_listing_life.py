"""Gives listings their whole legal life: more states, what each move carries, and open deadlines."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_KEPT = "subject_id, listing_id, subject_kind, list, state, rule_id, edition_id, event_ids, text_zh, text_en, open_time"
# What a move of the first edition of this table was, by the states it joined.
_NAMES = (("from_state IS NULL", "PROPOSE"), ("to_state = 'DROPPED'", "WITHDRAW"))


def upgrade() -> None:
    """Rebuilds the table of listings without its narrow check, and names the moves that were made."""
    op.drop_index("ix_listing_id", "listing")
    op.drop_index("ix_listing_state", "listing")
    op.rename_table("listing", "listing_before")
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
        sa.Column("record_keys", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("last_move", sa.String(), nullable=False, server_default="PROPOSE"),
        sa.Column("agency", sa.String(), nullable=False, server_default=""),
        sa.Column("is_stayed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("is_suspended", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("was_displayed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("begin_time", sa.BigInteger(), nullable=True),
        sa.Column("last_day", sa.Integer(), nullable=True),
        sa.Column("early_from_day", sa.Integer(), nullable=True),
        sa.Column("next_day", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("subject_id", "listing_id", name="listing_life_pkey"),
    )
    op.execute(f"INSERT INTO listing ({_KEPT}) SELECT {_KEPT} FROM listing_before")  # noqa: S608  # names of our own
    op.execute("UPDATE listing SET last_move = 'WITHDRAW' WHERE state = 'DROPPED'")
    op.drop_table("listing_before")
    op.create_index("ix_listing_id", "listing", ["listing_id"])
    op.create_index("ix_listing_state", "listing", ["list", "state", "open_time"])
    op.create_index("ix_listing_due", "listing", ["next_day"])
    op.add_column("listing_move", sa.Column("name", sa.String(), nullable=False, server_default="RENEW"))
    for condition, name in _NAMES:
        op.execute(f"UPDATE listing_move SET name = '{name}' WHERE {condition}")  # noqa: S608  # as above
    op.add_column("listing_move", sa.Column("legal_time", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE listing_move SET legal_time = move_time")
    for column, absent in (
        ("key", ""), ("agency", ""), ("document_no", ""), ("document_digest", ""), ("request_id", ""), ("facts", "{}"),
    ):  # fmt: skip
        kind = sa.Text() if column == "facts" else sa.String()
        op.add_column("listing_move", sa.Column(column, kind, nullable=False, server_default=absent))
    op.create_table(
        "listing_duty",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("listing_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("start_day", sa.Integer(), nullable=False),
        sa.Column("last_day", sa.Integer(), nullable=False),
        sa.Column("is_provisional", sa.Boolean(), nullable=False),
        sa.Column("is_right", sa.Boolean(), nullable=False),
        sa.Column("agency", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "listing_id", "number"),
    )
    op.create_index("ix_listing_duty_due", "listing_duty", ["last_day", "listing_id", "number"])
