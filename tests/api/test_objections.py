"""Objection over the wire: the mark, the decision and what it corrects; what the enterprise is told."""

import pytest

from credit_service.v1 import events_pb2
from credit_service.v1 import listings_pb2 as lists
from credit_service.v1 import remedies_pb2 as pb
from tests.api.life import a_candidate, decided, move, published
from tests.api.remedy import (
    a_firm,
    a_firm_with_penalty,
    asked,
    behind,
    event,
    events_of,
    explained,
    listed,
    make,
    penalty_of,
    refusal,
    request_repair,
)
from tests.api.street import (
    DAY,
    NOW,
    OWN,
    Street,
    a_record,
    ref,
    registered,
    status,
)
from tests.api.test_sync import changes_after, end_of_snapshot, head


@pytest.mark.moves_clock
def test_upheld_objection_withdraws_the_record_and_all_that_rests_on_it(street: Street) -> None:
    code, one = a_candidate(street, OWN)
    published(street, one)
    penalty = penalty_of(street, code)
    filed = make(
        street,
        "FileObjection",
        "enterprise",
        subject=ref(code),
        target=f"event/{penalty.event_id}",
        statement="处罚对象有误",
    )
    # Five working days after Monday 2026-11-23.
    assert (filed.kind, filed.state, filed.due_date) == ("OBJECTION", "FILED", "2026-11-30")
    assert event(street, penalty.event_id).is_disputed
    assert f"event/{penalty.event_id}" in explained(street, code).disputed_targets
    upheld = make(street, "DecideObjection", remedy_id=filed.remedy_id, is_upheld=True)
    assert (upheld.state, upheld.agency) == ("GRANTED", "bj-emergency-management")
    after = event(street, penalty.event_id)
    assert (after.is_superseded, after.is_disputed) == (True, False)
    newest = events_of(street, code)[-1]
    assert (newest.draft.op, newest.draft.source_version) == (events_pb2.EVENT_OPERATION_RETRACT, 2)
    assert penalty.event_id not in behind(explained(street, code))
    found = street.ask("regulator", "ListingService/GetListing", lists.GetListingRequest(listing_id=one)).listing
    assert (found.is_suspended, found.is_in_force) == (True, False)
    request = asked("FileObjection", subject=ref(code), target=f"event/{penalty.event_id}", statement="处罚对象有误")
    gone = street.refusal("enterprise", "RemedyService/FileObjection", request)
    assert gone.reason == "EVENT_NOT_FOUND"
    # The source learns of it by the conflict, and may send a higher version on purpose.
    draft = penalty.draft
    draft.source_version = 2
    assert [status(r) for r in street.send(draft)] == ["CONFLICT"]
    draft.source_version = 3
    assert [status(r) for r in street.send(draft)] == ["ACCEPTED"]


def test_dismissed_objection_leaves_everything_as_it_is(street: Street) -> None:
    code, (penalty,) = a_firm(street, a_record(""))
    before = explained(street, code)
    filed = make(street, "FileObjection", subject=ref(code), target=f"event/{penalty}", statement="异议")
    make(street, "DecideObjection", remedy_id=filed.remedy_id, is_upheld=False)
    assert not event(street, penalty).is_disputed
    assert explained(street, code).document == before.document


def test_objection_that_the_source_met_withdraws_nothing(street: Street) -> None:
    penalty = a_record("")
    code, (event_id,) = a_firm(street, penalty)
    filed = make(street, "FileObjection", subject=ref(code), target=f"event/{event_id}", statement="罚款金额有误")
    early = refusal(street, "DecideObjection", remedy_id=filed.remedy_id, is_upheld=True, is_amended_by_source=True)
    assert early.facts["guard"] == "amended"
    amended = {**penalty, "source_version": 2, "payload": {**penalty["payload"], "fine_fen": 100}}
    (newer,) = street.must_collect({**amended, "subject": {**penalty["subject"], "code": code}})
    make(street, "DecideObjection", remedy_id=filed.remedy_id, is_upheld=True, is_amended_by_source=True)
    assert not event(street, newer).is_superseded


def test_objection_to_a_listing_marks_every_copy_and_ends_it_when_upheld(street: Street) -> None:
    code, one = a_candidate(street)
    published(street, one)
    token = end_of_snapshot(street, "agency")[1].token
    filed = make(street, "FileObjection", subject=ref(code), target=f"listing/{one}", statement="认定错误")
    make(street, "DecideObjection", remedy_id=filed.remedy_id, is_upheld=True)
    changes, _ = changes_after(street, "agency", token, head(street).head_revision)
    mine = [c for c in changes if c.entry.entry_key == f"listing/{one}"]
    assert [(c.type, c.entry.listing.is_disputed) for c in mine] == [(1, True), (2, False)]
    found = street.ask("regulator", "ListingService/GetListing", lists.GetListingRequest(listing_id=one)).listing
    assert (found.state, found.is_disputed) == (lists.LISTING_STATE_REVOKED, False)
    late = refusal(street, "FileObjection", subject=ref(code), target=f"listing/{one}", statement="认定错误")
    assert late.facts["guard"] == "living"


def test_objection_to_a_grade_is_upheld_by_its_facts_alone(street: Street) -> None:
    code, (penalty,) = a_firm(street, a_record(""))
    filed = make(street, "FileObjection", subject=ref(code), target=f"grade/USCC:{code}", statement="等级有误")
    bare = refusal(street, "DecideObjection", remedy_id=filed.remedy_id, is_upheld=True)
    assert bare.facts["guard"] == "events"
    make(street, "DecideObjection", remedy_id=filed.remedy_id, is_upheld=True, event_ids=[penalty])
    assert event(street, penalty).is_superseded
    wrong = refusal(street, "FileObjection", subject=ref(code), target="grade/USCC:other", statement="等级有误")
    assert wrong.reason == "FIELD_INVALID"


@pytest.mark.moves_clock
def test_enterprise_speaks_for_itself_and_sees_no_candidate(street: Street) -> None:
    other, (penalty,) = a_firm(street, a_record(""))
    foreign = refusal(
        street, "FileObjection", "enterprise", subject=ref(other), target=f"event/{penalty}", statement="异议"
    )
    assert (foreign.code, foreign.reason) == ("PERMISSION_DENIED", "NOT_OWN_SUBJECT")
    code, one = a_candidate(street, OWN)
    hidden = refusal(
        street, "FileObjection", "enterprise", subject=ref(code), target=f"listing/{one}", statement="异议"
    )
    assert (hidden.code, hidden.reason) == ("NOT_FOUND", "LISTING_NOT_FOUND")
    found = street.ask("enterprise", "RemedyService/ListRemedies", pb.ListRemediesRequest()).remedies
    assert {r.subject.code for r in found} <= {OWN}


@pytest.mark.moves_clock
def test_work_list_shows_what_is_overdue_within_the_jurisdiction(street: Street) -> None:
    filed = []
    for region in ("110108", "110105"):
        code, (penalty,) = a_firm(street, a_record(""), region=region)
        filed.append(make(street, "FileObjection", subject=ref(code), target=f"event/{penalty}", statement="异议"))
    repair = request_repair(street, *a_firm_with_penalty(street))
    street.clock.now = NOW + 8 * DAY
    request = pb.ListRemediesRequest(is_overdue_only=True)
    assert [r.remedy_id for r in listed(street, request)] == sorted(r.remedy_id for r in filed)
    assert [r.remedy_id for r in listed(street, request, "district")] == [filed[0].remedy_id]
    assert [r.remedy_id for r in listed(street, pb.ListRemediesRequest(kind="REPAIR"))] == [repair.remedy_id]
    paged = [r.remedy_id for r in listed(street, pb.ListRemediesRequest(page_size=1))]
    assert paged == [r.remedy_id for r in listed(street, pb.ListRemediesRequest())]
    outside = refusal(street, "DecideObjection", "district", remedy_id=filed[1].remedy_id, is_upheld=False)
    assert outside.reason == "OUT_OF_JURISDICTION"
    wrong = street.refusal("regulator", "RemedyService/ListRemedies", pb.ListRemediesRequest(state="OPEN"))
    assert wrong.reason == "ENUM_UNKNOWN"


@pytest.mark.moves_clock
def test_enterprise_follows_its_own_entries_alone(street: Street) -> None:
    """The enterprise is told of a notice, of its rights with their last days, and of a case that was dropped."""
    a_candidate(street)
    _, one = a_candidate(street, OWN)
    entries, end = end_of_snapshot(street, "enterprise")
    assert {key.partition(":")[2] or key for key in entries} == {OWN}
    decided(street, one)
    found = street.ask("enterprise", "ListingService/GetListing", lists.GetListingRequest(listing_id=one)).listing
    assert not found.rights
    move(street, "DropListing", one, reason="证据不足")
    changes, _ = changes_after(street, "enterprise", end.token, head(street).head_revision)
    mine = [c for c in changes if c.entry.entry_key.startswith("listing/")]
    assert [c.entry.entry_key for c in mine] == [f"listing/{one}"] * len(mine)
    assert (mine[0].entry.listing.state, mine[-1].type, mine[-1].removal_reason) == (
        lists.LISTING_STATE_NOTICED, 2, "证据不足",
    )  # fmt: skip
    dropped = street.ask("enterprise", "ListingService/GetListing", lists.GetListingRequest(listing_id=one)).listing
    assert (dropped.state, dropped.moves[-1].reason) == (lists.LISTING_STATE_DROPPED, "证据不足")


def test_rights_are_told_with_their_last_days(street: Street) -> None:
    _, one = a_candidate(street)
    move(street, "NotifyListing", one)
    move(street, "RecordService", one, document=lists.SERVED_DOCUMENT_NOTICE)
    found = street.ask("regulator", "ListingService/GetListing", lists.GetListingRequest(listing_id=one)).listing
    assert [(r.duty, r.due_date, r.text_zh) for r in found.rights] == [("notice_reply", "2026-11-30", "陈述、申辩")]


def test_record_that_is_borne_of_another_is_marked_for_both(street: Street) -> None:
    """The head bears its branch's accident: whoever looks at the record sees that the head objected."""
    branch, (accident,) = a_firm(
        street, a_record("", "ACC", {"accident_kind": "WORK", "deaths": 3, "liability": "UNKNOWN"})
    )
    head_code, _ = a_firm(street)
    street.must_collect(registered(branch, branch_of_code=head_code))
    make(street, "FileObjection", subject=ref(head_code), target=f"event/{accident}", statement="非本企业责任")
    assert event(street, accident).is_disputed
    assert [e.is_disputed for e in events_of(street, branch) if e.event_id == accident] == [True]


def test_repair_is_revoked_and_not_objected_to(street: Street) -> None:
    code, penalty = a_firm_with_penalty(street)
    remedy = request_repair(street, code, penalty)
    make(street, "DecideRepair", remedy_id=remedy.remedy_id, is_granted=True)
    own = events_of(street, code)[-1].event_id
    found = refusal(street, "FileObjection", subject=ref(code), target=f"event/{own}", statement="异议")
    assert found.facts["guard"] == "own"
