"""How a listing stands: a fold over its moves, as of any time and by any knowledge. Pure.

Each act has the time at which it counts in law and the time at which we came to know it. The end of a term needs no
act: from 24:00 in Shanghai of its last day nothing is in force, whatever was recorded since.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from credit_service.legal_days import civil_day, day_start
from credit_service.listings.moves import BEGINNING, IN_FORCE, MOVES, NOTICED, PUBLISHED, REMOVED_EXPIRED
from credit_service.rulebook.deadlines import Numbers


@dataclass(frozen=True, slots=True)
class Act:
    """Holds one move as it was made: what, when in law, when known, by whom, with which document."""

    number: int
    name: str
    from_state: str | None
    to_state: str
    legal_time: datetime
    collect_time: datetime
    actor: str
    key: str = ""
    agency: str = ""
    document_no: str = ""
    document_digest: str = ""
    reason: str = ""
    request_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """Says how a listing stands at one time; `term_end` is the first instant after the term."""

    state: str | None = None
    in_force: bool = False
    displayed: bool = False
    measures_active: bool = False
    stayed: bool = False
    suspended: bool = False
    begin: datetime | None = None
    last_day: int | None = None
    early_from_day: int | None = None
    was_noticed: bool = False
    was_displayed: bool = False

    @property
    def term_end(self) -> datetime | None:
        """Returns 24:00 in Shanghai of the last day of the term; None before there is one."""
        return None if self.last_day is None else day_start(self.last_day + 1)


def standing(acts: Iterable[Act], as_of: datetime, known: datetime) -> Standing:
    """Returns how the listing stood at `as_of` by what was known at `known`."""
    found = Standing()
    for act in acts:
        if act.collect_time <= known and act.legal_time <= as_of:
            found = _after(found, act)
    end = found.term_end
    if end is not None and found.state in IN_FORCE and end <= as_of:
        found = replace(found, state=REMOVED_EXPIRED)
    in_force = found.state in IN_FORCE and not (found.stayed or found.suspended)
    is_shown = in_force and found.state == PUBLISHED
    return replace(found, in_force=in_force, displayed=is_shown, measures_active=is_shown)


def _after(found: Standing, act: Act) -> Standing:
    """Applies one act; what it leaves open the next instant decides."""
    was_noticed = found.was_noticed or act.to_state == NOTICED
    was_displayed = found.was_displayed or act.to_state == PUBLISHED
    found = replace(found, state=act.to_state, was_noticed=was_noticed, was_displayed=was_displayed)
    if act.name in BEGINNING:
        return replace(
            found, begin=act.legal_time, last_day=act.facts["last_day"], early_from_day=act.facts.get("early_from_day")
        )
    match act.name:
        case "STAY" | "LIFT":
            return replace(found, stayed=act.name == "STAY")
        case "SUSPEND" | "REAFFIRM":
            return replace(found, suspended=act.name == "SUSPEND")
        case _:
            return found


@dataclass(frozen=True, slots=True)
class Duty:
    """Names a deadline that an act opened: until when, and whether a later act closed it, and on which day."""

    key: str
    opened_by: int
    start_day: int
    last_day: int
    is_provisional: bool
    closed_day: int | None = None


def duties(acts: Sequence[Act], list_: str, numbers: Numbers) -> list[Duty]:
    """Returns every deadline of the listing in the order in which it was opened."""
    found: list[Duty] = []
    for act in acts:
        move, day = MOVES[act.name, list_], civil_day(act.legal_time)
        found = [
            replace(duty, closed_day=day) if duty.closed_day is None and _closes(move.closes, duty.key) else duty
            for duty in found
        ]
        for key in move.opens:
            last = numbers.last_day(key, day)
            found.append(Duty(key, act.number, day, last.day, last.is_provisional))
    return found


def _closes(closes: Sequence[str], key: str) -> bool:
    return "*" in closes or key in closes


def last_act(acts: Sequence[Act], *names: str) -> Act | None:
    """Returns the newest act of these names; None when there is none."""
    return next((act for act in reversed(acts) if act.name in names), None)
