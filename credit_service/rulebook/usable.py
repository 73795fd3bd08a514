"""Says from which day a record may no longer be used: repaired, expired, revoked or stayed."""

from collections.abc import Iterator, Sequence

import numpy as np

from credit_service.arrays import NEVER, Bools, Ints, after, one_of
from credit_service.ledger.crowd import Crowd, Kind
from credit_service.ledger.fact import Fact, key
from credit_service.ledger.figures import ABSENT, KIND_CODES
from credit_service.legal_days import parse_day
from credit_service.rulebook.law import Edition, Usability


def is_void(usability: Usability, fact: Fact) -> bool:
    """Says whether the record has no effect at all, as a revoked or stayed penalty."""
    return fact.payload.get("status") in usability.void_status and fact.kind == "PEN"


def unusable_from(edition: Edition, facts: Sequence[Fact]) -> list[int]:
    """Returns per fact the first civil day on which it may no longer be used, else NEVER.

    A repair works from its decision day on; publicity runs to the end of its last day; a void
    penalty is unusable from its own day. Records that describe a penalised conduct fall with their
    penalty, and an accident is repaired once every penalty that names it is.
    """
    usability = edition.usability
    ends = [_own_end(usability, fact) if fact.kind == "PEN" else NEVER for fact in facts]
    kinds = {fact.kind for fact in facts}
    if "REP" in kinds and (repairs := _repairs(facts)):
        ends = [min(end, repairs.get(key(fact), NEVER)) for end, fact in zip(ends, facts, strict=True)]
        for n, day in _reached(usability, facts, repairs):
            ends[n] = min(ends[n], day)
    if not kinds.isdisjoint(usability.follow):
        penalties = {key(fact): end for fact, end in zip(facts, ends, strict=True) if fact.kind == "PEN"}
        for n, fact in enumerate(facts):
            if fact.kind in usability.follow:
                ends[n] = min(ends[n], penalties.get(fact.refers_to or "", NEVER))
    return ends


def _own_end(usability: Usability, fact: Fact) -> int:
    if is_void(usability, fact):
        return fact.day
    return _publicity_end(usability, fact)


def _publicity_end(usability: Usability, fact: Fact) -> int:
    if not usability.terms:
        return NEVER
    severity = fact.payload.get("severity", usability.absent_severity)
    last = [term.max.after(fact.day) for term in usability.terms if term.severity == severity]
    if "publicity_end_date" in fact.payload:
        last.append(parse_day(fact.payload["publicity_end_date"]))
    return min(last) + 1 if last else NEVER


def _repairs(facts: Sequence[Fact]) -> dict[str, int]:
    """Returns the first repair day of each repaired record."""
    repairs: dict[str, int] = {}
    for fact in facts:
        if fact.kind == "REP" and fact.refers_to is not None:
            day = parse_day(fact.payload["decision_date"])
            repairs[fact.refers_to] = min(day, repairs.get(fact.refers_to, NEVER))
    return repairs


def _reached(usability: Usability, facts: Sequence[Fact], repairs: dict[str, int]) -> Iterator[tuple[int, int]]:
    """Yields records whose penalties are all repaired, with the day of the last repair."""
    last: dict[str, int] = {}
    for fact in facts:
        if fact.kind == "PEN" and fact.refers_to is not None and not is_void(usability, fact):
            day = repairs.get(key(fact), NEVER)
            last[fact.refers_to] = max(day, last.get(fact.refers_to, day))
    for n, fact in enumerate(facts):
        if fact.kind in usability.repair_reaches:
            yield n, last.get(key(fact), NEVER)


def crowd_unusable_from(edition: Edition, crowd: Crowd) -> Ints:
    """Returns per row of a crowd what `unusable_from` does of each subject by itself."""
    usability = edition.usability
    ends = np.full(len(crowd), NEVER, dtype=np.int64)
    penalties, repairs = crowd.kinds.get("PEN"), crowd.kinds.get("REP")
    if penalties is not None:
        ends[penalties.rows] = _penalty_ends(usability, penalties, crowd.day[penalties.rows])
    if repairs is not None:
        repaired = np.full(len(crowd), NEVER, dtype=np.int64)
        named = crowd.link[repairs.rows]
        is_named = named != ABSENT
        np.minimum.at(repaired, named[is_named], repairs.days("decision_date")[is_named])
        ends = np.minimum(ends, repaired)
        if penalties is not None:
            _reach(usability, crowd, penalties, repaired, ends)
    for name in usability.follow:
        if name in crowd.kinds:
            rows = crowd.kinds[name].rows
            named = crowd.link[rows]
            follows = (named != ABSENT) & (crowd.kind[named] == KIND_CODES["PEN"])
            ends[rows[follows]] = np.minimum(ends[rows[follows]], ends[named[follows]])
    return ends


def are_void(usability: Usability, kind: Kind) -> Bools:
    """Marks what `is_void` says of the facts of a kind."""
    if kind.name != "PEN":
        return np.zeros(len(kind.rows), dtype=np.bool_)
    codes = [code for word, code in kind.lanes["status"].codes.items() if word in usability.void_status]
    return one_of(kind.codes("status"), codes)


def _penalty_ends(usability: Usability, penalties: Kind, days: Ints) -> Ints:
    ends = np.full(len(days), NEVER, dtype=np.int64)
    if usability.terms:
        lane, severity = penalties.lanes["severity"], penalties.codes("severity")
        for term in usability.terms:
            is_meant = severity == lane.codes.get(term.severity, ABSENT - 1)
            if term.severity == usability.absent_severity:
                is_meant |= severity == ABSENT
            ends[is_meant] = np.minimum(ends[is_meant], after(term.max, days[is_meant]))
        ends = np.minimum(ends, penalties.days("publicity_end_date"))
        ends = np.where(ends < NEVER, ends + 1, NEVER)
    return np.where(are_void(usability, penalties), days, ends)


def _reach(usability: Usability, crowd: Crowd, penalties: Kind, repaired: Ints, ends: Ints) -> None:
    """Ends what is reached by the repair of every penalty that names it."""
    counts = ~are_void(usability, penalties) & (crowd.link[penalties.rows] != ABSENT)
    rows = penalties.rows[counts]
    last = np.full(len(crowd), ABSENT, dtype=np.int64)
    np.maximum.at(last, crowd.link[rows], repaired[rows])
    for name in usability.repair_reaches:
        if name in crowd.kinds:
            reached = crowd.kinds[name].rows
            reached = reached[last[reached] != ABSENT]
            ends[reached] = np.minimum(ends[reached], last[reached])
