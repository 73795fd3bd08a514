"""Overrides and reviews over the wire: two officers, a reason, an end, never above a veto; and what-if."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from credit_service.api import wire
from credit_service.audit.acts import verify_acts
from credit_service.database import Database
from credit_service.legal_days import day_start, parse_day
from credit_service.v1 import grades_pb2 as pb
from tests.api.life import DIGEST
from tests.api.street import NOW, OWN, Street, a_code, a_record, frame, ref, registered, stop_work

_REQUESTS = count(1)
UNTIL = "2026-12-31"


def asked(name: str, **given: Any) -> Any:
    kind = getattr(pb, f"{name}Request")
    defaults = {
        "request_id": f"override-{next(_REQUESTS)}", "grade": pb.GRADE_C, "reason_code": "EVIDENCE",
        "until_date": UNTIL, "last_date": UNTIL,
        "reason": "经核实", "document_no": "模拟调〔2026〕1号", "document_digest": DIGEST,
    }  # fmt: skip
    fields = set(kind.DESCRIPTOR.fields_by_name)
    return kind(**{k: v for k, v in {**defaults, **given}.items() if k in fields and v is not None})


def ask(street: Street, name: str, role: str = "regulator", **given: Any) -> Any:
    return street.ask(role, f"GradeService/{name}", asked(name, **given))


def refusal(street: Street, name: str, role: str = "regulator", **given: Any) -> Any:
    return street.refusal(role, f"GradeService/{name}", asked(name, **given))


def a_firm(street: Street, *records: Any) -> str:
    code = a_code()
    street.must_collect(registered(code), *records)
    return code


def grade(street: Street, code: str, **when: Any) -> pb.GradeRecord:
    request = pb.GetGradeRequest(subject=ref(code), time_frame=frame(**when))
    record: pb.GradeRecord = street.ask("regulator", "GradeService/GetGrade", request).grade
    return record


def in_force(street: Street, code: str, **given: Any) -> str:
    """Proposes and confirms an override and returns its id."""
    proposed = ask(street, "OverrideGrade", subject=ref(code), **given)
    override_id: str = proposed.override.override_id
    ask(street, "DecideOverride", "regulator-2", override_id=override_id, is_confirmed=True)
    return override_id


def under_review(street: Street) -> str:
    """Collects what takes a score below the D edge without any hard record."""
    code = a_code()
    records = [
        a_record(code, "PEN", {"articles": [f"安全生产法/{n}"], "severity": "GENERAL", "fine_fen": 90_000_000})
        for n in range(1, 13)
    ]
    harm = {"accident_kind": "WORK", "level": "GENERAL", "liability": "LIABLE", "serious_injuries": 2}
    records += [a_record(code, "ACC", harm) for _ in range(3)]
    records += [a_record(code, "INS", {"result": "VIOLATION", "mode": "PLANNED"}) for _ in range(4)]
    street.must_collect(registered(code), *records)
    assert grade(street, code).is_review_open
    return code


def test_override_shows_from_the_second_officers_confirmation_on(street: Street) -> None:
    code = a_firm(street)
    before = grade(street, code)
    proposed = ask(street, "OverrideGrade", subject=ref(code))
    assert proposed.override.state == "PROPOSED"
    assert proposed.grade.grade == before.grade != pb.GRADE_C
    confirmed = ask(
        street, "DecideOverride", "regulator-2", override_id=proposed.override.override_id, is_confirmed=True
    )
    assert confirmed.override.state == "IN_FORCE"
    assert [m.name for m in confirmed.override.moves] == ["PROPOSE", "CONFIRM"]
    assert len({m.actor for m in confirmed.override.moves}) == 2
    after = grade(street, code)
    assert (after.grade, after.score, after.override.reason) == (pb.GRADE_C, before.score, "EVIDENCE")
    assert after.next_review_date <= "2027-01-01"
    assert [r.feature for r in after.reasons] == [r.feature for r in before.reasons]


def test_nobody_confirms_alone_and_nothing_is_confirmed_twice(street: Street) -> None:
    code = a_firm(street)
    override_id = ask(street, "OverrideGrade", subject=ref(code)).override.override_id
    assert refusal(street, "DecideOverride", override_id=override_id, is_confirmed=True).reason == "SECOND_OFFICER_SAME"
    declined = ask(street, "DecideOverride", "regulator-2", override_id=override_id)
    assert declined.override.state == "DECLINED"
    refused = refusal(street, "DecideOverride", "regulator-2", override_id=override_id, is_confirmed=True)
    assert (refused.reason, refused.facts["guard"]) == ("MOVE_ILLEGAL", "state")
    assert not grade(street, code).HasField("override")


def test_repeated_request_changes_nothing_and_another_under_its_id_is_refused(street: Street) -> None:
    code = a_firm(street)
    first = ask(street, "OverrideGrade", subject=ref(code), request_id="same")
    again = ask(street, "OverrideGrade", subject=ref(code), request_id="same")
    assert again.override == first.override
    assert refusal(street, "OverrideGrade", subject=ref(code), request_id="same", grade=pb.GRADE_D).reason == (
        "REQUEST_ID_REUSED"
    )
    decided = {"override_id": first.override.override_id, "is_confirmed": True, "request_id": "confirm"}
    confirmed = ask(street, "DecideOverride", "regulator-2", **decided)
    assert ask(street, "DecideOverride", "regulator-2", **decided).override == confirmed.override


def test_no_override_lifts_a_veto(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code), stop_work(code))
    refused = refusal(street, "OverrideGrade", subject=ref(code), grade=pb.GRADE_B)
    assert (refused.reason, refused.facts["guard"]) == ("MOVE_ILLEGAL", "veto")
    other = a_firm(street)
    in_force(street, other, grade=pb.GRADE_A)
    assert grade(street, other).grade == pb.GRADE_A
    street.must_collect(stop_work(other))
    assert grade(street, other).grade == pb.GRADE_C


def test_veto_that_came_since_the_proposal_stops_the_confirmation(street: Street) -> None:
    code = a_firm(street)
    override_id = ask(street, "OverrideGrade", subject=ref(code), grade=pb.GRADE_A).override.override_id
    street.must_collect(stop_work(code))
    refused = refusal(street, "DecideOverride", "regulator-2", override_id=override_id, is_confirmed=True)
    assert (refused.reason, refused.facts["guard"]) == ("MOVE_ILLEGAL", "veto")
    assert ask(street, "DecideOverride", "regulator-2", override_id=override_id).override.state == "DECLINED"


@pytest.mark.parametrize(
    ("given", "reason", "text"),
    [
        ({"reason_code": "MOOD"}, "FIELD_INVALID", "REVIEWED, EVIDENCE"),
        ({"until_date": "2027-11-24"}, "FIELD_OUT_OF_RANGE", "2026-11-23 to 2027-11-23"),
        ({"until_date": "2026-11-22"}, "FIELD_OUT_OF_RANGE", "2026-11-23 to 2027-11-23"),
        ({"until_date": ""}, "FIELD_INVALID", "until_date"),
        ({"grade": pb.GRADE_PENDING}, "FIELD_INVALID", "A, B, C, D"),
        ({"document_no": ""}, "FIELD_MISSING", "document_no"),
        ({"reason": ""}, "FIELD_MISSING", "reason"),
    ],
)
def test_wrong_override_is_refused_with_what_is_wanted(
    street: Street, given: dict[str, Any], reason: str, text: str
) -> None:
    refused = refusal(street, "OverrideGrade", subject=ref(a_firm(street)), **given)
    assert refused.reason == reason
    assert text in refused.message


@pytest.mark.moves_clock
def test_override_ends_by_itself_and_the_past_stays(street: Street) -> None:
    code = a_firm(street)
    natural = grade(street, code).grade
    override_id = in_force(street, code, until_date="2026-12-20")
    street.clock.now = day_start(parse_day("2026-12-21"))
    assert grade(street, code).grade == natural
    assert grade(street, code, as_of=day_start(parse_day("2026-12-21")) - timedelta(seconds=1)).grade == pb.GRADE_C
    assert grade(street, code, as_of=NOW - timedelta(hours=1)).grade == natural
    listed = ask(street, "ListOverrides", subject=ref(code)).overrides
    assert [(o.override_id, o.state) for o in listed] == [(override_id, "EXPIRED")]


@pytest.mark.moves_clock
def test_officer_ends_an_override_at_once(street: Street) -> None:
    code = a_firm(street)
    natural = grade(street, code).grade
    override_id = in_force(street, code)
    street.clock.now = NOW + timedelta(days=2)
    assert ask(street, "EndOverride", override_id=override_id).override.state == "ENDED"
    assert grade(street, code).grade == natural
    assert grade(street, code, as_of=NOW + timedelta(days=1)).grade == pb.GRADE_C
    assert grade(street, code, known=NOW + timedelta(days=1)).grade == pb.GRADE_C, "by what was known then"
    assert refusal(street, "EndOverride", override_id=override_id).reason == "MOVE_ILLEGAL"
    assert refusal(street, "EndOverride", override_id="OVR-none").reason == "OVERRIDE_NOT_FOUND"


def test_enterprise_sees_its_own_override_and_decides_nothing(street: Street) -> None:
    street.must_collect(registered(OWN))
    override_id = in_force(street, OWN)
    assert [o.override_id for o in ask(street, "ListOverrides", "enterprise").overrides] == [override_id]
    other = a_firm(street)
    assert refusal(street, "ListOverrides", "enterprise", subject=ref(other)).reason == "NOT_OWN_SUBJECT"
    assert refusal(street, "EndOverride", "enterprise", override_id=override_id).reason == "ROLE_FORBIDDEN"
    ask(street, "EndOverride", override_id=override_id)


def test_officer_of_another_district_decides_nothing(street: Street) -> None:
    street.must_collect(registered(code := a_code(), "110105"))
    override_id = ask(street, "OverrideGrade", subject=ref(code)).override.override_id
    refused = refusal(street, "DecideOverride", "district", override_id=override_id, is_confirmed=True)
    assert refused.reason == "OUT_OF_JURISDICTION"


def test_review_is_listed_until_an_officer_decides_it(street: Street) -> None:
    code = under_review(street)
    assert code in {g.subject.code for g in ask(street, "ListReviews", page_size=1000).grades}
    kept = ask(street, "DecideReview", subject=ref(code)).grade
    assert (kept.grade, kept.is_review_open, kept.next_review_date <= "2027-01-01") == (pb.GRADE_C, False, True)
    assert code not in {g.subject.code for g in ask(street, "ListReviews", page_size=1000).grades}
    assert refusal(street, "DecideReview", subject=ref(code)).reason == "REVIEW_NOT_FOUND"
    in_force(street, code, grade=pb.GRADE_D, reason_code="REVIEWED")
    assert grade(street, code).grade == pb.GRADE_D


@pytest.mark.moves_clock
def test_decided_review_opens_again_for_a_record_of_the_same_day(street: Street) -> None:
    """The officer decided at noon: what arrives in the afternoon was not looked at."""
    code = under_review(street)
    street.clock.now = NOW + timedelta(hours=1)
    ask(street, "DecideReview", subject=ref(code))
    assert not grade(street, code).is_review_open
    street.clock.now = NOW + timedelta(hours=2)
    street.must_collect(a_record(code, "INS", {"result": "VIOLATION", "mode": "PLANNED"}))
    assert grade(street, code).is_review_open
    assert not grade(street, code, known=NOW + timedelta(hours=1)).is_review_open


@pytest.mark.moves_clock
def test_decided_review_opens_again_after_its_last_day(street: Street) -> None:
    code = under_review(street)
    ask(street, "DecideReview", subject=ref(code), last_date="2026-12-31")
    street.clock.now = day_start(parse_day("2027-01-01"))
    assert grade(street, code).is_review_open


def test_overrides_are_part_of_the_chain_of_acts(street: Street) -> None:
    in_force(street, a_firm(street))
    database: Database = street.running.house.database
    with database.reading() as session:
        assert verify_acts(session).broken_number is None


def test_trying_shows_what_records_would_do_and_keeps_nothing(street: Street) -> None:
    order = stop_work(code := a_code())
    event_ids = street.must_collect(registered(code), order)
    natural = ask(street, "TryGrade", subject=ref(code), without_event_ids=[event_ids[-1]])
    assert (natural.grade_before.grade, natural.grade.grade < pb.GRADE_C) == (pb.GRADE_C, True)
    lifted = {**order, "source_version": 2, "payload": {**order["payload"], "lifted_date": "2026-06-05"}}
    assert ask(street, "TryGrade", subject=ref(code), events=[wire.draft_of(lifted)]).grade.grade == natural.grade.grade
    serious = a_record(code, "PEN", {"articles": ["安全生产法/102"], "severity": "SERIOUS"})
    worse = ask(street, "TryGrade", subject=ref(code), events=[wire.draft_of(serious)])
    assert worse.grade.score < worse.grade_before.score


def test_trying_refuses_what_could_not_be_sent(street: Street) -> None:
    code = a_firm(street)
    wrong = a_record(code, "PEN", {"severity": "GENERAL"})
    refused = refusal(street, "TryGrade", subject=ref(code), events=[wire.draft_of(wrong)])
    assert refused.reason == "CLAUSE_MISSING"
    assert "events[0].payload.articles" in refused.message
    other = wire.draft_of(a_record(a_code()))
    assert "subject" in refusal(street, "TryGrade", subject=ref(code), events=[other]).message
    assert refusal(street, "TryGrade", subject=ref(code), without_event_ids=["7777777"]).reason == "EVENT_NOT_FOUND"
    many = [wire.draft_of(a_record(code)) for _ in range(101)]
    assert refusal(street, "TryGrade", subject=ref(code), events=many).reason == "BATCH_TOO_LARGE"
