"""Commands of a source: how complete it is, what of it waits for mending, and that it has said everything."""

import uuid
from typing import Annotated, Any

import typer

from credit_service.cli.connection import AllOption, JsonOption, LimitOption, ProfileOption, connect, parse_time
from credit_service.cli.output import plain, print_json, say, show_table, time_text
from credit_service.cli.pages import LIMIT, collect
from credit_service.v1 import ledger_pb2 as pb
from credit_service.v1 import ledger_pb2_grpc, sync_pb2, sync_pb2_grpc

source_app = typer.Typer(no_args_is_help=True, help="Show how complete sources are; say that one is complete.")
Stub: Any = ledger_pb2_grpc.LedgerServiceStub


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(source_app, name="source")


@source_app.command("list")
def source_list(profile: ProfileOption = "", as_json: JsonOption = False) -> None:
    """List the sources: up to when each is complete, when its last record came, and which are silent."""
    answer = connect(profile).call(sync_pb2_grpc.SyncServiceStub, "GetFeedInfo", sync_pb2.GetFeedInfoRequest())
    if as_json:
        print_json([plain(w) for w in answer.watermarks])
        return
    rows = [
        (
            w.source,
            time_text(w.complete_until_time) if w.HasField("complete_until_time") else "never said",
            time_text(w.last_collect_time) if w.HasField("last_collect_time") else "none",
            "SILENT" if w.is_stale else "",
        )
        for w in answer.watermarks
    ]
    show_table(("source", "complete until", "last record", ""), rows)


@source_app.command("complete")
def source_complete(
    source: str,
    until: Annotated[str, typer.Option("--until", help="Last day of which everything was sent, such as 2026-10-31.")],
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say that everything up to a day was sent, also when there was nothing to report."""
    request = pb.DeclareWatermarkRequest(request_id=str(uuid.uuid4()), source=source)
    request.complete_until_time.FromDatetime(parse_time("until", until))
    answer = connect(profile).call(Stub, "DeclareWatermark", request)
    if as_json:
        print_json(plain(answer))
        return
    say(f"{source} is complete until {time_text(answer.complete_until_time)}")


@source_app.command("waiting")
def source_waiting(
    source: str,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="List those in whose place others were collected.")
    ] = False,
    limit: LimitOption = LIMIT,
    is_all: AllOption = False,
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the records of a source that wait in quarantine 隔离待核 until they are mended and sent again."""
    request = pb.ListQuarantinedRequest(source=source, are_superseded=superseded)
    answer = collect(connect(profile), Stub, "ListQuarantined", request, None if is_all else limit)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (time_text(r.receive_time), r.source_record_id, p.field, p.got, p.want, p.reason, r.superseded_by)
        for r in answer.records
        for p in r.problems
    ]
    show_table(("received", "record", "field", "got", "want", "reason", "superseded by"), rows)
    gone = answer.superseded_count
    say(
        f"{answer.waiting_count} waiting"
        + (f", {gone} superseded by what was collected in their place" if gone else "")
    )
