"""The legal life of a listing over the wire: who moves it, what is refused, who sees it, what follows."""

from datetime import timedelta
from typing import Any

import pytest

from credit_service.v1 import grades_pb2, remedies_pb2, subjects_pb2, sync_pb2
from credit_service.v1 import listings_pb2 as pb
from tests.api.life import (
    DECISION,
    DIGEST,
    NOTICE,
    STATED,
    a_candidate,
    decided,
    move,
    published,
    refusal,
    request_for,
)
from tests.api.street import DAY, NOW, OWN, Street, a_code, major_accident, ref, registered, retraction
from tests.api.test_sync import changes_after, end_of_snapshot, head


def listing(street: Street, listing_id: str, role: str = "regulator") -> Any:
    return street.ask(role, "ListingService/GetListing", pb.GetListingRequest(listing_id=listing_id)).listing


def is_listed_by_grade(street: Street, code: str, frame: subjects_pb2.TimeFrame | None = None) -> bool:
    """Says whether the grade is D because of the blacklist."""
    request = grades_pb2.GetGradeRequest(subject=ref(code), time_frame=frame)
    found = street.ask("regulator", "GradeService/GetGrade", request).grade
    is_vetoed = "V-01" in [veto.veto_id for veto in found.vetoes]
    assert not is_vetoed or found.grade == grades_pb2.GRADE_D
    return is_vetoed


def shared(street: Street, role: str, listing_id: str) -> bool:
    """Says whether a snapshot of the role holds the listing."""
    pages = street.ask(role, "SyncService/GetSnapshot", sync_pb2.GetSnapshotRequest(kinds=["listing"]))
    return any(e.entry_key == f"listing/{listing_id}" for page in pages for e in page.entries)


def test_two_officers_put_a_listing_in_force_and_a_third_move_displays_it(street: Street) -> None:
    code, one = a_candidate(street)
    decided(street, one)
    assert not listing(street, one).is_in_force
    same = refusal(street, "ConfirmListing", one)
    assert (same.code, same.reason) == ("PERMISSION_DENIED", "SECOND_OFFICER_SAME")
    assert move(street, "ConfirmListing", one, "regulator-2").is_in_force
    assert is_listed_by_grade(street, code)
    assert not shared(street, "agency", one)
    unserved = refusal(street, "PublishListing", one)
    assert (unserved.reason, unserved.facts["guard"]) == ("MOVE_ILLEGAL", "decision_served")
    move(street, "RecordService", one, document=DECISION)
    shown = move(street, "PublishListing", one)
    assert (shown.is_displayed, shown.state, shown.agency) == (
        True,
        pb.LISTING_STATE_PUBLISHED,
        "bj-emergency-management",
    )
    assert (shown.term_last_date, shown.early_removal_from_date) == ("2029-11-23", "2027-11-24")
    assert shared(street, "agency", one)
    seen = listing(street, one, "agency")
    assert (seen.is_displayed, list(seen.event_ids), list(seen.moves)) == (True, [], [])
    names = [m.name for m in listing(street, one).moves]
    assert names == [
        "PROPOSE", "NOTIFY", "SERVE_NOTICE", "WAIVE_REPLY", "DECIDE", "CONFIRM", "SERVE_DECISION", "PUBLISH",
    ]  # fmt: skip


def test_illegal_move_names_the_guard_and_what_is_missing(street: Street) -> None:
    _, one = a_candidate(street)
    early = refusal(street, "DecideListing", one)
    assert (early.code, early.facts["guard"]) == ("FAILED_PRECONDITION", "state")
    move(street, "NotifyListing", one)
    unserved = refusal(street, "DecideListing", one)
    assert (unserved.facts["guard"], unserved.facts["missing"]) == ("notice_served", "the service of the notice")
    move(street, "RecordService", one, document=NOTICE)
    unheard = refusal(street, "DecideListing", one)
    # Monday 2026-11-23 and five working days: Monday 2026-11-30 is the last day of the reply.
    assert unheard.facts["guard"] == "reply_over"
    assert "2026-11-30" in unheard.facts["missing"]
    silent = refusal(street, "DropListing", one, reason="")
    assert (silent.reason, silent.message[:7]) == ("FIELD_MISSING", "reason:")


@pytest.mark.moves_clock
def test_statement_must_be_answered_before_the_decision(street: Street) -> None:
    _, one = a_candidate(street)
    move(street, "NotifyListing", one)
    move(street, "RecordService", one, document=NOTICE)
    assert move(street, "RecordStatement", one, kind=STATED).state == pb.LISTING_STATE_DEFENCE_REVIEW
    street.clock.now = NOW + 8 * DAY
    assert refusal(street, "DecideListing", one).facts["guard"] == "statement_answered"
    move(street, "RecordStatement", one, kind=pb.STATEMENT_KIND_ANSWERED)
    assert move(street, "DecideListing", one).state == pb.LISTING_STATE_DECIDED


def test_repeated_request_changes_nothing_and_a_reused_id_is_refused(street: Street) -> None:
    _, one = a_candidate(street)
    request = request_for("NotifyListing", one)
    for _ in range(2):
        street.ask("regulator", "ListingService/NotifyListing", request)
    assert [m.name for m in listing(street, one).moves] == ["PROPOSE", "NOTIFY"]
    again = refusal(street, "RecordService", one, document=NOTICE, request_id=request.request_id)
    assert again.reason == "REQUEST_ID_REUSED"


def test_district_decides_only_at_home_and_a_move_of_the_firm_keeps_the_decider(street: Street) -> None:
    """District line: an officer of 海淀 cannot decide on a 朝阳 entry; relocation keeps the decider."""
    _, far = a_candidate(street, region="110105")
    foreign = refusal(street, "NotifyListing", far, "district")
    assert (foreign.code, foreign.reason) == ("PERMISSION_DENIED", "OUT_OF_JURISDICTION")
    code, near = a_candidate(street, region="110108")
    move(street, "NotifyListing", near, "district")
    street.must_collect(registered(code, "110105"))
    assert move(street, "RecordService", near, "district", document=NOTICE).agency == "haidian-emergency-management"
    other = refusal(street, "RecordStatement", near, kind=STATED)
    assert (other.reason, other.facts["guard"]) == ("MOVE_ILLEGAL", "authority")


@pytest.mark.moves_clock
def test_term_end_stops_effect_display_and_sharing_by_itself(street: Street) -> None:
    code, one = a_candidate(street)
    published(street, one)
    assert is_listed_by_grade(street, code)
    # 24:00 in Shanghai of 2029-11-23 is 16:00 in UTC.
    street.clock.now = NOW.replace(year=2029, hour=15, minute=59)
    assert (is_listed_by_grade(street, code), shared(street, "agency", one)) == (True, True)
    street.clock.now = NOW.replace(year=2029, hour=16)
    assert not listing(street, one).is_in_force
    assert not shared(street, "agency", one)
    assert (
        street.refusal("agency", "ListingService/GetListing", pb.GetListingRequest(listing_id=one)).code == "NOT_FOUND"
    )
    assert not is_listed_by_grade(street, code)


@pytest.mark.moves_clock
def test_stay_hides_and_suspends_while_the_term_runs(street: Street) -> None:
    _, one = a_candidate(street)
    published(street, one)
    stayed = move(street, "StayListing", one)
    assert (stayed.is_stayed, stayed.is_in_force, stayed.is_displayed) == (True, False, False)
    assert not shared(street, "agency", one)
    assert shared(street, "regulator", one)
    street.clock.now = NOW + 10 * DAY
    lifted = move(street, "LiftStay", one)
    assert (lifted.is_displayed, lifted.term_last_date) == (True, "2029-11-23")
    assert shared(street, "agency", one)


@pytest.mark.moves_clock
def test_retracted_penalty_suspends_the_listing_and_revoking_ends_it(street: Street) -> None:
    code = a_code()
    accident, penalty = major_accident(code)
    street.must_collect(registered(code), accident, penalty)
    one = street.ask("regulator", "ListingService/SearchListings", pb.SearchListingsRequest(subject=ref(code)))
    one = one.listings[0].listing_id
    published(street, one)
    street.clock.now = NOW + 20 * DAY
    street.must_collect(retraction(penalty))
    after = listing(street, one)
    assert (after.is_suspended, after.is_in_force, after.is_displayed) == (True, False, False)
    assert not shared(street, "agency", one)
    assert refusal(street, "ReaffirmListing", one).facts["guard"] == "basis_stands"
    due = street.ask("regulator", "ListingService/ListDeadlines", pb.ListDeadlinesRequest()).deadlines
    assert ("basis_review", "2026-12-16") in [(d.duty, d.due_date) for d in due if d.listing_id == one]
    assert move(street, "RevokeListing", one).state == pb.LISTING_STATE_REVOKED
    assert [d.duty for d in street.ask(
        "regulator", "ListingService/ListDeadlines", pb.ListDeadlinesRequest()
    ).deadlines if d.listing_id == one] == ["withdrawal", "removal_system", "removal_stop"]  # fmt: skip
    frame = subjects_pb2.TimeFrame()
    frame.as_of_time.FromDatetime(NOW + timedelta(hours=1))
    frame.known_time.FromDatetime(NOW + timedelta(hours=1))
    assert is_listed_by_grade(street, code, frame)


def test_enterprise_sees_its_own_listing_from_the_notice_on(street: Street) -> None:
    _, one = a_candidate(street, OWN)
    unseen = street.refusal("enterprise", "ListingService/GetListing", pb.GetListingRequest(listing_id=one))
    assert unseen.code == "NOT_FOUND"
    move(street, "NotifyListing", one)
    own = listing(street, one, "enterprise")
    assert own.state == pb.LISTING_STATE_NOTICED
    assert own.event_ids
    assert [m.name for m in own.moves] == ["PROPOSE", "NOTIFY"]


@pytest.mark.moves_clock
def test_enterprise_applies_and_the_officer_removes_early(street: Street) -> None:
    """Nobody but the enterprise itself or an officer applies; the officer verifies, and all effect ends at once."""
    _, one = a_candidate(street, OWN)
    published(street, one)
    soon = street.refusal(
        "enterprise", "RemedyService/RequestEarlyRemoval",
        remedies_pb2.RequestEarlyRemovalRequest(request_id="soon", listing_id=one, statement="已履行"),
    )  # fmt: skip
    assert (soon.reason, soon.facts["guard"]) == ("MOVE_ILLEGAL", "early_months")
    _, other = a_candidate(street)
    published(street, other)
    street.clock.now = NOW + 366 * DAY
    foreign = remedies_pb2.RequestEarlyRemovalRequest(request_id="foreign", listing_id=other, statement="已履行")
    assert street.refused("enterprise", "RemedyService/RequestEarlyRemoval", foreign) == (
        "NOT_FOUND", "LISTING_NOT_FOUND",
    )  # fmt: skip
    request = remedies_pb2.RequestEarlyRemovalRequest(request_id="apply", listing_id=one, statement="已履行")
    for _ in range(2):
        remedy = street.ask("enterprise", "RemedyService/RequestEarlyRemoval", request).remedy
    assert (remedy.kind, remedy.state, bool(remedy.due_date)) == ("EARLY_REMOVAL", "FILED", True)
    accept = remedies_pb2.AcceptEarlyRemovalRequest(request_id="accept", remedy_id=remedy.remedy_id)
    assert street.ask("regulator", "RemedyService/AcceptEarlyRemoval", accept).remedy.state == "ACCEPTED"
    decide = remedies_pb2.DecideEarlyRemovalRequest(
        request_id="decide", remedy_id=remedy.remedy_id, is_granted=True, document_no="移出〔2027〕1号",
        document_digest=DIGEST, reason="条件均已核实", is_penalty_performed=True,
    )  # fmt: skip
    refused = street.refusal("regulator", "RemedyService/DecideEarlyRemoval", decide)
    assert (refused.facts["guard"], "is_harm_removed" in refused.message) == ("harm_removed", True)
    decide.is_harm_removed = True
    assert street.ask("regulator", "RemedyService/DecideEarlyRemoval", decide).remedy.state == "GRANTED"
    assert listing(street, one).state == pb.LISTING_STATE_REMOVED_EARLY
    assert not shared(street, "agency", one)
    assert move(street, "Reinstate", one).state == pb.LISTING_STATE_REMOVED_EARLY
    back = move(street, "Reinstate", one, "regulator-2")
    assert (back.state, back.is_in_force, back.term_last_date) == (pb.LISTING_STATE_CONFIRMED, True, "2030-11-24")


def test_partner_follows_a_listing_as_it_is_displayed_stayed_and_revoked(street: Street) -> None:
    """What was displayed and no longer is leaves every copy; what never was stays unknown; reasons stay inside."""
    _, one = a_candidate(street)
    _, end = end_of_snapshot(street, "agency")
    published(street, one)
    move(street, "StayListing", one)
    move(street, "LiftStay", one)
    move(street, "RevokeListing", one)
    changes, _ = changes_after(street, "agency", end.token, head(street).head_revision)
    mine = [c for c in changes if c.entry.entry_key == f"listing/{one}"]
    assert [pb_type(c) for c in mine] == ["UPSERT", "REMOVE", "UPSERT", "REMOVE"]
    assert {c.removal_reason for c in mine} == {""}
    assert not any(c.entry.HasField("listing") for c in mine if pb_type(c) == "REMOVE")


def pb_type(change: Any) -> str:
    return sync_pb2.ChangeType.Name(change.type).removeprefix("CHANGE_TYPE_")


def test_corrected_record_renews_its_listing_and_opens_no_second_case(street: Street) -> None:
    code = a_code()
    accident, penalty = major_accident(code)
    street.must_collect(registered(code), accident, penalty)
    request = pb.SearchListingsRequest(subject=ref(code))
    one = street.ask("regulator", "ListingService/SearchListings", request).listings[0].listing_id
    published(street, one)
    before = list(listing(street, one).event_ids)
    corrected = {**accident, "source_version": 2, "payload": {**accident["payload"], "deaths": 13}}
    street.must_collect(corrected)
    after = street.ask("regulator", "ListingService/SearchListings", request).listings
    assert [x.listing_id for x in after] == [one]
    assert list(after[0].event_ids) != before
    assert after[0].is_displayed


def test_corrected_record_does_not_open_a_case_again_that_an_officer_dropped(street: Street) -> None:
    code = a_code()
    accident, penalty = major_accident(code)
    street.must_collect(registered(code), accident, penalty)
    request = pb.SearchListingsRequest(subject=ref(code))
    one = street.ask("regulator", "ListingService/SearchListings", request).listings[0].listing_id
    move(street, "DropListing", one)
    corrected = {**accident, "source_version": 2, "payload": {**accident["payload"], "deaths": 13}}
    street.must_collect(corrected)
    after = street.ask("regulator", "ListingService/SearchListings", request).listings
    assert [x.state for x in after] == [pb.LISTING_STATE_DROPPED]
