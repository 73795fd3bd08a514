"""Commands that show the records behind points and candidates."""

from typing import Any

import typer

from credit_service.api.wire import record_of
from credit_service.cli.asking import name_of
from credit_service.cli.connection import (
    AllOption,
    AsOfOption,
    JsonOption,
    KnownOption,
    LimitOption,
    ProfileOption,
    PurposeOption,
    connect,
    frame_of,
    subject_of,
)
from credit_service.cli.output import date_text, plain, print_json, show, show_table, time_text
from credit_service.cli.pages import LIMIT, collect
from credit_service.v1 import events_pb2, ledger_pb2, ledger_pb2_grpc

event_app = typer.Typer(no_args_is_help=True, help="Show the records behind points and candidates.")
NO_DOCUMENT = "no document number"
FEN = "_fen"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(event_app, name="event")


def kind_of(draft: ledger_pb2.EventDraft) -> str:
    """Returns the kind of an event as people write it."""
    return events_pb2.EventKind.Name(draft.kind).removeprefix("EVENT_KIND_")


def summary(event: ledger_pb2.Event) -> str:
    """Returns an event in a line: kind, date, document number."""
    draft = event.draft
    return f"{kind_of(draft)} of {date_text(draft.occur_time)}, {draft.document_no or NO_DOCUMENT}"


@event_app.command("show")
def event_show(
    event_id: str, profile: ProfileOption = "", purpose: PurposeOption = "", as_json: JsonOption = False
) -> None:
    """Show one record with every field that its source sent; ID is the number that explanations and proofs name."""
    request = ledger_pb2.GetEventRequest(event_id=event_id)
    answer = connect(profile, purpose).call(ledger_pb2_grpc.LedgerServiceStub, "GetEvent", request)
    event, draft, record = answer.event, answer.event.draft, record_of(answer.event.draft)[0]
    rows: list[tuple[str, Any]] = [
        ("event", event.event_id), ("kind", kind_of(draft)), ("domain", record["domain"]),
        ("subject", name_of(draft.subject)), ("name", draft.subject_name), ("date", date_text(draft.occur_time)),
        ("document", draft.document_no), ("legal basis", draft.legal_basis), ("refers to", draft.refers_to),
    ]  # fmt: skip
    rows += [money(name, value) for name, value in record["payload"].items()]
    rows += [
        ("source", f"{draft.source}, record {draft.source_record_id}, version {draft.source_version}"),
        ("operation", record["op"]),
        ("published", time_text(draft.source_publish_time) if draft.HasField("source_publish_time") else ""),
        ("collected", time_text(event.collect_time)),
        ("state", "superseded by a later version" if event.is_superseded else "the newest version"),
        ("disputed", "an objection waits for its decision" if event.is_disputed else ""),
    ]
    show(answer, rows, as_json=as_json)


def money(name: str, value: Any) -> tuple[str, str]:
    """Returns a field for people: the contract holds money in fen, people read yuan."""
    if name.endswith(FEN):
        return name.removesuffix(FEN), f"{value // 100:,}.{value % 100:02} yuan"
    return name, _value(value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@event_app.command("list")
def event_list(  # noqa: PLR0913  # a command takes each option as an argument
    code: str,
    as_of: AsOfOption = "",
    known: KnownOption = "",
    limit: LimitOption = LIMIT,
    is_all: AllOption = False,
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the records of one subject in the order in which they were collected."""
    stub = ledger_pb2_grpc.LedgerServiceStub
    request = ledger_pb2.ListEventsRequest(subject=subject_of(code), time_frame=frame_of(as_of, known))
    answer = collect(connect(profile, purpose), stub, "ListEvents", request, None if is_all else limit)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (
            e.event_id, kind_of(e.draft), date_text(e.draft.occur_time), e.draft.document_no,
            f"{e.draft.source}/{e.draft.source_record_id}",
            "superseded" if e.is_superseded else "disputed" if e.is_disputed else "",
        )
        for e in answer.events
    ]  # fmt: skip
    show_table(("event", "kind", "date", "document", "record", ""), rows)
