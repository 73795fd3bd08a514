"""`import`: files into the ledger through the public stream; every record answered, resumable at any point."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from credit_service.api.wire import draft_of
from credit_service.cli.connection import EXIT_FAILED, Connection, JsonOption, ProfileOption, connect
from credit_service.cli.correcting import corrected
from credit_service.cli.files import Opened, Read, Record, open_records
from credit_service.cli.output import print_json, say
from credit_service.cli.reports import Report, Unkept
from credit_service.cli.settling import epoch_of, wait_until_judged
from credit_service.errors import CreditError, Problem, Reason, problem_of
from credit_service.ledger.drafts import Checker
from credit_service.ledger.sources import load_sources
from credit_service.legal_days import civil_day
from credit_service.rulebook.accidents import accident_level, last_casualty_day
from credit_service.rulebook.edition import load_editions
from credit_service.v1 import ledger_pb2, ledger_pb2_grpc

FRAME = 500
# Half of what the service reads at once: the rest of a frame is small.
FRAME_BYTES = 2 * 1024 * 1024
WINDOW = 4
KEPT = frozenset({"ACCEPTED", "DUPLICATE", "SUPERSEDED_LATE", "WELL_FORMED"})


@dataclass(slots=True)
class Tally:
    """Counts what became of the records; the statuses add up to submitted."""

    submitted: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def count(self, status: str, problems: Iterable[Problem]) -> None:
        """Counts one record."""
        self.submitted += 1
        self.statuses[status] += 1
        self.reasons.update({p.reason.value for p in problems})

    def as_dict(self) -> dict[str, Any]:
        """Returns the counts by the names of the contract."""
        return {"submitted": self.submitted, "statuses": dict(self.statuses), "reasons": dict(self.reasons)}


Entry = tuple[Read, ledger_pb2.EventDraft | None]


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

    def __init__(
        self,
        connection: Connection,
        report: Callable[[Unkept], None],
        on_ack: Callable[[Tally], None],
        *,
        is_correcting: bool = False,
    ) -> None:
        """Takes where to send, where to report what was not kept, and what to do at each acknowledgement.

        When correcting, a record that is stored with another content becomes its next version.
        """
        self._connection, self._is_correcting = connection, is_correcting
        self._report = report
        self._on_ack = on_ack
        self.tally = Tally()

    def run(self, records: Iterable[Read]) -> Tally:
        """Sends all records; raises when the stream breaks, after which the tally says what is safe."""
        under_way = _UnderWay()
        frames = under_way.guarded(self._frames(iter(records), under_way))
        try:
            for answer in self._connection.converse(ledger_pb2_grpc.LedgerServiceStub, "StreamEvents", frames):
                entries = under_way.sent.pop(0)
                self._settle(entries, self._corrected(entries, list(answer.results)))
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

    def _frames(self, records: Iterator[Read], under_way: "_UnderWay") -> Iterator[ledger_pb2.StreamEventsRequest]:
        offset = 0
        entries: list[Entry] = []
        for chunk in chunked(map(encoded, records)):
            entries += chunk
            drafts = [draft for _, draft in entries if draft is not None]
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

    def _corrected(self, entries: list[Entry], results: list[ledger_pb2.SubmitResult]) -> list[ledger_pb2.SubmitResult]:
        if not self._is_correcting:
            return results
        return corrected(self._connection, [draft for _, draft in entries if draft is not None], results)

    def _settle(self, entries: list[Entry], results: list[ledger_pb2.SubmitResult]) -> None:
        answers = iter(results)
        for (place, record, cells), draft in entries:
            if draft is None and isinstance(record, Problem):
                status, problems = "REJECTED", [record]
            else:
                answer = next(answers)
                status = ledger_pb2.SubmitStatus.Name(answer.status).removeprefix("SUBMIT_STATUS_")
                problems = [Problem(p.field, p.got, p.want, Reason(p.reason)) for p in answer.problems]
            self.tally.count(status, problems)
            if status not in KEPT:
                self._report(Unkept(place, record_id(record), status, problems, cells))
        self._on_ack(self.tally)


def chunked(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yields entries as frames that the service takes: neither more records nor more bytes than it reads at once."""
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        length = entry[1].ByteSize() if entry[1] is not None else 0
        if chunk and (len(chunk) == FRAME or size + length > FRAME_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += length
    if chunk:
        yield chunk


def encoded(read: Read) -> Entry:
    """Returns a record with its message; one that cannot be written as a message becomes its fault."""
    if isinstance(read.record, Problem):
        return read, None
    try:
        return read, draft_of(read.record)
    except CreditError as error:
        return read._replace(record=problem_of(error)), None


def record_id(record: Record) -> str:
    """Returns the id of a record at its source, empty when it has none."""
    return "" if isinstance(record, Problem) else str(record.get("source_record_id", ""))


class DryRun:
    """Checks records as the service would, and sends nothing.

    What only the ledger knows stays open: duplicates, conflicts, names that do not fit the code.
    """

    def __init__(self, report: Callable[[Unkept], None], now: datetime) -> None:
        """Takes where to report what would not be kept, and the time that counts as the receipt."""
        levels = next(e.accidents for e in load_editions() if "USCC" in e.schemes and e.is_in_force(civil_day(now)))
        schemes = {name: source.scheme for name, source in load_sources().items()}
        # No key is here and none is needed: any hash has the form of one.
        last_day = partial(last_casualty_day, levels)
        self._checker = Checker(schemes, partial(accident_level, levels), lambda _: "0" * 64, last_day)
        self._report, self._now = report, now
        self.tally = Tally()

    def run(self, records: Iterable[Read]) -> Tally:
        """Checks all records."""
        for read in records:
            place, record, cells = encoded(read)[0]
            if isinstance(record, Problem):
                status, problems = "REJECTED", [record]
            else:
                checked = self._checker.check(record, self._now)
                problems = list(checked.problems)
                status = "WELL_FORMED" if checked.draft else "QUARANTINED" if checked.is_mendable else "REJECTED"
            self.tally.count(status, problems)
            if problems:
                self._report(Unkept(place, record_id(record), status, problems, cells))
        return self.tally


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("import")(import_file)


def import_file(  # noqa: PLR0913  # one per option of the command
    file: Path,
    source: Annotated[str, typer.Option("--source", help="Registered source of a table.")] = "",
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Where to name what was not kept: .csv for a spreadsheet, else JSON lines."),
    ] = None,
    encoding: Annotated[
        str, typer.Option("--encoding", help="utf-8 or gb18030 (GBK); by default the one that reads the file best.")
    ] = "",
    correct: Annotated[
        bool, typer.Option("--correct", help="Make a record that is stored with another content its next version.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every record and send nothing.")] = False,
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Import a file of events: JSON lines, CSV, XLSX or Parquet; run it again to resume.

    A table is read by the layout of its source, or by the 双公示 layout whose columns it has.
    """
    _require_file(file)
    opened = open_records(file, source, encoding)
    connection = None if dry_run else connect(profile)
    fingerprint = _fingerprint(file, source, encoding, "" if connection is None else epoch_of(connection), str(correct))
    target = report or file.with_name(f"{file.name}.report.{'csv' if opened.layout else 'jsonl'}")
    state = Path(f"{target}.state")
    done = Tally() if dry_run else _resume(state, fingerprint)
    faults = Report(target, file, opened.layout, is_resumed=done.submitted > 0)
    with closing(faults), Progress(console=Console(stderr=True), disable=as_json) as bar:
        task = bar.add_task(f"{file.name}", total=None, completed=done.submitted)

        def on_ack(tally: Tally) -> None:
            faults.flush()
            _save(state, fingerprint, tally)
            bar.update(task, completed=tally.submitted)

        if connection is None:
            tally = DryRun(faults.write, datetime.now(UTC)).run(bar.track(opened.records, task_id=task))
        else:
            importer = Importer(connection, faults.write, on_ack, is_correcting=correct)
            importer.tally = done
            tally = importer.run(islice(opened.records, done.submitted, None))
            state.unlink(missing_ok=True)
    _tell(tally, target, opened, as_json=as_json)


def _tell(tally: Tally, report: Path, opened: Opened, *, as_json: bool) -> None:
    """Says what became of the file; ends with a failure when a record was not kept."""
    unkept = tally.submitted - sum(tally.statuses[status] for status in KEPT)
    if as_json:
        print_json({**tally.as_dict(), "report": str(report), "notes": list(opened.notes)})
    else:
        for note in opened.notes:
            say(note)
        say(f"{tally.submitted} submitted: " + ", ".join(f"{n} {s}" for s, n in sorted(tally.statuses.items())))
        if unkept:
            say(f"{unkept} not kept, named in {report}")
    if unkept:
        raise typer.Exit(EXIT_FAILED)


def _require_file(file: Path) -> None:
    if not file.is_file():
        got, want = (f"the folder {file}", "one file") if file.is_dir() else (str(file), "a file that exists")
        raise CreditError(Reason.FILE_INVALID, f"file: got {got}, want {want}", file=str(file))


def _fingerprint(file: Path, *given: str) -> str:
    """Names the file by its content, and how and where it is sent, so that nothing else is resumed halfway."""
    digest = sha256("\0".join(given).encode())
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
