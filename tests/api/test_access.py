"""Who may call what: every cell of the table through the wire, and what stays hidden."""

import pytest

from credit_service.api.access import EVERYONE, METHODS, MUST_STATE_PURPOSE
from credit_service.api.services import is_built, services
from credit_service.v1 import audit_pb2, grades_pb2, ledger_pb2, listings_pb2, subjects_pb2
from tests.api.street import Street, a_code, a_record, major_accident, ref, registered

# r regulator, a agency, i insurer, e enterprise, o operator; written out once more, so that a slip of the
# service's table shows.
TABLE = {
    "SubjectService/GetSubject": "raie",
    "SubjectService/SearchSubjects": "rai",
    "SubjectService/ScreenSubjects": "rai",
    "LedgerService/SubmitEvents": "ra",
    "LedgerService/StreamEvents": "ra",
    "LedgerService/GetReceipt": "ra",
    "LedgerService/ReleaseQuarantined": "ra",
    "LedgerService/ListQuarantined": "ra",
    "LedgerService/DeclareWatermark": "ra",
    "LedgerService/GetEvent": "re",
    "LedgerService/ListEvents": "re",
    "RulebookService/GetRulebook": "raieo",
    "RulebookService/TryRulebook": "r",
    "RulebookService/AdoptRulebook": "r",
    "ListingService/GetListing": "raie",
    "ListingService/SearchListings": "raie",
    "ListingService/ListDeadlines": "r",
    "ListingService/NominateListing": "r",
    "ListingService/NotifyListing": "r",
    "ListingService/RecordService": "r",
    "ListingService/RecordStatement": "r",
    "ListingService/DecideListing": "r",
    "ListingService/ConfirmListing": "r",
    "ListingService/PublishListing": "r",
    "ListingService/DropListing": "r",
    "ListingService/Delist": "r",
    "ListingService/RevokeListing": "r",
    "ListingService/Reinstate": "r",
    "ListingService/StayListing": "r",
    "ListingService/LiftStay": "r",
    "ListingService/TransferListing": "r",
    "ListingService/ProposeChange": "r",
    "ListingService/AnswerChange": "r",
    "ListingService/ReaffirmListing": "r",
    "RemedyService/RequestEarlyRemoval": "re",
    "RemedyService/AcceptEarlyRemoval": "r",
    "RemedyService/DecideEarlyRemoval": "r",
    "RemedyService/FileObjection": "re",
    "RemedyService/DecideObjection": "r",
    "RemedyService/RequestRepair": "re",
    "RemedyService/DecideRepair": "r",
    "RemedyService/RevokeRepair": "r",
    "RemedyService/ListRemedies": "re",
    "RemedyService/PlanRepair": "re",
    "GradeService/GetGrade": "raie",
    "GradeService/BatchGetGrades": "rai",
    "GradeService/ExplainGrade": "re",
    "GradeService/ListGradeHistory": "re",
    "GradeService/TryGrade": "re",
    "GradeService/ListReviews": "r",
    "GradeService/DecideReview": "r",
    "GradeService/OverrideGrade": "r",
    "GradeService/DecideOverride": "r",
    "GradeService/EndOverride": "r",
    "GradeService/ListOverrides": "re",
    "ModelService/GetModel": "reo",
    "SyncService/GetFeedInfo": "raieo",
    "SyncService/GetSnapshot": "rae",
    "SyncService/Subscribe": "rae",
    "SyncService/ReportMeasures": "a",
    "SyncService/ListObligations": "ra",
    "AuditService/ListQueries": "re",
}
BUILT = {f"{s.name}/{m.name}": m for s in services() for m in s.methods if is_built(s, m.name)}
GET_GRADE = BUILT["GradeService/GetGrade"]


def test_table_names_every_method_that_is_built() -> None:
    assert set(METHODS) == set(TABLE) == set(BUILT)


@pytest.mark.parametrize("role", sorted(EVERYONE))
@pytest.mark.parametrize("name", TABLE)
def test_cell_of_the_access_table_holds_through_the_wire(street: Street, name: str, role: str) -> None:
    refused = street.raw(role, BUILT[name], b"")
    is_forbidden = refused is not None and refused.reason == "ROLE_FORBIDDEN"
    assert is_forbidden != (role[0] in TABLE[name])
    if is_forbidden and refused:
        assert (refused.code, refused.facts) == ("PERMISSION_DENIED", {"method": name})


@pytest.mark.parametrize("role", sorted(EVERYONE))
def test_purpose_is_required_of_those_who_act_for_others(street: Street, role: str) -> None:
    if role[0] in TABLE["GradeService/GetGrade"]:
        silent, stated = (street.raw(role, GET_GRADE, b"", purpose) for purpose in ("", "tests"))
        assert silent is not None
        assert stated is not None
        assert silent.reason == ("PURPOSE_REQUIRED" if role in MUST_STATE_PURPOSE else "FIELD_MISSING")
        assert stated.reason == "FIELD_MISSING"


def person(code: str) -> subjects_pb2.SubjectRef:
    """Names a person."""
    return subjects_pb2.SubjectRef(scheme="PERSON", code=code)


@pytest.mark.parametrize("role", ["insurer", "agency"])
def test_person_is_hidden_whether_known_or_not(street: Street, role: str) -> None:
    known = "ef" * 32
    subject = {"scheme": "PERSON", "code": known, "kind": "PERSON", "name": "某甲"}
    street.collect(a_record(a_code(), subject=subject))
    for code in (known, "01" * 32):
        grade = grades_pb2.GetGradeRequest(subject=person(code))
        assert street.refused(role, "GradeService/GetGrade", grade) == (
            "PERMISSION_DENIED",
            "PERSON_NOT_VISIBLE",
        )
    request = subjects_pb2.SearchSubjectsRequest(query=known[:8])
    found = street.ask(role, "SubjectService/SearchSubjects", request)
    assert list(found.subjects) == []
    assert street.ask("regulator", "SubjectService/SearchSubjects", request).subjects


def test_enterprise_sees_itself_and_nobody_else(street: Street) -> None:
    own = (street.folder / "enterprise.txt").read_text("utf-8").strip().partition(":")[2]
    street.collect(registered(own))
    mine = grades_pb2.ExplainGradeRequest(subject=ref(own))
    assert street.ask("enterprise", "GradeService/ExplainGrade", mine).features
    other = grades_pb2.GetGradeRequest(subject=ref(a_code()))
    assert street.refused("enterprise", "GradeService/GetGrade", other) == ("PERMISSION_DENIED", "NOT_OWN_SUBJECT")


def test_enterprise_sees_who_asked_about_it_and_for_what(street: Street) -> None:
    own = (street.folder / "enterprise.txt").read_text("utf-8").strip().partition(":")[2]
    own_ref = ref(own)
    street.collect(registered(own))
    street.ask("insurer", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=own_ref))
    street.refused("insurer", "SubjectService/GetSubject", subjects_pb2.GetSubjectRequest())
    answer = street.ask("enterprise", "AuditService/ListQueries", audit_pb2.ListQueriesRequest(subject=own_ref))
    first = answer.queries[0]
    assert (first.role, first.purpose) == ("insurer", "tests")
    assert (first.method, first.outcome) == ("GradeService/GetGrade", "OK")


def test_refused_question_leaves_a_record_too(street: Street) -> None:
    code = a_code()
    request = grades_pb2.GetGradeRequest(subject=ref(code))
    street.refused("insurer", "GradeService/GetGrade", request)
    listing = audit_pb2.ListQueriesRequest(subject=ref(code))
    answer = street.ask("regulator", "AuditService/ListQueries", listing)
    assert [q.outcome for q in answer.queries if q.method == "GradeService/GetGrade"] == ["NOT_FOUND"]


def test_district_officer_sees_another_district_masked(street: Street) -> None:
    inside, outside = a_code(), a_code("110105")
    street.must_collect(registered(inside), *major_accident(outside), registered(outside, region="110105"))
    own = street.ask(
        "district", "SubjectService/GetSubject", subjects_pb2.GetSubjectRequest(subject=ref(inside))
    ).subject
    other = street.ask(
        "district", "SubjectService/GetSubject", subjects_pb2.GetSubjectRequest(subject=ref(outside))
    ).subject
    assert own.name == "模拟化工有限公司"
    assert (other.name, other.HasField("headcount")) == ("模拟＊＊", False)  # noqa: RUF001  # the full-width mask
    explain = grades_pb2.ExplainGradeRequest(subject=ref(outside))
    refused = street.refused("district", "GradeService/ExplainGrade", explain)
    assert refused == ("PERMISSION_DENIED", "OUT_OF_JURISDICTION")
    events = ledger_pb2.ListEventsRequest(subject=ref(outside))
    assert street.refused("district", "LedgerService/ListEvents", events) == refused
    found = listings_pb2.SearchListingsRequest(subject=ref(outside))
    listing = street.ask("district", "ListingService/SearchListings", found).listings[0]
    assert (listing.subject_name, list(listing.event_ids)) == ("模拟＊＊", [])  # noqa: RUF001  # as above


SEEN = {
    "regulator": {
        "subject",
        "grade",
        "score",
        "probability",
        "target_zh",
        "target_en",
        "reasons",
        "edition_id",
        "model_id",
        "as_of_time",
        "mode",
    },
    "agency": {"subject", "grade", "edition_id", "as_of_time"},
    "insurer": {"subject", "grade", "edition_id", "as_of_time"},
}


@pytest.mark.parametrize("role", SEEN)
def test_role_sees_exactly_its_fields_of_a_grade(street: Street, role: str) -> None:
    code = a_code()
    street.must_collect(registered(code), a_record(code))
    request = grades_pb2.GetGradeRequest(subject=ref(code))
    record = street.ask(role, "GradeService/GetGrade", request).grade
    fields = {field.name for field, _ in record.ListFields()}
    assert fields - {"known_time", "next_review_date"} == SEEN[role]


def test_candidates_are_for_regulators_only(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code), *major_accident(code))
    request = listings_pb2.SearchListingsRequest(subject=ref(code))
    listing = street.ask("regulator", "ListingService/SearchListings", request).listings[0]
    assert list(street.ask("agency", "ListingService/SearchListings", request).listings) == []
    one = listings_pb2.GetListingRequest(listing_id=listing.listing_id)
    assert street.refused("agency", "ListingService/GetListing", one) == ("NOT_FOUND", "LISTING_NOT_FOUND")
    screen = subjects_pb2.ScreenSubjectsRequest(subjects=[ref(code)])
    screened = street.ask("agency", "SubjectService/ScreenSubjects", screen).results[0]
    assert (screened.grade, list(screened.listing_ids)) == ("D", [])
