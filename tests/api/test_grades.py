"""Grades over the wire: as of any day, by what was known, every point explained."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest
from sqlalchemy import text
from sqlmodel import Session

from credit_service.assessment import Assessor
from credit_service.grades.grading import Graded
from credit_service.legal_days import civil_day
from credit_service.v1 import grades_pb2 as pb
from credit_service.v1 import subjects_pb2
from tests.api.street import (
    NOW,
    OWN,
    Street,
    a_code,
    a_record,
    major_accident,
    refusal_of,
    registered,
    retraction,
    stop_work,
)

DAY = civil_day(NOW)


def ref(code: str, scheme: str = "USCC") -> subjects_pb2.SubjectRef:
    """Names a subject."""
    return subjects_pb2.SubjectRef(scheme=scheme, code=code)


def frame(**times: datetime) -> subjects_pb2.TimeFrame:
    """Builds a time frame."""
    made = subjects_pb2.TimeFrame()
    for name, time in times.items():
        getattr(made, name).FromDatetime(time)
    return made


def grade(street: Street, code: str, role: str = "regulator", **times: datetime) -> pb.GradeRecord:
    """Asks one grade."""
    request = pb.GetGradeRequest(subject=ref(code), time_frame=frame(**times))
    record: pb.GradeRecord = street.ask(role, "GradeService/GetGrade", request).grade
    return record


def test_grade_counts_an_event_as_soon_as_it_is_acknowledged(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code))
    before = grade(street, code)
    street.must_collect(stop_work(code))
    after = grade(street, code)
    assert before.grade in {pb.GRADE_A, pb.GRADE_B}
    assert after.grade == pb.GRADE_C
    assert after.vetoes[0].cap == pb.GRADE_C
    assert after.edition_id == "cn-2026-04"


@pytest.mark.moves_clock
def test_correction_changes_the_answer_only_from_when_it_was_known(street: Street) -> None:
    code = a_code()
    order = stop_work(code)
    street.must_collect(registered(code), order)
    street.clock.now = NOW + timedelta(days=3)
    lifted = stop_work(code, lifted_date="2026-06-10")
    street.must_collect({**lifted, "source_record_id": order["source_record_id"], "source_version": 2})
    assert grade(street, code, known_time=NOW + timedelta(hours=1)).grade == pb.GRADE_C
    assert grade(street, code).grade != pb.GRADE_C


def test_grade_as_of_a_day_leaves_out_what_happened_later(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code), *major_accident(code))
    assert grade(street, code).grade == pb.GRADE_D
    past = grade(street, code, as_of_time=datetime.fromisoformat("2026-04-02T00:00:00+08:00"))
    assert past.grade == pb.GRADE_C
    assert [veto.veto_id for veto in past.vetoes] == ["V-04"], "the penalty came later"
    before = grade(street, code, as_of_time=datetime.fromisoformat("2026-02-27T00:00:00+08:00"))
    assert (before.grade in {pb.GRADE_A, pb.GRADE_B}, list(before.vetoes)) == (True, [])


def test_newcomer_is_pending_with_its_reason_and_no_score(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code, founded_date="2026-09-01"))
    record = grade(street, code)
    assert record.grade == pb.GRADE_PENDING
    assert record.pending_zh
    assert record.pending_en
    assert not record.HasField("score")


@pytest.mark.moves_clock
def test_explained_points_sum_to_the_score_and_answer_the_same_bytes_again(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code), *(a_record(code) for _ in range(3)))
    request = pb.ExplainGradeRequest(subject=ref(code), time_frame=frame(as_of_time=NOW, known_time=NOW))
    first = street.ask("regulator", "GradeService/ExplainGrade", request)
    street.clock.now = NOW + timedelta(days=400)
    street.must_collect(a_record(code))
    again = street.ask("regulator", "GradeService/ExplainGrade", request)
    assert first.base_points + sum(f.points for f in first.features) == first.grade.score
    assert first.document == again.document
    assert json.loads(first.document)["score"] == first.grade.score
    assert any(f.event_ids for f in first.features)


def test_batch_answers_in_order_and_each_for_itself(street: Street) -> None:
    good, person = a_code(), "ab" * 32
    street.must_collect(registered(good))
    subjects = [ref(good), ref("nonsense"), ref(person, "PERSON"), ref(a_code())]
    parts = street.ask("regulator", "GradeService/BatchGetGrades", pb.BatchGetGradesRequest(subjects=subjects))
    results = [result for part in parts for result in part.results]
    assert [r.index for r in results] == [0, 1, 2, 3]
    assert results[0].HasField("grade")
    assert [r.problem.reason for r in results[1:]] == ["CODE_INVALID", "SUBJECT_NOT_FOUND", "SUBJECT_NOT_FOUND"]


def history(street: Street, code: str) -> list[pb.GradeRecord]:
    """Lists the recorded grades, oldest first."""
    request = pb.ListGradeHistoryRequest(subject=ref(code))
    return list(street.ask("regulator", "GradeService/ListGradeHistory", request).grades)[::-1]


@pytest.mark.moves_clock
def test_late_record_restates_the_grades_it_would_have_made_others(street: Street) -> None:
    """The stop-work order was in force when the first grade was recorded; it came ten days later."""
    code = a_code()
    street.must_collect(registered(code))
    street.clock.now = NOW + timedelta(days=10)
    (late,) = street.must_collect(stop_work(code))
    first, second = history(street, code)
    assert first.grade < pb.GRADE_C
    assert (first.restatement.grade, list(first.restatement.added_event_ids)) == (pb.GRADE_C, [late])
    assert not first.restatement.gone_event_ids
    assert second.grade == pb.GRADE_C
    assert not second.HasField("restatement")
    # The record stays as it was told then, and the restatement is the answer of both times.
    assert grade(street, code, as_of_time=NOW, known_time=NOW).grade == first.grade
    assert grade(street, code, as_of_time=NOW).grade == first.restatement.grade


@pytest.mark.moves_clock
def test_late_record_that_moves_nothing_restates_nothing(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code))
    street.clock.now = NOW + timedelta(days=10)
    street.must_collect(a_record(code, "SVC", {"service_type": "TRAINING", "hours": 2}))
    assert not any(record.HasField("restatement") for record in history(street, code))


@pytest.mark.moves_clock
def test_withdrawn_record_restates_and_a_timely_one_does_not(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code))
    street.clock.now = NOW + timedelta(days=2)
    order = stop_work(code, from_date="2026-11-24")
    order["occur_time"] = (NOW + timedelta(days=1)).isoformat()
    (event_id,) = street.must_collect(order)
    street.clock.now = NOW + timedelta(days=10)
    assert not any(record.HasField("restatement") for record in history(street, code))
    street.must_collect(retraction(order))
    restated = [record for record in history(street, code) if record.HasField("restatement")]
    assert [record.grade for record in restated] == [pb.GRADE_C]
    assert list(restated[0].restatement.gone_event_ids) == [event_id]
    assert restated[0].restatement.grade < pb.GRADE_C


@pytest.mark.parametrize(("count", "reason"), [(0, "BATCH_EMPTY"), (100_001, "BATCH_TOO_LARGE")])
def test_batch_of_a_wrong_size_is_refused(street: Street, count: int, reason: str) -> None:
    request = pb.BatchGetGradesRequest(subjects=[ref("x")] * count)
    assert street.refused("regulator", "GradeService/BatchGetGrades", request) == ("INVALID_ARGUMENT", reason)


def test_history_is_newest_first_and_pages(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code))
    street.must_collect(stop_work(code))
    request = pb.ListGradeHistoryRequest(subject=ref(code), page_size=1)
    first = street.ask("regulator", "GradeService/ListGradeHistory", request)
    request.page_token = first.next_page_token
    second = street.ask("regulator", "GradeService/ListGradeHistory", request)
    assert first.grades[0].grade == pb.GRADE_C
    assert second.grades[0].grade != pb.GRADE_C
    assert not second.next_page_token


def test_page_token_of_another_query_is_refused(street: Street) -> None:
    one, other = a_code(), a_code()
    street.must_collect(registered(one), registered(other))
    street.must_collect(stop_work(one))
    token = street.ask(
        "regulator", "GradeService/ListGradeHistory", pb.ListGradeHistoryRequest(subject=ref(one), page_size=1)
    ).next_page_token
    request = pb.ListGradeHistoryRequest(subject=ref(other), page_token=token)
    assert street.refused("regulator", "GradeService/ListGradeHistory", request) == (
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
    )


REFUSED: dict[str, tuple[Any, tuple[str, str]]] = {
    "unknown subject": (ref("91350100M000100Y43"), ("NOT_FOUND", "SUBJECT_NOT_FOUND")),
    "wrong check character": (ref("91350100M000100Y44"), ("INVALID_ARGUMENT", "CHECK_DIGIT")),
    "unknown scheme": (ref("1", "LEI"), ("INVALID_ARGUMENT", "SCHEME_UNKNOWN")),
    "no code": (ref(""), ("INVALID_ARGUMENT", "FIELD_MISSING")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_question_about_nobody_is_refused_with_its_reason(street: Street, name: str) -> None:
    subject, expected = REFUSED[name]
    assert street.refused("regulator", "GradeService/GetGrade", pb.GetGradeRequest(subject=subject)) == expected


def test_future_is_refused(street: Street) -> None:
    request = pb.GetGradeRequest(subject=ref(a_code()), time_frame=frame(as_of_time=NOW + timedelta(days=1)))
    assert street.refused("regulator", "GradeService/GetGrade", request) == ("INVALID_ARGUMENT", "FIELD_OUT_OF_RANGE")


def test_person_has_no_grade(street: Street) -> None:
    person = "cd" * 32
    subject = {"scheme": "PERSON", "code": person, "kind": "PERSON", "name": "某甲"}
    street.must_collect(a_record(a_code(), subject=subject))
    request = pb.GetGradeRequest(subject=ref(person, "PERSON"))
    assert street.refused("regulator", "GradeService/GetGrade", request) == ("NOT_FOUND", "GRADE_NOT_FOUND")


def test_enterprise_is_not_shown_the_work_of_the_authority(street: Street) -> None:
    street.must_collect(registered(OWN), *major_accident(OWN))
    request = pb.ExplainGradeRequest(subject=ref(OWN))
    official = street.ask("regulator", "GradeService/ExplainGrade", request)
    own = street.ask("enterprise", "GradeService/ExplainGrade", request)
    assert "CANDIDATE" in {f.effect for f in official.findings}
    assert {f.effect for f in own.findings} <= {"RECORD", "ELIGIBLE"}
    assert b"CANDIDATE" not in own.document
    assert own.grade.vetoes == official.grade.vetoes


def test_kept_grade_is_what_judging_again_would_answer(street: Street) -> None:
    codes = [a_code() for _ in range(4)]
    street.must_collect(registered(codes[0]))
    street.must_collect(registered(codes[1]), a_record(codes[1]), *major_accident(codes[1]))
    street.must_collect(a_record(codes[2]))
    street.must_collect(registered(codes[3]), stop_work(codes[3]))
    for code in codes:
        kept, judged = grade(street, code), grade(street, code, as_of_time=NOW)
        assert kept == judged
    request = pb.BatchGetGradesRequest(subjects=[ref(code) for code in codes])
    (answer,) = street.ask("regulator", "GradeService/BatchGetGrades", request)
    assert [result.grade for result in answer.results] == [grade(street, code) for code in codes]


def test_kept_grade_of_another_program_or_edition_is_judged_again(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code))
    house = street.running.house
    identifier = f"USCC:{code}"
    with house.database.reading() as session:
        assert house.assessor.kept(session, [identifier], DAY)[identifier].grade(NOW) is not None
        assert house.assessor.kept(session, [identifier], DAY)[identifier].grade(NOW - timedelta(days=1)) is None
        assert house.assessor.kept(session, [identifier], DAY + 3650)[identifier].grade(NOW) is None
    with house.database.transaction() as session:
        # An event that is stored and not judged yet.
        session.execute(text("UPDATE ledger_head SET judged_position = judged_position - 1"))
        assert house.assessor.kept(session, [identifier], DAY)[identifier].grade(NOW) is None
        session.execute(text("UPDATE ledger_head SET judged_position = judged_position + 1"))
        assert house.assessor.kept(session, [identifier], DAY)[identifier].grade(NOW) is not None
    with house.database.transaction() as session:
        session.execute(text("UPDATE current_grade SET basis = 'another' WHERE subject_id = :id"), {"id": identifier})
    with house.database.reading() as session:
        assert house.assessor.kept(session, [identifier], DAY)[identifier].grade(NOW) is None


TIMES: list[dict[str, datetime]] = [
    {}, {"as_of_time": NOW}, {"as_of_time": NOW - timedelta(days=40)}, {"known_time": NOW - timedelta(days=1)},
]  # fmt: skip


@pytest.mark.parametrize("times", TIMES, ids=lambda times: "-".join(times) or "now")
def test_callers_of_one_moment_hear_each_its_own_answer(street: Street, times: dict[str, datetime]) -> None:
    """They are read and judged together; nobody may see what another role sees, nor another's refusal."""
    codes = [a_code() for _ in range(9)]
    for code in codes:
        street.must_collect(registered(code), stop_work(code))
    asked = [(role, code) for role in ("regulator", "insurer", "enterprise") for code in (*codes, OWN, a_code())]

    def answer(question: tuple[str, str]) -> Any:
        request = pb.GetGradeRequest(subject=ref(question[1]), time_frame=frame(**times))
        try:
            return street.ask(question[0], "GradeService/GetGrade", request).grade
        except grpc.RpcError as error:
            return refusal_of(error)

    alone = [answer(question) for question in asked]
    with ThreadPoolExecutor(24) as pool:
        together = list(pool.map(answer, asked * 5))
    assert together == alone * 5
    assert len({str(one) for one in alone}) >= (3 if "known_time" in times else len(codes) + 2)


def test_one_that_cannot_be_judged_spoils_no_answer_but_its_own(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes, really = [a_code() for _ in range(3)], Assessor.grades
    street.must_collect(*(registered(code) for code in codes))

    def grades(self: Assessor, session: Session, subject_ids: list[str], *frame: datetime) -> list[Graded]:
        if f"USCC:{codes[0]}" in subject_ids:
            raise ValueError("cannot be judged")
        return really(self, session, subject_ids, *frame)

    def status(code: str) -> Any:
        try:
            return grade(street, code, as_of_time=NOW).subject.code
        except grpc.RpcError as error:
            return error.code()

    monkeypatch.setattr(Assessor, "grades", grades)
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(status, codes * 8))
    assert found == [grpc.StatusCode.INTERNAL, *codes[1:]] * 8
