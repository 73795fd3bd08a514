"""Overrides and reviews over the wire: each door makes one move, by an officer of the credential."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from credit_service import logs
from credit_service.api import wire
from credit_service.api.access import check_jurisdiction
from credit_service.api.calls import Call
from credit_service.api.grade_messages import grade_message, override_message
from credit_service.api.house import House
from credit_service.api.listing_moves import ask_of
from credit_service.audit.acts import Ask
from credit_service.errors import CreditError, Reason, shown
from credit_service.grades import overrides
from credit_service.grades.overrides import Grounds
from credit_service.grades.stability import LETTERS
from credit_service.grades.tables import reviews
from credit_service.legal_days import civil_day, parse_day
from credit_service.rulebook.edition import edition_for
from credit_service.subjects.schemes import split
from credit_service.subjects.tables import subjects_by_id
from credit_service.v1 import grades_pb2 as pb


class _Decided(NamedTuple):
    override: pb.Override
    grade: pb.GradeRecord


class OverrideDoor:
    """Takes what officers decide of grades."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.house = house

    def OverrideGrade(self, request: pb.OverrideGradeRequest, call: Call) -> pb.OverrideGradeResponse:
        """Proposes an override."""
        ask, subject_id = ask_of(request, call, overrides.PROPOSE), wire.id_of(request.subject)
        letter, last_day = wire.choice(request, "grade").removeprefix("GRADE_"), _day("until_date", request.until_date)
        if letter not in LETTERS:
            want = f"one of {', '.join(LETTERS)}"
            raise CreditError(Reason.FIELD_INVALID, f"grade: got {letter or 'nothing'}, want {want}")
        code = wire.plain_text("reason_code", request.reason_code)

        def work(session: Session, grounds: Grounds) -> str:
            return overrides.propose(session, letter, code, last_day, ask, grounds)

        decided = self._decided(call, ask, lambda _: subject_id, work)
        return pb.OverrideGradeResponse(grade=decided.grade, override=decided.override)

    def DecideOverride(self, request: pb.DecideOverrideRequest, call: Call) -> pb.DecideOverrideResponse:
        """Confirms or declines an override."""
        decided = self._moved(request, call, overrides.CONFIRM if request.is_confirmed else overrides.DECLINE)
        return pb.DecideOverrideResponse(override=decided.override, grade=decided.grade)

    def EndOverride(self, request: pb.EndOverrideRequest, call: Call) -> pb.EndOverrideResponse:
        """Ends an override before its last day."""
        decided = self._moved(request, call, overrides.END)
        return pb.EndOverrideResponse(override=decided.override, grade=decided.grade)

    def DecideReview(self, request: pb.DecideReviewRequest, call: Call) -> pb.DecideReviewResponse:
        """Closes a review; the grade stays."""
        ask, subject_id = ask_of(request, call, overrides.KEEP), wire.id_of(request.subject)
        last_day = _day("last_date", request.last_date)

        def work(session: Session, grounds: Grounds) -> str:
            return overrides.keep(session, last_day, ask, grounds)

        return pb.DecideReviewResponse(grade=self._decided(call, ask, lambda _: subject_id, work).grade)

    def ListOverrides(self, request: pb.ListOverridesRequest, call: Call) -> pb.ListOverridesResponse:
        """Lists overrides, newest first."""
        size, today = wire.page_size(request.page_size), civil_day(call.now)
        subject_id = wire.id_of(request.subject) if request.HasField("subject") else call.caller.subject_id
        bond = ("ListOverrides", subject_id or "")
        place = wire.page_place(bond, request.page_token, str, str)
        before = (datetime.fromisoformat(place[0]), place[1]) if place else None
        with self.house.database.reading() as session:
            if subject_id is not None:
                self.house.ask_within(session, call, subject_id)
            found = overrides.search(session, subject_id, before, size + 1)
            rows = subjects_by_id(session, {made[0].subject_id for made in found})
        page = found[:size]
        mine = [made for made in page if call.caller.covers(rows[made[0].subject_id].supervising_region)]
        call.asked.extend(dict.fromkeys(made[0].subject_id for made in mine))
        last = [page[-1][0].move_time.isoformat(), page[-1][0].override_id] if page else []
        token = wire.page_token(bond, last) if len(found) > size else ""
        return pb.ListOverridesResponse(overrides=[override_message(m, today) for m in mine], next_page_token=token)

    def ListReviews(self, request: pb.ListReviewsRequest, call: Call) -> pb.ListReviewsResponse:
        """Lists grades under review."""
        size, bond = wire.page_size(request.page_size), ("ListReviews",)
        place = wire.page_place(bond, request.page_token, str)
        with self.house.database.reading() as session:
            found = reviews(session, place[0] if place else "", size + 1)
            rows = subjects_by_id(session, [subject_id for subject_id, _, _ in found])
        page = found[:size]
        mine = [one for one in page if call.caller.covers(rows[one[0]].supervising_region)]
        call.asked.extend(subject_id for subject_id, _, _ in mine)
        grades = [grade_message(wire.loads(document), (time, time)) for _, time, document in mine]
        token = wire.page_token(bond, [page[-1][0]]) if len(found) > size else ""
        return pb.ListReviewsResponse(grades=grades, next_page_token=token)

    def _moved(self, request: Any, call: Call, name: str) -> _Decided:
        ask, override_id = ask_of(request, call, name), wire.plain_text("override_id", request.override_id)

        def about(session: Session) -> str:
            made = overrides.of_override(session, override_id)
            if not made or made[0].name == overrides.KEEP:
                got = shown(override_id)
                raise CreditError(Reason.OVERRIDE_NOT_FOUND, f"override_id: got {got}, want a known override")
            return made[0].subject_id

        def work(session: Session, grounds: Grounds) -> str:
            overrides.move(session, overrides.of_override(session, override_id), ask, grounds)
            return override_id

        return self._decided(call, ask, about, work)

    def _decided(
        self, call: Call, ask: Ask, about: Callable[[Session], str], work: Callable[[Session, Grounds], str]
    ) -> _Decided:
        """Makes a move, and judges its subject in the same commit."""

        def decide(session: Session, now: datetime) -> _Decided:
            subject_id = about(session)
            subject = self.house.ask(session, call, subject_id)
            check_jurisdiction(call.caller, subject.supervising_region)
            made = overrides.of_override(session, work(session, self._grounds(session, subject_id, now)))
            self.house.assessor.assess(session, [subject_id], now)
            graded = self.house.assessor.grades(session, [subject_id], now, now)[0]
            logs.get().info(
                "decision", act=ask.name, officer=ask.actor, on=made[0].override_id, basis=made[0].reason_code,
                outcome=graded.grade, request_id=call.request_id,
            )  # fmt: skip
            return _Decided(override_message(made, civil_day(now)), grade_message(graded.document(), (now, now)))

        decided = self.house.writer.decide(decide)
        call.facts = {"override": decided.override.override_id, "state": decided.override.state}
        return decided

    def _grounds(self, session: Session, subject_id: str, now: datetime) -> Grounds:
        graded = self.house.assessor.grades(session, [subject_id], now, now)[0]
        if graded.problem is not None:
            raise graded.problem
        edition = edition_for(self.house.editions(), split(subject_id)[0], civil_day(now))
        return Grounds(subject_id, edition, graded, now)


def _day(field: str, text: str) -> int:
    try:
        return parse_day(text)
    except CreditError as fault:
        raise CreditError(fault.reason, f"{field}: got {shown(text) or 'nothing'}, want YYYY-MM-DD") from fault
