"""Appending is idempotent by key, answers every record, and chains what it stores."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from credit_service.ledger.facts import facts_of
from credit_service.ledger.quarantine import QuarantinedRecord
from credit_service.ledger.tables import get_event, head
from credit_service.subjects.tables import get_subject
from tests.ledger.conftest import CODE, NOW, OTHER, Desk, a_record

BAD_CHECK = {"code": CODE[:-1] + "4", "name": "模拟化工有限公司"}
PERSON_HASH = "ab" * 32
SUBJECT = f"USCC:{CODE}"


def test_new_record_is_accepted_with_its_place_in_the_ledger(desk: Desk) -> None:
    """The first event stands at position 1."""
    (receipt,) = desk.submit(a_record())
    assert (receipt.status, receipt.event_id, receipt.collect_time) == ("ACCEPTED", 1, NOW)
    assert receipt.subject_ids == (f"USCC:{CODE}",)


def test_replayed_event_returns_first_receipt(desk: Desk) -> None:
    """A replay a day later answers with the first clock."""
    (first,) = desk.submit(a_record())
    (again,) = desk.submit(a_record(), now=NOW + timedelta(days=1))
    assert again.status == "DUPLICATE"
    assert (again.event_id, again.collect_time, again.content_hash) == (1, NOW, first.content_hash)


def test_same_key_twice_in_one_batch_is_a_duplicate(desk: Desk) -> None:
    """The batch itself counts as seen."""
    assert [r.status for r in desk.submit(a_record(), a_record())] == ["ACCEPTED", "DUPLICATE"]


def test_same_key_with_other_content_conflicts_and_overwrites_nothing(desk: Desk) -> None:
    """The stored content stays."""
    desk.submit(a_record())
    (receipt,) = desk.submit(a_record(document_no="另号"))
    assert receipt.status == "CONFLICT"
    assert "source_record_id: got R1 version 1 with another content" in str(receipt.problems[0])
    with desk.database.reading() as session:
        event = get_event(session, 1)
        assert event is not None
        assert event.document_no == ""
        assert head(session).position == 1


def test_order_of_payload_fields_makes_no_other_content(desk: Desk) -> None:
    """Contents are compared by meaning."""
    desk.submit(a_record(payload={"articles": ["a/1"], "fine_fen": 1}))
    (receipt,) = desk.submit(a_record(payload={"fine_fen": 1, "articles": ["a/1"]}))
    assert receipt.status == "DUPLICATE"


def test_lower_version_after_a_higher_one_is_kept_as_late(desk: Desk) -> None:
    """A late version is stored, and said to be late."""
    receipts = desk.submit(a_record(version=3), a_record(version=2))
    assert [r.status for r in receipts] == ["ACCEPTED", "SUPERSEDED_LATE"]


def test_correction_to_another_subject_touches_both(desk: Desk) -> None:
    """The former subject has to be judged anew as well."""
    desk.submit(a_record())
    (receipt,) = desk.submit(a_record(version=2, subject={"code": OTHER}))
    assert set(receipt.subject_ids) == {f"USCC:{CODE}", f"USCC:{OTHER}"}


def test_bad_record_leaves_its_neighbours_alone(desk: Desk) -> None:
    """One rejected record between two accepted ones."""
    receipts = desk.submit(a_record("A"), a_record("B", kind="???"), a_record("C"))
    assert [r.status for r in receipts] == ["ACCEPTED", "REJECTED", "ACCEPTED"]
    assert [r.event_id for r in receipts] == [1, None, 2]


def test_mendable_record_waits_in_quarantine_until_it_is_mended(desk: Desk) -> None:
    """A wrong check character quarantines; the mended record under the same key releases it."""
    (receipt,) = desk.submit(a_record(subject=BAD_CHECK))
    assert (receipt.status, receipt.event_id) == ("QUARANTINED", None)
    (again,) = desk.submit(a_record(subject=BAD_CHECK))
    assert again.status == "QUARANTINED"
    (mended,) = desk.submit(a_record())
    assert mended.status == "ACCEPTED"
    with desk.database.reading() as session:
        (row,) = session.execute(select(QuarantinedRecord)).scalars().all()
        assert row.release_time == NOW
        assert "check character" in row.problems


def test_faulty_record_under_a_stored_key_conflicts_and_waits_for_nothing(desk: Desk) -> None:
    """Its key is taken for ever; in quarantine it could never be released."""
    desk.submit(a_record("A"))
    receipts = desk.submit(a_record("A", subject=BAD_CHECK), a_record("B"), a_record("B", subject=BAD_CHECK))
    assert [(r.status, r.event_id, r.latest_version) for r in receipts] == [
        ("CONFLICT", 1, 1), ("ACCEPTED", 2, 0), ("CONFLICT", 2, 1),
    ]  # fmt: skip
    (later,) = desk.submit(a_record("A", 2, subject=BAD_CHECK))
    assert later.status == "QUARANTINED"
    with desk.database.reading() as session:
        assert [row.version for row in session.execute(select(QuarantinedRecord)).scalars()] == [2]


def test_id_number_in_a_record_id_is_shown_in_no_answer(desk: Desk) -> None:
    """A conflict names the record, and masks what somebody put into its id."""
    record_id = f"D-{ric_number('11010119000101000')}"
    desk.submit(a_record(record_id))
    (receipt,) = desk.submit(a_record(record_id, document_no="other"))
    assert receipt.problems[0].got == "D-[ID] version 1 with another content"


def test_same_clock_and_order_give_the_same_head(desk: Desk) -> None:
    """The chain depends on content, order and clock alone: one known value on both databases."""
    desk.submit(*(a_record(f"R{n}") for n in range(5)))
    desk.submit(a_record("P", subject={"scheme": "PERSON", "code": PERSON_HASH, "kind": "PERSON", "name": "某甲"}))
    with desk.database.reading() as session:
        assert head(session).chain_hash.hex() == HEAD_OF_SIX


HEAD_OF_SIX = "5d033721ca5f60f8fbb71d2121aef65d16756ce0229dba5fcd10ed19b0192a2e"


def test_name_of_a_person_is_sealed_and_never_stored_in_the_clear(desk: Desk) -> None:
    """The event holds a commitment; the vault opens the name."""
    person = {"scheme": "PERSON", "code": PERSON_HASH, "kind": "PERSON", "name": "某甲"}
    (receipt,) = desk.submit(a_record(subject=person))
    with desk.database.reading() as session:
        event = get_event(session, 1)
        subject = get_subject(session, f"PERSON:{PERSON_HASH}")
        assert event is not None
        assert subject is not None
        assert receipt.event_id == 1
        assert (event.subject_name, subject.name) == ("", "")
        assert event.personal_commitment is not None
        assert desk.vault.open(session, event.subject_id, 1) == "某甲"


def test_id_number_is_hashed_on_entry(desk: Desk) -> None:
    """A synthetic ID number with a fitting check digit never reaches a table."""
    number = ric_number("11010119000101000")
    (receipt,) = desk.submit(a_record(subject={"scheme": "PERSON", "code": number, "kind": "PERSON"}))
    assert receipt.subject_ids == (f"PERSON:{desk.vault.person_code(number)}",)


def ric_number(body: str) -> str:
    """Completes a made-up number with the check digit of GB 11643."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def test_registration_and_new_name_are_noted(desk: Desk) -> None:
    """The newest registration by its own date counts, whatever the order of arrival."""
    newer = {"headcount": 80, "supervising_region": "110108"}
    desk.submit(
        a_record("G2", kind="REG", occur_time="2026-02-01T00:00:00+08:00", payload=newer),
        a_record("G1", kind="REG", occur_time="2025-02-01T00:00:00+08:00", payload={"headcount": 20}),
    )
    renamed = {"code": CODE, "name": "模拟新名有限公司"}
    desk.submit(a_record("G3", kind="REG", occur_time="2026-02-02T00:00:00+08:00", subject=renamed, payload={}))
    desk.submit(a_record("R2"))
    with desk.database.reading() as session:
        row = get_subject(session, f"USCC:{CODE}")
        assert row is not None
        assert (row.name, row.headcount, row.supervising_region) == ("模拟新名有限公司", 80, "110108")


NEW, OLD = "模拟新名有限公司", "模拟旧名有限公司"


def registered_as(record_id: str, name: str, day: str, version: int = 1, **named: Any) -> dict[str, Any]:
    """Builds a registration under a name."""
    given = {"payload": {"status": "ACTIVE"}, **named}
    time = f"{day}T00:00:00+08:00"
    return a_record(record_id, version, kind="REG", occur_time=time, subject={"code": CODE, "name": name}, **given)


@pytest.mark.parametrize("is_one_batch", [True, False])
@pytest.mark.parametrize(
    "records",
    [
        [registered_as("G2", NEW, "2026-02-01"), registered_as("G1", OLD, "2025-02-01")],
        [registered_as("G1", NEW, "2026-02-01", 2), registered_as("G1", OLD, "2026-02-01")],
        [
            registered_as("G2", NEW, "2026-02-01"),
            registered_as("G1", OLD, "2025-02-01"),
            registered_as("G1", OLD, "2025-02-01", 2, op="RETRACT", payload={}),
        ],
        [
            registered_as("G1", NEW, "2025-02-01"),
            registered_as("G2", OLD, "2026-02-01"),
            registered_as("G2", OLD, "2026-02-01", 2, op="RETRACT", payload={}),
        ],
        [registered_as("G1", NEW, "2026-02-01"), registered_as("G2", "", "2026-03-01")],
    ],
    ids=["late", "late version", "withdrawn", "newest withdrawn", "nameless"],
)
def test_name_is_that_of_the_newest_registration_that_counts(
    desk: Desk, records: list[dict[str, Any]], is_one_batch: bool
) -> None:
    """Neither what arrives late nor what is withdrawn renames a subject."""
    for batch in [records] if is_one_batch else [[record] for record in records]:
        desk.submit(*batch)
    with desk.database.reading() as session:
        row = get_subject(session, f"USCC:{CODE}")
        assert row is not None
        assert row.name == NEW


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("at_once", [True, False])
def test_of_two_registrations_of_one_day_the_one_named_last_counts(desk: Desk, is_first: bool, at_once: bool) -> None:
    """Whichever came first, and whether together or not: for the subject as for what rules and features read."""
    told = {"B": {"headcount": 5, "industry_code": "C2611"}, "A": {"headcount": 9, "founded_date": "2010-05-04"}}
    names = ["A", "B"] if is_first else ["B", "A"]
    records = [a_record(name, kind="REG", payload=told[name]) for name in names]
    for batch in [records] if at_once else [[record] for record in records]:
        desk.submit(*batch)
    with desk.database.reading() as session:
        row = get_subject(session, SUBJECT)
        assert row is not None
        assert (row.headcount, row.industry_code, row.founded_date) == (5, "C2611", "2010-05-04")
        assert [fact.record_id for fact in facts_of(session, [SUBJECT], NOW, NOW)[SUBJECT]] == ["A", "B"]
