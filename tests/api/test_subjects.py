"""Subjects over the wire: found, screened, masked, and known only from when they were."""

from typing import Any

import pytest

from credit_service.v1 import grades_pb2, ledger_pb2
from credit_service.v1 import subjects_pb2 as pb
from tests.api.street import (
    DAY,
    NOW,
    OWN,
    Street,
    a_code,
    a_record,
    frame,
    major_accident,
    ref,
    registered,
    retraction,
    status,
)  # fmt: skip


def search(street: Street, role: str, query: str, **named: Any) -> Any:
    return street.ask(role, "SubjectService/SearchSubjects", pb.SearchSubjectsRequest(query=query, **named))


def screen(street: Street, role: str, *subjects: pb.SubjectRef, **named: Any) -> Any:
    request = pb.ScreenSubjectsRequest(subjects=subjects, **named)
    return street.ask(role, "SubjectService/ScreenSubjects", request).results


def a_person(street: Street, code: str) -> pb.SubjectRef:
    """Collects a record about a person."""
    subject = {"scheme": "PERSON", "code": code, "kind": "PERSON", "name": "某甲"}
    street.must_collect(a_record(a_code(), subject=subject))
    return ref(code, "PERSON")


def test_subject_shows_its_registration(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code), a_record(code))
    found = street.ask("regulator", "SubjectService/GetSubject", pb.GetSubjectRequest(subject=ref(code))).subject
    assert (found.subject.scheme, found.subject.code, found.name) == ("USCC", code, "模拟化工有限公司")
    assert (found.industry_code, found.supervising_region, found.headcount) == ("C2611", "110108", 120)
    assert (found.founded_date, found.event_count, found.kind) == ("2010-05-04", 2, pb.SUBJECT_KIND_ENTERPRISE)
    assert found.first_collect_time.ToDatetime(NOW.tzinfo) == NOW


def test_unregistered_subject_leaves_unknown_values_absent(street: Street) -> None:
    code = a_code()
    street.must_collect(a_record(code))
    found = street.ask("regulator", "SubjectService/GetSubject", pb.GetSubjectRequest(subject=ref(code))).subject
    names = ("industry_code", "supervising_region", "headcount", "founded_date")
    assert [found.HasField(name) for name in names] == [False] * 4


@pytest.mark.moves_clock
def test_subject_is_unknown_before_its_first_event_was_collected(street: Street) -> None:
    code = a_code()
    street.must_collect(a_record(code))
    street.clock.now = NOW + DAY
    street.must_collect(a_record(code))
    request = pb.GetSubjectRequest(subject=ref(code), time_frame=frame(known=NOW))
    assert street.ask("regulator", "SubjectService/GetSubject", request).subject.event_count == 1
    request = pb.GetSubjectRequest(subject=ref(code), time_frame=frame(known=NOW - DAY))
    assert street.refusal("regulator", "SubjectService/GetSubject", request).reason == "SUBJECT_NOT_FOUND"


def test_person_is_shown_to_regulators_without_a_name(street: Street) -> None:
    person = a_person(street, "1a" * 32)
    found = street.ask("regulator", "SubjectService/GetSubject", pb.GetSubjectRequest(subject=person)).subject
    assert (found.kind, found.name) == (pb.SUBJECT_KIND_PERSON, "")
    hidden = street.refusal("enterprise", "SubjectService/GetSubject", pb.GetSubjectRequest(subject=person))
    assert hidden.reason == "PERSON_NOT_VISIBLE"


def test_id_number_is_kept_as_a_keyed_hash_only(street: Street) -> None:
    number = "11010519491231002X"
    subject = {"scheme": "PERSON", "code": number, "kind": "PERSON", "name": "某乙"}
    event = street.must_collect(a_record(a_code(), subject=subject))[0]
    with street.running.house.database.reading() as session:
        statement = f"SELECT subject_id, subject_name FROM ledger_event WHERE position = {event}"
        kept = session.connection().exec_driver_sql(statement).one()
    assert kept.subject_id.startswith("PERSON:")
    assert number not in kept.subject_id
    assert len(kept.subject_id) == len("PERSON:") + 64
    assert kept.subject_name == ""


def test_search_finds_by_part_of_the_name_and_by_beginning_of_the_code(street: Street) -> None:
    code = a_code()
    street.must_collect(a_record(code, subject={"name": "海棠烟花厂"}))
    for query in ("棠烟", "海棠烟花厂", code[:17], code):
        assert [s.subject.code for s in search(street, "regulator", query).subjects] == [code], query
    for query in (code[1:], "棠花", "%%", "__"):
        assert not search(street, "regulator", query).subjects, query


@pytest.mark.parametrize("query", ["", "模", "  模 "])
def test_search_needs_two_characters(street: Street, query: str) -> None:
    request = pb.SearchSubjectsRequest(query=query)
    assert street.refusal("regulator", "SubjectService/SearchSubjects", request).reason == "FIELD_OUT_OF_RANGE"


def test_search_pages_in_order_of_id(street: Street) -> None:
    codes = sorted(a_code() for _ in range(5))
    street.must_collect(*(a_record(code, subject={"name": "分页测试厂"}) for code in codes))
    found, token = [], ""
    for _ in range(3):
        page = search(street, "regulator", "分页测试", page_size=2, page_token=token)
        found += [s.subject.code for s in page.subjects]
        token = page.next_page_token
    assert (found, token) == (codes, "")
    first = search(street, "regulator", "分页测试", page_size=2).next_page_token
    request = pb.SearchSubjectsRequest(query="分页测", page_token=first)
    assert street.refusal("regulator", "SubjectService/SearchSubjects", request).reason == "PAGE_TOKEN_INVALID"


def test_search_shows_persons_to_regulators_only(street: Street) -> None:
    a_person(street, "2b" * 32)
    assert len(search(street, "regulator", "2b2b2b").subjects) == 1
    assert not search(street, "insurer", "2b2b2b").subjects
    assert len(search(street, "regulator", "2b2b2b", scheme="PERSON").subjects) == 1
    assert not search(street, "regulator", "2b2b2b", scheme="USCC").subjects


def test_screening_answers_each_code_for_itself(street: Street) -> None:
    known, listed, unknown = a_code(), a_code(), a_code()
    street.must_collect(registered(known), registered(listed), *major_accident(listed))
    asked = [ref(known), ref("bad"), ref(unknown), ref(listed), ref(known)]
    results = screen(street, "regulator", *asked)
    assert [r.index for r in results] == [0, 1, 2, 3, 4]
    assert [r.match for r in results] == ["CODE", "", "", "CODE", "CODE"]
    assert [p.reason for p in results[1].problems] == ["CODE_INVALID"]
    assert (results[3].grade, len(results[3].listing_ids)) == ("D", 1)
    assert (results[0].grade in {"A", "B"}, results[0].subject) == (True, results[4].subject)
    assert not results[2].problems


def test_screening_hides_persons_and_candidates_from_others(street: Street) -> None:
    person, listed = a_person(street, "3c" * 32), a_code()
    street.must_collect(registered(listed), *major_accident(listed))
    results = screen(street, "insurer", person, ref(listed))
    assert [p.reason for p in results[0].problems] == ["PERSON_NOT_VISIBLE"]
    assert not results[0].HasField("subject")
    assert (results[1].grade, list(results[1].listing_ids)) == ("D", [])


def test_screening_at_a_past_knowledge_finds_nothing(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code))
    result = screen(street, "regulator", ref(code), time_frame=frame(known=NOW - DAY))[0]
    assert (result.match, result.HasField("subject"), result.HasField("grade")) == ("", False, False)


@pytest.mark.parametrize(("count", "reason"), [(0, "BATCH_EMPTY"), (1001, "BATCH_TOO_LARGE")])
def test_screening_of_a_wrong_size_is_refused(street: Street, count: int, reason: str) -> None:
    request = pb.ScreenSubjectsRequest(subjects=[ref(OWN)] * count)
    refused = street.refusal("agency", "SubjectService/ScreenSubjects", request)
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", reason)


def test_later_registration_counts_whatever_order_it_arrives_in(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code, "110105", occur_time="2022-01-01T00:00:00+08:00"))
    street.must_collect(registered(code, "110108", occur_time="2021-01-01T00:00:00+08:00"))
    found = street.ask("regulator", "SubjectService/GetSubject", pb.GetSubjectRequest(subject=ref(code))).subject
    assert found.supervising_region == "110105"


def test_registration_that_counts_is_the_one_that_is_not_superseded(street: Street) -> None:
    code = a_code()
    newest = {**registered(code, "110105", headcount=50), "source_version": 2}
    street.must_collect(newest)
    late = {**newest, "source_version": 1, "payload": {**newest["payload"], "supervising_region": "110108"}}
    assert status(street.collect(late)[0]) == "SUPERSEDED_LATE"
    request = pb.GetSubjectRequest(subject=ref(code))
    found = street.ask("regulator", "SubjectService/GetSubject", request).subject
    assert (found.supervising_region, found.headcount) == ("110105", 50)
    street.must_collect(retraction(newest))
    gone = street.ask("regulator", "SubjectService/GetSubject", request).subject
    assert (gone.supervising_region, gone.HasField("headcount")) == ("", False)


def test_relations_of_a_subject_are_shown_from_both_sides(street: Street) -> None:
    head, branch = a_code(), a_code()
    told = registered(branch, branch_of_code=head)
    street.must_collect(registered(head), told)
    seen = {}
    for code in (head, branch):
        request = pb.GetSubjectRequest(subject=ref(code))
        (relation,) = street.ask("regulator", "SubjectService/GetSubject", request).relations
        seen[pb.RelationKind.Name(relation.kind)] = (relation.subject.code, relation.event_id)
    event_id = seen["RELATION_KIND_BRANCH"][1]
    assert seen == {"RELATION_KIND_BRANCH": (branch, event_id), "RELATION_KIND_HEAD": (head, event_id)}


def test_head_bears_the_accident_of_its_branch_and_may_read_it(street: Street) -> None:
    """The branch's own penalties stay hidden from it."""
    code = a_code()
    accident = a_record(code, "ACC", {"accident_kind": "WORK", "deaths": 1, "liability": "LIABLE"})
    told, penalty = registered(code, branch_of_code=OWN), a_record(code)
    street.must_collect(registered(OWN))
    before = grade_of(street, OWN)
    _, accident_id, penalty_id = street.must_collect(told, accident, penalty)
    assert grade_of(street, OWN) != before
    found = street.ask("enterprise", "LedgerService/GetEvent", ledger_pb2.GetEventRequest(event_id=accident_id))
    assert found.event.draft.subject.code == code
    hidden = ledger_pb2.GetEventRequest(event_id=penalty_id)
    assert street.refused("enterprise", "LedgerService/GetEvent", hidden)[1] == "EVENT_NOT_FOUND"


def test_officer_of_the_head_s_district_opens_the_accident_of_its_branch_elsewhere(street: Street) -> None:
    head, branch = a_code(), a_code()
    accident = a_record(branch, "ACC", {"accident_kind": "WORK", "deaths": 1, "liability": "LIABLE"})
    told, penalty = registered(branch, "110105", branch_of_code=head), a_record(branch)
    street.must_collect(registered(head, "110108"))
    _, accident_id, penalty_id = street.must_collect(told, accident, penalty)
    found = street.ask("district", "LedgerService/GetEvent", ledger_pb2.GetEventRequest(event_id=accident_id))
    assert found.event.draft.subject.code == branch
    hidden = ledger_pb2.GetEventRequest(event_id=penalty_id)
    assert street.refused("district", "LedgerService/GetEvent", hidden)[1] == "OUT_OF_JURISDICTION"


def grade_of(street: Street, code: str) -> Any:
    """Asks for everything of a grade that facts may change."""
    request = grades_pb2.ExplainGradeRequest(subject=ref(code))
    return street.ask("regulator", "GradeService/ExplainGrade", request)
