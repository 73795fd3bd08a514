"""Joint action over the wire: a displayed listing obliges, an ended one obliges to lift, reports alone close."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from credit_service.v1 import sync_pb2 as pb
from tests.api.life import DECISION, a_candidate, confirmed, move, published
from tests.api.street import DAY, NOW, Street

_REPORTS = count(1)
OWN = "market-supervision"
APPLIED, DECLINED, LIFTED = pb.MEASURE_ACTION_APPLIED, pb.MEASURE_ACTION_DECLINED, pb.MEASURE_ACTION_LIFTED
NOTHING = pb.MEASURE_ACTION_NOTHING_APPLIED


def found(street: Street, listing_id: str, role: str = "regulator", **named: Any) -> list[Any]:
    """Returns the obligations of one listing."""
    named = {"page_size": 1000, "is_closed_included": True, **named}
    answer = street.ask(role, "SyncService/ListObligations", pb.ListObligationsRequest(**named))
    return [o for o in answer.obligations if o.entry_key == f"listing/{listing_id}"]


def a_report(listing_id: str, action: int = APPLIED, measure: str = "M-04", **named: Any) -> pb.ReportMeasuresRequest:
    """Builds a report of the agency of the street."""
    named.setdefault("report_id", f"report-{next(_REPORTS)}")
    return pb.ReportMeasuresRequest(entry_key=f"listing/{listing_id}", measure_code=measure, action=action, **named)  # type: ignore[arg-type]  # a number stands for its name


def told(street: Street, *reports: pb.ReportMeasuresRequest) -> list[Any]:
    """Reports as the agency and returns the answers."""
    answers: Iterator[Any] = street.open("agency", "SyncService/ReportMeasures", iter(reports))
    return list(answers)


def statuses(answers: list[Any]) -> list[str]:
    return [pb.ReportStatus.Name(a.status).removeprefix("REPORT_STATUS_") for a in answers]


def test_publication_obliges_every_agency_of_the_catalogue(street: Street) -> None:
    _, one = a_candidate(street)
    confirmed(street, one)
    assert found(street, one) == []
    move(street, "RecordService", one, document=DECISION)
    move(street, "PublishListing", one)
    opened = found(street, one)
    assert [(o.measure_code, o.agency) for o in sorted(opened, key=lambda o: (o.measure_code, o.agency))] == [
        ("M-01", "emergency-management"), ("M-02", "development-reform"), ("M-02", "natural-resources"),
        ("M-03", "financial-regulation"), ("M-04", OWN), ("M-05", "finance"),
    ]  # fmt: skip
    # Monday 2026-11-23 and five working days.
    assert {(o.kind, o.due_date, o.is_open, o.is_overdue) for o in opened} == {
        (pb.OBLIGATION_KIND_APPLY, "2026-11-30", True, False)
    }
    assert [o.agency for o in found(street, one, "agency")] == [OWN]


def test_report_closes_its_obligation_once_and_no_other(street: Street) -> None:
    _, one = a_candidate(street)
    published(street, one)
    mine = a_report(one)
    foreign, unknown = a_report(one, measure="M-01"), a_report("BLACK-none")
    silent = a_report(one, DECLINED)
    early = a_report(one, LIFTED)
    assert statuses(told(street, foreign, mine, unknown, silent, early, mine)) == [
        "REJECTED", "ACCEPTED", "REJECTED", "REJECTED", "REJECTED", "DUPLICATE",
    ]  # fmt: skip
    reasons = [a.problems[0].reason for a in told(street, foreign, unknown, silent, early)]
    assert reasons == ["MOVE_ILLEGAL", "LISTING_NOT_FOUND", "FIELD_MISSING", "MOVE_ILLEGAL"]
    reused = a_report(one, DECLINED, report_id=mine.report_id, reason="不适用")
    assert told(street, reused)[0].problems[0].reason == "REQUEST_ID_REUSED"
    closed = [o for o in found(street, one) if not o.is_open]
    assert [(o.agency, o.action) for o in closed] == [(OWN, APPLIED)]


@pytest.mark.moves_clock
def test_removal_opens_reversals_that_only_reports_close(street: Street) -> None:
    _, one = a_candidate(street)
    published(street, one)
    assert statuses(told(street, a_report(one))) == ["ACCEPTED"]
    street.clock.now = NOW + 7 * DAY
    move(street, "RevokeListing", one)
    lifts = [o for o in found(street, one) if o.kind == pb.OBLIGATION_KIND_LIFT]
    # Six agencies may have applied something, whether they said so or not; ten working days from Monday 2026-11-30.
    assert (len(lifts), {o.due_date for o in lifts}) == (6, {"2026-12-14"})
    assert not any(o.is_open for o in found(street, one) if o.kind == pb.OBLIGATION_KIND_APPLY)
    street.clock.now = NOW + 22 * DAY
    late = found(street, one, "agency", is_overdue_only=True, is_closed_included=False)
    assert [(o.agency, o.is_overdue) for o in late] == [(OWN, True)]
    request = pb.ListObligationsRequest()
    counted = street.ask("regulator", "SyncService/ListObligations", request).counts
    assert {(c.agency, c.open_count, c.overdue_count) for c in counted} >= {(OWN, 1, 1), ("finance", 1, 1)}
    assert statuses(told(street, a_report(one, LIFTED))) == ["ACCEPTED"]
    assert found(street, one, "agency", is_closed_included=False) == []


@pytest.mark.moves_clock
def test_stay_lifts_and_its_end_obliges_anew(street: Street) -> None:
    _, one = a_candidate(street)
    published(street, one)
    assert statuses(told(street, a_report(one, DECLINED, reason="该单位无审批事项"))) == ["ACCEPTED"]
    street.clock.now = NOW + DAY
    move(street, "StayListing", one)
    mine = found(street, one, "agency")
    assert [(o.kind, o.is_open) for o in mine] == [(pb.OBLIGATION_KIND_APPLY, False)]
    lifts = [o for o in found(street, one) if o.kind == pb.OBLIGATION_KIND_LIFT]
    assert len(lifts) == 5
    street.clock.now = NOW + 2 * DAY
    move(street, "LiftStay", one)
    again = [o for o in found(street, one, "agency") if o.is_open]
    assert [o.kind for o in again] == [pb.OBLIGATION_KIND_APPLY]


def test_obligations_are_paged_in_order_of_their_days(street: Street) -> None:
    for _ in range(2):
        _, one = a_candidate(street)
        published(street, one)
    seen, token = [], ""
    while True:
        request = pb.ListObligationsRequest(page_size=5, page_token=token)
        answer = street.ask("regulator", "SyncService/ListObligations", request)
        seen += [(o.due_date, o.entry_key, o.measure_code, o.agency) for o in answer.obligations]
        token = answer.next_page_token
        if not token:
            break
    assert seen == sorted(set(seen))
    assert len(seen) >= 12
