"""`import`: files into the ledger through the public stream; every record answered, resumable at any point."""

import csv
import gzip
import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from credit_service.api.wire import draft_of
from credit_service.cli.connection import EXIT_FAILED, Connection, JsonOption, ProfileOption, connect
from credit_service.cli.output import print_json, say
from credit_service.cli.settling import wait_until_judged
from credit_service.errors import CreditError, Problem, Reason, problem_of, shown
from credit_service.ledger.sources import Source, load_sources
from credit_service.ledger.sources import drafts as drafts_of
from credit_service.v1 import ledger_pb2, ledger_pb2_grpc

FRAME = 500
WINDOW = 4
KEPT = frozenset({"ACCEPTED", "DUPLICATE", "SUPERSEDED_LATE"})


@dataclass(slots=True)
class Tally:
    """Counts what became of the records; the statuses add up to submitted."""

    submitted: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Returns the counts by the names of the contract."""
        return {"submitted": self.submitted, "statuses": dict(self.statuses), "reasons": dict(self.reasons)}


Record = dict[str, Any] | Problem
Entry = tuple[int, Record, ledger_pb2.EventDraft | None]
Report = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class _UnderWay:
    """Holds the frames that wait for their answer, and why reading ended early."""

    room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(WINDOW))
    sent: list[list[Entry]] = field(default_factory=list)
    rest: list[Entry] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    broken: Exception | None = None

    def guarded(self, frames: Iterator[ledger_pb2.StreamEventsRequest]) -> Iterator[ledger_pb2.StreamEventsRequest]:
        """Yields the frames; gRPC would replace an error of the reader by one of its own."""
        try:
            yield from frames
        except Exception as error:  # noqa: BLE001  # raised again when the stream has ended
            self.broken = error


class Importer:
    """Streams records frame by frame; at most a window of frames is under way."""

    def __init__(self, connection: Connection, report: Report, on_ack: Callable[[Tally], None]) -> None:
        """Takes where to send, where to report what was not kept, and what to do at each acknowledgement."""
        self._connection = connection
        self._report = report
        self._on_ack = on_ack
        self.tally = Tally()

    def run(self, records: Iterable[Record]) -> Tally:
        """Sends all records; raises when the stream breaks, after which the tally says what is safe."""
        under_way = _UnderWay()
        frames = under_way.guarded(self._frames(iter(records), under_way))
        try:
            for answer in self._connection.converse(ledger_pb2_grpc.LedgerServiceStub, "StreamEvents", frames):
                self._settle(under_way.sent.pop(0), list(answer.results))
                under_way.room.release()
        finally:
            under_way.stopped.set()
            under_way.room.release()
        if under_way.broken is not None:
            raise under_way.broken
        if under_way.rest:
            self._settle(under_way.rest, [])
        wait_until_judged(self._connection)
        return self.tally

    def _frames(self, records: Iterator[Record], under_way: "_UnderWay") -> Iterator[ledger_pb2.StreamEventsRequest]:
        offset, number = 0, self.tally.submitted
        entries: list[Entry] = []
        while chunk := list(islice(records, FRAME)):
            entries += [self._encode(number + place, record) for place, record in enumerate(chunk, 1)]
            number += len(chunk)
            drafts = [draft for _, _, draft in entries if draft is not None]
            if not drafts:
                # Nothing to send yet: these are settled with the next frame, so that the tally stays in order.
                continue
            under_way.room.acquire()
            if under_way.stopped.is_set():
                return
            under_way.sent.append(entries)
            entries = []
            yield ledger_pb2.StreamEventsRequest(offset=offset, events=drafts)
            offset += len(drafts)
        under_way.rest = entries

    def _encode(self, number: int, record: Record) -> Entry:
        if isinstance(record, Problem):
            return number, record, None
        try:
            return number, record, draft_of(record)
        except CreditError as error:
            return number, problem_of(error), None

    def _settle(self, entries: list[Entry], results: list[ledger_pb2.SubmitResult]) -> None:
        answers = iter(results)
        for number, record, draft in entries:
            if draft is None and isinstance(record, Problem):
                status, problems = "REJECTED", [record]
            else:
                answer = next(answers)
                status = ledger_pb2.SubmitStatus.Name(answer.status).removeprefix("SUBMIT_STATUS_")
                problems = [Problem(p.field, p.got, p.want, Reason(p.reason)) for p in answer.problems]
            self.tally.submitted += 1
            self.tally.statuses[status] += 1
            self.tally.reasons.update({p.reason.value for p in problems})
            if status not in KEPT:
                key = "" if isinstance(record, Problem) else record.get("source_record_id", "")
                faults = [{"field": p.field, "got": p.got, "want": p.want, "reason": p.reason.value} for p in problems]
                self._report({"record": number, "source_record_id": key, "status": status, "problems": faults})
        self._on_ack(self.tally)


def read_records(path: Path, source: str) -> Iterator[Record]:
    """Returns the records of a file: JSON lines, or CSV by the mapping of its source; `.gz` of either.

    Fails at once, before the first record, with FILE_INVALID or SOURCE_UNKNOWN.
    """
    name, sources = path.name.removesuffix(".gz"), load_sources()
    is_lines = name.endswith((".jsonl", ".ndjson", ".json"))
    if not is_lines and not name.endswith(".csv"):
        raise CreditError(Reason.FILE_INVALID, f"file: got {path.name}, want .jsonl or .csv (or .gz of either)")
    if not is_lines and source not in sources:
        raise CreditError(Reason.SOURCE_UNKNOWN, f"source: got {source or 'nothing'}, want one of {', '.join(sources)}")
    return _records(path, None if is_lines else sources[source])


def _records(path: Path, source: Source | None) -> Iterator[Record]:
    with ExitStack() as opened:
        plain = opened.enter_context(path.open("rb"))
        file: Any = opened.enter_context(gzip.open(plain)) if path.suffix == ".gz" else plain
        yield from _json_lines(file) if source is None else _csv_records(file, source)


def _json_lines(file: IO[bytes]) -> Iterator[Record]:
    for line in file:
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError as fault:
            yield Problem("line", f"byte {fault.start} is not UTF-8", "UTF-8 text", Reason.TEXT_INVALID)
        except ValueError as fault:
            yield Problem("line", shown(str(fault)), "one JSON object a line", Reason.FIELD_INVALID)
        else:
            is_object = isinstance(value, dict)
            yield value if is_object else Problem("line", shown(value), "one JSON object a line", Reason.FIELD_INVALID)


def _csv_records(file: IO[bytes], source: Source) -> Iterator[Record]:
    # Bytes that are no UTF-8 become lone surrogates, which are then named record by record.
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        for record in drafts_of(source, csv.DictReader(text)):
            is_broken = any("\udc80" <= c <= "\udcff" for c in json.dumps(record, ensure_ascii=False, default=str))
            yield Problem("row", "bytes that are not UTF-8", "UTF-8 text", Reason.TEXT_INVALID) if is_broken else record
    finally:
        text.detach()


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("import")(import_file)


def import_file(
    file: Path,
    source: Annotated[str, typer.Option("--source", help="Registered source of a CSV file.")] = "",
    report: Annotated[
        Path | None, typer.Option("--report", help="Where to write what was not kept (JSON lines).")
    ] = None,
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Import a file of events (JSON lines, or CSV by its source's mapping); run it again to resume."""
    target = report or file.with_name(file.name + ".report.jsonl")
    state = Path(str(target) + ".state")
    fingerprint = _fingerprint(file, source)
    done = _resume(state, fingerprint)
    with (
        target.open("a" if done.submitted else "w", encoding="utf-8") as out,
        Progress(console=Console(stderr=True), disable=as_json) as bar,
    ):
        task = bar.add_task(f"{file.name}", total=None, completed=done.submitted)

        def on_ack(tally: Tally) -> None:
            out.flush()
            _save(state, fingerprint, tally)
            bar.update(task, completed=tally.submitted)

        def on_fault(line: dict[str, Any]) -> None:
            out.write(json.dumps(line, ensure_ascii=False) + "\n")

        importer = Importer(connect(profile), on_fault, on_ack)
        importer.tally = done
        tally = importer.run(islice(read_records(file, source), done.submitted, None))
    state.unlink(missing_ok=True)
    kept = sum(tally.statuses[status] for status in KEPT)
    if as_json:
        print_json({**tally.as_dict(), "report": str(target)})
    else:
        say(f"{tally.submitted} submitted: " + ", ".join(f"{n} {s}" for s, n in sorted(tally.statuses.items())))
        if kept < tally.submitted:
            say(f"{tally.submitted - kept} not kept, named in {target}")
    if kept < tally.submitted:
        raise typer.Exit(EXIT_FAILED)


def _fingerprint(file: Path, source: str) -> str:
    """Names the file and the mapping by content, so that a changed file is never resumed halfway."""
    if not file.is_file():
        got, want = (f"the folder {file}", "one file") if file.is_dir() else (str(file), "a file that exists")
        raise CreditError(Reason.FILE_INVALID, f"file: got {got}, want {want}", file=str(file))
    digest = sha256(source.encode())
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _resume(state: Path, fingerprint: str) -> Tally:
    try:
        saved = json.loads(state.read_text("utf-8"))
    except (OSError, ValueError):
        return Tally()
    if saved.get("fingerprint") != fingerprint:
        return Tally()
    say(f"resuming after record {saved['submitted']}")
    return Tally(saved["submitted"], Counter(saved["statuses"]), Counter(saved["reasons"]))


def _save(state: Path, fingerprint: str, tally: Tally) -> None:
    """Saves the place by replacing the file, so that a crash leaves the old one whole."""
    draft = state.with_suffix(".new")
    draft.write_text(json.dumps({"fingerprint": fingerprint, **tally.as_dict()}), "utf-8")
    draft.replace(state)
