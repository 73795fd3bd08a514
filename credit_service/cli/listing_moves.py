"""Commands of officers: each makes one move of a listing, and what is due is listed."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from credit_service.cli.asking import name_of
from credit_service.cli.connection import (
    AllOption,
    JsonOption,
    LimitOption,
    ProfileOption,
    PurposeOption,
    connect,
    frame_of,
    subject_of,
)
from credit_service.cli.output import plain, print_json, say, show, show_table
from credit_service.cli.pages import LIMIT, collect
from credit_service.errors import CreditError, Reason, shown
from credit_service.v1 import digests_pb2, listings_pb2_grpc
from credit_service.v1 import listings_pb2 as pb

Stub: Any = listings_pb2_grpc.ListingServiceStub


@dataclass(frozen=True, slots=True)
class Verb:
    """Names the method behind a command, what it fixes in the request, and what it does."""

    method: str
    help: str
    fixed: Mapping[str, Any] = field(default_factory=dict)


VERBS: Mapping[str, Verb] = {
    "notify": Verb("NotifyListing", "Note the notice 列入告知 (on the redlist: the public notice)."),
    "serve-notice": Verb(
        "RecordService",
        "Note that the notice was served: the period of reply runs.",
        {"document": "SERVED_DOCUMENT_NOTICE"},
    ),
    "state": Verb("RecordStatement", "Note the subject's statement and defence.", {"kind": "STATEMENT_KIND_STATED"}),
    "waive": Verb(
        "RecordStatement", "Note that the subject waived its reply in writing.", {"kind": "STATEMENT_KIND_WAIVED"}
    ),
    "answer": Verb("RecordStatement", "Note the answer to the statement.", {"kind": "STATEMENT_KIND_ANSWERED"}),
    "decide": Verb("DecideListing", "Decide; nothing takes effect before another officer confirms."),
    "confirm": Verb("ConfirmListing", "Confirm the decision of another officer: it is in force from now on."),
    "serve-decision": Verb(
        "RecordService", "Note that the decision was served.", {"document": "SERVED_DOCUMENT_DECISION"}
    ),
    "publish": Verb("PublishListing", "Display and share a listing in force."),
    "drop": Verb("DropListing", "End a case without a listing."),
    "removed": Verb("Delist", "Note that a removal was carried out everywhere."),
    "revoke": Verb("RevokeListing", "Revoke: all effect ends at once."),
    "reinstate": Verb("Reinstate", "Propose to restore a listing removed early, or confirm it as the second officer."),
    "stay": Verb("StayListing", "Stay the effect by order of a review organ or court."),
    "lift": Verb("LiftStay", "End a stay."),
    "transfer": Verb("TransferListing", "Hand the listing to another authority (--to)."),
    "propose-change": Verb("ProposeChange", "Propose a change to the authority that answers for the listing."),
    "answer-change": Verb("AnswerChange", "Answer another authority's proposal."),
    "reaffirm": Verb("ReaffirmListing", "Find that the basis of a suspended listing stands."),
}
_SAME_NAME = ("document_no", "reason", "service_method", "to_agency")


def register(listing_app: typer.Typer) -> None:
    """Adds a command per verb, and what is due."""
    for name, verb in VERBS.items():
        listing_app.command(name, help=verb.help)(_command(verb))
    listing_app.command("nominate")(nominate)
    listing_app.command("due")(due)


def _command(verb: Verb) -> Callable[..., None]:
    def run(  # noqa: PLR0913  # a command takes each option as an argument
        listing_id: str,
        document_no: Annotated[str, typer.Option("--document-no", help="Number of the document.")] = "",
        document: Annotated[str, typer.Option("--document", help="File of the document; its digest is kept.")] = "",
        reason: Annotated[str, typer.Option("--reason", help="Reason, in words for the record.")] = "",
        on: Annotated[str, typer.Option("--on", help="Civil date or time at which it counts; by default now.")] = "",
        service_method: Annotated[str, typer.Option("--by", help="How it was served, such as 当场交付.")] = "",
        to_agency: Annotated[str, typer.Option("--to", help="Authority that answers from then on.")] = "",
        request_id: Annotated[str, typer.Option("--request-id", help="Id of an earlier try; repeats nothing.")] = "",
        profile: ProfileOption = "",
        as_json: JsonOption = False,
    ) -> None:
        kind = getattr(pb, f"{verb.method}Request")
        request = kind(request_id=request_id or str(uuid.uuid4()), listing_id=listing_id, **verb.fixed)
        given = dict(
            zip((*_SAME_NAME, "document_digest", "legal_time"), (
                document_no, reason, service_method, to_agency, document, on), strict=True)
        )  # fmt: skip
        for name, value in given.items():
            if value:
                _set(request, name, value)
        _show(connect(profile).call(Stub, verb.method, request), as_json=as_json)

    return run


_OPTIONS = {"service_method": "--by", "to_agency": "--to", "document_digest": "--document", "legal_time": "--on"}


def _set(request: Any, name: str, value: str) -> None:
    if name == "reason" and "proposal" in request.DESCRIPTOR.fields_by_name:
        name = "proposal"
    if name not in request.DESCRIPTOR.fields_by_name:
        option = _OPTIONS.get(name, "--" + name.replace("_", "-"))
        raise CreditError(Reason.SETTING_INVALID, f"{option}: got {shown(value)}, want nothing for this move")
    if name == "document_digest":
        request.document_digest.CopyFrom(digest_of(Path(value)))
    elif name == "legal_time":
        request.legal_time.CopyFrom(frame_of(value, "").as_of_time)
    else:
        setattr(request, name, value)


def digest_of(file: Path) -> digests_pb2.Digest:
    """Returns the digest of a document's file."""
    try:
        content = file.read_bytes()
    except OSError as fault:
        raise CreditError(Reason.FILE_INVALID, f"--document: got {file}, want a file that can be read") from fault
    return digests_pb2.Digest(algorithm=digests_pb2.DIGEST_ALGORITHM_SHA256, value=sha256(content).digest())


def nominate(  # noqa: PLR0913  # a command takes each option as an argument
    subject: str,
    rule: Annotated[str, typer.Option("--rule", help="Rule of the edition in force, such as R-01 or B-03.")],
    reason: Annotated[str, typer.Option("--reason", help="Written reasons.")],
    event: Annotated[list[str] | None, typer.Option("--event", help="Event that proves it; may be repeated.")] = None,
    request_id: Annotated[str, typer.Option("--request-id", help="Id of an earlier try; repeats nothing.")] = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Nominate a subject for the redlist (R-…), or propose it for the blacklist (B-…) with its proof."""
    request = pb.NominateListingRequest(
        request_id=request_id or str(uuid.uuid4()), subject=subject_of(subject), rule_id=rule, reason=reason,
        list=pb.LIST_KIND_RED if rule.startswith("R") else pb.LIST_KIND_BLACK, event_ids=event or [],
    )  # fmt: skip
    _show(connect(profile).call(Stub, "NominateListing", request), as_json=as_json)


def due(  # a command takes each option as an argument
    through: Annotated[str, typer.Option("--through", help="Only what is due until this civil date.")] = "",
    limit: LimitOption = LIMIT,
    is_all: AllOption = False,
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """List what is due and overdue, and for whom, next first."""
    request = pb.ListDeadlinesRequest(through_date=through)
    answer = collect(connect(profile, purpose), Stub, "ListDeadlines", request, None if is_all else limit)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (
            f"{d.due_date}{' (provisional)' if d.is_provisional else ''}", "OVERDUE" if d.is_overdue else "",
            d.agency or "nobody yet", "right of the subject" if d.is_right else "duty", d.listing_id,
            name_of(d.subject), f"{d.text_zh} / {d.text_en}",
        )
        for d in answer.deadlines
    ]  # fmt: skip
    show_table(("last day", "", "for", "kind", "listing", "subject", "what"), rows)
    if not rows:
        say("nothing is due")


def _show(answer: Any, *, as_json: bool) -> None:
    x = answer.listing
    rows = [
        ("listing", x.listing_id), ("subject", name_of(x.subject)), ("name", x.subject_name),
        ("state", pb.ListingState.Name(x.state).removeprefix("LISTING_STATE_")),
        ("in force", "yes" if x.is_in_force else "no"), ("displayed", "yes" if x.is_displayed else "no"),
    ]  # fmt: skip
    if x.HasField("term_last_date"):
        rows.append(("last day of the term", x.term_last_date))
    show(answer, rows, as_json=as_json)
