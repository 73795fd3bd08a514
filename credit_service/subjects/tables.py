"""Subjects as they are known now, kept from the events; a convenience that the ledger can rebuild."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Index, String, and_, bindparam, func, or_, select, update
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import UtcTime, from_microseconds, insert_rows, select_by_keys
from credit_service.subjects.schemes import split

LIKE_ESCAPE = "\\"
# The event kind that registers.
REGISTRATION = "REG"


class SubjectRow(SQLModel, table=True):
    """Keeps what is known of a subject; a person's row holds no name."""

    __tablename__ = "subject"
    __table_args__ = (Index("ix_subject_name", "name"), Index("ix_subject_code", "code"))
    subject_id: str = Field(primary_key=True)
    scheme: str
    code: str
    name: str
    kind: str
    first_collect_time: datetime = Field(sa_type=UtcTime)
    registered_time: datetime | None = Field(default=None, sa_type=UtcTime, nullable=True)
    industry_code: str | None = None
    supervising_region: str | None = None
    headcount: int | None = None
    founded_date: str | None = None


class Naming(Protocol):
    """Says what a record must offer so that its subject can be noted; a person's has no name."""

    @property
    def subject_id(self) -> str: ...  # noqa: D102  # the protocol's docstring covers its fields
    @property
    def subject_name(self) -> str: ...  # noqa: D102
    @property
    def subject_kind(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102


# When the latest registration of a subject took place, what its registrations say together, and the name they give.
Registration = tuple[datetime, Mapping[str, Any], str]


class Named(NamedTuple):
    """Holds the name a subject is known by, and whether a registration gave it."""

    name: str
    is_registered: bool


def names_of(session: Session, subject_ids: Iterable[str]) -> dict[str, Named]:
    """Returns the known ones of the given subjects by id."""
    rows = select_by_keys(session, SubjectRow, ("subject_id", "name", "registered_time"), "subject_id", subject_ids)
    return {row[0]: Named(row[1], row[2] is not None) for row in rows}


def note_subjects(
    session: Session,
    told: Sequence[Naming],
    known: Mapping[str, Named],
    registrations: Mapping[str, Registration],
    now: datetime,
) -> None:
    """Adds subjects seen for the first time, with their registrations, and keeps the names of those known before.

    A registered name changes by the registrations that count alone, see `register`; another follows the newest record.
    """
    newest = {record.subject_id: record for record in told}
    # The caller holds the write lock: what was not known a moment ago still is not.
    new = [_row(record, registrations.get(key), now) for key, record in newest.items() if key not in known]
    insert_rows(session, SubjectRow, new)
    renamed = [
        {"key": key, "new_name": record.subject_name}
        for key, record in newest.items()
        if key in known and record.subject_name and record.subject_name != known[key].name
        if not known[key].is_registered
    ]
    if renamed:
        session.connection().execute(_RENAME, renamed)


def _row(record: Naming, registration: Registration | None, now: datetime) -> dict[str, Any]:
    scheme, code = split(record.subject_id)
    time, payload, name = registration or (None, {}, "")
    return {
        "subject_id": record.subject_id,
        "scheme": scheme,
        "code": code,
        "name": name or record.subject_name,
        "kind": record.subject_kind,
        "first_collect_time": now,
        "registered_time": time,
        **{name: payload.get(name) for name in TOLD},
    }


# What a registration tells of its subject.
TOLD = ("industry_code", "supervising_region", "headcount", "founded_date")
_SUBJECT: Any = getattr(SubjectRow, "__table__")  # noqa: B009  # the mapper adds it
_RENAME = update(_SUBJECT).where(_SUBJECT.c.subject_id == bindparam("key")).values(name=bindparam("new_name"))
_REGISTER = (
    update(_SUBJECT)
    .where(_SUBJECT.c.subject_id == bindparam("key"))
    .values(
        registered_time=bindparam("time", type_=UtcTime),
        # Registrations that give no name, or none that counts any more, leave the one that was known.
        name=func.coalesce(func.nullif(bindparam("name_given", type_=String), ""), _SUBJECT.c.name),
        **{name: bindparam(f"new_{name}", type_=_SUBJECT.c[name].type) for name in TOLD},
    )
)


def register(session: Session, registrations: Mapping[str, Registration | None]) -> None:
    """Keeps what the registration that counts says of each subject; None: none counts any more."""
    rows = []
    for subject_id, counted in registrations.items():
        time, payload, name = counted or (None, {}, "")
        rows.append(
            {"key": subject_id, "time": time, "name_given": name} | {f"new_{name}": payload.get(name) for name in TOLD}
        )
    if rows:
        session.connection().execute(_REGISTER, rows)


def get_subject(session: Session, subject_id: str) -> SubjectRow | None:
    """Returns a subject; None when it is not known."""
    return session.get(SubjectRow, subject_id)


def subjects_by_id(session: Session, subject_ids: Iterable[str]) -> dict[str, SubjectRow]:
    """Returns the known ones of the given subjects."""
    rows = session.execute(select(SubjectRow).where(col(SubjectRow.subject_id).in_(list(subject_ids))))
    return {row.subject_id: row for row in rows.scalars()}


class Kinded(NamedTuple):
    """Holds what judging has to know of a subject beside its facts."""

    subject_id: str
    scheme: str
    kind: str


Judged = SubjectRow | Kinded


def kinds_of(session: Session, subject_ids: Iterable[str]) -> dict[str, Kinded]:
    """Returns scheme and kind of the known ones of the given subjects, beside the mapper."""
    rows = select_by_keys(session, SubjectRow, Kinded._fields, "subject_id", subject_ids)
    return {row[0]: Kinded._make(row) for row in rows}


def met(session: Session, subject_ids: Iterable[str]) -> dict[str, tuple[Kinded, datetime]]:
    """Returns the known ones of the given subjects, each with the time of its first event, beside the mapper."""
    names = (*Kinded._fields, "first_collect_time")
    rows = select_by_keys(session, SubjectRow, names, "subject_id", subject_ids)
    return {row[0]: (Kinded._make(row[:-1]), from_microseconds(row[-1])) for row in rows}


def regions_of(session: Session, subject_ids: Sequence[str]) -> Sequence[Any]:
    """Returns (subject, kind, region) of the known ones of the given subjects, beside the mapper."""
    return select_by_keys(session, SubjectRow, ("subject_id", "kind", "supervising_region"), "subject_id", subject_ids)


def all_subject_ids(session: Session, after_id: str, limit: int) -> Sequence[str]:
    """Returns a page of subject ids in order."""
    statement = (
        select(col(SubjectRow.subject_id))
        .where(col(SubjectRow.subject_id) > after_id)
        .order_by(col(SubjectRow.subject_id))
        .limit(limit)
    )
    return session.execute(statement).scalars().all()


def find_subjects(
    session: Session, query: str, scheme: str | None, after_id: str, limit: int, *, with_persons: bool
) -> Sequence[SubjectRow]:
    """Returns subjects whose code begins with, or whose name contains, the text; in order of id.

    Plain LIKE: a trigram index silently finds nothing for two characters, the commonest Chinese search.
    """
    escaped = query.replace(LIKE_ESCAPE, LIKE_ESCAPE * 2).replace("%", r"\%").replace("_", r"\_")
    wanted = [
        col(SubjectRow.subject_id) > after_id,
        or_(
            col(SubjectRow.code).like(f"{escaped}%", escape=LIKE_ESCAPE),
            col(SubjectRow.name).like(f"%{escaped}%", escape=LIKE_ESCAPE),
        ),
    ]
    if scheme:
        wanted.append(col(SubjectRow.scheme) == scheme)
    if not with_persons:
        wanted.append(col(SubjectRow.kind) != "PERSON")
    statement = select(SubjectRow).where(and_(*wanted)).order_by(col(SubjectRow.subject_id)).limit(limit)
    return session.execute(statement).scalars().all()
