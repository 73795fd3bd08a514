"""The door of ListingService: listings with their proof and moves, deadlines; the verbs stand in listing_moves."""

from credit_service.api import wire
from credit_service.api.calls import Call
from credit_service.api.identity import Caller
from credit_service.api.listing_messages import deadline_message, move_message, sees, shown_listing
from credit_service.api.listing_moves import ListingMoves
from credit_service.errors import CreditError, Reason, shown
from credit_service.legal_days import civil_day, parse_day
from credit_service.listings.tables import duties_of, get_listing, moves, open_duties, search_listings
from credit_service.subjects.tables import subjects_by_id
from credit_service.v1 import listings_pb2 as pb


class ListingDoor(ListingMoves):
    """Shows listings, and moves them."""

    def GetListing(self, request: pb.GetListingRequest, call: Call) -> pb.GetListingResponse:
        """Returns one listing, with its moves for the regulator in charge and the enterprise itself."""
        role, day = call.caller.role, civil_day(call.now)
        with self.house.database.reading() as session:
            row = get_listing(session, wire.plain_text("listing_id", request.listing_id))
            if row is None or not sees(call.caller, row, day):
                got = shown(request.listing_id)
                raise CreditError(Reason.LISTING_NOT_FOUND, f"listing_id: got {got}, want a listing the role may see")
            is_whole = role in ("regulator", "enterprise")
            subject = (self.house.ask_within if is_whole else self.house.ask)(session, call, row.subject_id)
            message = shown_listing(row, subject, call.caller, self.house.all_editions, call.now)
            message.moves.extend(move_message(move) for move in (moves(session, row) if is_whole else ()))
            rights = [d for d in (duties_of(session, row) if is_whole else ()) if d.is_right and day <= d.last_day]
            message.rights.extend(deadline_message(d, row, self.house.all_editions, day) for d in rights)
        return pb.GetListingResponse(listing=message)

    def SearchListings(self, request: pb.SearchListingsRequest, call: Call) -> pb.SearchListingsResponse:
        """Lists listings, newest first; who may see only what is displayed finds only that."""
        role, day = call.caller.role, civil_day(call.now)
        wanted = _wanted(request, call.caller)
        if subject := wanted.get("subject_id"):
            # "No listing" is an answer too.
            call.asked.append(subject)
        size, bond = wire.page_size(request.page_size), ("SearchListings", tuple(sorted(wanted.items())))
        place = wire.page_place(bond, request.page_token, int, str)
        before = (wire.time_of(place[0]), str(place[1])) if place else None
        displayed_on = None if role in ("regulator", "enterprise") else day
        with self.house.database.reading() as session:
            rows = search_listings(session, wanted, before, size + 1, displayed_on)
            subjects = subjects_by_id(session, [row.subject_id for row in rows])
        page = rows[:size]
        seen = [row for row in page if sees(call.caller, row, day)]
        call.asked.extend(row.subject_id for row in seen)
        editions = self.house.all_editions
        found = [shown_listing(row, subjects[row.subject_id], call.caller, editions, call.now) for row in seen]
        last = [wire.microseconds(page[-1].open_time), page[-1].listing_id] if page else []
        token = wire.page_token(bond, last) if len(rows) > size else ""
        return pb.SearchListingsResponse(listings=found, next_page_token=token)

    def ListDeadlines(self, request: pb.ListDeadlinesRequest, call: Call) -> pb.ListDeadlinesResponse:
        """Lists open deadlines of the officer's jurisdiction, next first."""
        size, today = wire.page_size(request.page_size), civil_day(call.now)
        through = parse_day(request.through_date) if request.through_date else None
        bond = ("ListDeadlines", request.through_date)
        place = wire.page_place(bond, request.page_token, int, str, int)
        after = (place[0], str(place[1]), place[2]) if place else None
        with self.house.database.reading() as session:
            rows = open_duties(session, today, through, after, size + 1)
            subjects = subjects_by_id(session, {row.subject_id for _, row in rows})
        page = rows[:size]
        mine = [
            (duty, row)
            for duty, row in page
            if row.agency == call.caller.agency or call.caller.covers(subjects[row.subject_id].supervising_region)
        ]
        call.asked.extend(dict.fromkeys(row.subject_id for _, row in mine))
        found = [deadline_message(duty, row, self.house.all_editions, today) for duty, row in mine]
        last = [page[-1][0].last_day, page[-1][0].listing_id, page[-1][0].number] if page else []
        token = wire.page_token(bond, last) if len(rows) > size else ""
        return pb.ListDeadlinesResponse(deadlines=found, next_page_token=token)


def _wanted(request: pb.SearchListingsRequest, caller: Caller) -> dict[str, str]:
    chosen = {name: wire.choice(request, name) for name in ("list", "state")}
    wanted = {name: short for name, short in chosen.items() if short}
    if request.HasField("subject"):
        wanted["subject_id"] = wire.id_of(request.subject)
    if caller.role == "enterprise":
        own = caller.subject_id or ""
        if wanted.setdefault("subject_id", own) != own:
            raise CreditError(Reason.NOT_OWN_SUBJECT, "subject: got another enterprise, want the caller's own")
    return wanted
