"""A partner takes a snapshot and follows: nothing is missed, nothing comes twice, removals are told."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

import grpc
import pytest

from credit_service.api.status import reason_of
from credit_service.cli.watching import snapshot, subscribe
from credit_service.v1 import sync_pb2 as pb
from credit_service.v1 import sync_pb2_grpc
from tests.api.street import NOW, Street, a_code, a_record, major_accident, registered, retraction, stop_work


def head(street: Street) -> pb.GetFeedInfoResponse:
    """Asks the state of the feed."""
    info: pb.GetFeedInfoResponse = street.ask("operator", "SyncService/GetFeedInfo", pb.GetFeedInfoRequest())
    return info


def end_of_snapshot(street: Street, role: str) -> tuple[dict[str, pb.Entry], pb.SnapshotEnd]:
    """Takes a snapshot; returns its entries by key and its end."""
    parts = list(snapshot(street.connect(role), []))
    return {entry.entry_key: entry for part in parts for entry in part.entries}, parts[-1].end


def changes_after(street: Street, role: str, token: str, through: int) -> tuple[list[pb.Change], str]:
    """Follows until the stream is complete through a revision; returns the changes and the last token."""
    found: list[pb.Change] = []
    for answer in subscribe(street.connect(role), token, [], heartbeat=1):
        part = answer.batch if answer.HasField("batch") else answer.heartbeat
        found += answer.batch.changes if answer.HasField("batch") else []
        if part.through_revision >= through:
            return found, part.token
    raise AssertionError("the stream ended")


def test_snapshot_then_changes_meet_without_gap_or_overlap(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code))
    entries, end = end_of_snapshot(street, "regulator")
    street.must_collect(*major_accident(code))
    changes, _ = changes_after(street, "regulator", end.token, head(street).head_revision)
    assert end.entry_count == len(entries)
    assert [c.revision for c in changes] == list(range(end.revision + 1, head(street).head_revision + 1))
    assert {c.entry.entry_key.partition("/")[0] for c in changes} == {"grade", "listing"}


def test_live_change_arrives_after_its_commit(street: Street) -> None:
    code, seen = a_code(), threading.Event()
    street.must_collect(registered(code))
    _, end = end_of_snapshot(street, "agency")
    arrived: list[pb.Change] = []

    def follow() -> None:
        arrived.extend(changes_after(street, "agency", end.token, end.revision + 1)[0])
        seen.set()

    threading.Thread(target=follow, daemon=True).start()
    street.must_collect(stop_work(code))
    assert seen.wait(20)
    assert arrived[0].entry.grade.subject.code == code
    assert not arrived[0].entry.grade.vetoes


def test_stream_resumes_after_its_token_without_gap_or_duplicate(street: Street) -> None:
    _, end = end_of_snapshot(street, "agency")
    revisions, token = [], end.token
    for _ in range(3):
        street.must_collect(registered(a_code()), registered(a_code()))
        changes, token = changes_after(street, "agency", token, head(street).head_revision)
        revisions += [c.revision for c in changes]
    assert revisions == list(range(end.revision + 1, end.revision + 7))


def test_dropped_candidate_leaves_a_tombstone_for_regulators_only(street: Street) -> None:
    code = a_code()
    accident, penalty = major_accident(code)
    street.must_collect(registered(code), accident, penalty)
    _, regulator = end_of_snapshot(street, "regulator")
    _, agency = end_of_snapshot(street, "agency")
    street.must_collect(retraction(accident))
    changes, _ = changes_after(street, "regulator", regulator.token, head(street).head_revision)
    removed = [c for c in changes if c.type == pb.CHANGE_TYPE_REMOVE]
    assert len(removed) == 1
    assert removed[0].removal_reason
    assert not removed[0].entry.HasField("listing")
    seen, _ = changes_after(street, "agency", agency.token, head(street).head_revision)
    assert [c.entry.entry_key for c in seen] == [f"grade/USCC:{code}"]


def test_heartbeat_is_never_ahead_of_the_changes(street: Street) -> None:
    street.must_collect(registered(a_code()))
    _, end = end_of_snapshot(street, "agency")
    beat = next(
        a.heartbeat for a in subscribe(street.connect("agency"), end.token, [], heartbeat=1) if a.HasField("heartbeat")
    )
    assert beat.through_revision == beat.head_revision == end.revision
    assert beat.server_time.seconds


def test_kinds_choose_what_is_followed(street: Street) -> None:
    _, end = end_of_snapshot(street, "regulator")
    code = a_code()
    street.must_collect(registered(code), *major_accident(code))
    only: Iterator[pb.SubscribeResponse] = subscribe(street.connect("regulator"), end.token, ["listing"], heartbeat=1)
    batch = next(only).batch
    assert {c.entry.entry_key.partition("/")[0] for c in batch.changes} == {"listing"}


def opening_refusal(street: Street, role: str, start: pb.SubscribeStart) -> tuple[str, str]:
    """Opens a subscription that must be refused."""
    with pytest.raises(grpc.RpcError) as refused:
        next(
            street.connect(role).converse(
                sync_pb2_grpc.SyncServiceStub, "Subscribe", iter([pb.SubscribeRequest(start=start)])
            )
        )
    return refused.value.code().name, reason_of(refused.value)[0]


def test_token_of_another_role_or_form_is_refused(street: Street) -> None:
    _, end = end_of_snapshot(street, "regulator")
    for token in (end.token, "nonsense", "bm9uc2Vuc2U=", "bnVsbA==", "W10="):
        refused = opening_refusal(street, "agency", pb.SubscribeStart(token=token))
        assert refused == ("INVALID_ARGUMENT", "RESUME_TOKEN_INVALID")


def test_token_of_another_life_or_ahead_is_refused(street: Street) -> None:
    def forged(epoch: str, revision: int) -> pb.SubscribeStart:
        text = json.dumps([epoch, "agency", revision])
        return pb.SubscribeStart(token=base64.urlsafe_b64encode(text.encode()).decode())

    assert opening_refusal(street, "agency", forged("elsewhere", 0)) == ("FAILED_PRECONDITION", "EPOCH_CHANGED")
    ahead = forged(head(street).epoch, 10**9)
    assert opening_refusal(street, "agency", ahead) == ("FAILED_PRECONDITION", "REVISION_AHEAD")


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (pb.SubscribeStart(heartbeat_seconds=61), "FIELD_OUT_OF_RANGE"),
        (pb.SubscribeStart(kinds=["factors"]), "ENUM_UNKNOWN"),
    ],
)
def test_opening_of_another_form_is_refused(street: Street, start: pb.SubscribeStart, reason: str) -> None:
    assert opening_refusal(street, "agency", start) == ("INVALID_ARGUMENT", reason)


def test_feed_info_names_what_is_in_force(street: Street) -> None:
    street.must_collect(registered(a_code()))
    info = head(street)
    assert "cn-2026-04" in info.edition_ids
    assert info.model_ids
    assert info.event_count > 0
    assert len(info.ledger_digest.value) == 32


def test_long_history_comes_in_pages_without_gap(street: Street) -> None:
    _, end = end_of_snapshot(street, "agency")
    street.must_collect(*(registered(a_code()) for _ in range(700)))
    revision = head(street).head_revision
    batches, through = [], end.revision
    for answer in subscribe(street.connect("agency"), end.token, [], heartbeat=1):
        batches.append(answer.batch)
        through = answer.batch.through_revision
        if through == revision:
            break
    assert [len(batch.changes) for batch in batches] == [500, 200]
    found = [change.revision for batch in batches for change in batch.changes]
    assert found == list(range(end.revision + 1, revision + 1))
    entries, last = end_of_snapshot(street, "agency")
    assert (last.revision, last.entry_count) == (revision, len(entries))
    assert len(entries) >= 700


def test_revisions_stay_dense_while_many_write_and_one_follows(street: Street) -> None:
    _, end = end_of_snapshot(street, "regulator")
    with ThreadPoolExecutor(5) as pool:
        writers = [pool.submit(street.must_collect, registered(a_code()), registered(a_code())) for _ in range(12)]
        seen, _ = changes_after(street, "regulator", end.token, end.revision + 24)
        assert all(writer.result() for writer in writers)
    assert [change.revision for change in seen] == list(range(end.revision + 1, end.revision + 25))
    assert len({change.entry.entry_key for change in seen}) == 24


def test_person_is_followed_by_regulators_only(street: Street) -> None:
    _, agency = end_of_snapshot(street, "agency")
    _, regulator = end_of_snapshot(street, "regulator")
    person = {"scheme": "PERSON", "code": "ab" * 32, "kind": "PERSON", "name": "某甲"}
    payload = {"articles": ["安全生产法/110"], "organ_kind": "EMERGENCY_MANAGEMENT", "conduct": "ABSCONDED"}
    street.must_collect(a_record(a_code(), payload=payload, subject=person), registered(a_code()))
    revision = head(street).head_revision
    assert revision == regulator.revision + 2
    shown, _ = changes_after(street, "regulator", regulator.token, revision)
    hidden, _ = changes_after(street, "agency", agency.token, revision)
    assert {change.entry.listing.rule_id for change in shown} == {"B-05", ""}
    assert [change.entry.entry_key.startswith("grade/USCC:") for change in hidden] == [True]


def test_start_without_a_token_begins_at_the_beginning(street: Street) -> None:
    street.must_collect(registered(a_code()))
    first = next(iter(subscribe(street.connect("regulator"), "", [], heartbeat=1)))
    assert first.batch.changes[0].revision == 1


def test_subscription_that_opens_with_something_else_is_refused(street: Street) -> None:
    for opening in ([], [pb.SubscribeRequest(ack=pb.SubscribeAck(token="x"))]):
        refused = street.refused("regulator", "SyncService/Subscribe", iter(opening))
        assert refused == ("INVALID_ARGUMENT", "FIELD_MISSING")


def test_closing_the_own_side_ends_the_subscription(street: Street) -> None:
    street.must_collect(registered(a_code()))
    opening = pb.SubscribeRequest(start=pb.SubscribeStart(heartbeat_seconds=60))
    answers = street.ask("regulator", "SyncService/Subscribe", iter([opening]))
    assert answers[-1].batch.through_revision == head(street).head_revision


def test_digest_of_the_ledger_moves_with_every_event(street: Street) -> None:
    before = head(street)
    street.must_collect(registered(a_code()))
    after = head(street)
    assert after.event_count == before.event_count + 1
    assert after.ledger_digest != before.ledger_digest
    assert after.epoch == before.epoch
    assert after.head_commit_time.ToDatetime(UTC) == NOW


def test_busy_feed_never_silences_the_heartbeat(street: Street) -> None:
    opening = pb.SubscribeRequest(start=pb.SubscribeStart(kinds=["listing"], heartbeat_seconds=1))
    call = street.open("agency", "SyncService/Subscribe", held_open(opening))
    stopping = threading.Event()

    def busy() -> None:
        while not stopping.wait(0.1):
            street.must_collect(registered(a_code()))

    noise = threading.Thread(target=busy)
    noise.start()
    begun = time.monotonic()
    beats = [next(call).HasField("heartbeat") for _ in range(2)]
    took = time.monotonic() - begun
    stopping.set()
    noise.join()
    call.cancel()
    assert beats == [True, True]
    assert took < 8


def held_open(first: pb.SubscribeRequest) -> Iterator[pb.SubscribeRequest]:
    yield first
    threading.Event().wait(15)
