"""Facts follow the legal person: under a former code, and from a branch; never by a merger alone."""

from datetime import timedelta
from typing import Any

import pytest

from credit_service.ledger.facts import facts_of
from credit_service.ledger.relations import bearers, relations_of
from tests.ledger.conftest import CODE, NOW, OTHER, Desk, a_record

THIRD = "914403001922038216"
FOURTH = "91110108MA00000070"
LATER = NOW + timedelta(days=1)
ACCIDENT = {"accident_kind": "WORK", "deaths": 1}


def registered(record_id: str, code: str, version: int = 1, **payload: Any) -> dict[str, Any]:
    """Builds a registration that tells of another subject."""
    subject = {"code": code, "name": ""}
    day = "2026-01-05T00:00:00+08:00"
    return a_record(record_id, version, kind="REG", subject=subject, payload=payload, occur_time=day)


def penalty(record_id: str, code: str) -> dict[str, Any]:
    """Builds a penalty of a subject."""
    return a_record(record_id, subject={"code": code, "name": ""})


def accident(record_id: str, code: str) -> dict[str, Any]:
    """Builds an accident of a subject."""
    return a_record(record_id, kind="ACC", subject={"code": code, "name": ""}, payload=ACCIDENT)


def borne(desk: Desk, code: str, known: Any = LATER) -> list[str]:
    """Names the records whose facts a subject bears."""
    with desk.database.reading() as session:
        identifier = f"USCC:{code}"
        return [fact.record_id for fact in facts_of(session, [identifier], LATER, known)[identifier]]


def renumbered(record_id: str, code: str, former: str, version: int = 1) -> dict[str, Any]:
    """Builds a registration under a new code."""
    return registered(record_id, code, version, predecessor_codes=[former], succession="RENUMBERED")


def test_what_happened_under_former_codes_stays_the_subject_s_own(desk: Desk) -> None:
    """Through every change of code, in order of days; the former codes bear nothing of what came later."""
    desk.submit(penalty("P1", CODE), renumbered("G2", OTHER, CODE), penalty("P2", OTHER))
    desk.submit(renumbered("G3", THIRD, OTHER), penalty("P3", THIRD))
    assert borne(desk, THIRD) == ["G2", "G3", "P1", "P2", "P3"]
    assert borne(desk, OTHER) == ["G2", "P1", "P2"]
    assert borne(desk, CODE) == ["P1"]
    with desk.database.reading() as session:
        assert bearers(session, [f"USCC:{CODE}"]) == [f"USCC:{code}" for code in (CODE, OTHER, THIRD)]


def test_accident_of_a_branch_is_its_head_s_and_its_penalty_is_not(desk: Desk) -> None:
    """A branch is no legal person, yet a decision names it."""
    desk.submit(registered("B", OTHER, branch_of_code=CODE), accident("A", OTHER), penalty("P", OTHER))
    assert borne(desk, CODE) == ["A"]
    assert borne(desk, OTHER) == ["B", "A", "P"]


@pytest.mark.parametrize("succession", ["MERGED", "SPLIT"])
def test_merger_and_split_are_shown_and_hand_on_nothing(desk: Desk, succession: str) -> None:
    """Whom the facts burden is decided by people."""
    desk.submit(accident("A", CODE), registered("G", OTHER, predecessor_codes=[CODE], succession=succession))
    assert borne(desk, OTHER) == ["G"]
    with desk.database.reading() as session:
        (shown,) = relations_of(session, [f"USCC:{CODE}"], LATER, LATER)
    assert (shown.receiver_id, shown.relation) == (f"USCC:{OTHER}", succession)


def test_corrected_registration_hands_on_nothing_more_and_the_past_stays(desk: Desk) -> None:
    """The relation ends with the knowledge that it was wrong."""
    desk.submit(accident("A", OTHER), registered("B", OTHER, branch_of_code=CODE))
    desk.submit(registered("B", OTHER, 2, branch_of_code=THIRD), now=LATER)
    after = LATER + timedelta(hours=1)
    assert borne(desk, CODE, NOW) == ["A"]
    assert borne(desk, CODE, after) == []
    assert borne(desk, THIRD, after) == ["A"]
    desk.submit({**registered("B", OTHER, 3), "op": "RETRACT", "payload": {}}, now=after)
    assert borne(desk, THIRD, after) == []
    with desk.database.reading() as session:
        # Whoever ever bore the branch's accidents must be judged again.
        assert set(bearers(session, [f"USCC:{OTHER}"])) == {f"USCC:{code}" for code in (OTHER, CODE, THIRD)}


def test_codes_that_follow_each_other_in_a_circle_end(desk: Desk) -> None:
    """A slip of the registry must not hang the judgement; each fact counts once."""
    desk.submit(renumbered("G1", CODE, OTHER), renumbered("G2", OTHER, CODE), penalty("P", CODE))
    assert borne(desk, CODE) == ["G1", "G2", "P"]
    assert borne(desk, OTHER) == ["G1", "G2", "P"]


def test_former_code_of_a_branch_hands_its_accidents_to_the_head_of_the_branch_alone(desk: Desk) -> None:
    """The head bears the branch's accidents under the branch's present code; what stood before is its own matter."""
    desk.submit(renumbered("G", OTHER, FOURTH), registered("B", OTHER, branch_of_code=CODE), accident("A", FOURTH))
    assert borne(desk, OTHER) == ["B", "G", "A"]
    assert borne(desk, CODE) == []
