"""Which fields each role sees: exactly those of the table, and never one more."""

import pytest

from credit_service.api.identity import Caller
from credit_service.api.redaction import FIELDS, masked_name, redact
from credit_service.v1 import grades_pb2, subjects_pb2
from tests.api.street import OWN, Street, ref, registered

SUBJECT = {"subject", "name", "kind", "industry_code", "supervising_region"}
GRADE = {"subject", "grade", "edition_id", "as_of_time", "known_time", "next_review_date"}
EVERY_SUBJECT = {field.name for field in subjects_pb2.Subject.DESCRIPTOR.fields}
EVERY_GRADE = {field.name for field in grades_pb2.GradeRecord.DESCRIPTOR.fields}
CALLERS = {
    "regulator": Caller("regulator", "bureau", "", "officer"),
    "district": Caller("regulator", "bureau", "", "officer", region="110105"),
    "own district": Caller("regulator", "bureau", "", "officer", region="110108"),
    "agency": Caller("agency", "market", ""),
    "insurer": Caller("insurer", "example", ""),
    "enterprise": Caller("enterprise", "firm", "", subject_id=f"USCC:{OWN}"),
    "operator": Caller("operator", "operations", ""),
}
SEEN = {
    "regulator": (EVERY_SUBJECT, EVERY_GRADE),
    "own district": (EVERY_SUBJECT, EVERY_GRADE),
    "district": (SUBJECT, GRADE),
    "agency": (SUBJECT, GRADE),
    "insurer": (SUBJECT, GRADE),
    "enterprise": (EVERY_SUBJECT, EVERY_GRADE),
    "operator": (set(), set()),
}


def full_subject() -> subjects_pb2.Subject:
    """Fills every field of a subject."""
    made = subjects_pb2.Subject(
        subject=ref(OWN), name="模拟化工有限公司", kind=subjects_pb2.SUBJECT_KIND_ENTERPRISE,
        industry_code="C2611", supervising_region="110108", headcount=1, founded_date="2010-05-04", event_count=1,
    )  # fmt: skip
    made.first_collect_time.seconds = 1
    return made


def full_grade() -> grades_pb2.GradeRecord:
    """Fills every field of a grade."""
    made = grades_pb2.GradeRecord(
        subject=ref(OWN), grade=grades_pb2.GRADE_A, score=1, probability=0.1,
        reasons=[grades_pb2.GradeReason(feature="x")], vetoes=[grades_pb2.GradeVeto(veto_id="V-01")],
        pending_zh="x", pending_en="x", is_review_open=True, edition_id="x", model_id="x",
        next_review_date="2026-12-01", mode="model", is_model_retired=True, earned_grade=grades_pb2.GRADE_A,
        held_zh="x", held_en="x", override=grades_pb2.AppliedOverride(override_id="x"),
        restatement=grades_pb2.GradeRestatement(grade=grades_pb2.GRADE_A),
        class_prior=grades_pb2.ClassPrior(probability=0.01), target_zh="x", target_en="x",
    )  # fmt: skip
    made.as_of_time.seconds = made.known_time.seconds = 1
    return made


def names(message: subjects_pb2.Subject | grades_pb2.GradeRecord) -> set[str]:
    """Names the fields that are present."""
    return {field.name for field, _ in message.ListFields()}


def test_messages_of_these_tests_fill_every_field() -> None:
    assert (names(full_subject()), names(full_grade())) == (EVERY_SUBJECT, EVERY_GRADE)


@pytest.mark.parametrize("name", CALLERS)
def test_role_sees_exactly_its_fields(name: str) -> None:
    caller = CALLERS[name]
    seen = tuple(names(redact(message, caller, "110108")) for message in (full_subject(), full_grade()))
    assert seen == SEEN[name]


def test_table_speaks_of_fields_that_exist() -> None:
    every = {"Subject": EVERY_SUBJECT, "GradeRecord": EVERY_GRADE}
    assert {message: set().union(*views.values()) - {"*"} - every[message] for message, views in FIELDS.items()} == {
        "Subject": set(),
        "GradeRecord": set(),
    }


def test_name_outside_the_district_is_masked() -> None:
    assert redact(full_subject(), CALLERS["district"], "110108").name == masked_name("模拟化工有限公司")
    assert len(masked_name("模拟化工有限公司")) == 4
    assert redact(full_subject(), CALLERS["own district"], "110108").name == "模拟化工有限公司"


def test_subject_without_a_region_is_foreign_to_every_district() -> None:
    assert names(redact(full_subject(), CALLERS["own district"], None)) == SUBJECT


@pytest.mark.parametrize("role", ["regulator", "district", "agency", "insurer", "enterprise"])
def test_subject_over_the_wire_shows_what_the_table_allows(street: Street, role: str) -> None:
    street.collect(registered(OWN))
    request = subjects_pb2.GetSubjectRequest(subject=ref(OWN))
    found = street.ask(role, "SubjectService/GetSubject", request).subject
    assert names(found) == (SUBJECT if role in {"agency", "insurer"} else EVERY_SUBJECT)


@pytest.mark.parametrize("role", ["agency", "insurer", "regulator"])
def test_batch_of_grades_is_redacted_like_one(street: Street, role: str) -> None:
    street.collect(registered(OWN))
    one = street.ask(role, "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(OWN))).grade
    request = grades_pb2.BatchGetGradesRequest(subjects=[ref(OWN)])
    many = street.ask(role, "GradeService/BatchGetGrades", request)[0].results[0].grade
    assert one == many
    assert (names(one) <= GRADE) == (role != "regulator")
