"""The door of SubjectService."""

from datetime import datetime

from sqlmodel import Session

from credit_service.api import wire
from credit_service.api.access import check_subject
from credit_service.api.calls import Call
from credit_service.api.house import House
from credit_service.api.identity import Caller
from credit_service.api.listing_messages import sees
from credit_service.api.redaction import redact
from credit_service.errors import CreditError, Reason, problem_of
from credit_service.ledger.relations import Relation, relations_of
from credit_service.ledger.tables import count_events
from credit_service.legal_days import civil_day
from credit_service.listings.tables import ListingRow, listings_of
from credit_service.subjects.tables import SubjectRow, find_subjects, subjects_by_id
from credit_service.v1 import subjects_pb2 as pb

SCREEN_LIMIT = 1000
# Relation → what the one that hands on, and the one that bears, is to the other.
_SIDES = {
    "RENUMBERED": ("FORMER_CODE", "LATER_CODE"), "MERGED": ("MERGED_PREDECESSOR", "MERGED_SUCCESSOR"),
    "SPLIT": ("SPLIT_PREDECESSOR", "SPLIT_SUCCESSOR"), "BRANCH": ("BRANCH", "HEAD"),
}  # fmt: skip
QUERY_LEAST = 2


class SubjectDoor:
    """Finds and screens subjects."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.house = house

    def GetSubject(self, request: pb.GetSubjectRequest, call: Call) -> pb.GetSubjectResponse:
        """Returns one subject."""
        as_of, known = self.house.frame(request.time_frame, call)
        identifier = wire.id_of(request.subject)
        with self.house.database.reading() as session:
            row = self.house.ask(session, call, identifier)
            if row.first_collect_time > known:
                raise CreditError(Reason.SUBJECT_NOT_FOUND, f"subject: got {identifier}, want one known by then")
            count = count_events(session, [identifier], known).get(identifier, 0)
            related = [_relation(r, identifier) for r in relations_of(session, [identifier], as_of, known)]
        return pb.GetSubjectResponse(subject=self._message(row, count, call.caller), relations=related)

    def SearchSubjects(self, request: pb.SearchSubjectsRequest, call: Call) -> pb.SearchSubjectsResponse:
        """Lists subjects by code prefix or part of a name."""
        text, size = request.query.strip(), wire.page_size(request.page_size)
        if len(text) < QUERY_LEAST:
            raise CreditError(
                Reason.FIELD_OUT_OF_RANGE, f"query: got {len(text)} characters, want {QUERY_LEAST} or more"
            )
        wire.plain_text("query", text)
        bond = ("SearchSubjects", text, wire.plain_text("scheme", request.scheme))
        place = wire.page_place(bond, request.page_token, str)
        with self.house.database.reading() as session:
            rows = find_subjects(
                session, text, request.scheme or None, place[0] if place else "", size + 1,
                with_persons=call.caller.role == "regulator",
            )  # fmt: skip
            counts = count_events(session, [row.subject_id for row in rows], call.now)
        page = rows[:size]
        call.asked.extend(row.subject_id for row in page)
        token = wire.page_token(bond, [page[-1].subject_id]) if len(rows) > size else ""
        found = [self._message(row, counts.get(row.subject_id, 0), call.caller) for row in page]
        return pb.SearchSubjectsResponse(subjects=found, next_page_token=token)

    def ScreenSubjects(self, request: pb.ScreenSubjectsRequest, call: Call) -> pb.ScreenSubjectsResponse:
        """Screens codes; each answers for itself."""
        if not 1 <= len(request.subjects) <= SCREEN_LIMIT:
            reason = Reason.BATCH_TOO_LARGE if request.subjects else Reason.BATCH_EMPTY
            raise CreditError(
                reason, f"subjects: got {len(request.subjects)}, want 1 to {SCREEN_LIMIT}", limit=str(SCREEN_LIMIT)
            )
        as_of, known = self.house.frame(request.time_frame, call)
        results = [pb.ScreenResult(index=index) for index in range(len(request.subjects))]
        wanted: dict[int, str] = {}
        for index, subject in enumerate(request.subjects):
            try:
                identifier = wire.id_of(subject)
                call.asked.append(identifier)
                check_subject(call.caller, identifier)
                wanted[index] = identifier
            except CreditError as error:
                results[index].problems.append(wire.problem_message(problem_of(error)))
        with self.house.database.reading() as session:
            self._fill(session, results, wanted, call, (as_of, known))
        return pb.ScreenSubjectsResponse(results=results)

    def _fill(
        self,
        session: Session,
        results: list[pb.ScreenResult],
        wanted: dict[int, str],
        call: Call,
        frame: tuple[datetime, datetime],
    ) -> None:
        identifiers = list(dict.fromkeys(wanted.values()))
        rows = subjects_by_id(session, identifiers)
        graded = {g.subject_id: g for g in self.house.assessor.grades(session, identifiers, *frame)}
        listings: dict[str, list[ListingRow]] = {}
        for listing in listings_of(session, identifiers):
            listings.setdefault(listing.subject_id, []).append(listing)
        counts = count_events(session, identifiers, frame[1])
        for index, identifier in wanted.items():
            row, result = rows.get(identifier), results[index]
            try:
                check_subject(call.caller, identifier, row.kind if row else None)
            except CreditError as error:
                result.problems.append(wire.problem_message(problem_of(error)))
                continue
            if row is None or row.first_collect_time > frame[1]:
                continue
            result.match = "CODE"
            result.subject.CopyFrom(self._message(row, counts.get(identifier, 0), call.caller))
            said = graded[identifier]
            if said.grade:
                result.grade = said.grade
            elif said.problem:
                result.grade_problem.CopyFrom(wire.problem_message(problem_of(said.problem)))
            seen = [
                x
                for x in listings.get(identifier, [])
                if sees(call.caller, x, civil_day(call.now)) and call.caller.covers(row.supervising_region)
            ]
            result.listing_ids.extend(listing.listing_id for listing in seen)

    def _message(self, row: SubjectRow, event_count: int, caller: Caller) -> pb.Subject:
        message = pb.Subject(
            subject=wire.ref_of(row.subject_id),
            name=row.name,
            kind=pb.SubjectKind.Value(f"SUBJECT_KIND_{row.kind}"),
            industry_code=row.industry_code,
            supervising_region=row.supervising_region,
            headcount=row.headcount,
            founded_date=row.founded_date,
            first_collect_time=wire.timestamp(row.first_collect_time),
            event_count=event_count,
        )
        return redact(message, caller, row.supervising_region)


def _relation(relation: Relation, asked: str) -> pb.SubjectRelation:
    is_receiver = relation.receiver_id == asked
    other, side = (relation.giver_id, 0) if is_receiver else (relation.receiver_id, 1)
    kind = pb.RelationKind.Value(f"RELATION_KIND_{_SIDES[relation.relation][side]}")
    return pb.SubjectRelation(kind=kind, subject=wire.ref_of(other), event_id=str(relation.position))
