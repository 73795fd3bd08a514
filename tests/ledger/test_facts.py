"""Facts are read on two time axes: what was so, by what was known."""

from datetime import datetime, timedelta

from credit_service.ledger.facts import facts_of
from credit_service.ledger.tables import count_events, list_events, superseded
from tests.ledger.conftest import CODE, NOW, OTHER, Desk, a_record

SUBJECT = f"USCC:{CODE}"
LATER = NOW + timedelta(days=10)


def facts(desk: Desk, as_of: datetime, known: datetime, subject: str = SUBJECT) -> list[tuple[str, int]]:
    """Returns record id and version of each fact."""
    with desk.database.reading() as session:
        return [(f.record_id, f.version) for f in facts_of(session, [subject], as_of, known)[subject]]


def test_correction_counts_from_when_it_was_known(desk: Desk) -> None:
    """The past keeps its answer."""
    desk.submit(a_record())
    desk.submit(a_record(version=2, document_no="更正"), now=LATER)
    assert facts(desk, NOW, NOW) == [("R1", 1)]
    assert facts(desk, NOW, LATER) == [("R1", 2)]


def test_retracted_record_is_gone_from_when_it_was_known(desk: Desk) -> None:
    """A retraction withdraws, and the past keeps its answer."""
    desk.submit(a_record())
    desk.submit(a_record(version=2, op="RETRACT", payload={}), now=LATER)
    assert facts(desk, LATER, NOW) == [("R1", 1)]
    assert facts(desk, LATER, LATER) == []


def test_late_version_never_replaces_a_newer_one(desk: Desk) -> None:
    """Version 3 counts whatever the order of arrival."""
    desk.submit(a_record(version=3))
    desk.submit(a_record(version=2, document_no="x"), now=LATER)
    assert facts(desk, LATER, LATER) == [("R1", 3)]


def test_fact_after_the_valid_time_is_left_out(desk: Desk) -> None:
    """What had not happened yet does not count."""
    desk.submit(a_record(), a_record("R2", occur_time="2026-06-01T00:00:00+08:00"))
    assert facts(desk, datetime.fromisoformat("2026-04-01T00:00:00+08:00"), NOW) == [("R1", 1)]


def test_facts_of_one_day_stand_by_their_hours_and_those_of_one_hour_by_their_names(desk: Desk) -> None:
    """Whichever was sent first: a register that closes a firm in the evening is not undone by its morning."""
    hours = [("R3", "17:00"), ("R2", "08:00"), ("R1", "17:00"), ("R4", "17:00")]
    desk.submit(*(a_record(name, occur_time=f"2026-03-02T{hour}:00+08:00") for name, hour in hours))
    assert [name for name, _ in facts(desk, NOW, NOW)] == ["R2", "R1", "R3", "R4"]


def test_record_moved_to_another_subject_leaves_the_former(desk: Desk) -> None:
    """A correction of the subject moves the fact."""
    desk.submit(a_record())
    desk.submit(a_record(version=2, subject={"code": OTHER}), now=LATER)
    assert facts(desk, LATER, LATER) == []
    assert facts(desk, LATER, LATER, f"USCC:{OTHER}") == [("R1", 2)]
    assert facts(desk, LATER, NOW) == [("R1", 1)]


def test_reference_is_qualified_by_its_source(desk: Desk) -> None:
    """A bare reference names a record of the same source."""
    desk.submit(a_record(refers_to="ACC-1"), a_record("R2", refers_to="bureau/ACC-2"))
    desk.submit(a_record("R3", refers_to="京应急罚/2026/7"))
    with desk.database.reading() as session:
        found = [f.refers_to for f in facts_of(session, [SUBJECT], NOW, NOW)[SUBJECT]]
    assert found == ["bureau/ACC-1", "bureau/ACC-2", "bureau/京应急罚/2026/7"]


def test_fact_received_with_a_clock_ahead_counts_at_once(desk: Desk) -> None:
    """The clock of a source may be minutes ahead: what was received has happened, on no later day."""
    desk.submit(a_record(occur_time=(NOW + timedelta(minutes=3)).isoformat()))
    with desk.database.reading() as session:
        (fact,) = facts_of(session, [SUBJECT], NOW, NOW)[SUBJECT]
    assert fact.day == fact.known_day


def test_listing_events_pages_and_marks_the_superseded(desk: Desk) -> None:
    """Every version is listed, the outdated marked."""
    desk.submit(a_record(), a_record(version=2, document_no="x"), a_record("R2"))
    with desk.database.reading() as session:
        first = list_events(session, SUBJECT, NOW, 0, 2)
        rest = list_events(session, SUBJECT, NOW, first[-1].position, 2)
        assert [e.position for e in (*first, *rest)] == [1, 2, 3]
        assert superseded(session, [1, 2, 3], NOW) == {1}
        assert count_events(session, [SUBJECT], NOW) == {SUBJECT: 3}
