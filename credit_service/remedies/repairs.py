"""What must hold before a record may be repaired: one function per condition of an edition, by its id. Pure.

Each returns nothing when it holds, else what is missing, in words that the applicant can act on.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from credit_service.ledger.fact import Fact, key
from credit_service.legal_days import day_text, parse_day
from credit_service.rulebook.law import Edition
from credit_service.rulebook.usable import is_void, unusable_from

# What the deciding officer states after an examination; the ledger is asked as well.
PERFORMED, CORRECTED = "is_penalty_performed", "is_conduct_corrected"


@dataclass(frozen=True, slots=True)
class Claim:
    """Holds what the conditions look at: the record, all facts of its subject, and what the officer states."""

    fact: Fact
    facts: Sequence[Fact]
    edition: Edition
    day: int
    # Records behind listings that live.
    listed: Collection[str]
    commitment: str
    # None before an officer examined it: what only an examination shows is not asked yet.
    stated: Mapping[str, Any] | None = None


def missing(claim: Claim) -> tuple[str, str] | None:
    """Returns the first condition that does not hold, with what is missing; None when the record may be repaired."""
    ill = _unfit(claim)
    if ill is not None:
        return ill
    for condition in claim.edition.repair:
        text = CONDITIONS[condition.id](claim)
        if text is not None:
            return condition.id, text
    return None


def first_day(edition: Edition, fact: Fact) -> int | None:
    """Returns the first day on which the least publicity of a penalty is over; None when it cannot be repaired."""
    severity = fact.payload.get("severity", edition.usability.absent_severity)
    term = next((t for t in edition.usability.terms if t.severity == severity), None)
    if term is None or fact.kind != "PEN" or is_void(edition.usability, fact):
        return None
    return fact.day if term.min is None else term.min.after(fact.day) + 1


def founding(records: Collection[str], facts: Sequence[Fact]) -> frozenset[str]:
    """Returns records with all that name them or that they name: an accident is listed for with its penalty."""
    linked = {key(f) for f in facts if f.refers_to in records}
    linked |= {f.refers_to for f in facts if key(f) in records and f.refers_to}
    return frozenset(records) | linked


def _unfit(claim: Claim) -> tuple[str, str] | None:
    """Says why a record is nothing that could be repaired, under whatever conditions."""
    fact, edition = claim.fact, claim.edition
    if not edition.repair or not edition.usability.terms:
        return "edition", f"an edition that knows credit repair; {edition.id} does not"
    if fact.kind != "PEN":
        return "kind", f"a penalty; {key(fact)} is of kind {fact.kind} and follows the penalties that name it"
    end = unusable_from(edition, claim.facts)[claim.facts.index(fact)]
    if end <= claim.day:
        return "usable", f"a record that is in use; {key(fact)} is not since {day_text(end)}"
    return None


def _minimum_publicity(claim: Claim) -> str | None:
    first = first_day(claim.edition, claim.fact)
    if first is None:
        return "a severity with a publicity term"
    return None if claim.day >= first else f"{day_text(first)} or later: the least publicity period"


def _penalty_performed(claim: Claim) -> str | None:
    """What a source recorded as not performed stands until it records the performance."""
    name, stated = key(claim.fact), claim.fact.payload.get("performed_date")
    performed = None if stated is None or parse_day(stated) > claim.day else parse_day(stated)
    refusals = [f for f in claim.facts if f.kind == "NONEXEC" and f.refers_to == name]
    unpaid = [key(f) for f in refusals if performed is None or performed < f.day]
    if unpaid:
        return f"the day of performance in the record: {', '.join(unpaid)} says that it is not performed"
    if claim.stated is None or performed is not None or claim.stated.get(PERFORMED):
        return None
    return f"{PERFORMED}: proof that every duty of the penalty was performed"


def _conduct_corrected(claim: Claim) -> str | None:
    if claim.stated is None or claim.stated.get(CORRECTED):
        return None
    return f"{CORRECTED}: proof that the conduct was corrected"


def _commitment(claim: Claim) -> str | None:
    return None if claim.commitment.strip() else "the text of a public credit commitment"


def _not_listed(claim: Claim) -> str | None:
    if key(claim.fact) not in claim.listed:
        return None
    return f"the end of the listing that {key(claim.fact)} founds; it is removed by its own conditions"


CONDITIONS: Mapping[str, Callable[[Claim], str | None]] = {
    "MINIMUM_PUBLICITY": _minimum_publicity,
    "PENALTY_PERFORMED": _penalty_performed,
    "CONDUCT_CORRECTED": _conduct_corrected,
    "COMMITMENT": _commitment,
    "NOT_LISTED": _not_listed,
}
