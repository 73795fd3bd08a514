"""What an edition says about a grade: vetoes, hard records, conditions for A, pending. Pure.

The score never lifts a veto, and without a hard record it never makes a D.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from credit_service.ledger.facts import Fact
from credit_service.rulebook.condition import HardRecord
from credit_service.rulebook.law import Clause, Edition, LegalBasis, VetoRule
from credit_service.rulebook.matching import Match, current
from credit_service.rulebook.usable import NEVER
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


def vetoes(
    edition: Edition,
    facts: Sequence[Fact],
    unusable_from: Sequence[int],
    as_of_day: int,
    on_blacklist: bool = False,
) -> list[Veto]:
    """Returns the vetoes in force on the day, in the edition's order, each with all its proof."""
    lists = ("BLACK",) if on_blacklist else ()
    view = View(edition, facts, unusable_from, as_of_day, lists)
    found = [(rule, _matches(rule, view)) for rule in edition.grading.vetoes]
    return [_veto(rule, matches) for rule, matches in found if matches]


def hard_record(
    edition: Edition, facts: Sequence[Fact], unusable_from: Sequence[int], as_of_day: int
) -> tuple[int, ...]:
    """Returns the events that let a score below the edge of D show D; none: it shows C."""
    view = View(edition, facts, unusable_from, as_of_day)
    return tuple(sorted({n for match in current(HardRecord(), view) for n in match.proof}))


def a_conditions(
    edition: Edition, facts: Sequence[Fact], unusable_from: Sequence[int], as_of_day: int
) -> list[Statement]:
    """Returns the conditions for grade A that are not met on the day."""
    view = View(edition, facts, unusable_from, as_of_day)
    return [_statement(clause) for clause in edition.grading.a_conditions if not _matches(clause, view)]


def pending(
    edition: Edition,
    facts: Sequence[Fact],
    unusable_from: Sequence[int],
    as_of_day: int,
    scheme: str = "USCC",
) -> Statement | None:
    """Returns why the subject is not graded yet 待评定, nothing when it is."""
    view = View(edition, facts, unusable_from, as_of_day)
    for rule in edition.grading.pending:
        if scheme in rule.schemes and _matches(rule, view):
            return _statement(rule)
    return None


def _matches(clause: Clause, view: View) -> list[Match]:
    return current(clause.when, view) if clause.needs <= view.by_kind.keys() else []


def _statement(clause: Clause) -> Statement:
    return Statement(clause.id, clause.text_zh, clause.text_en)


def _veto(rule: VetoRule, matches: list[Match]) -> Veto:
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
