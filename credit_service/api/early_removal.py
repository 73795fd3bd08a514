"""Early removal of listings over the wire; what it does to a listing is a move like any other."""

from typing import Any

from credit_service.api import wire
from credit_service.api.access import check_subject
from credit_service.api.calls import Call
from credit_service.api.house import House
from credit_service.api.listing_moves import ListingMoves
from credit_service.errors import CreditError, Reason, shown
from credit_service.legal_days import day_text
from credit_service.listings.tables import ListingMoveRow, ListingRow, duties_of, get_listing, moves
from credit_service.v1 import remedies_pb2 as pb

STATES = {
    "APPLY_REMOVAL": "FILED", "ACCEPT_REMOVAL": "ACCEPTED", "REMOVE_EARLY": "GRANTED", "REFUSE_REMOVAL": "DISMISSED",
}  # fmt: skip
STEPS = frozenset({"early_removal_accept", "early_removal_decide"})


class EarlyRemoval:
    """Takes applications for early removal and the authority's answers."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.moves = ListingMoves(house)

    def RequestEarlyRemoval(self, request: pb.RequestEarlyRemovalRequest, call: Call) -> pb.RequestEarlyRemovalResponse:
        """Notes the application of the enterprise itself, or one that an officer took."""
        listing_id = wire.plain_text("listing_id", request.listing_id)
        self._check_own(listing_id, call)
        self.moves.make(request, call, "APPLY_REMOVAL", listing_id)
        return pb.RequestEarlyRemovalResponse(remedy=self._remedy(listing_id))

    def AcceptEarlyRemoval(self, request: pb.AcceptEarlyRemovalRequest, call: Call) -> pb.AcceptEarlyRemovalResponse:
        """Notes that the application is complete."""
        listing_id = self._listing_of(request.remedy_id)
        self.moves.make(request, call, "ACCEPT_REMOVAL", listing_id)
        return pb.AcceptEarlyRemovalResponse(remedy=self._remedy(listing_id, request.remedy_id))

    def DecideEarlyRemoval(self, request: pb.DecideEarlyRemovalRequest, call: Call) -> pb.DecideEarlyRemovalResponse:
        """Removes before the end of the term, or refuses with reasons."""
        listing_id = self._listing_of(request.remedy_id)
        attested: dict[str, Any] = {
            "is_penalty_performed": request.is_penalty_performed, "is_harm_removed": request.is_harm_removed,
        }  # fmt: skip
        name = "REMOVE_EARLY" if request.is_granted else "REFUSE_REMOVAL"
        self.moves.make(request, call, name, listing_id, attested)
        return pb.DecideEarlyRemovalResponse(remedy=self._remedy(listing_id, request.remedy_id))

    def _check_own(self, listing_id: str, call: Call) -> None:
        """An enterprise speaks for itself alone; another's listing answers like none."""
        if call.caller.role != "enterprise":
            return
        with self.moves.house.database.reading() as session:
            row = get_listing(session, listing_id)
        if row is None or row.subject_id != call.caller.subject_id:
            raise CreditError(Reason.LISTING_NOT_FOUND, f"listing_id: got {shown(listing_id)}, want one of the caller")
        check_subject(call.caller, row.subject_id, row.subject_kind)

    def _listing_of(self, remedy_id: str) -> str:
        """Returns the listing of an application that exists."""
        listing_id, _, number = wire.plain_text("remedy_id", remedy_id).rpartition("/")
        with self.moves.house.database.reading() as session:
            row = get_listing(session, listing_id)
            made = moves(session, row) if row else ()
        if not any(m.name == "APPLY_REMOVAL" and str(m.number) == number for m in made):
            raise CreditError(Reason.LISTING_NOT_FOUND, f"remedy_id: got {shown(remedy_id)}, want an application")
        return listing_id

    def _remedy(self, listing_id: str, remedy_id: str = "") -> pb.Remedy:
        with self.moves.house.database.reading() as session:
            row = get_listing(session, listing_id)
            assert row is not None  # noqa: S101  # it was moved just now
            made = [m for m in moves(session, row) if m.name in STATES]
            due = [d.last_day for d in duties_of(session, row) if d.key in STEPS]
        return _message(row, made, remedy_id, day_text(min(due)) if due else "")


def _message(row: ListingRow, made: list[ListingMoveRow], remedy_id: str, due: str) -> pb.Remedy:
    applied = [m for m in made if m.name == "APPLY_REMOVAL"]
    first = next((m for m in applied if f"{row.listing_id}/{m.number}" == remedy_id), applied[-1])
    later = [m for m in made if m.number >= first.number]
    ends = [m.number for m in applied if m.number > first.number]
    last = [m for m in later if not ends or m.number < ends[0]][-1]
    return pb.Remedy(
        remedy_id=f"{row.listing_id}/{first.number}", subject=wire.ref_of(row.subject_id), kind="EARLY_REMOVAL",
        target=f"listing/{row.listing_id}", state=STATES[last.name], file_time=wire.timestamp(first.legal_time),
        due_date=due,
    )  # fmt: skip
