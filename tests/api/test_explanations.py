"""Explanations over the wire: by which articles points count, what records cite, and how values come about."""

import json
from typing import Any

import pytest

from credit_service.rulebook.edition import load_editions
from credit_service.v1 import grades_pb2 as pb
from tests.api.street import NOW, Street, a_code, a_record, major_accident, registered
from tests.api.test_grades import frame, grade, ref


def told_bases(reasons: Any) -> dict[str, list[tuple[str, str, str, str]]]:
    return {r.feature: [(b.instrument, b.article, b.source, b.role) for b in r.bases] for r in reasons}


def test_explanation_names_articles_behind_points_and_in_records(street: Street) -> None:
    code = a_code()
    hazard = {"hazard_level": "MAJOR", "found_by": "AUTHORITY", "due_date": "2026-06-01"}
    standard = {"level": 1, "from_date": "2026-01-01", "to_date": "2027-06-30"}
    records = [a_record(code, kind, payload) for kind, payload in (("HAZ", hazard), ("STD", standard))]
    *_, penalty = street.must_collect(registered(code), *records, a_record(code))
    request = pb.ExplainGradeRequest(subject=ref(code), time_frame=frame(as_of_time=NOW, known_time=NOW))
    answer = street.ask("regulator", "GradeService/ExplainGrade", request)
    features, reasons = told_bases(answer.features), told_bases(answer.grade.reasons)
    assert ("安全生产法", "102", "law", "duty") in features["overdue_hazards"]
    assert ("北京市安全生产条例", "52", "law", "authority") in features["penalty_days_weighted"]
    assert features["honours_24m"] == [("本系统默认规则", "-", "default", "")]
    assert all(features.values())
    assert reasons == {name: features[name] for name in reasons}
    assert {"penalty_days_weighted", "late_hazards_36m"} <= set(reasons)
    assert [(one.event_id, list(one.articles)) for one in answer.cited] == [(penalty, ["安全生产法/102"])]
    document = json.loads(answer.document)
    assert document["cited"] == {penalty: ["安全生产法/102"]}
    assert [one["bases"] for one in document["features"]] == [
        [dict(zip(("instrument", "article", "source", "role"), basis, strict=True)) for basis in features[f.feature]]
        for f in answer.features
    ]


def test_vetoes_and_findings_name_every_article_of_theirs(street: Street) -> None:
    code = a_code()
    hazard = {"hazard_level": "MAJOR", "found_by": "AUTHORITY", "due_date": "2026-06-01", "is_supervised": True}
    street.must_collect(registered(code), a_record(code, "HAZ", hazard), *major_accident(code))
    request = pb.ExplainGradeRequest(subject=ref(code), time_frame=frame(as_of_time=NOW, known_time=NOW))
    answer = street.ask("regulator", "GradeService/ExplainGrade", request)
    edition = next(e for e in load_editions() if e.id == answer.grade.edition_id)
    wanted = {one.id: one.bases for one in (*edition.grading.vetoes, *edition.rules)}
    named = [(veto.veto_id, veto.bases) for veto in answer.grade.vetoes]
    named += [(finding.rule_id, finding.bases) for finding in answer.findings]
    assert any(len(bases) > 1 for _, bases in named)
    assert {name[:2] for name, _ in named} >= {"V-", "B-"}
    for name, bases in named:
        assert [(b.instrument, b.article, b.source) for b in bases] == [
            (b.instrument, b.article, b.source) for b in wanted[name]
        ]
    assert all(veto.basis == veto.bases[0] for veto in answer.grade.vetoes)
    assert not any(veto.bases for veto in grade(street, code).vetoes)


def test_trying_names_articles_and_a_plain_grade_stays_as_it_was_kept(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code), a_record(code))
    tried = street.ask("regulator", "GradeService/TryGrade", pb.TryGradeRequest(subject=ref(code)))
    for record in (tried.grade, tried.grade_before):
        assert all(told_bases(record.reasons).values())
    asked = grade(street, code)
    assert [r.feature for r in asked.reasons] == [r.feature for r in tried.grade.reasons]
    assert not any(r.bases for r in asked.reasons)


def test_probability_says_what_it_is_of_where_there_is_one(street: Street) -> None:
    code, young = a_code(), a_code()
    street.must_collect(registered(code), registered(young, founded_date="2026-09-01"))
    of = "a liable accident, or a serious penalty that follows none"
    # Asked twice: the second answer is the kept one.
    records = [grade(street, code), grade(street, code), grade(street, code, as_of_time=NOW)]
    explain, attempt = pb.ExplainGradeRequest(subject=ref(code)), pb.TryGradeRequest(subject=ref(code))
    records.append(street.ask("regulator", "GradeService/ExplainGrade", explain).grade)
    records.append(street.ask("regulator", "GradeService/TryGrade", attempt).grade)
    assert [record.target_en for record in records] == [of] * 5
    assert all("严重行政处罚" in record.target_zh for record in records)
    assert (grade(street, young).target_zh, grade(street, code, "insurer").target_en) == ("", "")


def test_share_of_violations_shows_its_counts_beside_the_smoothed_value(street: Street) -> None:
    code = a_code()
    results = ("CLEAN", "MAJOR_VIOLATION", "MAJOR_VIOLATION")
    visits = [a_record(code, "INS", {"result": result, "mode": "PLANNED"}) for result in results]
    street.must_collect(registered(code), *visits)
    answer = street.ask("regulator", "GradeService/ExplainGrade", pb.ExplainGradeRequest(subject=ref(code)))
    share = next(f for f in answer.features if f.feature == "violation_share_36m")
    assert share.value == pytest.approx(3 / 7)
    assert "检查3次，其中2次发现违法" in share.note_zh
    assert "2 of 3 inspections" in share.note_en
    reasons = {r.feature: r.note_en for r in grade(street, code).reasons}
    assert reasons["violation_share_36m"] == share.note_en
    assert not any(f.note_zh for f in answer.features if f.feature != share.feature)
