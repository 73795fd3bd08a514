"""The door of AuditService: who asked about a subject."""

from credit_service.api import wire
from credit_service.api.access import check_jurisdiction, check_subject
from credit_service.api.calls import Call
from credit_service.api.house import House
from credit_service.audit.tables import queries_of
from credit_service.subjects.tables import get_subject
from credit_service.v1 import audit_pb2 as pb


class AuditDoor:
    """Shows query records."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.house = house

    def ListQueries(self, request: pb.ListQueriesRequest, call: Call) -> pb.ListQueriesResponse:
        """Lists who asked, newest first."""
        identifier, size = wire.id_of(request.subject), wire.page_size(request.page_size)
        check_subject(call.caller, identifier)
        with self.house.database.reading() as session:
            row = get_subject(session, identifier)
        if row is not None:
            check_jurisdiction(call.caller, row.supervising_region)
        bond = ("ListQueries", identifier)
        place = wire.page_place(bond, request.page_token, int)
        with self.house.audit.reading() as session:
            rows = queries_of(session, identifier, place[0] if place else None, size + 1)
        token = wire.page_token(bond, [rows[size - 1].number]) if len(rows) > size else ""
        queries = [
            pb.QueryRecord(
                query_number=row.number, query_time=wire.timestamp(row.query_time), agency=row.agency, role=row.role,
                officer=row.officer, purpose=row.purpose, method=row.method, outcome=row.outcome,
            )
            for row in rows[:size]
        ]  # fmt: skip
        return pb.ListQueriesResponse(queries=queries, next_page_token=token)
