"""Walks the chain and names the first broken link; digests all contents in source order."""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, select
from sqlmodel import Session, col

from credit_service.database import LEAST, by_characters, to_microseconds
from credit_service.ledger.append import chain_hash
from credit_service.ledger.drafts import content_hash
from credit_service.ledger.tables import GENESIS, EventKey, LedgerEvent, head, in_ledger_order
from credit_service.legal_days import civil_day

PAGE = 5000


@dataclass(frozen=True, slots=True)
class Verified:
    """Tells how far the chain holds; `broken_position` is None when it holds to the head."""

    events: int
    head: bytes
    broken_position: int | None
    content_root: bytes


def verify(session: Session) -> Verified:
    """Recomputes every content and chain hash from the rows, in ledger order."""
    chain, position = GENESIS, 0
    while True:
        # From the very beginning, where nothing may stand before the first.
        rows = session.execute(in_ledger_order(position or LEAST, PAGE)).scalars().all()
        for row in rows:
            content = stored_content_hash(row)
            linked = chain_hash(
                chain, position + 1, to_microseconds(row.collect_time), content, row.personal_commitment
            )
            is_sound = row.position == position + 1 and content == row.content_hash and linked == row.chain_hash
            # The day is derived, not digested; rules read it.
            if not is_sound or row.occur_day != civil_day(row.occur_time):
                return Verified(position, chain, position + 1, b"")
            chain, position = linked, row.position
        session.expunge_all()
        if len(rows) < PAGE:
            break
    stored = head(session)
    if (stored.position, stored.chain_hash) != (position, chain):
        return Verified(position, chain, position + 1, b"")
    broken = (
        _first_held_twice(session)
        or _first_without_partner(session, EventKey, LedgerEvent)
        or _first_without_partner(session, LedgerEvent, EventKey)
    )
    return Verified(position, chain, broken, content_root(session))


def stored_content_hash(row: LedgerEvent) -> bytes:
    """Digests a stored event the way its draft was digested."""
    return content_hash(
        (
            row.source, row.record_id, str(row.version), row.op, row.subject_id, row.subject_name, row.subject_kind,
            row.kind, row.domain, str(to_microseconds(row.occur_time)),
            "" if row.publish_time is None else str(to_microseconds(row.publish_time)),
            row.document_no, row.legal_basis, row.refers_to or "", row.payload,
        )
    )  # fmt: skip


def content_root(session: Session) -> bytes:
    """Digests all accepted contents in source order: equal for equal collections, whenever they were received."""
    digest = hashlib.sha256()
    texts = (col(EventKey.source), col(EventKey.record_id))
    order = (*(by_characters(session, text) for text in texts), col(EventKey.version))
    statement = select(*texts, col(EventKey.version), col(EventKey.content_hash)).order_by(*order)
    # Page by page: the keys of a nation fit in no memory.
    for source, record_id, version, content in session.execute(statement, execution_options={"yield_per": PAGE}):
        digest.update(f"{source}\x00{record_id}\x00{version}\x00".encode() + content)
    return digest.digest()


_SHARED = ("position", "source", "record_id", "version", "subject_id", "collect_time", "content_hash")


def _first_held_twice(session: Session) -> int | None:
    """Returns the first position of two events: between two pages the walk meets only one of them."""
    held = col(LedgerEvent.position)
    statement = select(held).group_by(held).having(func.count() > 1).order_by(held).limit(1)
    found: int | None = session.execute(statement).scalars().first()
    return found


def _first_without_partner(session: Session, one: Any, other: Any) -> int | None:
    """Returns the first position whose key has no equal event, or whose event has no equal key."""
    statement = (
        select(col(one.position))
        .outerjoin(other, and_(*(col(getattr(one, name)) == col(getattr(other, name)) for name in _SHARED)))
        .where(col(other.position).is_(None))
        .order_by(col(one.position))
        .limit(1)
    )
    found: int | None = session.execute(statement).scalars().first()
    return found
