"""The doors of joint action: agencies report what they did, and everybody concerned sees what is open and overdue."""

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime

from sqlmodel import Session

from credit_service.api import wire
from credit_service.api.access import check_subject
from credit_service.api.calls import Call
from credit_service.api.house import House
from credit_service.changes import entry_key
from credit_service.errors import CreditError, Reason, problem_of, shown, without_id_numbers
from credit_service.legal_days import civil_day, day_text
from credit_service.listings.joint_action import ENDED, ObligationRow, Report, counts, obligations, report
from credit_service.listings.tables import get_listing
from credit_service.rulebook.law import Measure
from credit_service.v1 import sync_pb2 as pb

PLACE = (int, str, str, str, int, str)


class JointAction:
    """Takes reports of measures and lists obligations."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.house = house

    async def ReportMeasures(
        self, requests: AsyncIterator[pb.ReportMeasuresRequest], call: Call
    ) -> AsyncGenerator[pb.ReportMeasuresResponse, None]:
        """Answers each report once it is durable; a report that is refused harms no other."""
        is_recorded = False
        async for request in requests:
            answer = await call.run(self._report, request, call)
            if not is_recorded:
                is_recorded = True
                await call.record("OK")
            yield answer

    def _report(self, request: pb.ReportMeasuresRequest, call: Call) -> pb.ReportMeasuresResponse:
        try:
            said = _said(request, call)

            def keep(session: Session, now: datetime) -> bool:
                listing = get_listing(session, said.listing_id)
                if listing is None or not listing.was_displayed:
                    got = shown(request.entry_key)
                    raise CreditError(Reason.LISTING_NOT_FOUND, f"entry_key: got {got}, want one of the feed")
                check_subject(call.caller, listing.subject_id, listing.subject_kind)
                call.asked.append(listing.subject_id)
                return report(session, listing, call.caller.agency, said, now)

            is_new = self.house.writer.decide(keep)
        except CreditError as error:
            problems = [wire.problem_message(problem_of(error))]
            return pb.ReportMeasuresResponse(
                report_id=request.report_id, status=pb.REPORT_STATUS_REJECTED, problems=problems
            )
        status = pb.REPORT_STATUS_ACCEPTED if is_new else pb.REPORT_STATUS_DUPLICATE
        return pb.ReportMeasuresResponse(report_id=request.report_id, status=status)

    def ListObligations(self, request: pb.ListObligationsRequest, call: Call) -> pb.ListObligationsResponse:
        """Lists an agency's own obligations, or everybody's for regulators."""
        agency = None if call.caller.role == "regulator" else call.caller.agency
        size, day = wire.page_size(request.page_size), civil_day(call.now)
        bond = ("ListObligations", agency, request.is_closed_included, request.is_overdue_only)
        place = wire.page_place(bond, request.page_token, *PLACE)
        before = day if request.is_overdue_only else None
        with self.house.database.reading() as session:
            after = tuple(place) if place else None
            rows = obligations(session, agency, request.is_closed_included, before, after, size + 1)
            counted = counts(session, agency, day)
        page = rows[:size]
        call.asked.extend(dict.fromkeys(row.subject_id for row in page))
        last = page[-1] if len(rows) > size else None
        token = wire.page_token(bond, _place(last)) if last else ""
        return pb.ListObligationsResponse(
            entry_keys=dict.fromkeys(entry_key("listing", row.listing_id) for row in page), next_page_token=token,
            obligations=[_message(row, self._measure(row), day) for row in page],
            counts=[pb.ObligationCount(agency=a, open_count=n, overdue_count=late) for a, n, late in counted],
        )  # fmt: skip

    def _measure(self, row: ObligationRow) -> Measure | None:
        editions = (e for e in self.house.all_editions if e.id == row.edition_id)
        return next((m for e in editions for m in e.measures if m.id == row.measure_id), None)


def _said(request: pb.ReportMeasuresRequest, call: Call) -> Report:
    action = wire.choice(request, "action")
    texts = {
        name: wire.plain_text(name, getattr(request, name))
        for name in ("report_id", "entry_key", "measure_code", "evidence_no", "reason")
    }
    wanted = {"report_id": texts["report_id"], "action": action}
    if action == "DECLINED":
        wanted["reason"] = texts["reason"]
    for name, value in wanted.items():
        if not value:
            raise CreditError(Reason.FIELD_MISSING, f"{name}: got nothing, want it for a report")
    is_dated = request.HasField("act_time")
    return Report(
        texts["report_id"], texts["entry_key"].removeprefix("listing/"), texts["measure_code"], action or "",
        wire.instant("act_time", request.act_time, call.now) if is_dated else call.now,
        texts["evidence_no"], without_id_numbers(texts["reason"]),
    )  # fmt: skip


def _place(row: ObligationRow) -> list[int | str]:
    return [row.due_day, row.listing_id, row.measure_id, row.agency, row.round, row.kind]


def _message(row: ObligationRow, measure: Measure | None, day: int) -> pb.Obligation:
    action = row.closed_by if row.closed_by not in ("", ENDED) else "UNSPECIFIED"
    return pb.Obligation(
        entry_key=entry_key("listing", row.listing_id), subject=wire.ref_of(row.subject_id),
        measure_code=row.measure_id, agency=row.agency, kind=pb.ObligationKind.Value(f"OBLIGATION_KIND_{row.kind}"),
        open_time=wire.timestamp(row.open_time), due_date=day_text(row.due_day), is_provisional=row.is_provisional,
        action=pb.MeasureAction.Value(f"MEASURE_ACTION_{action}"),
        is_open=not row.closed_by, is_overdue=not row.closed_by and row.due_day < day,
        text_zh=measure.text_zh if measure else "", text_en=measure.text_en if measure else "",
    )  # fmt: skip
