"""`watch`: a snapshot, then every change, one JSON object a line; the token file resumes without a gap."""

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from credit_service.cli.connection import Connection, JsonOption, ProfileOption, PurposeOption, connect, read_text
from credit_service.cli.output import plain, print_json, say
from credit_service.v1 import sync_pb2, sync_pb2_grpc


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(watch)


def snapshot(connection: Connection, kinds: list[str]) -> Iterator[sync_pb2.GetSnapshotResponse]:
    """Yields the parts of a snapshot; the last holds the end."""
    request = sync_pb2.GetSnapshotRequest(kinds=kinds)
    yield from connection.call(sync_pb2_grpc.SyncServiceStub, "GetSnapshot", request, timeout=600)


def subscribe(
    connection: Connection, token: str, kinds: list[str], heartbeat: int = 5
) -> Iterator[sync_pb2.SubscribeResponse]:
    """Yields changes after a token; acknowledges each batch when the next is asked for."""
    outgoing: queue.Queue[sync_pb2.SubscribeRequest | None] = queue.Queue()
    start = sync_pb2.SubscribeStart(token=token, kinds=kinds, heartbeat_seconds=heartbeat)
    outgoing.put(sync_pb2.SubscribeRequest(start=start))
    answers: Any = connection.converse(sync_pb2_grpc.SyncServiceStub, "Subscribe", iter(outgoing.get, None))
    try:
        for answer in answers:
            yield answer
            if answer.HasField("batch"):
                outgoing.put(sync_pb2.SubscribeRequest(ack=sync_pb2.SubscribeAck(token=answer.batch.token)))
    finally:
        outgoing.put(None)
        answers.cancel()


def watch(
    token_file: Annotated[Path | None, typer.Option("--token", help="File that keeps the place between runs.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="grade or listing; default both.")] = None,
    heartbeats: Annotated[bool, typer.Option("--heartbeats", help="Print heartbeats too.")] = False,
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = True,
) -> None:
    """Follow the feed: snapshot entries first, then changes, as JSON lines; stop with Ctrl-C."""
    del as_json
    connection, kinds = connect(profile, purpose), list(kind or [])
    token = read_text("token", token_file).strip() if token_file and token_file.exists() else ""
    if not token:
        for part in snapshot(connection, kinds):
            for entry in part.entries:
                print_json({"snapshot": plain(entry)})
            token = part.end.token or token
        _keep(token_file, token)
        say("snapshot complete, following changes")
    for answer in subscribe(connection, token, kinds):
        if answer.HasField("batch"):
            for change in answer.batch.changes:
                print_json({"change": plain(change)})
            _keep(token_file, answer.batch.token)
        elif heartbeats:
            print_json({"heartbeat": plain(answer.heartbeat)})


def _keep(file: Path | None, token: str) -> None:
    if file is not None:
        draft = file.with_suffix(".new")
        draft.write_text(token, "utf-8")
        draft.replace(file)
