"""The moves of a listing's legal life: one table for the blacklist and the redlist. Pure.

A unit and a person are separate listings with separate clocks, and each lives this table by itself. A move names
who makes it, from which states, what it must carry (evidence), what must hold (guards, by their names in
`guards`), and which deadlines it opens and closes. `second_of` names the move whose officer must be another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

CANDIDATE = "CANDIDATE"
NOTICED = "NOTICED"
DEFENCE_REVIEW = "DEFENCE_REVIEW"
DECIDED = "DECIDED"
CONFIRMED = "CONFIRMED"
PUBLISHED = "PUBLISHED"
REMOVED_EARLY = "REMOVED_EARLY"
REMOVED_EXPIRED = "REMOVED_EXPIRED"
REVOKED = "REVOKED"
DROPPED = "DROPPED"
STATES = (
    CANDIDATE, NOTICED, DEFENCE_REVIEW, DECIDED, CONFIRMED, PUBLISHED,
    REMOVED_EARLY, REMOVED_EXPIRED, REVOKED, DROPPED,
)  # fmt: skip

BLACK, RED = "BLACK", "RED"
OFFICER, RULE, CLOCK = "OFFICER", "RULE", "CLOCK"
# Closes whatever is open.
EVERY = ("*",)
OPENING: frozenset[str | None] = frozenset({None})
BEFORE_DECISION: frozenset[str | None] = frozenset({NOTICED, DEFENCE_REVIEW})
IN_FORCE: frozenset[str | None] = frozenset({CONFIRMED, PUBLISHED})
OUT: frozenset[str | None] = frozenset({REMOVED_EARLY, REMOVED_EXPIRED, REVOKED})
LIVING: frozenset[str | None] = frozenset({CANDIDATE, DECIDED}) | BEFORE_DECISION | IN_FORCE


@dataclass(frozen=True, slots=True)
class Move:
    """Says what one move is; `to_state` None leaves the state as it is."""

    name: str
    from_states: frozenset[str | None]
    to_state: str | None
    actor: str
    effect: str
    evidence: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    second_of: str | None = None
    lists: tuple[str, ...] = (BLACK, RED)


_DOCUMENT = ("document_no", "document_digest")
_ORDER = (*_DOCUMENT, "reason")

_ALL = (
    # --- Opening, and ending without a decision ------------------------------------------------------------------
    Move("PROPOSE", OPENING, CANDIDATE, RULE, "a rule found its condition fulfilled", opens=("triage",)),
    Move("NOMINATE", OPENING, CANDIDATE, OFFICER, "an officer nominated the subject with written reasons",
         evidence=("reason",), opens=("triage",)),
    Move("RENEW", frozenset({CANDIDATE, DECIDED}) | BEFORE_DECISION | IN_FORCE, None, RULE,
         "the events that prove the finding changed"),
    Move("WITHDRAW", frozenset({CANDIDATE}), DROPPED, RULE,
         "the events that proved the finding were corrected or retracted", closes=EVERY),
    Move("LAPSE", frozenset({CANDIDATE}), DROPPED, CLOCK, "nobody acted on the candidate in time", closes=EVERY),
    Move("DROP", frozenset({CANDIDATE, DECIDED}) | BEFORE_DECISION, DROPPED, OFFICER,
         "an officer ended the case without a listing", evidence=("reason",), closes=EVERY),
    # --- Notice, statement and defence ---------------------------------------------------------------------------
    Move("NOTIFY", frozenset({CANDIDATE}), NOTICED, OFFICER, "the subject is to be heard", evidence=_DOCUMENT,
         guards=("legal_basis", "basis_stands"), opens=("notice_service",), closes=("triage",), lists=(BLACK,)),
    Move("NOTIFY", frozenset({CANDIDATE}), NOTICED, OFFICER, "the nomination is open to objections",
         evidence=_DOCUMENT, guards=("legal_basis", "redlist_conditions"), opens=("public_notice",),
         closes=("triage",), lists=(RED,)),
    Move("SERVE_NOTICE", BEFORE_DECISION, None, OFFICER, "the notice was served: the period of reply runs",
         evidence=(*_DOCUMENT, "service_method"), guards=("notice_unserved",), opens=("notice_reply",),
         closes=("notice_service",), lists=(BLACK,)),
    Move("WAIVE_REPLY", BEFORE_DECISION, None, OFFICER, "the subject waived its reply in writing", evidence=_DOCUMENT,
         guards=("notice_served",), closes=("notice_reply",), lists=(BLACK,)),
    Move("STATE", BEFORE_DECISION, DEFENCE_REVIEW, OFFICER, "the subject stated and defended: it must be reviewed",
         evidence=("document_digest", "reason"), guards=("notice_served",), opens=("statement_review",)),
    Move("ANSWER_STATEMENT", frozenset({DEFENCE_REVIEW}), None, OFFICER, "the statement was reviewed and answered",
         evidence=("reason",), closes=("statement_review",)),
    # --- Decision by one officer, confirmation by another, publication -------------------------------------------
    Move("DECIDE", BEFORE_DECISION, DECIDED, OFFICER, "decided, without effect until another officer confirms",
         evidence=_ORDER,
         guards=("legal_basis", "basis_stands", "notice_served", "reply_over", "statement_answered",
                 "redlist_conditions"),
         opens=("confirmation",), closes=("statement_review", "notice_reply", "public_notice")),
    Move("CONFIRM", frozenset({DECIDED}), CONFIRMED, OFFICER, "in force: grade and term begin", second_of="DECIDE",
         guards=("legal_basis", "basis_stands", "not_stayed", "redlist_conditions"),
         opens=("decision_service", "list_system_entry", "list_publish"), closes=("confirmation",)),
    Move("SERVE_DECISION", IN_FORCE, None, OFFICER, "the decision was served: the time for remedies runs",
         evidence=(*_DOCUMENT, "service_method"), guards=("decision_unserved",),
         opens=("reconsideration", "litigation"), closes=("decision_service",)),
    Move("PUBLISH", frozenset({CONFIRMED}), PUBLISHED, OFFICER, "displayed and shared; measures begin",
         guards=("decision_served", "basis_stands", "not_stayed"), closes=("list_system_entry", "list_publish")),
    # --- The end ------------------------------------------------------------------------------------------------
    Move("EXPIRE", IN_FORCE, REMOVED_EXPIRED, CLOCK, "the term ended by itself",
         opens=("removal_system", "removal_stop"), closes=EVERY),
    Move("APPLY_REMOVAL", frozenset({PUBLISHED}), None, OFFICER, "the subject applied for early removal",
         evidence=("reason",), guards=("no_open_application", "early_months", "no_running_ban"),
         opens=("early_removal_accept",), lists=(BLACK,)),
    Move("ACCEPT_REMOVAL", frozenset({PUBLISHED}), None, OFFICER, "the application was accepted for verification",
         guards=("application_open",), opens=("early_removal_decide",), closes=("early_removal_accept",),
         lists=(BLACK,)),
    Move("REFUSE_REMOVAL", frozenset({PUBLISHED}), None, OFFICER, "early removal was refused with reasons",
         evidence=_ORDER, guards=("application_open",), closes=("early_removal_accept", "early_removal_decide"),
         lists=(BLACK,)),
    Move("REMOVE_EARLY", frozenset({PUBLISHED}), REMOVED_EARLY, OFFICER, "removed before the end of the term",
         evidence=_ORDER,
         guards=("early_months", "no_running_ban", "application_accepted", "penalty_performed", "harm_removed",
                 "no_new_conduct"),
         opens=("removal_system", "removal_stop"), closes=EVERY, lists=(BLACK,)),
    Move("REVOKE", frozenset({DECIDED}) | IN_FORCE, REVOKED, OFFICER, "revoked: all effect ends at once",
         evidence=_ORDER, opens=("withdrawal", "removal_system", "removal_stop"), closes=EVERY),
    Move("RECORD_REMOVAL", OUT, None, OFFICER, "the removal was carried out everywhere", evidence=_DOCUMENT,
         guards=("removal_open",), closes=("removal_system", "removal_stop", "withdrawal")),
    Move("PROPOSE_REINSTATEMENT", frozenset({REMOVED_EARLY}), None, OFFICER, "one officer wants the listing restored",
         evidence=_ORDER, guards=("no_open_reinstatement",), opens=("confirmation",), lists=(BLACK,)),
    Move("REINSTATE", frozenset({REMOVED_EARLY}), CONFIRMED, OFFICER, "restored: a new term begins",
         second_of="PROPOSE_REINSTATEMENT", guards=("basis_stands",), closes=EVERY,
         opens=("decision_service", "list_system_entry", "list_publish"), lists=(BLACK,)),
    # --- Flags --------------------------------------------------------------------------------------------------
    Move("STAY", frozenset({DECIDED}) | IN_FORCE, None, OFFICER,
         "a review organ or court stayed the effect; the term runs on", evidence=_ORDER, guards=("not_stayed",)),
    Move("LIFT", frozenset({DECIDED}) | IN_FORCE, None, OFFICER, "the stay ended", evidence=_ORDER, guards=("stayed",)),
    Move("SUSPEND", frozenset({DECIDED}) | BEFORE_DECISION | IN_FORCE, None, RULE,
         "the basis was withdrawn: without effect until an officer reviews it", opens=("basis_review",)),
    Move("REAFFIRM", frozenset({DECIDED}) | BEFORE_DECISION | IN_FORCE, None, OFFICER,
         "an officer found that the basis stands", evidence=("reason",), guards=("suspended", "basis_stands"),
         closes=("basis_review",)),
    Move("TRANSFER", LIVING | OUT, None, OFFICER, "another authority answers for the listing from now on",
         evidence=(*_DOCUMENT, "to_agency")),
    Move("PROPOSE_CHANGE", LIVING, None, OFFICER, "another authority proposes a change", evidence=("reason",),
         opens=("change_reply",)),
    Move("ANSWER_CHANGE", LIVING | OUT, None, OFFICER, "the authority answered the proposal", evidence=("reason",),
         guards=("change_open",), closes=("change_reply",)),
)  # fmt: skip

MOVES: Mapping[tuple[str, str], Move] = {(move.name, list_): move for move in _ALL for list_ in move.lists}
EFFECTS: Mapping[str, str] = {move.name: move.effect for move in _ALL}
# Anybody but the deciding authority makes this one.
FOREIGN = frozenset({"PROPOSE_CHANGE"})
# The subject itself may make it as well as an officer.
ANYBODY = frozenset({"APPLY_REMOVAL"})
# These begin a term.
BEGINNING = frozenset({"CONFIRM", "REINSTATE"})
# Their effect is now: nobody may date them back.
IMMEDIATE = frozenset({"DECIDE", "CONFIRM", "PUBLISH", "REMOVE_EARLY", "REVOKE", "REINSTATE", "PROPOSE_REINSTATEMENT"})
