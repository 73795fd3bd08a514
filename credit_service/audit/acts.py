"""The chain of acts: every move of a listing or a remedy and every report of an agency, linked to all before it.

An act is kept in a table of its room. The chain keeps once more what was written, so that a row that was changed,
added or taken away since is found, and by the order of the chain also an act that was dated back.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlmodel import Session, SQLModel, col

from credit_service.audit.tables import ActRow
from credit_service.database import to_microseconds
from credit_service.errors import CreditError, Reason

GENESIS = bytes(32)
PAGE = 2000
# The tables whose rows are acts.
KEPT = ("listing_move", "remedy_move", "measure_report", "override_move")


@dataclass(frozen=True, slots=True)
class Ask:
    """Holds what somebody wants to do, with the evidence; `officer_key` is the key that spoke."""

    name: str
    actor: str
    # When it counts in law; none: when it is recorded.
    legal_time: datetime | None = None
    agency: str = ""
    officer_key: str = ""
    document_no: str = ""
    document_digest: str = ""
    reason: str = ""
    request_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VerifiedActs:
    """Tells how far the chain of acts holds; `broken_number` is None when it holds and every act is in it."""

    acts: int
    broken_number: int | None


def refusal(move: str, guard: str, text: str) -> CreditError:
    """Returns the error of a move that may not be made: the guard by name, and what is missing."""
    return CreditError(
        Reason.MOVE_ILLEGAL, f"move: got {move}, want {text}", move=move, guard=guard, missing=text
    )  # fmt: skip


def note_act(session: Session, row: SQLModel, subject_id: str) -> None:
    """Keeps a row of one of the tables and links it to all acts before it, under the caller's write lock."""
    session.add(row)
    last = session.execute(
        select(col(ActRow.number), col(ActRow.chain_hash)).order_by(col(ActRow.number).desc()).limit(1)
    ).first()
    number, chain = (last.number + 1, last.chain_hash) if last else (1, GENESIS)
    table: str = row.__tablename__  # type: ignore[assignment]  # a text in every table of ours
    content = _text({name: _stored(value) for name, value in row.model_dump().items()})
    session.add(
        ActRow(
            number=number, subject_id=subject_id, table_name=table, content=content,
            chain_hash=chain_hash(chain, number, table, content),
        )
    )  # fmt: skip
    session.flush()


def chain_hash(previous: bytes, number: int, table: str, content: str) -> bytes:
    """Links one act to all before it."""
    return hashlib.sha256(previous + number.to_bytes(8) + f"{table}\x00{content}".encode()).digest()


def verify_acts(session: Session) -> VerifiedActs:
    """Walks the chain of acts and compares each with its row; counts the rows that no act speaks of."""
    chain, number, counted = GENESIS, 0, Counter[str]()
    while page := session.execute(_after(number)).scalars().all():
        for act in page:
            chain = chain_hash(chain, number + 1, act.table_name, act.content)
            is_linked = (act.number, act.chain_hash) == (number + 1, chain)
            if not is_linked or not _stands(session, act.table_name, json.loads(act.content)):
                return VerifiedActs(number, number + 1)
            counted[act.table_name] += 1
            number = act.number
        session.expunge_all()
    for table in KEPT:
        rows = session.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one()  # noqa: S608  # names of our own
        if rows != counted[table]:
            return VerifiedActs(number, number + 1)
    return VerifiedActs(number, None)


def _after(number: int) -> Any:
    return select(ActRow).where(col(ActRow.number) > number).order_by(col(ActRow.number)).limit(PAGE)


def _stands(session: Session, table: str, content: Mapping[str, Any]) -> bool:
    """Says whether the row stands as the act says; columns that later programs added are theirs."""
    if table not in KEPT:
        return False
    conditions = [f'"{name}" IS NULL' if value is None else f'"{name}" = :{name}' for name, value in content.items()]
    statement = f'SELECT count(*) FROM "{table}" WHERE {" AND ".join(conditions)}'  # noqa: S608  # names of our own
    given = {name: value for name, value in content.items() if value is not None}
    found: int = session.execute(text(statement), given).scalar_one()
    return found == 1


def _stored(value: Any) -> Any:
    return to_microseconds(value) if isinstance(value, datetime) else value


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
