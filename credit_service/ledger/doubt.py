"""Doubt about whom a record speaks of: a name that does not fit the code, a subject nobody registered.

Such a record is mendable and waits in quarantine; an event of another enterprise under this one's code would
harm the wrong one.
"""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from credit_service.errors import Problem, Reason, shown
from credit_service.ledger.drafts import Draft
from credit_service.ledger.tables import LedgerEvent
from credit_service.normal.names import Agreement, agrees_any
from credit_service.subjects.tables import REGISTRATION, names_of


class Doubt:
    """Knows the names of the subjects of a batch, and those that the batch itself registers."""

    def __init__(self, session: Session, drafts: Sequence[Draft], strict_sources: frozenset[str]) -> None:
        """Reads the names; `strict_sources` may speak of registered subjects only."""
        self.known = names_of(session, dict.fromkeys(draft.subject_id for draft in drafts))
        self._session, self._strict_sources = session, strict_sources
        # Registered names, the present one last; those before the batch are read when they are wanted.
        self._registered = {key: [named.name] for key, named in self.known.items() if named.is_registered}

    def about(self, draft: Draft) -> Problem | None:
        """Returns what is doubtful about the subject of a new record; None for nothing."""
        names = self._registered.get(draft.subject_id)
        if draft.op == "RETRACT":
            # Whoever was named wrongly must be let go under the name that was wrong.
            return None
        if draft.kind == REGISTRATION:
            self._registered.setdefault(draft.subject_id, []).append(draft.subject_name)
        elif names is None:
            if draft.source in self._strict_sources:
                got, want = draft.subject_id, "a subject whose registration was collected"
                return Problem("subject", got, want, Reason.SUBJECT_UNKNOWN)
        elif draft.subject_name and draft.subject_name != names[-1] and not self._fits(draft, names):
            want = f"a name that fits {shown(names[-1])}, registered under this code"
            return Problem("subject_name", shown(draft.subject_name), want, Reason.NAME_DISAGREES)
        return None

    def _fits(self, draft: Draft, names: Sequence[str]) -> bool:
        """Says whether the name fits the present name or any registered before."""
        statement = select(col(LedgerEvent.subject_name)).where(
            col(LedgerEvent.subject_id) == draft.subject_id, col(LedgerEvent.kind) == REGISTRATION
        )
        known = {*names, *self._session.execute(statement).scalars()} - {""}
        return agrees_any(draft.subject_name, known) is not Agreement.DIFFERENT
