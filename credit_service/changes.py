"""The river bed: dense revisions of every change, in commit order, and the wake-up of those who follow."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Text, func, select, update
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import UtcTime, insert_tuples


class FeedHead(SQLModel, table=True):
    """Keeps the last revision; its one row is read and written under the write lock only."""

    __tablename__ = "feed_head"
    head_id: int = Field(primary_key=True)
    revision: int = Field(sa_type=BigInteger)


class ChangeRow(SQLModel, table=True):
    """Keeps one change with the whole after-image of its entry; a removal has a reason too."""

    __tablename__ = "change"
    __table_args__ = (
        Index("ix_change_entry", "entry_key", "revision"),
        Index("ix_change_subject", "subject_id", "revision"),
    )
    revision: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    entry_key: str
    kind: str
    subject_id: str
    subject_kind: str
    type: str
    reason: str
    commit_time: datetime = Field(sa_type=UtcTime)
    document: str = Field(sa_type=Text)


TABLES: list[Any] = [FeedHead, ChangeRow]
HEAD_ID = 1


def entry_key(kind: str, key: str) -> str:
    """Names an entry of the feed; that of a grade by its subject."""
    return f"{kind}/{key}"


def start(session: Session) -> None:
    """Writes the head of an empty feed."""
    session.add(FeedHead(head_id=HEAD_ID, revision=0))


def head_revision(session: Session) -> int:
    """Returns the last revision; 0 when nothing changed yet."""
    revision: int = session.execute(select(col(FeedHead.revision))).scalars().one()
    return revision


def revision_at(session: Session, time: datetime) -> int:
    """Returns the last revision that was committed by a time; 0 when none was.

    Revisions are dense and rise with time, so that a look at twenty of a million finds it without an index.
    """
    low, high = 0, head_revision(session)
    while low < high:
        middle = (low + high + 1) // 2
        statement = select(col(ChangeRow.commit_time)).where(col(ChangeRow.revision) == middle)
        is_by_then = session.execute(statement).scalar_one() <= time
        low, high = (middle, high) if is_by_then else (low, middle - 1)
    return low


class Recorder:
    """Gathers the changes of one transaction and writes them with the next dense revisions."""

    def __init__(self, now: datetime) -> None:
        """Begins empty; `now` becomes the commit time."""
        self._now = now
        self._rows: list[tuple[Any, ...]] = []

    def upsert(self, kind: str, key: str, subject: tuple[str, str], document: Mapping[str, Any] | str) -> None:
        """Notes that an entry now stands as the document, or its text, says; `subject` is (subject id, kind)."""
        text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False, sort_keys=True)
        self._add(kind, key, subject, "UPSERT", document=text)

    def remove(self, kind: str, key: str, subject: tuple[str, str], reason: str, document: Mapping[str, Any]) -> None:
        """Notes that an entry is gone, and why; the document, how it stood at its end, says who ever saw it."""
        text = json.dumps(document, ensure_ascii=False, sort_keys=True)
        self._add(kind, key, subject, "REMOVE", reason=reason, document=text)

    def _add(
        self, kind: str, key: str, subject: tuple[str, str], change_type: str, *, reason: str = "", document: str = ""
    ) -> None:
        self._rows.append((entry_key(kind, key), kind, *subject, change_type, reason, self._now, document))

    def write(self, session: Session) -> int:
        """Writes the gathered changes and returns the last revision."""
        revision = head_revision(session)
        if self._rows:
            numbered = [(number, *row) for number, row in enumerate(self._rows, revision + 1)]
            insert_tuples(session, ChangeRow, _WRITTEN, numbered)
            revision += len(numbered)
            session.execute(update(FeedHead).values(revision=revision))
            self._rows = []
        return revision


_WRITTEN = (
    "revision", "entry_key", "kind", "subject_id", "subject_kind", "type", "reason", "commit_time", "document",
)  # fmt: skip


def read_changes(
    session: Session, after: int, through: int, kinds: Sequence[str], limit: int, subject_id: str | None = None
) -> Sequence[ChangeRow]:
    """Returns changes with after < revision ≤ through, in order; of one subject alone when it is named."""
    statement = select(ChangeRow).where(col(ChangeRow.revision) > after, col(ChangeRow.revision) <= through)
    if subject_id is not None:
        statement = statement.where(col(ChangeRow.subject_id) == subject_id)
    if kinds:
        statement = statement.where(col(ChangeRow.kind).in_(kinds))
    return session.execute(statement.order_by(col(ChangeRow.revision)).limit(limit)).scalars().all()


def snapshot_page(
    session: Session, revision: int, kinds: Sequence[str], after_key: str, limit: int, subject_id: str | None = None
) -> tuple[Sequence[ChangeRow], str]:
    """Returns the entries standing at a revision, in order of key, after a key, and the last key looked at.

    Of one subject alone when it is named. At most `limit` keys are looked at; removed ones are left out. No key is
    left when the last one is empty.
    """
    keys: Any = (
        select(col(ChangeRow.entry_key).label("entry_key"), func.max(col(ChangeRow.revision)).label("revision"))
        .where(col(ChangeRow.revision) <= revision, col(ChangeRow.entry_key) > after_key)
        .group_by(col(ChangeRow.entry_key))
        .order_by(col(ChangeRow.entry_key))
        .limit(limit)
    )
    if subject_id is not None:
        keys = keys.where(col(ChangeRow.subject_id) == subject_id)
    if kinds:
        keys = keys.where(col(ChangeRow.kind).in_(kinds))
    newest = session.execute(keys).all()
    if not newest:
        return [], ""
    statement = (
        select(ChangeRow)
        .where(col(ChangeRow.revision).in_([row.revision for row in newest]), col(ChangeRow.type) == "UPSERT")
        .order_by(col(ChangeRow.entry_key))
    )
    return session.execute(statement).scalars().all(), newest[-1].entry_key


class Feed:
    """Wakes followers after a commit; a follower that misses a wake-up still reads on its next turn."""

    def __init__(self) -> None:
        """Begins without followers."""
        self._lock = threading.Lock()
        self._followers: dict[int, Callable[[], None]] = {}
        self._next = 0
        # How often followers were woken: what was read may be kept until it moves.
        self.turns = 0

    def follow(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Registers a wake-up and returns the function that ends it."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._followers[number] = wake

        def leave() -> None:
            with self._lock:
                self._followers.pop(number, None)

        return leave

    def wake(self) -> None:
        """Tells every follower that something was committed."""
        self.turns += 1
        with self._lock:
            followers = list(self._followers.values())
        for follower in followers:
            follower()
