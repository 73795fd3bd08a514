"""What must hold before a move: one function per guard, by the name the table of moves uses. Pure.

Each returns nothing when it holds, else what is missing, in words that an officer can act on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from credit_service.ledger.fact import Fact, key
from credit_service.legal_days import civil_day, day_text, parse_day
from credit_service.listings.moves import BLACK, RED
from credit_service.listings.standing import Act, Standing, duties, last_act
from credit_service.rulebook.deadlines import Numbers
from credit_service.rulebook.evaluate import Finding, evaluate
from credit_service.rulebook.law import Edition, Rule
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.view import View
from credit_service.subjects.schemes import split

LISTING_EFFECTS = frozenset({"CANDIDATE", "ELIGIBLE"})
# A deciding officer states each of these after an examination, with a document; the ledger is asked as well.
PERFORMED, REMOVED = "is_penalty_performed", "is_harm_removed"


@dataclass(frozen=True, slots=True)
class Ground:
    """Holds what guards look at: the listing so far, its rule, and the facts of the subject as known now."""

    subject_id: str
    list_kind: str
    rule_id: str
    records: frozenset[str]
    edition: Edition
    numbers: Numbers
    acts: Sequence[Act]
    standing: Standing
    facts: Sequence[Fact]
    is_blacklisted: bool
    now: datetime
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def day(self) -> int:
        """Returns today in Shanghai."""
        return civil_day(self.now)

    def rule(self) -> Rule | None:
        """Returns the rule behind the listing; None when its edition has none of that id that may open a listing."""
        rules = (r for r in self.edition.rules if r.id == self.rule_id and r.list == self.list_kind)
        return next((r for r in rules if r.effect in LISTING_EFFECTS), None)

    def findings(self, day: int) -> list[Finding]:
        """Returns what the rules of the listing's edition say as of a day, by today's knowledge."""
        usable = unusable_from(self.edition, self.facts)
        lists = (BLACK,) if self.is_blacklisted and self.list_kind == RED else ()
        return evaluate(View(self.edition, self.facts, usable, day, lists), split(self.subject_id)[0])


Guard = Callable[[Ground], str | None]


def basis_fault(ground: Ground) -> str | None:
    """Says what became of the basis; nothing while it stands.

    A rule is asked as of the day on which it spoke last: that the publicity of a record ended since withdraws no
    basis. An officer's own nomination stands on the records that it named. The redlist is asked as of today.
    """
    spoke = last_act(ground.acts, "PROPOSE", "RENEW", "NOMINATE")
    if ground.list_kind == BLACK and spoke is not None and spoke.name == "NOMINATE":
        known = {key(fact) for fact in ground.facts}
        gone = sorted(ground.records - known)
        return f"records that the nomination named: {', '.join(gone)} was retracted" if gone else None
    day = ground.day if ground.list_kind == RED or spoke is None else civil_day(spoke.legal_time)
    if any(f.rule_id == ground.rule_id and f.list == ground.list_kind for f in ground.findings(day)):
        return None
    return f"facts that fulfil rule {ground.rule_id} as of {day_text(day)}"


def _legal_basis(ground: Ground) -> str | None:
    rule = ground.rule()
    if rule is None or not rule.bases or not rule.is_founded:
        return f"a rule {ground.rule_id} of {ground.edition.id} with a legal basis of the required rank"
    return None


def _redlist_conditions(ground: Ground) -> str | None:
    if ground.list_kind != RED:
        return None
    if ground.is_blacklisted:
        return "a subject that is on no blacklist"
    return basis_fault(ground)


def _served(ground: Ground) -> Act | None:
    return last_act(ground.acts, "SERVE_NOTICE")


def _notice_served(ground: Ground) -> str | None:
    is_needless = ground.list_kind == RED or _served(ground) is not None
    return None if is_needless else "the service of the notice"


def _notice_unserved(ground: Ground) -> str | None:
    served = _served(ground)
    return f"a notice that was not served yet; it was on {day_text(civil_day(served.legal_time))}" if served else None


def _reply_over(ground: Ground) -> str | None:
    """The period of reply, or of public notice, runs to the end of its last day unless it was waived."""
    if last_act(ground.acts, "WAIVE_REPLY") is not None:
        return None
    wanted = "notice_reply" if ground.list_kind == BLACK else "public_notice"
    for duty in duties(ground.acts, ground.list_kind, ground.numbers):
        if duty.key == wanted and ground.day <= duty.last_day:
            return f"the end of {day_text(duty.last_day)}, the last day of {wanted}, or a waiver"
    return None


def _statement_answered(ground: Ground) -> str | None:
    stated, answered = last_act(ground.acts, "STATE"), last_act(ground.acts, "ANSWER_STATEMENT")
    if stated is None or (answered is not None and answered.number > stated.number):
        return None
    return "an answer to the statement of " + day_text(civil_day(stated.legal_time))


def _decision(ground: Ground) -> tuple[Act | None, Act | None]:
    """Returns the move that put the listing in force, and the service of that decision."""
    begun, served = last_act(ground.acts, "CONFIRM", "REINSTATE"), last_act(ground.acts, "SERVE_DECISION")
    is_of_it = begun is not None and served is not None and served.number > begun.number
    return begun, served if is_of_it else None


def _early_months(ground: Ground) -> str | None:
    first = ground.standing.early_from_day
    if first is None:
        return f"a rule that allows early removal; {ground.rule_id} does not"
    return None if ground.day >= first else f"{day_text(first)} or later: the least time on the list"


def _no_running_ban(ground: Ground) -> str | None:
    rule = ground.rule()
    bars = rule.early_exit_bars if rule else ()
    for fact in ground.facts:
        if fact.kind in bars:
            until = fact.payload.get("until_date")
            if fact.payload.get("is_lifetime") or until is None:
                return f"the end of the ban of {key(fact)}, which lasts for life or names no last day"
            if ground.day <= parse_day(until):
                return f"the day after {until}, the last day of the ban of {key(fact)}"
    return None


def _penalty_performed(ground: Ground) -> str | None:
    if not ground.asked.get(PERFORMED):
        return f"{PERFORMED}: proof that every duty of the penalty was performed"
    begun = ground.standing.begin
    since = civil_day(begun) if begun else 0
    unpaid = [key(f) for f in ground.facts if f.kind == "NONEXEC" and f.day >= since]
    return f"performance of what {', '.join(unpaid)} says is not performed" if unpaid else None


def _harm_removed(ground: Ground) -> str | None:
    return None if ground.asked.get(REMOVED) else f"{REMOVED}: proof that the harm was actively removed"


def _no_new_conduct(ground: Ground) -> str | None:
    """New conduct is a finding that any other record proves."""
    names = {fact.event_id: key(fact) for fact in ground.facts}
    for finding in ground.findings(ground.day):
        new = {names.get(n, "") for n in finding.event_ids} - ground.records
        if finding.effect == "CANDIDATE" and new:
            return f"no new conduct: {finding.rule_id} is fulfilled by {', '.join(sorted(new))}"
    return None


def _is_open(ground: Ground, opening: str, closing: Sequence[str]) -> bool:
    opened, closed = last_act(ground.acts, opening), last_act(ground.acts, *closing)
    return opened is not None and (closed is None or closed.number < opened.number)


def _unless(is_met: bool, wanted: str) -> str | None:
    return None if is_met else wanted


def _application(ground: Ground) -> tuple[Act | None, bool]:
    """Returns the application for early removal that is open, and whether it was accepted."""
    applied = last_act(ground.acts, "APPLY_REMOVAL")
    answered = last_act(ground.acts, "REFUSE_REMOVAL", *_ENDS)
    accepted = last_act(ground.acts, "ACCEPT_REMOVAL")
    if applied is None or (answered is not None and answered.number > applied.number):
        return None, False
    return applied, accepted is not None and accepted.number > applied.number


_ENDS = ("EXPIRE", "REMOVE_EARLY", "REVOKE")
GUARDS: Mapping[str, Guard] = {
    "legal_basis": _legal_basis,
    "basis_stands": basis_fault,
    "redlist_conditions": _redlist_conditions,
    "notice_served": _notice_served,
    "notice_unserved": _notice_unserved,
    "reply_over": _reply_over,
    "statement_answered": _statement_answered,
    "not_stayed": lambda g: _unless(not g.standing.stayed, "the end of the stay"),
    "stayed": lambda g: _unless(g.standing.stayed, "a stay in force"),
    "suspended": lambda g: _unless(g.standing.suspended, "a listing whose basis was withdrawn"),
    "decision_served": lambda g: _unless(_decision(g)[1] is not None, "the service of the decision"),
    "decision_unserved": lambda g: _unless(_decision(g)[1] is None, "a decision that was not served yet"),
    "no_open_application": lambda g: _unless(_application(g)[0] is None, "no application that waits for its answer"),
    "application_open": lambda g: _unless(_application(g)[0] is not None, "an application for early removal"),
    "application_accepted": lambda g: _unless(_application(g)[1], "an application that was accepted"),
    "early_months": _early_months,
    "no_running_ban": _no_running_ban,
    "penalty_performed": _penalty_performed,
    "harm_removed": _harm_removed,
    "no_new_conduct": _no_new_conduct,
    "removal_open": lambda g: _unless(
        (recorded := last_act(g.acts, "RECORD_REMOVAL")) is None
        or recorded.number < max((a.number for a in g.acts if a.name in _ENDS), default=0),
        "a removal that was not recorded yet",
    ),
    "no_open_reinstatement": lambda g: _unless(
        not _is_open(g, "PROPOSE_REINSTATEMENT", ("REINSTATE",)), "no reinstatement that waits for a second officer"
    ),
    "change_open": lambda g: _unless(_is_open(g, "PROPOSE_CHANGE", ("ANSWER_CHANGE",)), "a proposal without answer"),
}
