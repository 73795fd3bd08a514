"""Time frames that answer alike are judged together, and every answer is the one that it would be by itself."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from credit_service import migrations, server
from credit_service.api.house import House
from credit_service.assessment import Assessor, Frame
from credit_service.cli import throwaway
from credit_service.grades.grading import Graded
from credit_service.grades.overrides import OverrideMoveRow
from credit_service.ledger.append import Reception, append
from credit_service.listings.tables import ListingMoveRow, ListingRow
from credit_service.settings import Settings
from tests.api.street import a_code, a_record, registered, retraction, stop_work
from tests.conftest import fresh_database

# Two hours before midnight in Shanghai: the days of the tests have a border in their midst.
BEGIN = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
MIDNIGHT = BEGIN + timedelta(hours=2)
INSTANT = timedelta(microseconds=1)
LAST_DAY = (MIDNIGHT + timedelta(days=300)).toordinal()
FIRMS, STEPS, TURNS, CALLERS = 7, 24, 25, 16


class Past:
    """Lets facts become known and officers act at random times, and remembers these."""

    def __init__(self, house: House, chance: random.Random) -> None:
        """Begins with registered enterprises."""
        self.house, self.chance, self.now = house, chance, BEGIN - timedelta(days=30)
        self.codes = [a_code() for _ in range(FIRMS)]
        self.records: list[dict[str, Any]] = []
        self.times = [MIDNIGHT, MIDNIGHT + timedelta(days=1)]
        # The last one becomes known within the days of the test.
        self.submit(*map(registered, self.codes[:-1]))
        self.now = BEGIN
        self.submit(registered(self.codes[-1]))

    def submit(self, *records: dict[str, Any]) -> None:
        """Stores records."""
        checked = [self.house.checking.checker.check(record, self.now) for record in records]
        with self.house.database.transaction() as session:
            append(session, checked, self.now, Reception(self.house.vault))
        self.records.extend(record for record in records if "op" not in record)
        self.times.append(self.now)

    def step(self) -> None:
        """Does one of what may move a grade, some time later."""
        self.now += timedelta(seconds=self.chance.choice([1, 600, 3000, 9000]), microseconds=self.chance.randint(0, 9))
        code = self.chance.choice(self.codes)
        self.chance.choice([self.tell, self.tell, self.withdraw, self.override, self.list])(code)

    def tell(self, code: str) -> None:
        """Tells a fact, at times one that lies some minutes ahead of its receipt."""
        ahead = self.now + timedelta(seconds=self.chance.choice([-4000, -90, 240]))
        record = self.chance.choice([a_record, stop_work])(code)
        self.submit({**record, "occur_time": ahead.isoformat()})
        self.times.append(ahead)

    def withdraw(self, _code: str) -> None:
        """Takes a record back."""
        self.submit(retraction(self.chance.choice(self.records)))

    def override(self, code: str) -> None:
        """Sets a grade, ends that, or closes a review; acts have times of their own."""
        name = self.chance.choice(["KEEP", "CONFIRM", "CONFIRM", "END"])
        row = OverrideMoveRow(
            subject_id=f"USCC:{code}", override_id=f"OVR-{self.chance.choice('ab') if name != 'KEEP' else 'k'}",
            number=len(self.times), name=name, grade="D", reason_code="R", last_day=LAST_DAY, move_time=self.now,
            actor="a", key="k", agency="a", document_no="1", document_digest="", reason="r", request_id="1",
        )  # fmt: skip
        self.act(row)

    def list(self, code: str) -> None:
        """Puts an enterprise on the blacklist, stays that, or lifts the stay; its legal time may lie back."""
        subject, name = f"USCC:{code}", self.chance.choice(["CONFIRM", "STAY", "LIFT"])
        row = ListingRow(
            subject_id=subject, listing_id=f"L{code}", subject_kind="ENTERPRISE", list="BLACK", state="CONFIRMED",
            rule_id="B-01", edition_id="e", event_ids="[]", text_zh="", text_en="", open_time=self.now,
            begin_time=self.now, last_day=LAST_DAY,
        )  # fmt: skip
        legal = self.now - timedelta(seconds=self.chance.choice([0, 700]))
        move = ListingMoveRow(
            subject_id=subject, listing_id=row.listing_id, number=len(self.times), from_state=None,
            to_state="CONFIRMED", move_time=self.now, actor="a", reason="", name=name, legal_time=legal,
            facts=f'{{"last_day": {LAST_DAY}}}',
        )  # fmt: skip
        with self.house.database.transaction() as session:
            session.merge(row)
        self.act(move)
        self.times.append(legal)

    def act(self, row: Any) -> None:
        """Keeps a move."""
        with self.house.database.transaction() as session:
            session.add(row)
        self.times.append(self.now)

    def frame(self, around: timedelta) -> Frame:
        """Returns some time frame: at, just before or just after something, or some time around it."""
        as_of, known = (self.chance.choice(self.times) for _ in range(2))
        if self.chance.random() < 0.7:
            known = self.now
        moved = (self.chance.choice([-INSTANT, timedelta(), INSTANT, around * self.chance.random()]) for _ in range(2))
        return as_of + next(moved), known + next(moved)


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """Yields a house without a server."""
    with fresh_database(request, request.param, tmp_path) as url:
        audit = url if request.param == "postgresql" else ""
        settings = throwaway.prepare(Settings(database_url=url, audit_url=audit), tmp_path, BEGIN)
        migrations.check(settings.database_url, settings.audit_database_url())
        made = server.build_house(settings, lambda: BEGIN)
        yield made
        made.database.close()
        made.audit.close()


def said(graded: Graded) -> tuple[Any, ...]:
    """Returns everything that a grade says, the reason of a refusal too."""
    problem = graded.problem
    return graded, graded.document(), problem and (problem.reason, problem.message)


def judgements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts subjects a judgement from here on."""
    found, really = list[int](), Assessor.judge

    def judge(self: Assessor, rows: Any, *given: Any) -> list[Graded]:
        found.append(len(rows))
        return really(self, rows, *given)

    monkeypatch.setattr(Assessor, "judge", judge)
    return found


def together(house: House, session: Session, asked: list[tuple[str, Frame]]) -> list[tuple[Any, ...]]:
    return [said(one) for one in house.assessor.grades_each(session, asked)]


def alone(house: House, session: Session, asked: list[tuple[str, Frame]]) -> list[tuple[Any, ...]]:
    return [said(house.assessor.grades(session, [one], *frame)[0]) for one, frame in asked]


@pytest.mark.parametrize("seed", range(3))
def test_frames_judged_together_answer_what_each_answers_alone(house: House, seed: int) -> None:
    chance = random.Random(seed)
    past, answers = Past(house, chance), set[str]()
    for _ in range(STEPS):
        past.step()
    ids = [f"USCC:{code}" for code in (*past.codes, a_code())]
    for _ in range(TURNS):
        # Callers of one turn ask of much the same time, so that many frames lie close beside each other.
        around = chance.choice([timedelta(seconds=5), timedelta(hours=1), timedelta(days=2)])
        centre = past.frame(around)
        frames = [
            tuple(time + chance.choice([-INSTANT, INSTANT, around * chance.random()]) for time in centre)
            for _ in range(CALLERS // 2)
        ] + [past.frame(around) for _ in range(CALLERS // 2)]
        asked: list[tuple[str, Frame]] = [(chance.choice(ids), (one[0], one[1])) for one in frames]
        with house.database.reading() as session:
            found = together(house, session, asked)
            assert found == alone(house, session, asked)
        answers |= {repr(one) for one in found}
    assert len(answers) > 30


def test_one_judgement_answers_a_day_on_which_nothing_moved(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    past = Past(house, random.Random(0))
    past.now += timedelta(hours=1)
    asked = [
        (f"USCC:{code}", (past.now + n * INSTANT, past.now + timedelta(days=3) + n * INSTANT))
        for n, code in enumerate(past.codes * 3)
    ]
    with house.database.reading() as session:
        counted = judgements(monkeypatch)
        found = together(house, session, asked)
        assert counted == [FIRMS]
        assert found == alone(house, session, asked)


def test_only_what_moves_between_two_frames_is_judged_at_each(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    past = Past(house, random.Random(0))
    past.now += timedelta(minutes=5)
    past.tell(past.codes[0])
    moments = (past.now - timedelta(minutes=1) * 5 + INSTANT, past.now + timedelta(minutes=5))
    known = past.now + timedelta(days=1)
    asked = [(f"USCC:{code}", (as_of, known)) for as_of in moments for code in past.codes]
    with house.database.reading() as session:
        counted = judgements(monkeypatch)
        found = together(house, session, asked)
        assert sorted(counted) == [1, FIRMS]
        assert found == alone(house, session, asked)
        assert found[0] != found[FIRMS]
