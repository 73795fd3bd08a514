"""Many subjects at once are judged as each is by itself: every finding, veto, statement and day, for every edition."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_service.ledger.crowd import Crowd
from credit_service.ledger.fact import Fact, place_of
from credit_service.legal_days import parse_day
from credit_service.rulebook import laws
from credit_service.rulebook.evaluate import evaluate
from credit_service.rulebook.law import Edition
from credit_service.rulebook.laws import FEW, Laws
from credit_service.rulebook.review import next_change_day
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.vetoes import a_conditions, hard_record, pending, vetoes
from credit_service.rulebook.view import View
from tests.bench.lives import AS_OF_DAY, lives
from tests.rulebook.test_properties import DAYS, FACTS, SETTINGS

Asked = tuple[list[Fact], bool]
CROWDS = st.lists(st.tuples(FACTS, st.booleans()), min_size=FEW, max_size=FEW + 4)


def one_by_one(edition: Edition, asked: list[Asked], day: int) -> list[tuple[Any, ...]]:
    """Returns what is said of each subject when it is looked at by itself."""
    scheme, found = edition.schemes[0], []
    for facts, is_listed in asked:
        view = View(edition, facts, unusable_from(edition, facts), day, ("BLACK",) if is_listed else ())
        found.append(
            (
                evaluate(view, scheme), vetoes(view), pending(view, scheme), tuple(a_conditions(view)),
                bool(hard_record(view)), next_change_day(view),
            )
        )  # fmt: skip
    return found


def at_once(edition: Edition, asked: list[Asked], day: int) -> list[tuple[Any, ...]]:
    """Returns what is said of all of them together."""
    facts = [sorted(mine, key=place_of) for mine, _ in asked]
    many = Laws(edition, Crowd(facts), day, [("BLACK",) if is_listed else () for _, is_listed in asked])
    assert [many.ends(i) for i in range(len(facts))] == [unusable_from(edition, mine) for mine in facts]
    scheme = edition.schemes[0]
    return [
        (
            many.findings(i, scheme), many.vetoes(i), many.pending(i, scheme), many.unmet(i),
            many.has_hard_record(i), many.next_day(i),
        )
        for i in range(len(asked))
    ]  # fmt: skip


@SETTINGS
@given(CROWDS, DAYS)
def test_a_crowd_is_judged_like_each_of_it(cn: Edition, tw: Edition, asked: list[Asked], day: int) -> None:
    for edition in (cn, tw):
        assert at_once(edition, asked, day) == one_by_one(edition, asked, day)


def test_simulated_firms_are_judged_alike_and_most_are_never_looked_at_alone(
    cn: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [(facts, False) for facts in lives(400)]
    wanted = one_by_one(cn, asked, AS_OF_DAY)
    assert sum(bool(findings) for findings, *_ in wanted) > 20
    looks: list[View] = []

    def looked(*given: Any) -> View:
        looks.append(View(*given))
        return looks[-1]

    monkeypatch.setattr(laws, "View", looked)
    assert at_once(cn, asked, AS_OF_DAY) == wanted
    assert len(looks) < 0.3 * len(asked)


def told(event_id: int, kind: str, day: str, refers_to: str | None = None, **payload: Any) -> Fact:
    """Builds a fact of work safety, named after its event."""
    on = parse_day(day)
    return Fact(event_id, "s", f"R{event_id}", 1, kind, "WORK", on, on, "", refers_to, payload)


MANDATORY: dict[str, Any] = {"licence_type": "x", "is_mandatory": True, "status": "VALID"}
RENEWED = [
    told(1, "LIC", "2024-01-01", from_date="2024-01-01", to_date="2031-12-31", **MANDATORY),
    told(2, "LIC", "2025-01-01", from_date="2025-01-01", to_date="2026-05-01", **MANDATORY),
]
LINKED = [
    [told(1, "ACC", "2023-02-01", concealment="CONCEALED", deaths=1, liability="LIABLE"),
     told(2, "PEN", "2026-05-10", "s/R1", organ_kind="EMERGENCY_MANAGEMENT", severity="SERIOUS")],
    [told(1, "ACC", "2026-02-01", deaths=1, level="GENERAL"),
     told(2, "PEN", "2026-03-01", "s/R1", organ_kind="EMERGENCY_MANAGEMENT", severity="SERIOUS")],
    [told(1, "ACC", "2026-02-01", concealment="CONCEALED", deaths=3, level="LARGER", liability="LIABLE"),
     told(2, "PEN", "2026-03-01", "s/R1", organ_kind="OTHER", severity="MINOR"),
     told(3, "REG", "2026-01-01", sectors=["CHEMICAL"])],
    RENEWED, [RENEWED[1], RENEWED[0]._replace(event_id=3, day=parse_day("2026-04-01"))],
    [told(1, "HAZ", "2025-01-01", hazard_level="MAJOR", is_supervised=True, supervision_date="2025-01-10",
          due_date="2027-06-01")],
]  # fmt: skip


@pytest.mark.parametrize("day", ["2026-04-20", "2026-06-01", "2026-12-31", "2028-01-01"])
def test_linked_excused_and_dated_facts_are_judged_alike(cn: Edition, day: str) -> None:
    asked = [(facts, False) for facts in LINKED * 2]
    assert at_once(cn, asked, parse_day(day)) == one_by_one(cn, asked, parse_day(day))
