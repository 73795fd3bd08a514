"""The door of ListingService: candidates with their proof, for regulators; moves come with officers."""

from collections.abc import Sequence

from credit_service.api import wire
from credit_service.api.calls import Call
from credit_service.api.house import House
from credit_service.api.identity import Caller
from credit_service.api.redaction import INTERNAL_STATES, masked_name, sees_listing
from credit_service.errors import CreditError, Reason, shown
from credit_service.listings.tables import ListingMoveRow, ListingRow, get_listing, moves, search_listings
from credit_service.rulebook.law import Edition
from credit_service.subjects.tables import SubjectRow, subjects_by_id
from credit_service.v1 import listings_pb2 as pb
from credit_service.v1 import rulebook_pb2


class ListingDoor:
    """Shows listings."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.house = house

    def GetListing(self, request: pb.GetListingRequest, call: Call) -> pb.GetListingResponse:
        """Returns one listing with its moves."""
        with self.house.database.reading() as session:
            row = get_listing(session, wire.plain_text("listing_id", request.listing_id))
            if row is None or not sees_listing(call.caller.role, row.state):
                got = shown(request.listing_id)
                raise CreditError(Reason.LISTING_NOT_FOUND, f"listing_id: got {got}, want a listing the role may see")
            subject = self.house.ask_within(session, call, row.subject_id)
            message = listing_message(row, subject.name, self.house.all_editions)
            message.moves.extend(_move(move) for move in moves(session, row))
        return pb.GetListingResponse(listing=message)

    def SearchListings(self, request: pb.SearchListingsRequest, call: Call) -> pb.SearchListingsResponse:
        """Lists listings, newest first; a role that may not see candidates finds none."""
        wanted = _wanted(request)
        if subject := wanted.get("subject_id"):
            # "No listing" is an answer too.
            call.asked.append(subject)
        size, bond = wire.page_size(request.page_size), ("SearchListings", tuple(sorted(wanted.items())))
        place = wire.page_place(bond, request.page_token, int, str)
        if not sees_listing(call.caller.role, next(iter(INTERNAL_STATES))):
            # Every state of today is internal; published ones follow with their moves.
            return pb.SearchListingsResponse()
        before = (wire.time_of(place[0]), str(place[1])) if place else None
        with self.house.database.reading() as session:
            rows = search_listings(session, wanted, before, size + 1)
            subjects = subjects_by_id(session, [row.subject_id for row in rows])
        page = rows[:size]
        call.asked.extend(row.subject_id for row in page)
        found = [shown_listing(row, subjects[row.subject_id], call.caller, self.house.all_editions) for row in page]
        last = [wire.microseconds(page[-1].open_time), page[-1].listing_id] if page else []
        token = wire.page_token(bond, last) if len(rows) > size else ""
        return pb.SearchListingsResponse(listings=found, next_page_token=token)


def shown_listing(
    row: ListingRow, subject: SubjectRow | None, caller: Caller, editions: Sequence[Edition]
) -> pb.Listing:
    """Returns a listing as the caller may see it: outside the own jurisdiction without name and proof."""
    name = subject.name if subject else ""
    if caller.covers(subject.supervising_region if subject else None):
        return listing_message(row, name, editions)
    message = listing_message(row, masked_name(name), editions)
    del message.event_ids[:]
    return message


def _wanted(request: pb.SearchListingsRequest) -> dict[str, str]:
    chosen = {name: wire.choice(request, name) for name in ("list", "state")}
    wanted = {name: short for name, short in chosen.items() if short}
    if request.HasField("subject"):
        wanted["subject_id"] = wire.id_of(request.subject)
    return wanted


def listing_message(row: ListingRow, name: str, editions: Sequence[Edition]) -> pb.Listing:
    """Returns a listing as a message, with the legal bases of its rule."""
    message = pb.Listing(
        listing_id=row.listing_id, subject=wire.ref_of(row.subject_id), subject_name=name,
        list=pb.ListKind.Value(f"LIST_KIND_{row.list}"), state=pb.ListingState.Value(f"LISTING_STATE_{row.state}"),
        rule_id=row.rule_id, edition_id=row.edition_id, event_ids=map(str, row.proof()), text_zh=row.text_zh,
        text_en=row.text_en, open_time=wire.timestamp(row.open_time),
    )  # fmt: skip
    for edition in editions:
        for rule in edition.rules if edition.id == row.edition_id else ():
            if rule.id == row.rule_id:
                message.bases.extend(
                    rulebook_pb2.LegalBasis(instrument=b.instrument, article=b.article, source=b.source)
                    for b in rule.bases
                )
    return message


def _move(move: ListingMoveRow) -> pb.ListingMove:
    before = pb.ListingState.Value(f"LISTING_STATE_{move.from_state or 'UNSPECIFIED'}")
    return pb.ListingMove(
        from_state=before, to_state=pb.ListingState.Value(f"LISTING_STATE_{move.to_state}"),
        move_time=wire.timestamp(move.move_time), actor=move.actor, reason=move.reason,
    )  # fmt: skip
