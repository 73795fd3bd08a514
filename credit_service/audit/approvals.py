"""Acts that need two officers: the first call proposes, the call of another person with another key confirms."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from credit_service.audit.tables import ApprovalRow
from credit_service.errors import CreditError, Reason


@dataclass(frozen=True, slots=True)
class Officer:
    """Names an authenticated person and the key that spoke."""

    name: str
    key: str


def approve(session: Session, act: str, digest: str, officer: Officer, now: datetime) -> ApprovalRow:
    """Proposes or confirms an act on exactly what the digest names.

    Fails with SECOND_OFFICER_SAME when the same person or key calls twice, ALREADY_ADOPTED when done.
    """
    row = session.get(ApprovalRow, (act, digest))
    if row is None:
        row = ApprovalRow(act=act, digest=digest, first_officer=officer.name, first_key=officer.key, first_time=now)
        session.add(row)
        return row
    if row.second_officer is not None:
        raise CreditError(Reason.ALREADY_ADOPTED, f"act: got {act} once more, want an act that is still open")
    if row.first_officer == officer.name or row.first_key == officer.key:
        raise CreditError(
            Reason.SECOND_OFFICER_SAME,
            "second officer: got the person or the key of the first officer, want another person with another key",
        )
    row.second_officer, row.second_key, row.second_time = officer.name, officer.key, now
    session.add(row)
    return row


def is_approved(session: Session, act: str, digest: str) -> bool:
    """Says whether two officers approved the act on exactly this."""
    row = session.get(ApprovalRow, (act, digest))
    return row is not None and row.second_officer is not None
