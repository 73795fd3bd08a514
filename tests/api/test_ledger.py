"""Collection over the wire: receipts, replay, conflict, reading back, streams."""

from typing import Any

import grpc
import pytest

from credit_service.api import wire
from credit_service.v1 import ledger_pb2 as pb
from tests.api.street import (
    DAY,
    NOW,
    OWN,
    Street,
    a_code,
    a_record,
    frame,
    ref,
    refusal_of,
    registered,
    retraction,
    status,
)  # fmt: skip


def listed(street: Street, code: str, **named: Any) -> Any:
    return street.ask("regulator", "LedgerService/ListEvents", pb.ListEventsRequest(subject=ref(code), **named))


def test_accepted_event_gets_position_time_and_digest(street: Street) -> None:
    results = street.collect(a_record(a_code()), a_record(a_code()))
    assert [(r.index, status(r)) for r in results] == [(0, "ACCEPTED"), (1, "ACCEPTED")]
    assert int(results[1].event_id) == int(results[0].event_id) + 1
    assert results[0].collect_time.ToDatetime(NOW.tzinfo) == NOW
    assert len(results[0].content_digest.value) == 32


@pytest.mark.moves_clock
def test_replayed_event_returns_first_receipt(street: Street) -> None:
    record = a_record(a_code())
    first = street.collect(record)[0]
    street.clock.now = NOW + DAY
    again = street.collect(record)[0]
    assert status(again) == "DUPLICATE"
    assert (again.event_id, again.collect_time, again.content_digest) == (
        first.event_id, first.collect_time, first.content_digest,
    )  # fmt: skip


def test_same_key_with_other_content_conflicts_and_changes_nothing(street: Street) -> None:
    code = a_code()
    record = a_record(code)
    street.must_collect(record)
    result = street.collect({**record, "document_no": "other"})[0]
    assert status(result) == "CONFLICT"
    assert [p.reason for p in result.problems] == ["KEY_CONFLICT"]
    assert [e.draft.document_no for e in listed(street, code).events] == [""]


def test_older_version_after_newer_is_kept_but_does_not_count(street: Street) -> None:
    code = a_code()
    record = a_record(code)
    street.must_collect({**record, "source_version": 2, "document_no": "second"})
    assert status(street.collect(record)[0]) == "SUPERSEDED_LATE"
    assert [(e.draft.source_version, e.is_superseded) for e in listed(street, code).events] == [(2, False), (1, True)]


def test_unstated_version_counts_as_the_first(street: Street) -> None:
    code = a_code()
    draft = wire.draft_of(a_record(code))
    draft.source_version = 0
    assert status(street.send(draft)[0]) == "ACCEPTED"
    assert listed(street, code).events[0].draft.source_version == 1


def test_event_reads_back_as_it_was_submitted(street: Street) -> None:
    record = a_record(a_code(), document_no="（模）应急罚〔2026〕1号", legal_basis="安全生产法第一百零二条")
    event_id = street.must_collect(record)[0]
    event = street.ask("regulator", "LedgerService/GetEvent", pb.GetEventRequest(event_id=event_id)).event
    sent = wire.draft_of(record)
    sent.subject.scheme = "USCC"
    assert event.draft == sent
    assert event.collect_time.ToDatetime(NOW.tzinfo) == NOW
    assert len(event.chain_digest.value) == 32


def test_every_kind_of_character_of_a_code_is_folded(street: Street) -> None:
    code = a_code()
    street.must_collect(a_record(f" {code[:9].lower()} {code[9:]} "))
    assert [e.draft.subject.code for e in listed(street, code).events] == [code]


@pytest.mark.parametrize("event_id", ["", "0", "-1", "abc", "999999999", "9" * 30, "1" * 5000, "１", "1.0"])  # noqa: RUF001
def test_unknown_event_is_not_found(street: Street, event_id: str) -> None:
    refused = street.refusal("regulator", "LedgerService/GetEvent", pb.GetEventRequest(event_id=event_id))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "EVENT_NOT_FOUND")


def test_enterprise_reads_its_own_event_and_no_other(street: Street) -> None:
    own, other = street.must_collect(a_record(OWN), a_record(a_code()))
    found = street.ask("enterprise", "LedgerService/GetEvent", pb.GetEventRequest(event_id=own))
    assert found.event.event_id == own
    refused = street.refusal("enterprise", "LedgerService/GetEvent", pb.GetEventRequest(event_id=other))
    assert refused.reason == "EVENT_NOT_FOUND"  # as if there were none: existence is nobody's business


def test_pages_join_to_the_whole_without_gap_or_duplicate(street: Street) -> None:
    code = a_code()
    ids = street.must_collect(*(a_record(code) for _ in range(7)))
    found, token = [], ""
    for size in (3, 3, 1):
        page = listed(street, code, page_size=3, page_token=token)
        assert len(page.events) == size
        found += [e.event_id for e in page.events]
        token = page.next_page_token
    assert (found, token) == (ids, "")


def test_token_of_another_query_is_refused(street: Street) -> None:
    one, other = a_code(), a_code()
    street.must_collect(*(a_record(code) for code in (one, one, other, other)))
    token = listed(street, one, page_size=1).next_page_token
    request = pb.ListEventsRequest(subject=ref(other), page_size=1, page_token=token)
    assert street.refusal("regulator", "LedgerService/ListEvents", request).reason == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize("token", ["x", "e30=", "W10=", "WzEsMl0=", "é", "bnVsbA==", "////"])
def test_made_up_token_is_refused(street: Street, token: str) -> None:
    code = a_code()
    street.must_collect(a_record(code))
    request = pb.ListEventsRequest(subject=ref(code), page_token=token)
    refused = street.refusal("regulator", "LedgerService/ListEvents", request)
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


@pytest.mark.parametrize("size", [-1, 1001, 2**31 - 1])
def test_page_size_outside_its_range_is_refused(street: Street, size: int) -> None:
    request = pb.ListEventsRequest(subject=ref(OWN), page_size=size)
    assert street.refusal("regulator", "LedgerService/ListEvents", request).reason == "FIELD_OUT_OF_RANGE"


@pytest.mark.moves_clock
def test_listing_leaves_out_what_happened_or_became_known_later(street: Street) -> None:
    code = a_code()
    early, late = a_record(code, occur_time="2026-01-05T00:00:00+08:00"), a_record(code)
    first = street.must_collect(early)[0]
    street.clock.now = NOW + DAY
    second = street.must_collect(late)[0]
    street.clock.now = NOW + 2 * DAY

    def ids(**named: Any) -> list[str]:
        return [e.event_id for e in listed(street, code, **named).events]

    assert ids() == [first, second]
    assert ids(time_frame=frame(known=NOW)) == [first]
    assert ids(time_frame=frame(as_of=NOW.replace(month=2))) == [first]


@pytest.mark.moves_clock
def test_superseded_follows_what_was_known(street: Street) -> None:
    code = a_code()
    record = a_record(code)
    street.must_collect(record)
    street.clock.now = NOW + DAY
    street.must_collect(retraction(record))
    then = listed(street, code, time_frame=frame(known=NOW)).events
    now = listed(street, code).events
    assert [e.is_superseded for e in then] == [False]
    assert [e.is_superseded for e in now] == [True, False]


def frames(*batches: list[dict[str, Any]], start: int = 0) -> list[pb.StreamEventsRequest]:
    """Cuts records into frames with running offsets."""
    made, offset = [], start
    for batch in batches:
        made.append(pb.StreamEventsRequest(offset=offset, events=map(wire.draft_of, batch)))
        offset += len(batch)
    return made


def test_stream_acknowledges_every_frame_in_order(street: Street) -> None:
    code = a_code()
    batches = [[a_record(code) for _ in range(size)] for size in (2, 3, 1)]
    answers = street.ask("source", "LedgerService/StreamEvents", iter(frames(*batches)))
    assert [a.next_offset for a in answers] == [2, 5, 6]
    assert {a.window for a in answers} == {4}
    ids = [int(r.event_id) for a in answers for r in a.results]
    assert ids == sorted(ids)
    assert len(listed(street, code).events) == 6


def test_gap_in_offsets_ends_the_stream_after_what_was_committed(street: Street) -> None:
    code = a_code()
    good, bad = frames([a_record(code)])[0], frames([a_record(code)], start=5)[0]
    opened = street.open("source", "LedgerService/StreamEvents", iter([good, bad]))
    assert next(opened).next_offset == 1
    with pytest.raises(grpc.RpcError) as caught:
        next(opened)
    refused = refusal_of(caught.value)
    assert (refused.code, refused.reason, refused.facts) == ("OUT_OF_RANGE", "OFFSET_GAP", {"want": "1"})
    assert len(listed(street, code).events) == 1


@pytest.mark.parametrize("stream_id", ["", "named"])
@pytest.mark.parametrize("offset", [-1, 2**63 - 1])
def test_offset_that_no_stream_can_have_is_refused_before_any_change(
    street: Street, offset: int, stream_id: str
) -> None:
    code = a_code()
    (frame,) = frames([a_record(code)], start=offset)
    frame.stream_id = stream_id
    refused = street.refused("source", "LedgerService/StreamEvents", iter([frame]))
    assert refused == ("INVALID_ARGUMENT", "FIELD_OUT_OF_RANGE")
    with pytest.raises(grpc.RpcError):
        listed(street, code)


def test_broken_stream_resumes_without_loss_or_double(street: Street) -> None:
    code = a_code()
    batches = [[a_record(code), a_record(code)] for _ in range(3)]
    opened = street.open("source", "LedgerService/StreamEvents", iter(frames(*batches)))
    acknowledged = next(opened).next_offset
    opened.cancel()
    rest = [record for batch in batches for record in batch][acknowledged - 2 :]
    answers = street.ask("source", "LedgerService/StreamEvents", iter(frames(rest, start=acknowledged - 2)))
    assert {status(r) for a in answers for r in a.results} <= {"ACCEPTED", "DUPLICATE"}
    assert len(listed(street, code).events) == 6


def test_bad_frame_is_refused_whole(street: Street) -> None:
    refused = street.refusal("source", "LedgerService/StreamEvents", iter([pb.StreamEventsRequest(offset=0)]))
    assert refused.reason == "BATCH_EMPTY"


def test_district_officer_reads_events_of_the_own_district_only(street: Street) -> None:
    near, far = a_code(), a_code()
    street.must_collect(registered(near), registered(far, "110105"))
    request = pb.ListEventsRequest(subject=ref(near))
    assert len(street.ask("district", "LedgerService/ListEvents", request).events) == 1
    request = pb.ListEventsRequest(subject=ref(far))
    assert street.refusal("district", "LedgerService/ListEvents", request).reason == "OUT_OF_JURISDICTION"
