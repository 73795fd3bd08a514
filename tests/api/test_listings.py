"""Candidates over the wire: opened with their proof, dropped with their basis, shown to regulators."""

from typing import Any

import pytest

from credit_service.v1 import listings_pb2 as pb
from tests.api.street import DAY, NOW, Street, a_code, major_accident, ref, registered, retraction

CANDIDATE, DROPPED = pb.LISTING_STATE_CANDIDATE, pb.LISTING_STATE_DROPPED


def found(street: Street, role: str = "regulator", **named: Any) -> Any:
    return street.ask(role, "ListingService/SearchListings", pb.SearchListingsRequest(**named))


def listing(street: Street, listing_id: str, role: str = "regulator") -> Any:
    return street.ask(role, "ListingService/GetListing", pb.GetListingRequest(listing_id=listing_id)).listing


def test_candidate_carries_rule_bases_and_proof(street: Street) -> None:
    code = a_code()
    _, accident, penalty = street.must_collect(registered(code), *major_accident(code))
    only = found(street, subject=ref(code)).listings
    assert len(only) == 1
    one = listing(street, only[0].listing_id)
    assert (one.rule_id, one.edition_id, one.state, one.list) == ("B-01", "cn-2026-04", CANDIDATE, pb.LIST_KIND_BLACK)
    assert [(b.instrument, b.article, b.source) for b in one.bases] == [("应急管理部令第11号", "6(1)", "law")]
    assert list(one.event_ids) == [accident, penalty]
    assert one.text_zh
    assert one.text_en
    assert one.subject_name == "模拟化工有限公司"
    assert [(m.from_state, m.to_state, m.actor) for m in one.moves] == [(0, CANDIDATE, "rule:B-01@cn-2026-04")]


@pytest.mark.moves_clock
@pytest.mark.parametrize("withdrawn", [0, 1], ids=["the accident", "the penalty"])
def test_candidate_is_dropped_when_its_proof_is_withdrawn(street: Street, withdrawn: int) -> None:
    code = a_code()
    records = major_accident(code)
    street.must_collect(registered(code), *records)
    street.clock.now = NOW + DAY
    street.must_collect(retraction(records[withdrawn]))
    one = listing(street, found(street, subject=ref(code)).listings[0].listing_id)
    assert one.state == DROPPED
    assert [(m.from_state, m.to_state) for m in one.moves] == [(0, CANDIDATE), (CANDIDATE, DROPPED)]
    assert one.moves[1].move_time.ToDatetime(NOW.tzinfo) == NOW + DAY
    assert one.moves[1].reason


def test_candidate_is_opened_anew_after_it_was_dropped(street: Street) -> None:
    code = a_code()
    accident, penalty = major_accident(code)
    street.must_collect(registered(code), accident, penalty)
    street.must_collect(retraction(penalty))
    street.must_collect({**penalty, "source_version": 3})
    states = [x.state for x in found(street, subject=ref(code)).listings]
    assert sorted(states) == [CANDIDATE, DROPPED]


def test_enterprise_out_of_scope_is_no_candidate(street: Street) -> None:
    code = a_code()
    street.must_collect(*major_accident(code))
    assert not found(street, subject=ref(code)).listings


def test_search_filters_by_list_and_state(street: Street) -> None:
    code = a_code()
    accident, penalty = major_accident(code)
    street.must_collect(registered(code), accident, penalty)
    named: dict[str, Any] = {"subject": ref(code)}
    assert len(found(street, list=pb.LIST_KIND_BLACK, state=CANDIDATE, **named).listings) == 1
    assert not found(street, list=pb.LIST_KIND_RED, **named).listings
    assert not found(street, state=DROPPED, **named).listings


@pytest.mark.moves_clock
def test_search_pages_newest_first(street: Street) -> None:
    opened = []
    for day in range(5):
        street.clock.now = NOW + day * DAY
        code = a_code()
        street.must_collect(registered(code), *major_accident(code))
        opened.append(code)
    seen: list[str] = []
    token = ""
    while len(seen) < len(opened):
        page = found(street, state=CANDIDATE, page_size=2, page_token=token)
        seen += [x.subject.code for x in page.listings if x.subject.code in opened]
        token = page.next_page_token
        assert token or len(seen) == len(opened)
    assert seen == opened[::-1]
    request = pb.SearchListingsRequest(state=DROPPED, page_token=found(street, page_size=1).next_page_token)
    assert street.refusal("regulator", "ListingService/SearchListings", request).reason == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize("named", [{"list": 9}, {"state": 99}, {"state": -1}])
def test_unknown_list_or_state_is_refused(street: Street, named: dict[str, Any]) -> None:
    refused = street.refusal("regulator", "ListingService/SearchListings", pb.SearchListingsRequest(**named))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "ENUM_UNKNOWN")


def test_agency_sees_neither_candidate_nor_that_it_exists(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code), *major_accident(code))
    listing_id = found(street, subject=ref(code)).listings[0].listing_id
    assert not found(street, "agency", subject=ref(code)).listings
    known = street.refusal("agency", "ListingService/GetListing", pb.GetListingRequest(listing_id=listing_id))
    unknown = street.refusal("agency", "ListingService/GetListing", pb.GetListingRequest(listing_id="BLACK-0"))
    assert (known.code, known.reason) == (unknown.code, unknown.reason) == ("NOT_FOUND", "LISTING_NOT_FOUND")
    assert known.message.replace(listing_id, "BLACK-0") == unknown.message


def test_district_officer_reads_a_foreign_listing_without_name_and_proof(street: Street) -> None:
    near, far = a_code(), a_code()
    street.must_collect(registered(near), *major_accident(near), registered(far, "110105"), *major_accident(far))
    own = found(street, "district", subject=ref(near)).listings[0]
    other = found(street, "district", subject=ref(far)).listings[0]
    assert (own.subject_name, len(own.event_ids)) == ("模拟化工有限公司", 2)
    assert (other.subject_name[:2], "化工" in other.subject_name, len(other.event_ids)) == ("模拟", False, 0)
    request = pb.GetListingRequest(listing_id=other.listing_id)
    assert street.refusal("district", "ListingService/GetListing", request).reason == "OUT_OF_JURISDICTION"
    assert len(listing(street, own.listing_id, "district").moves) == 1


def test_repeated_collection_opens_no_second_candidate(street: Street) -> None:
    code = a_code()
    records = [registered(code), *major_accident(code)]
    street.must_collect(*records)
    street.collect(*records)
    street.must_collect(*major_accident(code))
    only = found(street, subject=ref(code)).listings
    assert [x.state for x in only] == [CANDIDATE]
    assert len(only[0].event_ids) == 4
