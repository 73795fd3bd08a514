"""Collection over the wire: all or nothing, receipts, quarantine, named streams, watermarks, quota, overload."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from sqlalchemy import event

from credit_service.api import wire
from credit_service.api.status import DETAILS_KEY
from credit_service.cli.settling import wait_until_judged
from credit_service.collecting import WAITING_LIMIT
from credit_service.v1 import grades_pb2, listings_pb2, sync_pb2
from credit_service.v1 import ledger_pb2 as pb
from tests.api.street import (
    NOW,
    Clock,
    Refusal,
    Street,
    a_code,
    a_record,
    major_accident,
    ref,
    refusal_of,
    registered,
    serving,
    status,
)

BAD_CODE = "91350100M000100Y44"


def submit(street: Street, *records: dict[str, Any], **named: Any) -> pb.SubmitEventsRequest:
    return pb.SubmitEventsRequest(events=map(wire.draft_of, records), **named)


def receipt(street: Street, record: dict[str, Any]) -> pb.GetReceiptResponse:
    request = pb.GetReceiptRequest(source=record["source"], source_record_id=record["source_record_id"])
    answer: pb.GetReceiptResponse = street.ask("source", "LedgerService/GetReceipt", request)
    return answer


def frame(offset: int, *records: dict[str, Any], stream_id: str = "") -> pb.StreamEventsRequest:
    return pb.StreamEventsRequest(offset=offset, stream_id=stream_id, events=map(wire.draft_of, records))


def stream(street: Street, *frames: pb.StreamEventsRequest) -> list[pb.StreamEventsResponse]:
    return list(street.ask("source", "LedgerService/StreamEvents", iter(frames)))


def feed_info(street: Street) -> Any:
    return street.ask("regulator", "SyncService/GetFeedInfo", sync_pb2.GetFeedInfoRequest())


def mended(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "subject": {**record["subject"], "code": a_code()}}


def test_all_or_nothing_keeps_nothing_when_one_record_is_not_kept(street: Street) -> None:
    good, bad = a_record(a_code()), a_record(BAD_CODE)
    request = submit(street, good, bad, all_or_nothing=True)
    refused = street.refusal("source", "LedgerService/SubmitEvents", request)
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "BATCH_REFUSED")
    assert refused.facts["index"] == "1"
    for record in (good, bad):
        lost = pb.GetReceiptRequest(source=record["source"], source_record_id=record["source_record_id"])
        assert street.refused("source", "LedgerService/GetReceipt", lost) == ("NOT_FOUND", "RECEIPT_NOT_FOUND")


def test_all_or_nothing_keeps_all_and_counts_duplicates_as_kept(street: Street) -> None:
    known, new = a_record(a_code()), a_record(a_code())
    street.must_collect(known)
    answer = street.ask("source", "LedgerService/SubmitEvents", submit(street, known, new, all_or_nothing=True))
    assert [status(r) for r in answer.results] == ["DUPLICATE", "ACCEPTED"]


def test_receipt_says_where_an_event_stands_and_that_it_was_judged(street: Street) -> None:
    record = a_record(a_code())
    event_id = street.must_collect(record)[0]
    wait_until_judged(street.connect("source"))
    found = receipt(street, record)
    assert (status(found.result), found.result.event_id, found.is_judged) == ("ACCEPTED", event_id, True)
    assert len(found.chain_digest.value) == 32


def test_quarantined_record_is_shown_to_its_source_and_released_once_mended(street: Street) -> None:
    record = a_record(BAD_CODE)
    assert status(street.collect(record)[0]) == "QUARANTINED"
    held = receipt(street, record).result
    assert (status(held), [p.reason for p in held.problems]) == ("QUARANTINED", ["CHECK_DIGIT"])
    waiting = street.ask("source", "LedgerService/ListQuarantined", pb.ListQuarantinedRequest(source=record["source"]))
    assert record["source_record_id"] in [r.source_record_id for r in waiting.records]
    release = pb.ReleaseQuarantinedRequest(events=[wire.draft_of(mended(record))])
    assert status(street.ask("source", "LedgerService/ReleaseQuarantined", release).results[0]) == "ACCEPTED"
    assert status(receipt(street, record).result) == "ACCEPTED"
    after = street.ask("source", "LedgerService/ListQuarantined", pb.ListQuarantinedRequest(source=record["source"]))
    assert after.waiting_count == waiting.waiting_count - 1


def test_source_sees_which_record_superseded_the_one_that_waited(street: Street) -> None:
    good, document = a_code(), f"模罚〔2026〕{time.monotonic_ns()}号"
    bad = good[:-1] + next(c for c in "0123456789" if c != good[-1])
    wrong, right = ({**a_record(code), "source_record_id": f"{document}:{code}"} for code in (bad, good))
    asked = pb.ListQuarantinedRequest(source=wrong["source"], are_superseded=True)
    before = street.ask("source", "LedgerService/ListQuarantined", asked)
    assert [status(street.collect(record)[0]) for record in (wrong, right, wrong)] == [
        "QUARANTINED", "ACCEPTED", "CONFLICT",
    ]  # fmt: skip
    held = receipt(street, wrong)
    assert (status(held.result), held.superseded_by) == ("QUARANTINED", right["source_record_id"])
    after = street.ask("source", "LedgerService/ListQuarantined", asked)
    assert after.superseded_count == before.superseded_count + 1 == len(after.records)
    assert (wrong["source_record_id"], right["source_record_id"]) in {
        (r.source_record_id, r.superseded_by) for r in after.records
    }
    assert after.waiting_count == before.waiting_count
    release = pb.ReleaseQuarantinedRequest(events=[wire.draft_of({**right, "source_record_id": f"{document}:{bad}"})])
    (refused,) = street.ask("source", "LedgerService/ReleaseQuarantined", release).results
    assert (status(refused), refused.problems[0].reason) == ("REJECTED", "QUARANTINE_NOT_FOUND")


def test_only_waiting_records_are_released(street: Street) -> None:
    waiting, other = a_record(BAD_CODE), a_record(a_code())
    street.collect(waiting)
    events = [wire.draft_of(other), wire.draft_of(mended(waiting))]
    answer = street.ask("source", "LedgerService/ReleaseQuarantined", pb.ReleaseQuarantinedRequest(events=events))
    assert [status(r) for r in answer.results] == ["REJECTED", "ACCEPTED"]
    assert [p.reason for p in answer.results[0].problems] == ["QUARANTINE_NOT_FOUND"]


def test_quarantine_pages_join_to_the_whole(street: Street) -> None:
    records = [a_record(BAD_CODE) for _ in range(5)]
    street.collect(*records)
    source, found, token = records[0]["source"], [], ""
    while True:
        request = pb.ListQuarantinedRequest(source=source, page_size=2, page_token=token)
        page = street.ask("source", "LedgerService/ListQuarantined", request)
        found += [r.source_record_id for r in page.records]
        if not (token := page.next_page_token):
            break
    assert len(found) == len(set(found)) == page.waiting_count
    assert {r["source_record_id"] for r in records} <= set(found)


@pytest.mark.parametrize("method", ["GetReceipt", "ListQuarantined", "DeclareWatermark"])
def test_other_agencies_learn_nothing_of_a_source(street: Street, method: str) -> None:
    request = getattr(pb, f"{method}Request")(source="sim-city-em")
    assert street.refused("agency", f"LedgerService/{method}", request) == ("PERMISSION_DENIED", "SOURCE_FORBIDDEN")


def test_named_stream_says_where_to_go_on_after_a_broken_connection(street: Street) -> None:
    records = [a_record(a_code()) for _ in range(6)]
    name = f"night-{records[0]['source_record_id']}"
    assert [a.next_offset for a in stream(street, frame(0, stream_id=name))] == [0]
    stream(street, frame(0, *records[:2], stream_id=name), frame(2, *records[2:4]))
    (where,) = stream(street, frame(0, stream_id=name))
    assert (where.next_offset, list(where.results)) == (4, [])
    answers = stream(street, frame(2, *records[2:4], stream_id=name), frame(4, *records[4:]))
    assert [[status(r) for r in a.results] for a in answers] == [["DUPLICATE"] * 2, ["ACCEPTED"] * 2]
    assert stream(street, frame(0, stream_id=name))[0].next_offset == 6


def test_offset_of_a_named_stream_never_passes_a_frame_that_failed(street: Street) -> None:
    records = [a_record(a_code()) for _ in range(2)]
    name = f"gap-{records[0]['source_record_id']}"
    answers: list[Any] = []
    frames = iter([frame(0, records[0], stream_id=name), frame(1), frame(1, records[1])])
    with pytest.raises(grpc.RpcError) as refused:
        answers.extend(street.open("source", "LedgerService/StreamEvents", frames))
    assert refusal_of(refused.value).reason == "BATCH_EMPTY"
    assert [a.next_offset for a in answers] == [1]
    assert stream(street, frame(0, stream_id=name))[0].next_offset == 1


def test_two_writers_racing_on_the_same_keys_store_each_once(street: Street) -> None:
    records = [a_record(a_code()) for _ in range(200)]
    before = feed_info(street).event_count
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: [status(r) for r in street.collect(*records)], range(8)))
    assert sum(a.count("ACCEPTED") for a in answers) == len(records)
    assert sum(a.count("DUPLICATE") for a in answers) == 7 * len(records)
    assert feed_info(street).event_count == before + len(records)


def test_batch_finds_its_consequences_and_a_stream_is_judged_behind(street: Street) -> None:
    at_once, behind = a_code(), a_code()
    street.must_collect(registered(at_once), *major_accident(at_once))
    assert candidates(street, at_once) == ["B-01"]
    stream(street, frame(0, registered(behind), *major_accident(behind)))
    wait_until_judged(street.connect("source"))
    assert candidates(street, behind) == ["B-01"]
    info = feed_info(street)
    assert info.judged_event_count == info.event_count


def candidates(street: Street, code: str) -> list[str]:
    request = listings_pb2.SearchListingsRequest(subject=ref(code))
    return [listing.rule_id for listing in street.ask("regulator", "ListingService/SearchListings", request).listings]


@pytest.mark.moves_clock
def test_watermark_never_moves_back_and_says_which_source_is_silent(street: Street) -> None:
    def declare(days: int) -> Any:
        request = pb.DeclareWatermarkRequest(source="sim-city-em")
        request.complete_until_time.FromDatetime(NOW + timedelta(days=days))
        return request

    method = "LedgerService/DeclareWatermark"
    assert street.ask("source", method, declare(-2)).complete_until_time == declare(-2).complete_until_time
    assert street.refused("source", method, declare(-3)) == ("FAILED_PRECONDITION", "WATERMARK_BACK")
    assert street.refused("source", method, declare(1))[1] == "TIME_IN_FUTURE"
    assert street.refused("source", method, pb.DeclareWatermarkRequest(source="sim-city-em"))[1] == "FIELD_MISSING"
    street.clock.now = NOW + timedelta(days=1)
    street.ask("source", method, declare(0))
    (found,) = [w for w in feed_info(street).watermarks if w.source == "sim-city-em"]
    assert found.complete_until_time.ToDatetime(NOW.tzinfo) == NOW
    assert not found.is_stale


@pytest.mark.moves_clock
def test_heartbeat_names_a_source_that_is_silent_longer_than_agreed(street: Street) -> None:
    street.must_collect(a_record(a_code()))
    assert not next(w for w in feed_info(street).watermarks if w.source == "sim-city-em").is_stale
    street.clock.now = NOW + timedelta(days=40)
    start = sync_pb2.SubscribeRequest(start=sync_pb2.SubscribeStart(heartbeat_seconds=1))
    call = street.open("agency", "SyncService/Subscribe", held(start))
    beat = next(answer.heartbeat for answer in call if answer.HasField("heartbeat"))
    call.cancel()
    stale = {w.source: w.HasField("last_collect_time") for w in beat.stale_sources}
    assert stale == {"sim-city-em": True, "sim-city-fire": False}


@pytest.mark.moves_clock
def test_grade_names_the_silent_sources_of_its_scheme(street: Street) -> None:
    code = a_code()
    street.must_collect(a_record(code))
    requests: dict[str, Any] = {"GetGrade": grades_pb2.GetGradeRequest, "ExplainGrade": grades_pb2.ExplainGradeRequest}
    for days, silent in ((0, ["sim-city-fire"]), (40, ["sim-city-em", "sim-city-fire"])):
        street.clock.now = NOW + timedelta(days=days)
        for name, request in requests.items():
            answer = street.ask("regulator", f"GradeService/{name}", request(subject=ref(code)))
            assert list(answer.stale_sources) == silent


def held(first: Any) -> Any:
    """Yields one request and keeps the stream open."""
    yield first
    threading.Event().wait(20)


def test_quota_refuses_before_any_change_and_says_when_to_try_again(tmp_path: Path) -> None:
    given = {"database_url": f"sqlite:///{tmp_path / 'credit.db'}", "quota_events_per_second": 1}
    with serving(tmp_path, Clock(), **given) as street:
        street.must_collect(*(a_record(a_code()) for _ in range(50)))
        record = a_record(a_code())
        refused = street.refusal("source", "LedgerService/SubmitEvents", submit(street, *[record] * 20))
        assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
        assert refused.facts["retry_seconds"] == "10"
        assert set(details_of(street, submit(street, *[record] * 20))) == {"ErrorInfo", "QuotaFailure", "RetryInfo"}
        never = street.refusal("source", "LedgerService/SubmitEvents", submit(street, *[record] * 61))
        assert (never.reason, never.facts) == ("BATCH_TOO_LARGE", {"limit": "60"})
        assert feed_info(street).event_count == 50
        street.clock.now = NOW + timedelta(seconds=10)
        assert status(street.collect(*[record] * 20)[0]) == "ACCEPTED"


def test_overload_refuses_before_any_change_and_says_when_to_try_again(tmp_path: Path) -> None:
    with serving(tmp_path, Clock(), database_url=f"sqlite:///{tmp_path / 'credit.db'}") as street:
        held_up = street.running.house.database
        codes = [a_code() for _ in range(WAITING_LIMIT // 1000 + 6)]
        batches = [[a_record(code) for _ in range(1000)] for code in codes]
        # The pool ends after the transaction: what waits for the lock is answered when it is free.
        with ThreadPoolExecutor(30) as pool, held_up.transaction():
            answers = [pool.submit(street.refusal_or_results, batch) for batch in batches]
            refused = next(as_completed(answers, 60)).result()
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.reason) == ("UNAVAILABLE", "OVERLOADED")
        kept = sum(len(found) for a in answers if isinstance(found := a.result(), list))
        assert kept >= WAITING_LIMIT
        assert feed_info(street).event_count == kept


def test_full_database_refuses_the_write_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with serving(tmp_path, Clock(), database_url=f"sqlite:///{tmp_path / 'credit.db'}") as street:
        street.must_collect(a_record(a_code()))
        database = street.running.house.database
        limit_pages(database, 1)
        batch = [a_record(a_code(), document_no="号" * 200) for _ in range(1000)]
        refused = street.refusal("source", "LedgerService/SubmitEvents", submit(street, *batch))
        assert (refused.code, refused.reason) == ("UNAVAILABLE", "STORAGE_UNAVAILABLE")
        assert feed_info(street).event_count == 1
        limit_pages(database, 2**31 - 2)
        assert {status(r) for r in street.collect(*batch)} == {"ACCEPTED"}


def limit_pages(database: Any, pages: int) -> None:
    """Bounds the file of the database in every transaction from now on."""

    def limit(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    event.listen(database.engine, "begin", limit)


def details_of(street: Street, request: pb.SubmitEventsRequest) -> dict[str, Any]:
    """Returns the standard details of a refusal, by name of their type."""
    with pytest.raises(grpc.RpcError) as refused:
        street.ask("source", "LedgerService/SubmitEvents", request)
    error: Any = refused.value
    (sent,) = [value for key, value in error.trailing_metadata() if key == DETAILS_KEY]
    return {any_.TypeName().rpartition(".")[2]: any_ for any_ in status_pb2.Status.FromString(sent).details}


@pytest.mark.moves_clock
def test_grade_in_the_feed_follows_time_without_any_new_fact(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code), a_record(code))
    before = standing(street, code)
    street.clock.now = NOW + timedelta(days=6 * 365)
    street.must_collect(registered(a_code()))
    limit = time.monotonic() + 20
    while (after := standing(street, code)).score == before.score and time.monotonic() < limit:
        time.sleep(0.05)
    now = street.ask("regulator", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code))).grade
    assert after.score > before.score
    assert (after.grade, after.score) == (now.grade, now.score)


def standing(street: Street, code: str) -> Any:
    parts = street.ask("regulator", "SyncService/GetSnapshot", sync_pb2.GetSnapshotRequest(kinds=["grade"]))
    (found,) = [e.grade for part in parts for e in part.entries if e.grade.subject.code == code]
    return found
