"""Timelines only repeat the ledger: whatever was corrected, moved or withdrawn, they never change an answer."""

import random
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from credit_service.ledger import facts as reading
from credit_service.ledger.crowd import Crowd
from credit_service.ledger.fact import Fact
from credit_service.ledger.facts import facts_of, first_untrue_timeline
from credit_service.ledger.timelines import Timeline, packed
from tests.ledger.conftest import CODE, NOW, OTHER, Desk, a_record

SUBJECTS = [f"USCC:{CODE}", f"USCC:{OTHER}"]
LATER = NOW + timedelta(days=400)
Answers = dict[str, Sequence[Fact]]


def is_packed(session: Session) -> int:
    """Counts the subjects whose timelines hold."""
    return len(packed(session, SUBJECTS, lambda _: {}))


def figures(answers: Answers) -> list[Any]:
    """Returns all that a crowd sees of answers, beside the facts themselves."""
    crowd = Crowd(list(answers.values()))
    return [list(answers), crowd.figures.tolist(), crowd.texts, crowd.link.tolist(), list(map(list, answers.values()))]


def unpacked(monkeypatch: pytest.MonkeyPatch, ask: Callable[[], Answers]) -> Answers:
    """Returns the answer of the ledger alone."""
    with monkeypatch.context() as patch:
        patch.setattr(reading, "packed", lambda _session, _ids, _reader: {})
        return ask()


def some_record(chance: random.Random) -> dict[str, Any]:
    """Returns some version of one of a few records, told of one of two subjects."""
    is_withdrawn = chance.random() < 0.2
    day = date(2026, chance.randint(1, 9), chance.randint(1, 28))
    return a_record(
        f"R{chance.randint(1, 5)}", version=chance.randint(1, 4), op="RETRACT" if is_withdrawn else "ASSERT",
        subject={"code": chance.choice([CODE, OTHER])}, occur_time=f"{day}T00:00:00+08:00",
        payload={} if is_withdrawn else {"articles": [f"a/{chance.randint(1, 9)}"]},
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_answers_are_those_of_the_ledger_at_every_time_frame(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance, now, was_packed = random.Random(seed), NOW, 0
    for _ in range(25):
        now += timedelta(hours=7)
        desk.submit(*(some_record(chance) for _ in range(chance.randint(1, 3))), now=now)
        if chance.random() < 0.6:
            with desk.database.transaction() as session:
                facts_of(session, chance.sample(SUBJECTS, chance.randint(1, 2)), now, now, is_packing=True)
        with desk.database.reading() as session:
            was_packed += is_packed(session)
            for as_of in (now, LATER, now - timedelta(days=60)):
                for known in (now, LATER, now - timedelta(hours=20)):

                    def ask(as_of: datetime = as_of, known: datetime = known, session: Session = session) -> Answers:
                        return facts_of(session, SUBJECTS, as_of, known, is_crowd=True)

                    assert figures(ask()) == figures(unpacked(monkeypatch, ask))
    assert was_packed > 15


def test_record_that_moves_to_another_subject_leaves_no_timeline_behind(desk: Desk) -> None:
    desk.submit(a_record())
    with desk.database.transaction() as session:
        facts_of(session, SUBJECTS, NOW, NOW, is_packing=True)
    desk.submit(a_record(version=2, subject={"code": OTHER}))
    with desk.database.reading() as session:
        assert session.execute(select(Timeline.subject_id)).all() == []
        assert facts_of(session, SUBJECTS, NOW, NOW)[SUBJECTS[0]] == []


def test_only_the_present_is_packed(desk: Desk) -> None:
    desk.submit(a_record())
    desk.submit(a_record("R2"), now=LATER)
    for frame in ((NOW, LATER), (LATER, NOW), (NOW, NOW)):
        with desk.database.transaction() as session:
            facts_of(session, SUBJECTS, *frame, is_packing=True)
            assert is_packed(session) == 0
    with desk.database.transaction() as session:
        facts_of(session, SUBJECTS, LATER, LATER, is_packing=True)
        assert [len(mine) for mine in packed(session, SUBJECTS, lambda _: {}).values()] == [2]


@pytest.mark.parametrize("at_once", [1, 2, 500])
@pytest.mark.parametrize("change", ["changed", "moved", "retold", "withdrawn"])
def test_timeline_that_tells_other_facts_is_named(desk: Desk, at_once: int, change: str) -> None:
    """Of three subjects the second; what an event lies behind is read by nobody and told of nobody."""
    codes = sorted([CODE, OTHER, "91110000710926094P"])
    desk.submit(*(a_record(f"R{n}", subject={"code": code, "name": "甲"}) for n, code in enumerate(codes)))
    ids = [f"USCC:{code}" for code in codes]
    with desk.database.transaction() as session:
        facts_of(session, ids, LATER, LATER, is_packing=True)
        assert first_untrue_timeline(session, at_once) is None
        row = session.get_one(Timeline, ids[1])
        other = session.get_one(Timeline, ids[2])
        before = row.figures, row.texts
        row.figures, row.texts = {
            "changed": (row.figures[:-1] + b"\x01", row.texts), "moved": (other.figures, row.texts),
            "retold": (row.figures, row.texts.replace(b"102", b"999")), "withdrawn": (b"", b"[]"),
        }[change]  # fmt: skip
        assert (row.figures, row.texts) != before
        session.add(row)
        session.flush()
        assert first_untrue_timeline(session, at_once) == ids[1]
    desk.submit(a_record("R9", subject={"code": codes[1], "name": "甲"}))
    with desk.database.reading() as session:
        assert first_untrue_timeline(session, at_once) is None


def test_timelines_of_another_layout_are_read_by_nobody_and_packed_anew(desk: Desk) -> None:
    """As those of a program before this one: what their lanes hold is somewhere else now."""
    desk.submit(a_record(), a_record("R2", subject={"code": OTHER, "name": "乙"}))
    with desk.database.transaction() as session:
        wanted = figures(facts_of(session, SUBJECTS, LATER, LATER, is_packing=True))
        row = session.get_one(Timeline, SUBJECTS[0])
        before = row.layout, row.figures, row.texts
        row.layout, row.figures, row.texts = row.layout - 1, row.figures[:-4], b"[]"
        session.add(row)
        session.flush()
        assert is_packed(session) == 1
        assert figures(facts_of(session, SUBJECTS, LATER, LATER, is_crowd=True)) == wanted
        assert first_untrue_timeline(session) is None
        assert figures(facts_of(session, SUBJECTS, LATER, LATER, is_crowd=True, is_packing=True)) == wanted
        session.expire_all()
        row = session.get_one(Timeline, SUBJECTS[0])
        assert (row.layout, row.figures, row.texts) == before
        assert is_packed(session) == 2
