"""Relations of subjects, kept from their registrations: another code of the same person, mergers, splits, branches.

Facts follow the legal person: what was recorded under a former code, and the accidents of branches, count for the
one that bears them. Mergers and splits are shown; whom their facts burden is for people to decide.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, BindParameter, Index, Select, bindparam, or_, select
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import UtcTime, insert_rows
from credit_service.ledger.drafts import Draft
from credit_service.ledger.tables import LedgerEvent, later_version_known
from credit_service.subjects.schemes import split

# Fields of a registration that tell of others; most have neither.
_TELLING = ("predecessor_codes", "branch_of_code")
RENUMBERED, BRANCH = "RENUMBERED", "BRANCH"
# A branch is no legal person: liability for its accidents is its head's. Its penalties name the branch itself.
BRANCH_KINDS = frozenset({"ACC"})
# What each relation hands on: every kind, or those named; others hand on nothing by themselves.
_HANDS_ON = {RENUMBERED: None, BRANCH: BRANCH_KINDS}


class SubjectRelation(SQLModel, table=True):
    """Keeps that one subject bears what another did, by the registration that says so."""

    __tablename__ = "subject_relation"
    __table_args__ = (Index("ix_subject_relation_giver", "giver_id"),)
    receiver_id: str = Field(primary_key=True)
    giver_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=BigInteger)
    relation: str


TABLES: list[Any] = [SubjectRelation]


class Relation(NamedTuple):
    """Holds one relation that counts, with the event that proves it."""

    receiver_id: str
    giver_id: str
    relation: str
    position: int


def note_relations(session: Session, placed: Iterable[tuple[Draft, int]]) -> None:
    """Keeps what registrations say of other subjects; `placed` pairs them with their positions."""
    rows: list[dict[str, Any]] = []
    for draft, position in placed:
        if not any(name in draft.payload for name in _TELLING):
            continue
        payload, scheme = json.loads(draft.payload), split(draft.subject_id)[0]
        former = dict.fromkeys(f"{scheme}:{code}" for code in payload.get("predecessor_codes", ()))
        rows.extend(_row(draft.subject_id, giver, position, payload["succession"]) for giver in former)
        if code := payload.get("branch_of_code"):
            rows.append(_row(f"{scheme}:{code}", draft.subject_id, position, BRANCH))
    insert_rows(session, SubjectRelation, [row for row in rows if row["receiver_id"] != row["giver_id"]])


def _row(receiver_id: str, giver_id: str, position: int, relation: str) -> dict[str, Any]:
    return {"receiver_id": receiver_id, "giver_id": giver_id, "position": position, "relation": relation}


def bearers(session: Session, subject_ids: Sequence[str]) -> list[str]:
    """Returns the subjects with all that may bear what they did, whenever they were related, in steady order."""
    found = dict.fromkeys(subject_ids)
    frontier = list(found)
    while frontier:
        statement = select(col(SubjectRelation.receiver_id)).where(col(SubjectRelation.giver_id).in_(frontier))
        frontier = [r for r in sorted(set(session.execute(statement).scalars())) if r not in found]
        found.update(dict.fromkeys(frontier))
    return list(found)


def givers(
    session: Session, subject_ids: Sequence[str], as_of: datetime, known: datetime
) -> dict[str, dict[str, frozenset[str] | None]]:
    """Returns, by subject that bears something, whose facts it bears and of which kinds (None: all)."""
    borne: dict[str, dict[str, frozenset[str] | None]] = {}
    frontier = {subject_id: {subject_id} for subject_id in subject_ids}
    while frontier:
        following: dict[str, set[str]] = {}
        for found in relations_of(session, list(frontier), as_of, known, as_receiver=True):
            if found.relation not in _HANDS_ON:
                continue
            kinds = _HANDS_ON[found.relation]
            for root in frontier[found.receiver_id]:
                mine = borne.setdefault(root, {})
                if found.giver_id != root and mine.get(found.giver_id, frozenset()) is not None:
                    is_new = found.giver_id not in mine
                    mine[found.giver_id] = kinds
                    # Only the same person's relations are its own: a branch's former code had no head of ours.
                    if is_new and kinds is None:
                        following.setdefault(found.giver_id, set()).add(root)
        frontier = following
    return {root: mine for root, mine in borne.items() if mine}


def relations_of(
    session: Session, subject_ids: Sequence[str], as_of: datetime, known: datetime, *, as_receiver: bool = False
) -> list[Relation]:
    """Returns the relations of subjects that count at a time frame: not corrected, not retracted; in ledger order."""
    session.flush()
    given = {"subject_ids": list(subject_ids), "as_of": as_of, "known": known}
    rows = session.connection().execute(_statement(as_receiver=as_receiver), given)
    return [Relation(*row) for row in rows]


@cache
def _statement(*, as_receiver: bool) -> Select[Any]:
    """Returns the question, built once: building it costs more than asking it for one subject."""
    asked: BindParameter[Any] = bindparam("subject_ids", expanding=True)
    as_of, known = bindparam("as_of", type_=UtcTime), bindparam("known", type_=UtcTime)
    sides = [col(SubjectRelation.receiver_id).in_(asked)]
    if not as_receiver:
        sides.append(col(SubjectRelation.giver_id).in_(asked))
    columns = [col(getattr(SubjectRelation, name)) for name in Relation._fields]
    return (
        select(*columns)
        .join(LedgerEvent, col(LedgerEvent.position) == col(SubjectRelation.position))
        .where(or_(*sides), col(LedgerEvent.collect_time) <= known)
        .where(or_(col(LedgerEvent.occur_time) <= as_of, col(LedgerEvent.collect_time) <= as_of))
        .where(~later_version_known(known))
        .order_by(col(SubjectRelation.position), col(SubjectRelation.giver_id))
    )
