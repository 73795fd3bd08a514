"""The river: candidates and grades follow the facts, idempotently, and the past keeps its answer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from credit_service import migrations, server
from credit_service.api.house import House
from credit_service.changes import head_revision, read_changes
from credit_service.cli import throwaway
from credit_service.errors import Reason
from credit_service.grades.tables import due_subjects, grade_counts, grade_history
from credit_service.ledger import facts as reading
from credit_service.ledger.append import Receipt, Reception, append
from credit_service.listings.tables import ListingRow, listings_of, search_listings
from credit_service.settings import Settings
from credit_service.subjects.tables import all_subject_ids
from tests.conftest import fresh_database
from training.simulated_city.city import city, planted

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
UNTIL = date(2026, 10, 31)
SUBJECTS, SEED = 300, 2026
ORDER = {"A": 0, "B": 1, "PENDING": 1, "C": 2, "D": 3}


@dataclass
class River:
    """Collects and judges the way a door does."""

    house: House
    judged_later: set[str] = field(default_factory=set)

    def submit(self, *records: dict[str, Any], now: datetime = NOW) -> list[Receipt]:
        """Appends and judges in one transaction."""
        checked = [self.house.checking.checker.check(record, now) for record in records]
        with self.house.database.transaction() as session:
            receipts = append(session, checked, now, Reception(self.house.vault))
            touched = [subject for receipt in receipts for subject in receipt.subject_ids]
            self.house.assessor.assess(session, touched, now)
        if now > NOW:
            self.judged_later |= set(touched)
        return receipts

    def grade(self, code: str, as_of: datetime = NOW, known: datetime = NOW) -> Any:
        """Returns the grade of one enterprise."""
        with self.house.database.reading() as session:
            return self.house.assessor.grades(session, [f"USCC:{code}"], as_of, known)[0]

    def listings(self, code: str) -> list[ListingRow]:
        """Returns the listings of one enterprise."""
        with self.house.database.reading() as session:
            return list(listings_of(session, [f"USCC:{code}"]))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def river(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[River]:
    """Holds the whole simulated city of the demo on each database."""
    folder: Path = tmp_path_factory.mktemp("river")
    with fresh_database(request, request.param, folder) as url:
        audit = url if request.param == "postgresql" else ""
        settings = throwaway.prepare(Settings(database_url=url, audit_url=audit), folder, NOW)
        migrations.check(settings.database_url, settings.audit_database_url())
        made = River(server.build_house(settings, lambda: NOW))
        records = list(city(SUBJECTS, SEED, UNTIL))
        for start in range(0, len(records), 500):
            made.submit(*records[start : start + 500])
        yield made
        made.house.database.close()
        made.house.audit.close()


def cases() -> dict[str, Any]:
    """Returns what the city plants, by code of the subject."""
    return {life.firm.code: case for life, case in planted(SUBJECTS, SEED, UNTIL)}


def an_order(code: str, record_id: str, **named: Any) -> dict[str, Any]:
    """Builds a stop-work order."""
    payload = {"order_kind": "STOP_WORK", "from_date": "2026-09-01"}
    return {
        "source": "sim-city-em", "source_record_id": record_id, "subject": {"code": code}, "kind": "ORD",
        "domain": "WORK", "occur_time": "2026-09-01T00:00:00+08:00", "payload": payload, **named,
    }  # fmt: skip


def ordinary(river: River, place: int = 0) -> str:
    """Returns the code of the n-th enterprise that is well graded and was not planted."""
    hard, codes = set(cases()), dict.fromkeys(record["subject"]["code"] for record in city(SUBJECTS, SEED, UNTIL))
    good = (code for code in codes if code not in hard and river.grade(code).grade in {"A", "B"})
    return str(next(islice(good, place, None)))


def test_candidates_are_exactly_the_planted_ones(river: River) -> None:
    wanted = {
        (code, rule)
        for code, case in cases().items()
        for rule in case.rules
        if rule.startswith("B-") and rule != "B-09" and not case.has_person
    }
    with river.house.database.reading() as session:
        rows = search_listings(session, {}, None, 1000)
    found = {(row.subject_id.partition(":")[2], row.rule_id) for row in rows}
    units = {row.subject_id.partition(":")[2] for row in rows if row.subject_kind != "PERSON"}
    assert {pair for pair in found if pair[0] in units} == wanted
    assert {rule for _, rule in found} == {f"B-0{n}" for n in range(1, 9)}


def test_no_listing_is_more_than_a_candidate(river: River) -> None:
    with river.house.database.reading() as session:
        assert {row.state for row in search_listings(session, {}, None, 1000)} <= {"CANDIDATE", "DROPPED"}


def test_planted_subjects_are_graded_within_their_limit(river: River) -> None:
    for code, case in cases().items():
        limit = case.limit
        if limit and not case.has_person:
            assert ORDER[river.grade(code).grade] >= ORDER[limit], (code, case)


def test_judging_again_changes_nothing(river: River) -> None:
    with river.house.database.transaction() as session:
        before = head_revision(session)
        everybody = {f"USCC:{r['subject']['code']}" for r in city(SUBJECTS, SEED, UNTIL)} - river.judged_later
        assert len(everybody) > SUBJECTS - 10
        assert river.house.assessor.assess(session, sorted(everybody), NOW) == before
        assert sum(grade_counts(session).values()) >= SUBJECTS


def test_revisions_are_dense(river: River) -> None:
    with river.house.database.reading() as session:
        head = head_revision(session)
        rows = read_changes(session, 0, head, [], 10**6)
    assert [row.revision for row in rows] == list(range(1, head + 1))


def test_adverse_fact_never_improves_a_grade_and_the_past_keeps_its_answer(river: River) -> None:
    code = ordinary(river)
    before = river.grade(code)
    river.submit(an_order(code, "stop-1"), now=NOW + timedelta(days=1))
    later = NOW + timedelta(days=2)
    after = river.grade(code, later, later)
    assert ORDER[after.grade] > ORDER[before.grade]
    assert river.grade(code, NOW, NOW).written() == before.written()
    with river.house.database.reading() as session:
        newest = json.loads(grade_history(session, f"USCC:{code}", None, 1)[0].document)
    assert newest["grade"] == after.grade


def test_retraction_restores_the_grade_from_when_it_is_known(river: River) -> None:
    code = ordinary(river, 5)
    before = river.grade(code)
    river.submit(an_order(code, "stop-2"))
    river.submit(an_order(code, "stop-2", source_version=2, op="RETRACT", payload={}), now=NOW + timedelta(days=1))
    later = NOW + timedelta(days=2)
    assert river.grade(code, later, later).grade == before.grade
    assert river.grade(code, NOW + timedelta(hours=1), NOW + timedelta(hours=1)).grade == "C"


def test_retracted_accident_drops_the_candidate_with_a_tombstone(river: River) -> None:
    code = next(c for c, case in cases().items() if list(case.rules) == ["B-01"])
    (row,) = [x for x in river.listings(code) if x.state == "CANDIDATE"]
    records = [r for r in city(SUBJECTS, SEED, UNTIL) if r["subject"]["code"] == code and r["kind"] == "ACC"]
    newest = max(records, key=lambda r: r["source_version"])
    gone = {**newest, "source_version": newest["source_version"] + 1, "op": "RETRACT", "payload": {}}
    river.submit(gone, now=NOW + timedelta(days=3))
    (row,) = [x for x in river.listings(code) if x.listing_id == row.listing_id]
    with river.house.database.reading() as session:
        last = read_changes(session, head_revision(session) - 2, head_revision(session), ["listing"], 10)
    assert row.state == "DROPPED"
    assert [change.type for change in last] == ["REMOVE"]


def test_newcomers_are_pending_and_say_why(river: River) -> None:
    codes = [c for c, case in cases().items() if "newcomer" in case.id]
    grades = [river.grade(code) for code in codes]
    assert codes
    assert all(g.grade == "PENDING" and g.pending and g.score is None for g in grades)


def test_unknown_subject_and_time_without_an_edition_are_said(river: River) -> None:
    assert river.grade("91350100M000100Y43").problem.reason is Reason.SUBJECT_NOT_FOUND
    ancient = datetime(2001, 1, 1, tzinfo=UTC)
    assert river.grade(ordinary(river), ancient).problem.reason is Reason.NO_EDITION


def test_subjects_fall_due_when_time_alone_may_change_them(river: River) -> None:
    with river.house.database.reading() as session:
        due = due_subjects(session, date(2027, 12, 31).toordinal(), 10)
    assert len(due) == 10


def test_a_crowd_reads_facts_together_and_not_subject_by_subject(river: River, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed facts of those who are looked at are read a few times in all, persons and candidates too."""
    asked: list[int] = []
    read = reading._read

    def counted(session: Any, subject_ids: Any, **frame: Any) -> Any:
        asked.append(len(subject_ids))
        return read(session, subject_ids, **frame)

    with river.house.database.transaction() as session:
        everybody = list(all_subject_ids(session, "", 10_000))
        river.house.assessor.assess(session, everybody, NOW)
        monkeypatch.setattr(reading, "_read", counted)
        river.house.assessor.assess(session, everybody, NOW)
    assert len(everybody) > 100
    # One question for those who bear another's records, one for those a clause is unsure of, one each for persons and
    # candidates, and as many again for whose listing moved.
    assert max(asked) > 5
    assert len(asked) <= 8
