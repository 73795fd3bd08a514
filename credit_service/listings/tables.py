"""What is kept of listings, their moves and open duties, and how they are found."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, bindparam, delete, func, or_, select, tuple_
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import UtcTime, insert_rows
from credit_service.listings.moves import BLACK, IN_FORCE, REMOVED_EXPIRED
from credit_service.listings.standing import Act, Duty, standing


class ListingRow(SQLModel, table=True):
    """Keeps one listing as its moves left it; `next_day` is the day on which time alone moves it again."""

    __tablename__ = "listing"
    __table_args__ = (
        Index("ix_listing_id", "listing_id"),
        Index("ix_listing_state", "list", "state", "open_time"),
        Index("ix_listing_due", "next_day"),
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
    record_keys: str = Field(default="[]", sa_type=Text)
    last_move: str = "PROPOSE"
    agency: str = ""
    is_stayed: bool = False
    is_suspended: bool = False
    # An objection to it waits for its decision.
    is_disputed: bool = False
    was_noticed: bool = False
    was_displayed: bool = False
    begin_time: datetime | None = Field(default=None, sa_type=UtcTime)
    last_day: int | None = None
    early_from_day: int | None = None
    next_day: int | None = None

    def proof(self) -> tuple[int, ...]:
        """Returns the events that prove the finding."""
        return tuple(json.loads(self.event_ids))

    def records(self) -> frozenset[str]:
        """Returns the names, source/record, of the records behind the proof: a corrected record keeps its name."""
        return frozenset(json.loads(self.record_keys))

    def state_on(self, day: int) -> str:
        """Returns the state on a day: the end of the term needs no move."""
        is_over = self.last_day is not None and day > self.last_day
        return REMOVED_EXPIRED if is_over and self.state in IN_FORCE else self.state

    def is_in_force(self, day: int) -> bool:
        """Says whether the listing has effect on a day, by what is known now."""
        is_over = self.last_day is None or day > self.last_day
        return self.state in IN_FORCE and not (is_over or self.is_stayed or self.is_suspended)

    def is_displayed(self, day: int) -> bool:
        """Says whether the listing is displayed, shared and carries measures on a day, by what is known now."""
        return self.state == "PUBLISHED" and self.is_in_force(day)

    def document(self) -> dict[str, Any]:
        """Returns the after-image for the feed."""
        return {
            "listing_id": self.listing_id, "subject_id": self.subject_id, "list": self.list, "state": self.state,
            "rule_id": self.rule_id, "edition_id": self.edition_id, "event_ids": list(self.proof()),
            "text_zh": self.text_zh, "text_en": self.text_en, "open_time": self.open_time.isoformat(),
            "agency": self.agency, "is_stayed": self.is_stayed, "is_suspended": self.is_suspended,
            "is_disputed": self.is_disputed, "was_noticed": self.was_noticed, "was_displayed": self.was_displayed,
            "last_day": self.last_day, "early_from_day": self.early_from_day,
            "begin_time": self.begin_time.isoformat() if self.begin_time else None,
        }  # fmt: skip


def row_of(document: Mapping[str, Any], subject_kind: str) -> ListingRow:
    """Reads an after-image of the feed back; one of an earlier program lacks the later fields."""
    values = {**document, "subject_kind": subject_kind, "event_ids": json.dumps(document["event_ids"])}
    for name in ("open_time", "begin_time"):
        values[name] = datetime.fromisoformat(values[name]) if values.get(name) else None
    return ListingRow(**values)


class ListingMoveRow(SQLModel, table=True):
    """Keeps one move of a listing: what, who, when in law and when known, from which state to which, with what."""

    __tablename__ = "listing_move"
    subject_id: str = Field(primary_key=True)
    listing_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    from_state: str | None
    to_state: str
    move_time: datetime = Field(sa_type=UtcTime)
    actor: str
    reason: str = Field(sa_type=Text)
    name: str
    legal_time: datetime = Field(sa_type=UtcTime)
    key: str = ""
    agency: str = ""
    document_no: str = ""
    document_digest: str = ""
    request_id: str = ""
    facts: str = Field(default="{}", sa_type=Text)

    def act(self) -> Act:
        """Returns the move as the fold reads it."""
        return Act(
            number=self.number, name=self.name, from_state=self.from_state, to_state=self.to_state,
            legal_time=self.legal_time, collect_time=self.move_time, actor=self.actor, key=self.key,
            agency=self.agency, document_no=self.document_no, document_digest=self.document_digest,
            reason=self.reason, request_id=self.request_id, facts=json.loads(self.facts),
        )  # fmt: skip


class DutyRow(SQLModel, table=True):
    """Keeps one open deadline of a listing, as the moves opened it."""

    __tablename__ = "listing_duty"
    __table_args__ = (Index("ix_listing_duty_due", "last_day", "listing_id", "number"),)
    subject_id: str = Field(primary_key=True)
    listing_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    key: str
    start_day: int
    last_day: int
    is_provisional: bool
    is_right: bool
    agency: str


TABLES: list[Any] = [ListingRow, ListingMoveRow, DutyRow]


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
    wanted: Mapping[str, str],
    before: tuple[datetime, str] | None,
    limit: int,
    displayed_on: int | None = None,
) -> Sequence[ListingRow]:
    """Returns listings whose `list`, `state` and `subject_id` are as wanted, newest first, before a place.

    With `displayed_on` only those that are displayed on that day, and none of persons.
    """
    statement = select(ListingRow)
    for name, value in wanted.items():
        statement = statement.where(col(getattr(ListingRow, name)) == value)
    if displayed_on is not None:
        statement = statement.where(
            col(ListingRow.state) == "PUBLISHED",
            ~col(ListingRow.is_stayed),
            ~col(ListingRow.is_suspended),
            col(ListingRow.last_day) >= displayed_on,
            col(ListingRow.subject_kind) != "PERSON",
        )
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


def due_listings(session: Session, day: int, limit: int) -> Sequence[str]:
    """Returns subjects with a listing that time alone moves by that day, next first."""
    statement = (
        select(col(ListingRow.subject_id))
        .where(col(ListingRow.next_day) <= day)
        .order_by(col(ListingRow.next_day))
        .limit(limit)
    )
    return list(dict.fromkeys(session.execute(statement).scalars()))


def blacklisted_until(session: Session, subject_ids: Sequence[str], as_of: datetime, known: datetime) -> dict[str, int]:
    """Returns the subjects with a blacklist listing in force, with the first day on which none is in force."""
    found: dict[str, int] = {}
    for subject_id, acts in _acts_in_force(session, subject_ids, known):
        stood = standing(acts, as_of, known)
        if stood.in_force and stood.last_day is not None:
            found[subject_id] = max(stood.last_day + 1, found.get(subject_id, 0))
    return found


# Built once: building a question costs more than asking it.
_ASKED: Any = bindparam("subject_ids", expanding=True)
_BEGUN = select(col(ListingRow.listing_id)).where(
    col(ListingRow.subject_id).in_(_ASKED), col(ListingRow.list) == BLACK, col(ListingRow.begin_time).is_not(None)
)
_BETWEEN = select(col(ListingMoveRow.subject_id)).where(
    col(ListingMoveRow.subject_id).in_(_ASKED),
    or_(
        col(ListingMoveRow.legal_time).between(bindparam("as_of", type_=UtcTime), bindparam("until", type_=UtcTime)),
        col(ListingMoveRow.move_time).between(bindparam("known", type_=UtcTime), bindparam("by", type_=UtcTime)),
    ),
)


def acted_between(
    session: Session, subject_ids: Sequence[str], first: tuple[datetime, datetime], final: tuple[datetime, datetime]
) -> set[str]:
    """Returns the subjects of whose listings a move counts, in law or in knowledge, from one time frame to another."""
    given = {
        "subject_ids": list(subject_ids), "as_of": first[0], "until": final[0], "known": first[1], "by": final[1],
    }  # fmt: skip
    return set(session.connection().execute(_BETWEEN, given).scalars())


def _acts_in_force(session: Session, subject_ids: Sequence[str], known: datetime) -> list[tuple[str, list[Act]]]:
    """Returns per listing that ever began on the blacklist its moves, oldest first."""
    session.flush()
    begun = session.connection().execute(_BEGUN, {"subject_ids": list(subject_ids)}).scalars().all()
    if not begun:
        return []
    statement = (
        select(ListingMoveRow)
        .where(
            col(ListingMoveRow.subject_id).in_(subject_ids),
            col(ListingMoveRow.listing_id).in_(begun),
            col(ListingMoveRow.move_time) <= known,
        )
        .order_by(col(ListingMoveRow.listing_id), col(ListingMoveRow.number))
    )
    gathered: dict[str, tuple[str, list[Act]]] = {}
    for row in session.execute(statement).scalars():
        gathered.setdefault(row.listing_id, (row.subject_id, []))[1].append(row.act())
    return list(gathered.values())


def keep_duties(session: Session, listing: ListingRow, open_duties: Sequence[tuple[Duty, bool]]) -> None:
    """Keeps a listing's open deadlines in place of the former ones; each says whether it is the subject's right."""
    session.execute(
        delete(DutyRow).where(
            col(DutyRow.subject_id) == listing.subject_id, col(DutyRow.listing_id) == listing.listing_id
        )
    )
    rows = [
        {
            "subject_id": listing.subject_id, "listing_id": listing.listing_id, "number": number, "key": duty.key,
            "start_day": duty.start_day, "last_day": duty.last_day, "is_provisional": duty.is_provisional,
            "is_right": is_right, "agency": listing.agency,
        }
        for number, (duty, is_right) in enumerate(open_duties, 1)
    ]  # fmt: skip
    insert_rows(session, DutyRow, rows)


def duties_of(session: Session, listing: ListingRow) -> Sequence[DutyRow]:
    """Returns the open deadlines of a listing."""
    mine = (col(DutyRow.subject_id) == listing.subject_id, col(DutyRow.listing_id) == listing.listing_id)
    return session.execute(select(DutyRow).where(*mine).order_by(col(DutyRow.number))).scalars().all()


def overdue_duties(session: Session, today: int) -> int:
    """Counts open deadlines of authorities whose last day is over; a right that ended is no duty."""
    statement = select(func.count()).where(~col(DutyRow.is_right), col(DutyRow.last_day) < today)
    found: int = session.execute(statement.select_from(DutyRow)).scalar_one()
    return found


def open_duties(
    session: Session, today: int, through_day: int | None, after: tuple[int, str, int] | None, limit: int
) -> Sequence[tuple[DutyRow, ListingRow]]:
    """Returns open deadlines with their listings, next first, after a place; a right that ended is no duty."""
    statement = (
        select(DutyRow, ListingRow)
        .join(
            ListingRow,
            (col(ListingRow.subject_id) == col(DutyRow.subject_id))
            & (col(ListingRow.listing_id) == col(DutyRow.listing_id)),
        )
        .where(~col(DutyRow.is_right) | (col(DutyRow.last_day) >= today))
    )
    place = (col(DutyRow.last_day), col(DutyRow.listing_id), col(DutyRow.number))
    if through_day is not None:
        statement = statement.where(col(DutyRow.last_day) <= through_day)
    if after is not None:
        statement = statement.where(tuple_(*place) > after)
    return [(duty, row) for duty, row in session.execute(statement.order_by(*place).limit(limit))]
