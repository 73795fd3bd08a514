"""Commands of joint action: what agencies are obliged to, and their reports."""

import uuid
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from credit_service.cli.asking import name_of
from credit_service.cli.connection import (
    EXIT_FAILED,
    AllOption,
    JsonOption,
    LimitOption,
    ProfileOption,
    PurposeOption,
    connect,
)
from credit_service.cli.output import complain, plain, print_json, say, show_table
from credit_service.cli.pages import LIMIT, collect
from credit_service.errors import CreditError, Reason, shown
from credit_service.v1 import sync_pb2 as pb
from credit_service.v1 import sync_pb2_grpc

obligation_app = typer.Typer(no_args_is_help=True, help="Show what listings oblige agencies to, and report on it.")
Stub: Any = sync_pb2_grpc.SyncServiceStub
PREFIX = "MEASURE_ACTION_"
ACTIONS = [name.removeprefix(PREFIX) for name in pb.MeasureAction.keys()[1:]]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(obligation_app, name="obligation")


@obligation_app.command("list")
def obligation_list(  # noqa: PLR0913  # a command takes each option as an argument
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those after their last day.")] = False,
    closed: Annotated[bool, typer.Option("--closed", help="Also closed ones.")] = False,
    limit: LimitOption = LIMIT,
    is_all: AllOption = False,
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """List obligations, next first: an agency's own, or everybody's for a regulator."""
    request = pb.ListObligationsRequest(is_overdue_only=overdue, is_closed_included=closed)
    answer = collect(connect(profile, purpose), Stub, "ListObligations", request, None if is_all else limit)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (
            f"{o.due_date}{' (provisional)' if o.is_provisional else ''}", "OVERDUE" if o.is_overdue else "", o.agency,
            pb.ObligationKind.Name(o.kind).removeprefix("OBLIGATION_KIND_"), o.measure_code, o.text_zh,
            o.entry_key.removeprefix("listing/"), name_of(o.subject),
            "open" if o.is_open else pb.MeasureAction.Name(o.action).removeprefix(PREFIX),
        )
        for o in answer.obligations
    ]  # fmt: skip
    show_table(("last day", "", "agency", "do", "measure", "what", "listing", "subject", "state"), rows)
    for count in answer.counts:
        say(f"{count.agency}: {count.open_count} open, {count.overdue_count} overdue")


@obligation_app.command("report")
def obligation_report(  # noqa: PLR0913  # a command takes each option as an argument
    listing_ids: list[str],
    measure: Annotated[str, typer.Option("--measure", help="Measure of the catalogue, such as M-04.")],
    action: Annotated[str, typer.Option("--action", help=f"{', '.join(ACTIONS)}.")],
    evidence_no: Annotated[str, typer.Option("--evidence-no", help="Number of the case or document.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why a measure was declined.")] = "",
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Report what was done on one or more listings; each gets its own answer."""
    if action.upper() not in ACTIONS:
        raise CreditError(Reason.ENUM_UNKNOWN, f"--action: got {shown(action)}, want one of {', '.join(ACTIONS)}")
    chosen = pb.MeasureAction.Value(f"{PREFIX}{action.upper()}")

    def reports() -> Iterator[pb.ReportMeasuresRequest]:
        for listing_id in listing_ids:
            yield pb.ReportMeasuresRequest(
                report_id=str(uuid.uuid4()), entry_key=f"listing/{listing_id}", measure_code=measure, action=chosen,
                evidence_no=evidence_no, reason=reason,
            )  # fmt: skip

    is_kept = True
    answers = connect(profile, purpose).converse(Stub, "ReportMeasures", reports())
    for listing_id, answer in zip(listing_ids, answers, strict=True):
        is_kept &= answer.status != pb.REPORT_STATUS_REJECTED
        if as_json:
            print_json(plain(answer))
            continue
        status = pb.ReportStatus.Name(answer.status).removeprefix("REPORT_STATUS_")
        said = "".join(f": {p.field}: got {p.got}, want {p.want} ({p.reason})" for p in answer.problems)
        (say if answer.status != pb.REPORT_STATUS_REJECTED else complain)(f"{listing_id} {status}{said}")
    if not is_kept:
        raise typer.Exit(EXIT_FAILED)
