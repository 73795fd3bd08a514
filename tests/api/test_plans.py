"""The plan to a better grade over the wire: done to the letter it reaches what it promises, on the day it names."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from credit_service.v1 import grades_pb2
from credit_service.v1 import listings_pb2 as lists
from credit_service.v1 import remedies_pb2 as pb
from tests.api.life import published
from tests.api.remedy import a_firm, asked, behind, events_of, explained, make, request_repair
from tests.api.street import OWN, Street, a_code, a_record, major_accident, ref, registered, stop_work

B, C, D = grades_pb2.GRADE_B, grades_pb2.GRADE_C, grades_pb2.GRADE_D
SERIOUS = {"articles": ["安全生产法/114"], "organ_kind": "EMERGENCY_MANAGEMENT", "severity": "SERIOUS"}


def planned(street: Street, code: str, role: str = "regulator") -> Any:
    """Asks for the plan."""
    return street.ask(role, "RemedyService/PlanRepair", pb.PlanRepairRequest(subject=ref(code)))


def steps(path: Any) -> list[tuple[str, str, str]]:
    return [(step.action, step.target, step.from_date) for step in path.steps]


def turn(street: Street, day: str) -> None:
    """Sets the clock to noon in Shanghai of a day."""
    street.clock.now = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) + timedelta(hours=4)


def grade(street: Street, code: str) -> int:
    found: int = explained(street, code).grade.grade
    return found


def serious_accident(code: str) -> list[dict[str, Any]]:
    accident, penalty = major_accident(code)
    return [accident, {**penalty, "payload": SERIOUS}]


def test_order_is_lifted_today_and_the_grade_follows(street: Street) -> None:
    standard = a_record("", "STD", {"level": 2, "from_date": "2026-01-01", "to_date": "2027-06-30"})
    code, (order, *_) = a_firm(street, stop_work(""), a_record(""), standard)
    plan = planned(street, code)
    assert plan.grade == C
    # The penalty may be repaired today as well, but costs points only and no grade: no step that is needed.
    assert [(p.grade, p.reach_date, steps(p)) for p in plan.paths] == [
        (B, "2026-11-23", [("LIFT_ORDER", f"event/{order}", "2026-11-23")])
    ]
    name = next(e.draft.source_record_id for e in events_of(street, code) if e.event_id == order)
    lifted = stop_work(code, lifted_date="2026-11-23")
    street.must_collect({**lifted, "source_record_id": name, "source_version": 2})
    assert grade(street, code) == B


def test_time_alone_ends_a_cap_on_the_day_that_the_plan_names(street: Street) -> None:
    code = a_code()
    fatal = {"accident_kind": "WORK", "deaths": 1, "liability": "LIABLE"}
    street.must_collect(registered(code), a_record(code, "ACC", fatal, occur_time="2026-03-01T00:00:00+08:00"))
    plan = planned(street, code)
    assert plan.grade == C
    assert [(p.grade, p.reach_date, steps(p)) for p in plan.paths][:1] == [(B, "2027-03-01", [])]


@pytest.mark.moves_clock
def test_repair_on_the_day_of_the_plan_reaches_its_grade_and_not_a_day_before(street: Street) -> None:
    code = a_code()
    _, _, penalty = street.must_collect(registered(code), *serious_accident(code))
    plan = planned(street, code)
    # Decided on 2026-06-01: the least publicity of a serious penalty ends with 2027-06-01.
    assert (plan.grade, [(p.grade, p.reach_date, steps(p)) for p in plan.paths]) == (
        D, [(B, "2027-06-02", [("REPAIR", f"event/{penalty}", "2027-06-02")])],
    )  # fmt: skip
    assert {basis.instrument for basis in plan.paths[0].steps[0].bases} >= {"国家发展改革委令第36号"}
    assert plan.unmet_zh
    turn(street, "2027-06-01")
    request = asked("RequestRepair", subject=ref(code), event_id=penalty, commitment="承诺")
    early = street.refusal("regulator", "RemedyService/RequestRepair", request)
    assert early.facts["guard"] == "MINIMUM_PUBLICITY"
    assert grade(street, code) == D
    turn(street, "2027-06-02")
    remedy = request_repair(street, code, penalty)
    assert grade(street, code) == D
    make(street, "DecideRepair", remedy_id=remedy.remedy_id, is_granted=True)
    assert grade(street, code) == B


@pytest.mark.moves_clock
def test_listed_enterprise_leaves_the_list_before_its_record_is_repaired(street: Street) -> None:
    street.must_collect(registered(OWN), *serious_accident(OWN))
    request = lists.SearchListingsRequest(subject=ref(OWN))
    one = street.ask("regulator", "ListingService/SearchListings", request).listings[0].listing_id
    published(street, one)
    path = planned(street, OWN, "enterprise").paths[0]
    day = "2027-11-24"
    assert (path.grade, path.reach_date, [(s[0], s[2]) for s in steps(path)]) == (
        B, day, [("REPAIR", day), ("EARLY_REMOVAL", day)],
    )  # fmt: skip
    turn(street, day)
    penalty = next(s.target.removeprefix("event/") for s in path.steps if s.action == "REPAIR")
    request_id = {"request_id": "apply", "listing_id": one, "statement": "已履行"}
    applied = street.ask("enterprise", "RemedyService/RequestEarlyRemoval", asked("RequestEarlyRemoval", **request_id))
    make(street, "AcceptEarlyRemoval", remedy_id=applied.remedy.remedy_id)
    make(street, "DecideEarlyRemoval", remedy_id=applied.remedy.remedy_id, is_granted=True, is_harm_removed=True)
    assert grade(street, OWN) == D
    remedy = request_repair(street, OWN, penalty, "enterprise")
    make(street, "DecideRepair", remedy_id=remedy.remedy_id, is_granted=True)
    assert grade(street, OWN) == B


def test_plan_of_a_clean_enterprise_has_no_steps(street: Street) -> None:
    code, _ = a_firm(street)
    assert [step for path in planned(street, code).paths for step in path.steps] == []
    unknown = street.refusal("regulator", "RemedyService/PlanRepair", pb.PlanRepairRequest(subject=ref(a_code())))
    assert unknown.reason == "SUBJECT_NOT_FOUND"


@pytest.mark.moves_clock
def test_repair_is_no_step_on_the_day_on_which_its_publicity_has_ended(street: Street) -> None:
    """A repair would reach the accident: only a penalty that still counts may be repaired."""
    code = a_code()
    larger = {"accident_kind": "WORK", "deaths": 3, "liability": "LIABLE"}
    accident = a_record(code, "ACC", larger, occur_time="2025-10-01T00:00:00+08:00")
    penalty = a_record(code, refers_to=accident["source_record_id"], occur_time="2025-11-24T00:00:00+08:00")
    _, _, event_id = street.must_collect(registered(code), accident, penalty)
    turn(street, "2026-11-24")
    last = planned(street, code).paths[0]
    assert (last.reach_date, steps(last)) == ("2026-11-24", [("REPAIR", f"event/{event_id}", "2026-11-24")])
    turn(street, "2026-11-25")
    assert event_id in explained(street, code).lapsed_event_ids or event_id not in behind(explained(street, code))
    paths = planned(street, code).paths
    assert [step for path in paths for step in path.steps] == []
    assert all(path.reach_date > "2026-11-25" for path in paths)
