"""Query records over the wire: every question about a subject leaves one, answered or refused, before the answer."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
import pytest

from credit_service.audit.queries import verify_queries
from credit_service.v1 import audit_pb2 as pb
from credit_service.v1 import grades_pb2, ledger_pb2, listings_pb2, subjects_pb2
from tests.api.street import NOW, OWN, Street, a_code, a_record, major_accident, ref, registered


def queries(street: Street, code: str, role: str = "regulator", **named: Any) -> Any:
    request = pb.ListQueriesRequest(subject=ref(code), **named)
    return street.ask(role, "AuditService/ListQueries", request)


def a_known_code(street: Street) -> str:
    code = a_code()
    street.must_collect(registered(code))
    return code


def test_question_leaves_who_when_and_why(street: Street) -> None:
    code = a_known_code(street)
    street.ask("insurer", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)), "年度核保")
    street.ask("district", "GradeService/ExplainGrade", grades_pb2.ExplainGradeRequest(subject=ref(code)))
    last, first = queries(street, code).queries
    assert (first.agency, first.role, first.purpose) == ("example-insurance", "insurer", "年度核保")
    assert (first.method, first.outcome, first.HasField("officer")) == ("GradeService/GetGrade", "OK", False)
    assert first.query_time.ToDatetime(NOW.tzinfo) == NOW
    assert (last.officer, last.method) == ("officer-3", "GradeService/ExplainGrade")
    assert last.query_number > first.query_number


@pytest.mark.parametrize(
    ("method", "request_of"),
    [
        ("SubjectService/GetSubject", lambda c: subjects_pb2.GetSubjectRequest(subject=ref(c))),
        ("SubjectService/SearchSubjects", lambda c: subjects_pb2.SearchSubjectsRequest(query=c)),
        ("SubjectService/ScreenSubjects", lambda c: subjects_pb2.ScreenSubjectsRequest(subjects=[ref(c)])),
        ("LedgerService/ListEvents", lambda c: ledger_pb2.ListEventsRequest(subject=ref(c))),
        ("ListingService/SearchListings", lambda c: listings_pb2.SearchListingsRequest(subject=ref(c))),
        ("GradeService/GetGrade", lambda c: grades_pb2.GetGradeRequest(subject=ref(c))),
        ("GradeService/BatchGetGrades", lambda c: grades_pb2.BatchGetGradesRequest(subjects=[ref(c)])),
        ("GradeService/ExplainGrade", lambda c: grades_pb2.ExplainGradeRequest(subject=ref(c))),
        ("GradeService/ListGradeHistory", lambda c: grades_pb2.ListGradeHistoryRequest(subject=ref(c))),
    ],
)  # fmt: skip
def test_every_method_that_shows_a_subject_leaves_a_record(street: Street, method: str, request_of: Any) -> None:
    code = a_code()
    street.must_collect(registered(code), *major_accident(code))
    street.ask("regulator", method, request_of(code))
    assert [(q.method, q.outcome) for q in queries(street, code).queries] == [(method, "OK")]


def test_reading_one_event_or_one_listing_leaves_a_record(street: Street) -> None:
    code = a_code()
    event = street.must_collect(registered(code), *major_accident(code))[0]
    street.ask("regulator", "LedgerService/GetEvent", ledger_pb2.GetEventRequest(event_id=event))
    found = street.ask(
        "regulator", "ListingService/SearchListings", listings_pb2.SearchListingsRequest(subject=ref(code))
    )
    one = listings_pb2.GetListingRequest(listing_id=found.listings[0].listing_id)
    street.ask("regulator", "ListingService/GetListing", one)
    methods = [q.method for q in queries(street, code).queries]
    assert methods == ["ListingService/GetListing", "ListingService/SearchListings", "LedgerService/GetEvent"]


def test_refused_question_is_recorded_with_its_status(street: Street) -> None:
    code = a_known_code(street)
    street.refusal("enterprise", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)))
    far = a_code()
    street.must_collect(registered(far, "110105"))
    street.refusal("district", "GradeService/ExplainGrade", grades_pb2.ExplainGradeRequest(subject=ref(far)))
    assert [(q.role, q.outcome) for q in queries(street, code).queries] == [("enterprise", "PERMISSION_DENIED")]
    assert [(q.officer, q.outcome) for q in queries(street, far).queries] == [("officer-3", "PERMISSION_DENIED")]


def test_batch_leaves_one_record_per_subject_also_for_repeated_ones(street: Street) -> None:
    codes = [a_known_code(street) for _ in range(3)]
    asked = [ref(code) for code in [*codes, *codes, "bad"]]
    street.ask("agency", "GradeService/BatchGetGrades", grades_pb2.BatchGetGradesRequest(subjects=asked))
    street.ask("agency", "SubjectService/ScreenSubjects", subjects_pb2.ScreenSubjectsRequest(subjects=asked))
    for code in codes:
        methods = [q.method for q in queries(street, code).queries]
        assert methods == ["SubjectService/ScreenSubjects", "GradeService/BatchGetGrades"]


def test_collecting_is_no_question(street: Street) -> None:
    code = a_known_code(street)
    street.collect(a_record(code))
    assert not queries(street, code).queries


def test_enterprise_sees_who_asked_about_it_and_about_nobody_else(street: Street) -> None:
    street.collect(registered(OWN))
    street.ask("insurer", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(OWN)))
    assert queries(street, OWN, "enterprise").queries[0].agency == "example-insurance"
    request = pb.ListQueriesRequest(subject=ref(a_code()))
    assert street.refusal("enterprise", "AuditService/ListQueries", request).reason == "NOT_OWN_SUBJECT"


def test_records_page_newest_first(street: Street) -> None:
    code = a_known_code(street)
    for purpose in "abcde":
        street.ask("insurer", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)), purpose)
    found, token = "", ""
    for _ in range(3):
        page = queries(street, code, page_size=2, page_token=token)
        found += "".join(q.purpose for q in page.queries)
        token = page.next_page_token
    assert (found, token) == ("edcba", "")
    first = queries(street, code, page_size=2).next_page_token
    request = pb.ListQueriesRequest(subject=ref(OWN), page_token=first)
    assert street.refusal("regulator", "AuditService/ListQueries", request).reason == "PAGE_TOKEN_INVALID"


def test_chain_holds_after_many_callers_at_once(street: Street) -> None:
    codes = [a_known_code(street) for _ in range(4)]
    roles = ["regulator", "insurer", "agency", "district"] * 10

    def ask(number: int) -> None:
        request = grades_pb2.GetGradeRequest(subject=ref(codes[number % 4]))
        street.ask(roles[number], "GradeService/GetGrade", request)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(40)))
    assert sum(len(queries(street, code).queries) for code in codes) == 40
    assert verify_queries(street.running.house.audit) is None


def test_record_is_durable_when_the_answer_arrives(street: Street) -> None:
    code = a_known_code(street)
    street.ask("agency", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)))
    with street.running.house.audit.engine.connect() as connection:
        statement = f"SELECT count(*) FROM query_record WHERE subject_id = 'USCC:{code}'"
        assert connection.exec_driver_sql(statement).scalar_one() == 1


def test_blank_purpose_is_no_purpose(street: Street) -> None:
    request = grades_pb2.GetGradeRequest(subject=ref(OWN))
    assert street.refusal("agency", "GradeService/GetGrade", request, "  \t ").reason == "PURPOSE_REQUIRED"


def test_district_officer_sees_who_asked_about_own_enterprises_only(street: Street) -> None:
    own, other = a_code(), a_code()
    street.must_collect(registered(own), registered(other, "110117"))
    request = pb.ListQueriesRequest(subject=ref(other))
    assert queries(street, own, "district").queries == []
    assert street.refused("district", "AuditService/ListQueries", request)[1] == "OUT_OF_JURISDICTION"
    assert queries(street, other).queries == []


def test_caller_whose_time_is_up_never_stops_the_query_records(street: Street) -> None:
    code = a_known_code(street)
    request = grades_pb2.GetGradeRequest(subject=ref(code))
    for milliseconds in range(2, 40):
        with suppress(grpc.RpcError):
            street.open("regulator", "GradeService/GetGrade", request, timeout=milliseconds / 1000)
    assert street.ask("regulator", "GradeService/GetGrade", request).grade.subject.code == code
    assert queries(street, code).queries[0].outcome == "OK"


def test_no_listing_is_an_answer_too(street: Street) -> None:
    code = a_known_code(street)
    street.ask("regulator", "ListingService/SearchListings", listings_pb2.SearchListingsRequest(subject=ref(code)))
    assert [q.method for q in queries(street, code).queries] == ["ListingService/SearchListings"]
