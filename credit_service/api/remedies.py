"""The door of RemedyService: objections, repairs and the plan to a better grade; early removal stands beside it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session

from credit_service import logs
from credit_service.api import wire
from credit_service.api.bases import basis_messages
from credit_service.api.calls import Call
from credit_service.api.early_removal import EarlyRemoval
from credit_service.api.listing_messages import sees
from credit_service.api.listing_moves import ask_of
from credit_service.audit.acts import Ask
from credit_service.errors import CreditError, Reason, shown
from credit_service.legal_days import civil_day, day_text
from credit_service.listings.tables import get_listing
from credit_service.planning import Path, plan
from credit_service.remedies import life
from credit_service.remedies.moves import OBJECTION, REPAIR, STATES
from credit_service.remedies.repairs import CORRECTED, PERFORMED
from credit_service.remedies.tables import RemedyMoveRow, RemedyRow, get_remedy, moves, search_remedies
from credit_service.rulebook.edition import edition_for
from credit_service.subjects.schemes import split
from credit_service.subjects.tables import subjects_by_id
from credit_service.v1 import grades_pb2
from credit_service.v1 import remedies_pb2 as pb

LONGEST_ID = 200
Work = Callable[[Session, RemedyRow, Ask, life.Grounds], list[str]]


class RemedyDoor(EarlyRemoval):
    """Takes and decides remedies."""

    def FileObjection(self, request: pb.FileObjectionRequest, call: Call) -> pb.FileObjectionResponse:
        """Files an objection and marks its target."""
        ask, target = ask_of(request, call, "FILE"), wire.plain_text("target", request.target, LONGEST_ID)

        def file(session: Session, grounds: life.Grounds) -> RemedyRow:
            self._check_visible(session, target, call)
            return life.file_objection(session, target, ask, grounds)

        return pb.FileObjectionResponse(remedy=self._file(request, call, ask, file))

    def DecideObjection(self, request: pb.DecideObjectionRequest, call: Call) -> pb.DecideObjectionResponse:
        """Upholds or dismisses an objection."""
        stated = {life.AMENDED: request.is_amended_by_source, life.EVENTS: list(request.event_ids)}
        ask = ask_of(request, call, "GRANT" if request.is_upheld else "DISMISS", stated)
        return pb.DecideObjectionResponse(remedy=self._decide(request, call, ask, OBJECTION, life.decide_objection))

    def RequestRepair(self, request: pb.RequestRepairRequest, call: Call) -> pb.RequestRepairResponse:
        """Files a request for credit repair."""
        ask, event_id = ask_of(request, call, "FILE"), wire.plain_text("event_id", request.event_id)

        def file(session: Session, grounds: life.Grounds) -> RemedyRow:
            return life.request_repair(session, event_id, ask, grounds)

        return pb.RequestRepairResponse(remedy=self._file(request, call, ask, file))

    def DecideRepair(self, request: pb.DecideRepairRequest, call: Call) -> pb.DecideRepairResponse:
        """Grants or refuses a repair."""
        stated = {PERFORMED: request.is_penalty_performed, CORRECTED: request.is_conduct_corrected}
        ask = ask_of(request, call, "GRANT" if request.is_granted else "DISMISS", stated)
        return pb.DecideRepairResponse(remedy=self._decide(request, call, ask, REPAIR, life.decide_repair))

    def RevokeRepair(self, request: pb.RevokeRepairRequest, call: Call) -> pb.RevokeRepairResponse:
        """Ends a repair that was obtained by false proof."""
        ask = ask_of(request, call, "REVOKE")
        return pb.RevokeRepairResponse(remedy=self._decide(request, call, ask, REPAIR, life.revoke_repair))

    def ListRemedies(self, request: pb.ListRemediesRequest, call: Call) -> pb.ListRemediesResponse:
        """Lists the caller's own remedies, or those of the officer's jurisdiction."""
        size, today, wanted = wire.page_size(request.page_size), civil_day(call.now), _wanted(request, call)
        bond = ("ListRemedies", tuple(sorted(wanted.items())), request.is_overdue_only)
        place = wire.page_place(bond, request.page_token, str, int, str)
        after = (str(place[0]), place[1], str(place[2])) if place else None
        overdue_on = today if request.is_overdue_only else None
        with self.moves.house.database.reading() as session:
            if "subject_id" in wanted:
                self.moves.house.ask_within(session, call, wanted["subject_id"])
            rows = search_remedies(session, wanted, overdue_on, after, size + 1)
            subjects = subjects_by_id(session, {row.subject_id for row in rows})
            page = rows[:size]
            mine = [row for row in page if call.caller.covers(subjects[row.subject_id].supervising_region)]
            found = [_message(row, moves(session, row), today) for row in mine]
        call.asked.extend(dict.fromkeys(row.subject_id for row in mine))
        last = [page[-1].state, page[-1].due_day, page[-1].remedy_id] if page else []
        token = wire.page_token(bond, last) if len(rows) > size else ""
        return pb.ListRemediesResponse(remedies=found, next_page_token=token)

    def PlanRepair(self, request: pb.PlanRepairRequest, call: Call) -> pb.PlanRepairResponse:
        """Plans the way to better grades."""
        house, subject_id = self.moves.house, wire.id_of(request.subject)
        as_of, known = house.frame(request.time_frame, call)
        with house.database.reading() as session:
            house.ask_within(session, call, subject_id)
            found = plan(session, house.assessor, subject_id, as_of, known)
        return pb.PlanRepairResponse(
            grade=_grade(found.grade), paths=map(_path_message, found.paths), horizon_date=day_text(found.horizon_day),
            unmet_zh=[s.text_zh for s in found.unmet], unmet_en=[s.text_en for s in found.unmet],
        )  # fmt: skip

    def _check_visible(self, session: Session, target: str, call: Call) -> None:
        """What the caller may not see it cannot object to: it answers like none."""
        kind, _, name = target.partition("/")
        row = get_listing(session, name) if kind == life.LISTING else None
        if row is not None and not sees(call.caller, row, civil_day(call.now)):
            raise CreditError(Reason.LISTING_NOT_FOUND, f"listing_id: got {shown(name)}, want one of the subject")

    def _file(
        self, request: Any, call: Call, ask: Ask, file: Callable[[Session, life.Grounds], RemedyRow]
    ) -> pb.Remedy:
        subject_id = wire.id_of(request.subject)

        def work(session: Session, now: datetime) -> pb.Remedy:
            grounds = self._grounds(session, call, subject_id, now)
            row = file(session, grounds)
            grounds.around.recorder.write(session)
            return self._answer(session, row, ask, call, now)

        return self._written(call, work)

    def _decide(self, request: Any, call: Call, ask: Ask, kind: str, decide: Work) -> pb.Remedy:
        remedy_id = wire.plain_text("remedy_id", request.remedy_id)

        def work(session: Session, now: datetime) -> pb.Remedy:
            row = get_remedy(session, remedy_id)
            if row is None or row.kind != kind:
                want = f"a remedy of kind {kind}"
                raise CreditError(Reason.REMEDY_NOT_FOUND, f"remedy_id: got {shown(remedy_id)}, want {want}")
            grounds = self._grounds(session, call, row.subject_id, now)
            touched = decide(session, row, ask, grounds)
            grounds.around.recorder.write(session)
            self.moves.house.assessor.assess(session, list(dict.fromkeys(touched)), now)
            return self._answer(session, row, ask, call, now)

        return self._written(call, work)

    def _written(self, call: Call, work: Callable[[Session, datetime], pb.Remedy]) -> pb.Remedy:
        message: pb.Remedy = self.moves.house.writer.decide(work)
        call.facts = {"remedy": message.remedy_id, "state": message.state}
        return message

    def _grounds(self, session: Session, call: Call, subject_id: str, now: datetime) -> life.Grounds:
        house = self.moves.house
        subject = house.ask_within(session, call, subject_id)
        edition = edition_for(house.editions(), split(subject_id)[0], civil_day(now))
        around = self.moves.around(session, subject_id, now)
        return life.Grounds(subject_id, subject.kind, edition, around, house.writer.reception)

    def _answer(self, session: Session, row: RemedyRow, ask: Ask, call: Call, now: datetime) -> pb.Remedy:
        logs.get().info(
            "decision", act=ask.name, officer=ask.actor, on=row.remedy_id, basis=row.target, outcome=row.state,
            request_id=call.request_id,
        )  # fmt: skip
        return _message(row, moves(session, row), civil_day(now))


def _wanted(request: pb.ListRemediesRequest, call: Call) -> Mapping[str, str]:
    wanted = {}
    for name, value, allowed in (("kind", request.kind, (OBJECTION, REPAIR)), ("state", request.state, STATES)):
        if value and value not in allowed:
            raise CreditError(Reason.ENUM_UNKNOWN, f"{name}: got {shown(value)}, want one of {', '.join(allowed)}")
        if value:
            wanted[name] = value
    if request.HasField("subject"):
        wanted["subject_id"] = wire.id_of(request.subject)
    elif call.caller.role == "enterprise":
        wanted["subject_id"] = call.caller.subject_id or ""
    return wanted


def _message(row: RemedyRow, made: Sequence[RemedyMoveRow], today: int) -> pb.Remedy:
    return pb.Remedy(
        remedy_id=row.remedy_id, subject=wire.ref_of(row.subject_id), kind=row.kind, target=row.target,
        state=row.state, file_time=wire.timestamp(row.file_time), agency=row.agency,
        due_date=day_text(row.due_day) if row.due_day else "", is_provisional=row.is_provisional,
        is_overdue=bool(row.due_day) and today > row.due_day, moves=map(_move_message, made),
    )  # fmt: skip


def _move_message(move: RemedyMoveRow) -> pb.RemedyMove:
    digest = wire.digest(bytes.fromhex(move.document_digest)) if move.document_digest else None
    return pb.RemedyMove(
        name=move.name, move_time=wire.timestamp(move.move_time), actor=move.actor, reason=move.reason,
        document_no=move.document_no, document_digest=digest,
    )  # fmt: skip


def _path_message(path: Path) -> pb.RepairPath:
    steps = [
        pb.PlanStep(
            from_date=day_text(step.from_day), action=step.action, target=step.target, text_zh=step.text_zh,
            text_en=step.text_en, bases=basis_messages(step.bases),
        )
        for step in path.steps
    ]  # fmt: skip
    return pb.RepairPath(grade=_grade(path.grade), reach_date=day_text(path.day), steps=steps)


def _grade(letter: str) -> grades_pb2.Grade.ValueType:
    return grades_pb2.Grade.Value(f"GRADE_{letter}")
