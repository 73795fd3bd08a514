"""A population graded anew is graded as each subject is by itself, once, and never over what was written since."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from credit_service import migrations, regrading, server
from credit_service.api.house import House
from credit_service.assessment import Assessor
from credit_service.changes import head_revision
from credit_service.cli import throwaway
from credit_service.ledger.append import Reception, append
from credit_service.regrading import Regraded, regrade
from credit_service.settings import Settings
from tests.conftest import fresh_database
from tests.test_assessment import NOW, UNTIL, an_order
from training.simulated_city.city import city

LATER = NOW + timedelta(hours=1)
Kept = list[tuple[Any, ...]]


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Names a database with a simulated city that was collected and judged."""
    with fresh_database(request, request.param, tmp_path) as url:
        audit = url if request.param == "postgresql" else ""
        made = throwaway.prepare(Settings(database_url=url, audit_url=audit), tmp_path, NOW)
        migrations.check(made.database_url, made.audit_database_url())
        yield made


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    """Judged the city an hour ago, a batch at a time."""
    made = server.build_house(settings, lambda: NOW)
    checked = [made.checking.checker.check(record, NOW) for record in city(60, 7, UNTIL)]
    with made.database.transaction() as session:
        receipts = append(session, checked, NOW, Reception(made.vault))
        made.assessor.assess(session, [subject for receipt in receipts for subject in receipt.subject_ids], NOW)
    yield made
    made.database.close()
    made.audit.close()


def again(settings: Settings, house: House, *, is_everybody: bool = True) -> Regraded:
    """Grades anew with two processes and adds up what came of it."""
    opening = partial(server.open_judgement, settings)
    pages = list(regrade((house.database, house.assessor), opening, lambda: LATER, 2, is_everybody=is_everybody))
    return Regraded(*(sum(counts) for counts in zip(*pages, strict=True))) if pages else Regraded(0, 0, 0)


def ask(house: House, statement: str) -> Kept:
    """Returns rows of the database."""
    with house.database.reading() as session:
        return [tuple(row) for row in session.execute(text(statement))]


def tell(house: House, statement: str) -> None:
    """Changes the database behind everybody's back."""
    with house.database.transaction() as session:
        session.execute(text(statement))


RECORDED = """
    SELECT c.entry_key, c.document FROM current_grade g LEFT JOIN change c ON c.revision = g.revision
    ORDER BY g.subject_id"""
GRADES = "SELECT subject_id, grade, score, fingerprint, basis FROM current_grade ORDER BY subject_id"


def test_everybody_is_graded_by_processes_as_by_the_writer(settings: Settings, house: House) -> None:
    wanted, revision = ask(house, GRADES), ask(house, "SELECT revision FROM feed_head")
    assert len(wanted) > 50
    tell(house, "DELETE FROM current_grade")
    found = again(settings, house)
    assert found.subjects >= len(wanted)
    # Where a listing might move, only the writer may judge.
    assert 0 < found.again < found.subjects / 2
    assert ask(house, GRADES) == wanted
    recorded = ask(house, RECORDED)
    assert [(entry.removeprefix("grade/"), json.loads(document)["grade"]) for entry, document in recorded] == [
        (row[0], row[1]) for row in wanted
    ]
    # Nothing has moved since: neither history nor feed say anything new.
    told = ask(house, "SELECT revision FROM feed_head")
    assert told > revision
    assert again(settings, house).failed == 0
    assert (ask(house, GRADES), ask(house, "SELECT revision FROM feed_head")) == (wanted, told)


def test_only_those_are_graded_whom_others_judged(settings: Settings, house: House) -> None:
    assert again(settings, house, is_everybody=False) == Regraded(0, 0, 0)
    first, second, third = (row[0] for row in ask(house, GRADES)[:3])
    tell(house, f"UPDATE current_grade SET basis = 'an older program' WHERE subject_id = '{first}'")
    tell(house, f"UPDATE current_grade SET next_review_day = 1 WHERE subject_id = '{second}'")
    tell(house, f"DELETE FROM current_grade WHERE subject_id = '{third}'")
    assert again(settings, house, is_everybody=False).subjects == 3
    assert again(settings, house, is_everybody=False).subjects == 0


def test_what_was_written_since_is_never_written_over(
    settings: Settings, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = next(row[0] for row in ask(house, GRADES) if row[1] == "A")
    order = an_order(subject.removeprefix("USCC:"), "ORD-SINCE")
    really, sent = regrading._write, list[dict[str, Any]]()

    def write_later(*given: Any) -> Regraded:
        """Collects an order between the judging of a page and its writing."""
        given[2].result()
        if not sent:
            sent.append(order)
            checked = [house.checking.checker.check(order, LATER)]
            with house.database.transaction() as session:
                append(session, checked, LATER, Reception(house.vault))
                house.assessor.assess(session, [subject], LATER)
        return really(*given)

    monkeypatch.setattr(regrading, "_write", write_later)
    again(settings, house)
    (kept,) = ask(house, f"SELECT grade FROM current_grade WHERE subject_id = '{subject}'")
    assert sent
    assert kept == ("C",)


def test_subject_that_cannot_be_judged_holds_up_nobody(
    settings: Settings, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ask(house, GRADES)
    bad = wanted[5][0]
    tell(house, f"UPDATE ledger_event SET payload = '{{' WHERE subject_id = '{bad}'")
    tell(house, f"DELETE FROM timeline WHERE subject_id = '{bad}'")
    tell(house, "UPDATE current_grade SET basis = ''")
    found = again(settings, house)
    assert found.failed == 1
    assert [row for row in ask(house, GRADES) if row[0] != bad] == [row for row in wanted if row[0] != bad]


def test_judging_a_page_writes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [row[0] for row in ask(house, GRADES)]

    def refused(_session: Session) -> None:
        raise AssertionError("a page was written")

    with house.database.reading() as session:
        before = head_revision(session)
    monkeypatch.setattr(house.database, "transaction", refused)
    said = regrading.judge(house.database, house.assessor, ids, LATER)
    assert len(said.verdicts) + len(said.others) >= len(ids)
    with house.database.reading() as session:
        assert head_revision(session) == before


def test_bases_name_what_judges_today(house: House) -> None:
    assessor: Assessor = house.assessor
    bases: Sequence[str] = sorted(assessor.bases(NOW.date().toordinal()))
    assert {row[4] for row in ask(house, GRADES)} <= set(bases)
