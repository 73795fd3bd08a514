"""What is kept of listings and their moves, and how they are found."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, Text, select, tuple_
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import UtcTime


class ListingRow(SQLModel, table=True):
    """Keeps one listing; its state is the last move's."""

    __tablename__ = "listing"
    __table_args__ = (
        Index("ix_listing_id", "listing_id"),
        Index("ix_listing_state", "list", "state", "open_time"),
        CheckConstraint("state IN ('CANDIDATE','DROPPED')", name="ck_listing_state"),
    )
    subject_id: str = Field(primary_key=True)
    listing_id: str = Field(primary_key=True)
    subject_kind: str
    list: str
    state: str
    rule_id: str
    edition_id: str
    event_ids: str = Field(sa_type=Text)
    text_zh: str = Field(sa_type=Text)
    text_en: str = Field(sa_type=Text)
    open_time: datetime = Field(sa_type=UtcTime)

    def proof(self) -> tuple[int, ...]:
        """Returns the events that prove the finding."""
        return tuple(json.loads(self.event_ids))

    def document(self) -> dict[str, Any]:
        """Returns the after-image for the feed."""
        return {
            "listing_id": self.listing_id, "subject_id": self.subject_id, "list": self.list, "state": self.state,
            "rule_id": self.rule_id, "edition_id": self.edition_id, "event_ids": list(self.proof()),
            "text_zh": self.text_zh, "text_en": self.text_en, "open_time": self.open_time.isoformat(),
        }  # fmt: skip


class ListingMoveRow(SQLModel, table=True):
    """Keeps one move of a listing: who, when, from which state to which, why."""

    __tablename__ = "listing_move"
    subject_id: str = Field(primary_key=True)
    listing_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    from_state: str | None
    to_state: str
    move_time: datetime = Field(sa_type=UtcTime)
    actor: str
    reason: str = Field(sa_type=Text)


TABLES: list[Any] = [ListingRow, ListingMoveRow]


def get_listing(session: Session, listing_id: str) -> ListingRow | None:
    """Returns a listing; None when there is none."""
    return session.execute(select(ListingRow).where(col(ListingRow.listing_id) == listing_id)).scalars().one_or_none()


def listings_of(session: Session, subject_ids: Sequence[str]) -> Sequence[ListingRow]:
    """Returns every listing of the given subjects, oldest first."""
    statement = (
        select(ListingRow)
        .where(col(ListingRow.subject_id).in_(subject_ids))
        .order_by(col(ListingRow.open_time), col(ListingRow.listing_id))
    )
    return session.execute(statement).scalars().all()


def search_listings(
    session: Session,
    wanted: dict[str, str],
    before: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[ListingRow]:
    """Returns listings whose `list`, `state` and `subject_id` are as wanted, newest first, before a place."""
    statement = select(ListingRow)
    for name, value in wanted.items():
        statement = statement.where(col(getattr(ListingRow, name)) == value)
    if before is not None:
        statement = statement.where(tuple_(col(ListingRow.open_time), col(ListingRow.listing_id)) < before)
    statement = statement.order_by(col(ListingRow.open_time).desc(), col(ListingRow.listing_id).desc())
    return session.execute(statement.limit(limit)).scalars().all()


def moves(session: Session, listing: ListingRow) -> Sequence[ListingMoveRow]:
    """Returns the moves of a listing, oldest first."""
    statement = (
        select(ListingMoveRow)
        .where(
            col(ListingMoveRow.subject_id) == listing.subject_id,
            col(ListingMoveRow.listing_id) == listing.listing_id,
        )
        .order_by(col(ListingMoveRow.number))
    )
    return session.execute(statement).scalars().all()
