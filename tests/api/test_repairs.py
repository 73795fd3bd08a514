"""Credit repair over the wire: its conditions, and that nothing repaired is used again."""

from typing import Any

import pytest

from tests.api.life import a_candidate, move
from tests.api.remedy import (
    COMMITMENT,
    a_firm,
    asked,
    behind,
    explained,
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
    frame,
    ref,
    stop_work,
)
from tests.api.test_sync import changes_after, end_of_snapshot, head


@pytest.mark.moves_clock
def test_repaired_record_is_not_used_from_that_instant_and_the_past_stays(street: Street) -> None:
    """Scenario 8: score and grade change the day a general penalty is repaired; what was said before is said again."""
    code, (penalty,) = a_firm(street, a_record(""), code=OWN)
    before = explained(street, code)
    assert penalty in behind(before)
    remedy = request_repair(street, code, penalty, "enterprise")
    # Monday 2026-11-23 and ten working days.
    assert (remedy.state, remedy.due_date, remedy.target) == ("FILED", "2026-12-07", f"event/{penalty}")
    street.clock.now = NOW + DAY
    token = end_of_snapshot(street, "agency")[1].token
    granted = make(street, "DecideRepair", remedy_id=remedy.remedy_id, is_granted=True)
    assert (granted.state, granted.due_date, [m.name for m in granted.moves]) == ("GRANTED", "", ["FILE", "GRANT"])
    after = explained(street, code)
    assert penalty not in behind(after)
    assert after.grade.score > before.grade.score
    changes, _ = changes_after(street, "agency", token, head(street).head_revision)
    assert [c.entry.entry_key for c in changes] == [f"grade/USCC:{code}"]
    again = explained(street, code, frame(NOW, NOW))
    assert again.document == before.document
    # By today's knowledge the record was used then, and is not any more.
    assert penalty in again.lapsed_event_ids
    assert list(before.lapsed_event_ids) == []
    street.clock.now = NOW + 2 * DAY
    make(street, "RevokeRepair", remedy_id=remedy.remedy_id)
    assert penalty in behind(explained(street, code))
    assert penalty not in behind(explained(street, code, frame(NOW + DAY, NOW + DAY)))
    assert head(street).judged_event_count == head(street).event_count


def test_repair_waits_for_the_least_publicity_and_names_the_first_day(street: Street) -> None:
    code, (general, serious, minor) = a_firm(
        street,
        a_record("", occur_time="2026-08-23T00:00:00+08:00"),
        a_record("", occur_time="2026-01-05T00:00:00+08:00", payload={"articles": ["模拟/1"], "severity": "SERIOUS"}),
        a_record("", occur_time="2026-11-20T00:00:00+08:00", payload={"articles": ["模拟/1"], "severity": "MINOR"}),
    )  # fmt: skip
    for penalty, first in ((general, "2026-11-24"), (serious, "2027-01-06")):
        early = refusal(street, "RequestRepair", subject=ref(code), event_id=penalty, commitment=COMMITMENT)
        assert (early.code, early.facts["guard"]) == ("FAILED_PRECONDITION", "MINIMUM_PUBLICITY")
        assert first in early.facts["missing"]
    assert request_repair(street, code, minor).state == "FILED"


def test_what_is_no_penalty_in_use_cannot_be_repaired(street: Street) -> None:
    code, (order, old, revoked) = a_firm(
        street, stop_work(""), a_record("", occur_time="2025-11-01T00:00:00+08:00"),
        a_record("", payload={"articles": ["安全生产法/102"], "severity": "GENERAL", "status": "REVOKED"}),
    )  # fmt: skip
    for event_id, guard in ((order, "kind"), (old, "usable"), (revoked, "usable")):
        found = refusal(street, "RequestRepair", subject=ref(code), event_id=event_id, commitment=COMMITMENT)
        assert (found.reason, found.facts["guard"]) == ("MOVE_ILLEGAL", guard)
    _, (foreign,) = a_firm(street, a_record(""))
    other = refusal(street, "RequestRepair", subject=ref(code), event_id=foreign, commitment=COMMITMENT)
    assert (other.code, other.reason) == ("NOT_FOUND", "EVENT_NOT_FOUND")
    silent = refusal(street, "RequestRepair", subject=ref(code), event_id=foreign, commitment="")
    assert silent.reason == "EVENT_NOT_FOUND"


def test_officer_must_verify_performance_and_correction(street: Street) -> None:
    code, (penalty,) = a_firm(street, a_record(""))
    remedy = request_repair(street, code, penalty)
    for field, guard in (("is_penalty_performed", "PENALTY_PERFORMED"), ("is_conduct_corrected", "CONDUCT_CORRECTED")):
        given: dict[str, Any] = {"remedy_id": remedy.remedy_id, "is_granted": True, field: False}
        found = refusal(street, "DecideRepair", **given)
        assert (found.facts["guard"], field in found.message) == (guard, True)
    unsigned = refusal(street, "DecideRepair", remedy_id=remedy.remedy_id, is_granted=True, document_no="")
    assert (unsigned.reason, unsigned.message[:12]) == ("FIELD_MISSING", "document_no:")
    assert penalty in behind(explained(street, code))
    dismissed = make(street, "DecideRepair", remedy_id=remedy.remedy_id, is_granted=False)
    assert dismissed.state == "DISMISSED"
    assert penalty in behind(explained(street, code))
    late = refusal(street, "DecideRepair", remedy_id=remedy.remedy_id, is_granted=True)
    assert late.facts["guard"] == "state"
    assert request_repair(street, code, penalty).remedy_id != remedy.remedy_id


def test_record_of_refused_performance_bars_repair_until_the_source_notes_performance(street: Street) -> None:
    penalty = a_record("")
    refused = a_record("", "NONEXEC", {"is_able_to_perform": True}, refers_to=penalty["source_record_id"])
    code, (event_id, _) = a_firm(street, penalty, refused)
    found = refusal(street, "RequestRepair", subject=ref(code), event_id=event_id, commitment=COMMITMENT)
    assert (found.facts["guard"], refused["source_record_id"] in found.message) == ("PENALTY_PERFORMED", True)
    paid = {**penalty, "source_version": 2, "payload": {**penalty["payload"], "performed_date": "2026-11-20"}}
    paid["subject"] = {**penalty["subject"], "code": code}
    (mended,) = street.must_collect(paid)
    assert request_repair(street, code, mended).state == "FILED"


def test_record_behind_a_living_listing_is_repaired_after_it(street: Street) -> None:
    code, one = a_candidate(street)
    move(street, "NotifyListing", one)
    penalty = penalty_of(street, code)
    found = refusal(street, "RequestRepair", subject=ref(code), event_id=penalty.event_id, commitment=COMMITMENT)
    assert found.facts["guard"] == "NOT_LISTED"


def test_repeated_request_changes_nothing_and_a_second_one_waits(street: Street) -> None:
    code, (penalty,) = a_firm(street, a_record(""))
    request = asked("RequestRepair", subject=ref(code), event_id=penalty, commitment=COMMITMENT)
    first, again = (street.ask("regulator", "RemedyService/RequestRepair", request).remedy for _ in range(2))
    assert first == again
    other = refusal(street, "RequestRepair", subject=ref(code), event_id=penalty, commitment=COMMITMENT)
    assert other.facts["guard"] == "no_open_remedy"
    reused = refusal(
        street,
        "RequestRepair",
        subject=ref(code),
        event_id=penalty,
        commitment="另一承诺",
        request_id=request.request_id,
    )
    assert reused.reason == "REQUEST_ID_REUSED"
    decide = asked("DecideRepair", remedy_id=first.remedy_id, is_granted=True)
    decisions = [street.ask("regulator", "RemedyService/DecideRepair", decide).remedy for _ in range(2)]
    assert decisions[0] == decisions[1]
    assert len(decisions[0].moves) == 2
