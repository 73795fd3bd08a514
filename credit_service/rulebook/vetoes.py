"""What an edition says about a grade: vetoes, hard records, conditions for A, pending. Pure.

The score never lifts a veto, and without a hard record it never makes a D.
"""

from dataclasses import dataclass

from credit_service.arrays import NEVER
from credit_service.rulebook.condition import HardRecord
from credit_service.rulebook.law import Clause, LegalBasis, VetoRule
from credit_service.rulebook.matching import Match, current, holds
from credit_service.rulebook.view import View


@dataclass(frozen=True, slots=True)
class Veto:
    """Caps the grade at `cap` until, if known, before `until_day`."""

    id: str
    cap: str
    event_ids: tuple[int, ...]
    until_day: int | None
    basis: LegalBasis
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class Statement:
    """States why a subject is pending, or which condition for grade A it does not meet."""

    id: str
    text_zh: str
    text_en: str


def vetoes(view: View) -> list[Veto]:
    """Returns the vetoes in force on the view's day, in the edition's order, each with all its proof."""
    found = [(rule, matches_of(rule, view)) for rule in view.edition.grading.vetoes]
    return [veto(rule, matches) for rule, matches in found if matches]


def hard_record(view: View) -> tuple[int, ...]:
    """Returns the events that let a score below the edge of D show D; none: it shows C."""
    return tuple(sorted({n for match in current(HardRecord(), view) for n in match.proof}))


def a_conditions(view: View) -> list[Statement]:
    """Returns the conditions for grade A that are not met on the view's day."""
    return [statement(clause) for clause in view.edition.grading.a_conditions if not is_met(clause, view)]


def pending(view: View, scheme: str = "USCC") -> Statement | None:
    """Returns why the subject is not graded yet 待评定, nothing when it is."""
    for rule in view.edition.grading.pending:
        if scheme in rule.schemes and is_met(rule, view):
            return statement(rule)
    return None


def matches_of(clause: Clause, view: View) -> list[Match]:
    """Returns what proves a clause on the view's day."""
    return current(clause.when, view) if view.passes(clause.needs) else []


def is_met(clause: Clause, view: View) -> bool:
    """Says whether a clause holds on the view's day."""
    return view.passes(clause.needs) and holds(clause.when, view)


def statement(clause: Clause) -> Statement:
    """Returns what a clause states."""
    return Statement(clause.id, clause.text_zh, clause.text_en)


def veto(rule: VetoRule, matches: list[Match]) -> Veto:
    """Returns the veto that the matches of its rule prove."""
    until = max(match.until for match in matches)
    return Veto(
        id=rule.id,
        cap=rule.cap,
        event_ids=tuple(sorted({n for match in matches for n in match.proof})),
        until_day=None if until >= NEVER else until,
        basis=rule.bases[0],
        text_zh=rule.text_zh,
        text_en=rule.text_en,
    )
