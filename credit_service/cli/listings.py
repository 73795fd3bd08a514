"""Commands that show listings and candidates, with their proof; the verbs of officers stand in listing_moves."""

from typing import Annotated

import grpc
import typer

from credit_service.cli import listing_moves
from credit_service.cli.asking import basis_text, name_of
from credit_service.cli.connection import (
    AllOption,
    Connection,
    JsonOption,
    LimitOption,
    ProfileOption,
    PurposeOption,
    connect,
    subject_of,
)
from credit_service.cli.events import summary
from credit_service.cli.output import plain, print_json, show, show_table, time_text
from credit_service.cli.pages import LIMIT, collect
from credit_service.errors import CreditError, Reason, shown
from credit_service.v1 import ledger_pb2, ledger_pb2_grpc, listings_pb2, listings_pb2_grpc

listing_app = typer.Typer(
    no_args_is_help=True, help="Show listings and candidates; lead them through their legal life."
)
PREFIX = "LISTING_STATE_"
ANY = "ANY"
STATES = [name.removeprefix(PREFIX) for name in listings_pb2.ListingState.keys()[1:]]
# The proof of a listing may be visible to more roles than the events themselves.
HIDDEN = frozenset({grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND})

StateOption = Annotated[str, typer.Option("--state", help=f"{', '.join(STATES)} or {ANY}.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    listing_moves.register(listing_app)
    app.add_typer(listing_app, name="listing")


@listing_app.command("list")
def listing_list(  # noqa: PLR0913  # a command takes each option as an argument
    state: StateOption = "CANDIDATE",
    subject: Annotated[str, typer.Option("--subject", help="Only those of one subject: CODE or SCHEME:CODE.")] = "",
    limit: LimitOption = LIMIT,
    is_all: AllOption = False,
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """List listings, newest first."""
    stub, request = listings_pb2_grpc.ListingServiceStub, listings_pb2.SearchListingsRequest()
    request.state = _state(state)
    if subject:
        request.subject.CopyFrom(subject_of(subject))
    answer = collect(connect(profile, purpose), stub, "SearchListings", request, None if is_all else limit)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (x.listing_id, name_of(x.subject), x.subject_name, x.rule_id, x.text_zh, " ".join(x.event_ids))
        for x in answer.listings
    ]
    show_table(("listing", "subject", "name", "rule", "text", "proof"), rows)


def _state(text: str) -> listings_pb2.ListingState.ValueType:
    name = text.upper()
    if name in {"", ANY}:
        return listings_pb2.LISTING_STATE_UNSPECIFIED
    if name not in STATES:
        raise CreditError(Reason.ENUM_UNKNOWN, f"state: got {shown(text)}, want {', '.join(STATES)} or {ANY}")
    return listings_pb2.ListingState.Value(f"{PREFIX}{name}")


@listing_app.command("show")
def listing_show(
    listing_id: str, profile: ProfileOption = "", purpose: PurposeOption = "", as_json: JsonOption = False
) -> None:
    """Show one listing with its legal bases, the records that prove it, and its moves."""
    connection, request = connect(profile, purpose), listings_pb2.GetListingRequest(listing_id=listing_id)
    answer = connection.call(listings_pb2_grpc.ListingServiceStub, "GetListing", request)
    if as_json:
        print_json(plain(answer))
        return
    x = answer.listing
    rows = [
        ("listing", x.listing_id), ("subject", name_of(x.subject)), ("name", x.subject_name),
        ("state", listings_pb2.ListingState.Name(x.state).removeprefix(PREFIX)), ("rule", x.rule_id),
        ("finding", f"{x.text_zh} / {x.text_en}"),
    ]  # fmt: skip
    if x.HasField("term_last_date"):
        effect = "in force" if x.is_in_force else "without effect"
        flags = "".join(f", {name}" for name in ("stayed", "suspended", "disputed") if getattr(x, f"is_{name}"))
        rows.append(("term", f"until 24:00 of {x.term_last_date}; {effect}{flags}"))
    if x.is_disputed and not x.HasField("term_last_date"):
        rows.append(("disputed", "an objection waits for its decision"))
    rows += [("right", f"{d.text_zh} / {d.text_en}: until {d.due_date}") for d in x.rights]
    rows += [("basis", f"{basis_text(b)} ({b.source})") for b in x.bases]
    rows += [("proof", _proof(connection, event_id)) for event_id in x.event_ids]
    rows += [("move", f"{time_text(m.move_time)} {m.name} {m.actor} {m.document_no}: {m.reason}") for m in x.moves]
    show(answer, rows, as_json=False)


def _proof(connection: Connection, event_id: str) -> str:
    request = ledger_pb2.GetEventRequest(event_id=event_id)
    try:
        answer = connection.call(ledger_pb2_grpc.LedgerServiceStub, "GetEvent", request)
    except grpc.RpcError as error:
        if error.code() not in HIDDEN:
            raise
        return f"event {event_id}"
    return f"event {event_id}: {summary(answer.event)}"
