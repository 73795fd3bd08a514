"""The door of SyncService: a snapshot at a pinned revision, then every change after it."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from credit_service.api import wire
from credit_service.api.calls import Call
from credit_service.api.grade_messages import grade_message
from credit_service.api.identity import Caller
from credit_service.api.joint_action import JointAction
from credit_service.api.listing_messages import sees, shown_listing
from credit_service.api.redaction import redact
from credit_service.audit.tables import EVERYBODY
from credit_service.changes import ChangeRow, head_revision, read_changes, snapshot_page
from credit_service.errors import CreditError, Reason, shown
from credit_service.ledger.streams import Watermark
from credit_service.ledger.tables import head
from credit_service.legal_days import civil_day
from credit_service.listings.tables import ListingRow, row_of
from credit_service.subjects.tables import SubjectRow, subjects_by_id
from credit_service.v1 import sync_pb2 as pb

PAGE = 500
KINDS = frozenset({"grade", "listing"})
HEARTBEAT_DEFAULT = 5
HEARTBEAT_MOST = 60


class SyncDoor(JointAction):
    """Feeds partners."""

    def GetFeedInfo(self, _request: pb.GetFeedInfoRequest, call: Call) -> pb.GetFeedInfoResponse:
        """Returns the state of the feed."""
        with self.house.database.reading() as session:
            ledger, revision = head(session), head_revision(session)
            last = read_changes(session, revision - 1, revision, [], 1)
            complete = self.house.watermarks(session, call.now)
        day = civil_day(call.now)
        editions = [e for e in self.house.editions() if e.is_in_force(day)]
        cards = self.house.assessor.scorecards
        return pb.GetFeedInfoResponse(
            epoch=ledger.epoch, head_revision=revision, earliest_revision=1 if revision else 0,
            head_commit_time=wire.timestamp(last[0].commit_time) if last else None, event_count=ledger.position,
            ledger_digest=wire.digest(ledger.chain_hash), edition_ids=[e.id for e in editions],
            model_ids=sorted({cards[e.grading.model].model_id for e in editions if e.grading.model in cards}),
            judged_event_count=ledger.judged_position, watermarks=[watermark_message(w) for w in complete],
        )  # fmt: skip

    def GetSnapshot(self, request: pb.GetSnapshotRequest, call: Call) -> Iterator[pb.GetSnapshotResponse]:
        """Streams the entries standing at the head revision of this moment."""
        kinds = _kinds(request.kinds)
        call.asked.append(_own(call.caller) or EVERYBODY)
        with self.house.database.reading() as session:
            epoch, revision = head(session).epoch, head_revision(session)
        key, count, is_begun = "", 0, False
        while key or not is_begun:
            is_begun = True
            entries, key = self._entries(revision, kinds, key, call)
            count += len(entries)
            if entries:
                yield pb.GetSnapshotResponse(entries=entries)
        token = _token(epoch, call.caller.role, revision)
        yield pb.GetSnapshotResponse(end=pb.SnapshotEnd(revision=revision, entry_count=count, token=token))

    def _entries(self, revision: int, kinds: Sequence[str], key: str, call: Call) -> tuple[list[pb.Entry], str]:
        """Reads one page in a transaction of its own: a slow reader must not keep a connection.

        The revision is pinned, and rows at or below it never change, so that the pages fit together.
        """
        with self.house.database.reading() as session:
            rows, last = snapshot_page(session, revision, kinds, key, PAGE, _own(call.caller))
            subjects = subjects_by_id(session, {row.subject_id for row in rows})
        changes = self._changes(subjects, rows, call.caller, call.now)
        return [change.entry for change in changes if change.type == pb.CHANGE_TYPE_UPSERT], last

    async def Subscribe(
        self, requests: AsyncIterator[pb.SubscribeRequest], call: Call
    ) -> AsyncGenerator[pb.SubscribeResponse, None]:
        """Streams changes after a token; a heartbeat is only sent when everything before it was."""
        opening = await anext(aiter(requests), None)
        if opening is None or not opening.HasField("start"):
            raise CreditError(Reason.FIELD_MISSING, "start: got nothing, want an opening as the first message")
        kinds, beat = _kinds(opening.start.kinds), _heartbeat(opening.start.heartbeat_seconds)
        call.asked.append(_own(call.caller) or EVERYBODY)
        await call.record("OK")
        epoch, after = await call.run(self._resume, opening.start.token, call.caller.role)
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        leave = self.house.feed.follow(partial(_wake, loop, woken))
        listening = asyncio.ensure_future(_drain(requests))
        next_beat, is_open = loop.time() + beat, True
        try:
            while is_open:
                woken.clear()
                changes, through, revision = await call.run(self._after, after, kinds, call.caller)
                after = max(after, through)
                if changes:
                    token = _token(epoch, call.caller.role, after)
                    yield pb.SubscribeResponse(
                        batch=pb.ChangeBatch(changes=changes, through_revision=after, token=token)
                    )
                # Due by the clock, not by quiet: a busy feed must not silence it.
                if after >= revision and loop.time() >= next_beat:
                    next_beat = loop.time() + beat
                    yield await call.run(self._heartbeat, epoch, call.caller.role, after, revision)
                elif after >= revision:
                    await _wait(woken, listening, next_beat - loop.time())
                    is_open = not listening.done()
        finally:
            listening.cancel()
            leave()

    def _heartbeat(self, epoch: str, role: str, after: int, revision: int) -> pb.SubscribeResponse:
        now = self.house.clock()
        with self.house.database.reading() as session:
            stale = [watermark_message(w) for w in self.house.watermarks(session, now) if w.is_stale]
        beat = pb.Heartbeat(
            through_revision=after, head_revision=revision, server_time=wire.timestamp(now),
            token=_token(epoch, role, after), stale_sources=stale,
        )  # fmt: skip
        return pb.SubscribeResponse(heartbeat=beat)

    def _resume(self, token: str, role: str) -> tuple[str, int]:
        """Returns (epoch, revision) to go on after; refuses tokens of another life, view or future."""
        with self.house.database.reading() as session:
            epoch, revision = head(session).epoch, head_revision(session)
        if not token:
            return epoch, 0
        try:
            named_epoch, named_role, after = json.loads(base64.urlsafe_b64decode(token.encode()))
        except (ValueError, TypeError, RecursionError):
            named_epoch, named_role, after = "", "", None
        if type(after) is not int or named_role != role:
            raise CreditError(
                Reason.RESUME_TOKEN_INVALID, f"token: got {shown(token)}, want a token of this feed and role"
            )
        if named_epoch != epoch:
            raise CreditError(
                Reason.EPOCH_CHANGED, "token: got one of another life of the database, want a new snapshot"
            )
        if not 0 <= after <= revision:
            raise CreditError(Reason.REVISION_AHEAD, f"token: got revision {after}, want at most {revision}")
        return epoch, after

    def _after(self, after: int, kinds: Sequence[str], caller: Caller) -> tuple[list[pb.Change], int, int]:
        """Returns (visible changes, revision up to which they are complete, head revision)."""
        with self.house.database.reading() as session:
            revision = head_revision(session)
            rows = read_changes(session, after, revision, kinds, PAGE, _own(caller))
            subjects = subjects_by_id(session, {row.subject_id for row in rows})
        through = rows[-1].revision if len(rows) == PAGE else revision
        return list(self._changes(subjects, rows, caller, self.house.clock())), through, revision

    def _changes(
        self, subjects: dict[str, SubjectRow], rows: Sequence[ChangeRow], caller: Caller, now: datetime
    ) -> Iterator[pb.Change]:
        for row in rows:
            document = wire.loads(row.document) if row.document else {}
            listing = row_of(document, row.subject_kind) if document and row.kind == "listing" else None
            type_ = _type_for(row, listing, caller, now)
            if type_ is None:
                continue
            change = pb.Change(
                revision=row.revision, type=type_, removal_reason=_reason(row, caller.role),
                commit_time=wire.timestamp(row.commit_time),
                entry=pb.Entry(entry_key=row.entry_key, revision=row.revision),
            )  # fmt: skip
            if type_ == pb.CHANGE_TYPE_REMOVE:
                yield change
                continue
            subject = subjects.get(row.subject_id)
            region = subject.supervising_region if subject else None
            if listing is None:
                frame = (row.commit_time, row.commit_time)
                change.entry.grade.CopyFrom(redact(grade_message(document, frame), caller, region))
            else:
                change.entry.listing.CopyFrom(shown_listing(listing, subject, caller, self.house.all_editions, now))
            yield change


def watermark_message(watermark: Watermark) -> pb.SourceWatermark:
    """Returns how complete a source is as a message."""
    until, last = watermark.complete_until_time, watermark.last_collect_time
    return pb.SourceWatermark(
        source=watermark.source, is_stale=watermark.is_stale,
        complete_until_time=wire.timestamp(until) if until else None,
        last_collect_time=wire.timestamp(last) if last else None,
    )  # fmt: skip


def _type_for(row: ChangeRow, listing: ListingRow | None, caller: Caller, now: datetime) -> Any:
    """Returns what a change is for a caller, None when it is nothing to them.

    To who may see only what is displayed, a listing that was and no longer is, as by a stay, is removed.
    """
    if caller.role == "enterprise" and row.type == "REMOVE":
        return pb.CHANGE_TYPE_REMOVE if listing is None or listing.was_noticed else None
    if caller.role == "regulator":
        return pb.ChangeType.Value(f"CHANGE_TYPE_{row.type}")
    if row.subject_kind == "PERSON":
        return None
    if row.kind == "grade":
        return pb.ChangeType.Value(f"CHANGE_TYPE_{row.type}")
    if listing is not None and row.type == "UPSERT" and sees(caller, listing, civil_day(now)):
        return pb.CHANGE_TYPE_UPSERT
    return pb.CHANGE_TYPE_REMOVE if listing is not None and listing.was_displayed else None


def _reason(row: ChangeRow, role: str) -> str:
    """The authority's words on a removal are for itself and for whom they concern; to others the absence says it."""
    return row.reason if role in ("regulator", "enterprise") else ""


def _own(caller: Caller) -> str | None:
    """Returns the one subject whose entries a caller follows; None: everybody's."""
    return caller.subject_id or "" if caller.role == "enterprise" else None


def _kinds(kinds: Sequence[str]) -> list[str]:
    unknown = set(kinds) - KINDS
    if unknown:
        raise CreditError(Reason.ENUM_UNKNOWN, f"kinds: got {shown(min(unknown))}, want grade or listing")
    return sorted(set(kinds))


def _heartbeat(seconds: int) -> int:
    if not 0 <= seconds <= HEARTBEAT_MOST:
        raise CreditError(Reason.FIELD_OUT_OF_RANGE, f"heartbeat_seconds: got {seconds}, want 1 to {HEARTBEAT_MOST}")
    return seconds or HEARTBEAT_DEFAULT


def _token(epoch: str, role: str, revision: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([epoch, role, revision], separators=(",", ":")).encode()).decode()


async def _drain(requests: AsyncIterator[pb.SubscribeRequest]) -> None:
    """Reads acknowledgements until the client closes its side."""
    async for _ in requests:
        pass


def _wake(loop: asyncio.AbstractEventLoop, woken: asyncio.Event) -> None:
    loop.call_soon_threadsafe(woken.set)


async def _wait(woken: asyncio.Event, listening: "asyncio.Future[None]", seconds: float) -> None:
    """Waits for a wake-up, for the client to close, or for the time to pass."""
    waiting: asyncio.Future[Any] = asyncio.ensure_future(woken.wait())
    await asyncio.wait((waiting, listening), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
