"""Evaluates an edition's rules over one subject's facts: findings with their proof. Pure.

A finding is what a rule says, never a decision: only effect CANDIDATE may open a candidate.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from credit_service.arrays import NEVER
from credit_service.rulebook.law import Rule
from credit_service.rulebook.matching import Match, Named, current, firsts, rule_matches
from credit_service.rulebook.view import View

PERSON = "PERSON"


@dataclass(frozen=True, slots=True)
class Finding:
    """States that a rule's criterion is met from `found_day` until, if known, before `until_day`.

    `event_ids` are the smallest proof; `scope_event_ids` show that the subject is in scope.
    """

    rule_id: str
    list: str
    effect: str
    event_ids: tuple[int, ...]
    found_day: int
    until_day: int | None
    text_zh: str
    text_en: str
    scope_event_ids: tuple[int, ...] = ()


def evaluate(view: View, scheme: str = "USCC") -> list[Finding]:
    """Returns the findings that stand on the view's day, in the order of the rules."""
    return [finding for rule in view.edition.rules for finding in findings(rule, view, scheme)]


def findings(rule: Rule, view: View, scheme: str) -> list[Finding]:
    """Returns the findings of one rule."""
    if not applies(rule, scheme):
        return []
    matches = rule_matches(rule, view)
    if not matches:
        return []
    scope = _scope(rule, view)
    return [] if scope is None else found_by(rule, matches, scope, view.named)


def applies(rule: Rule, scheme: str) -> bool:
    """Says whether a rule speaks of subjects of a scheme."""
    return rule.applies_to in ("ANY", "PERSON" if scheme == PERSON else "UNIT")


def found_by(rule: Rule, matches: Iterable[Match], scope: tuple[int, ...], named: Named) -> list[Finding]:
    """Returns what a rule finds by its matches, once per fact that each is about."""
    return [
        Finding(
            rule_id=rule.id,
            list=rule.list,
            effect=rule.effect,
            event_ids=match.proof,
            found_day=match.start,
            until_day=None if match.until >= NEVER else match.until,
            text_zh=rule.text_zh,
            text_en=rule.text_en,
            scope_event_ids=scope,
        )
        for match in firsts(matches, named)
    ]


def _scope(rule: Rule, view: View) -> tuple[int, ...] | None:
    """Returns the events that show the subject in scope, empty for no scope, None if outside."""
    if rule.scope is None:
        return ()
    matches = firsts(current(view.edition.scopes[rule.scope], view), view.named)
    return matches[0].proof if matches else None
