"""The moves of an objection and of a repair: one table. Pure.

A move names from which state, by what evidence, and which deadline it opens; early removal lives on its listing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

OBJECTION, REPAIR = "OBJECTION", "REPAIR"
FILED = "FILED"
GRANTED = "GRANTED"
DISMISSED = "DISMISSED"
REVOKED = "REVOKED"
STATES = (FILED, GRANTED, DISMISSED, REVOKED)


@dataclass(frozen=True, slots=True)
class Move:
    """Says what one move is; `opens` names the authority's deadline of each kind of remedy."""

    name: str
    from_state: str | None
    to_state: str
    evidence: tuple[str, ...]
    opens: Mapping[str, str]
    kinds: tuple[str, ...] = (OBJECTION, REPAIR)


_ORDER = ("document_no", "document_digest", "reason")
_ALL = (
    # The applicant's own words: the grounds of an objection, the public commitment of a repair.
    Move("FILE", None, FILED, ("reason",), {OBJECTION: "objection_decide", REPAIR: "repair_decide"}),
    Move("GRANT", FILED, GRANTED, _ORDER, {}),
    Move("DISMISS", FILED, DISMISSED, _ORDER, {}),
    # Obtained by false proof: the record counts again from then on.
    Move("REVOKE", GRANTED, REVOKED, _ORDER, {}, (REPAIR,)),
)
MOVES: Mapping[str, Move] = {move.name: move for move in _ALL}
