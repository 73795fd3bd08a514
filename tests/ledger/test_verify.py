"""The walk over the chain finds every tampering and names the first broken link."""

from hashlib import sha256

import pytest
from sqlalchemy import event, select, text

from credit_service.database import insert_rows
from credit_service.ledger import verify as verifying
from credit_service.ledger.tables import EventKey, LedgerEvent, find_event
from credit_service.ledger.verify import content_root, stored_content_hash, verify
from tests.ledger.conftest import OTHER, Desk, a_record

TAMPERINGS = {
    "payload changed": ("UPDATE ledger_event SET payload = '{}' WHERE position = 3", 3),
    "subject changed": ("UPDATE ledger_event SET subject_name = 'x' WHERE position = 4", 4),
    "clock changed": ("UPDATE ledger_event SET collect_time = collect_time + 1 WHERE position = 2", 2),
    "event deleted": ("DELETE FROM ledger_event WHERE position = 3", 3),
    "last event deleted": ("DELETE FROM ledger_event WHERE position = 5", 5),
    "chain rewritten": ("UPDATE ledger_event SET chain_hash = content_hash WHERE position = 1", 1),
    "head moved": ("UPDATE ledger_head SET position = 7", 6),
    "key rewritten": ("UPDATE event_key SET position = 9 WHERE position = 4", 9),
    "key of a later version made up": ("UPDATE event_key SET version = version + 5 WHERE position = 2", 2),
    "key under another source": ("UPDATE event_key SET source = 'x' WHERE position = 3", 3),
    "key received earlier": ("UPDATE event_key SET collect_time = collect_time - 1 WHERE position = 3", 3),
    "key deleted": ("DELETE FROM event_key WHERE position = 4", 4),
    "legal day moved": ("UPDATE ledger_event SET occur_day = occur_day - 3650 WHERE position = 2", 2),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_named_at_its_position(desk: Desk, name: str) -> None:
    """Each tampering breaks the chain where it was done."""
    statement, position = TAMPERINGS[name]
    desk.submit(*(a_record(f"R{n}") for n in range(5)))
    with desk.database.transaction() as session:
        session.execute(text(statement))
    with desk.database.reading() as session:
        assert verify(session).broken_position == position


def forge(desk: Desk, position: int) -> None:
    """Copies the first event to a position, under a key of its own that fits in every column."""
    with desk.database.transaction() as session:
        row = find_event(session, "bureau", "R0", 1)
        assert row is not None
        forged = row.model_dump() | {"position": position, "record_id": "forged", "subject_id": f"USCC:{OTHER}"}
        forged["content_hash"] = stored_content_hash(LedgerEvent(**forged))
        insert_rows(session, LedgerEvent, [forged])
        insert_rows(session, EventKey, [{name: forged[name] for name in EventKey.model_fields}])


@pytest.mark.parametrize("position", [0, -7, 1, 2, 4, 5])
def test_event_put_beside_the_chain_is_found(desk: Desk, monkeypatch: pytest.MonkeyPatch, position: int) -> None:
    """Neither before the first event nor beside one, at the edge of a page or within, can another stand."""
    monkeypatch.setattr(verifying, "PAGE", 2)
    desk.submit(*(a_record(f"R{n}") for n in range(5)))
    forge(desk, position)
    with desk.database.reading() as session:
        assert verify(session).broken_position is not None


def test_untouched_chain_verifies(desk: Desk) -> None:
    """All events count."""
    desk.submit(*(a_record(f"R{n}") for n in range(5)))
    with desk.database.reading() as session:
        verified = verify(session)
    assert (verified.events, verified.broken_position) == (5, None)


def test_empty_ledger_verifies(desk: Desk) -> None:
    """Nothing is sound."""
    with desk.database.reading() as session:
        assert verify(session).events == 0


def test_content_root_ignores_order_and_clock_of_receipt(database_url: str, desk: Desk) -> None:
    """Two orders of the same records have the same root, and another record changes it."""
    desk.submit(a_record("B"), a_record("A"))
    with desk.database.reading() as session:
        root = verify(session).content_root
    assert root.hex() == ROOT_OF_A_AND_B
    desk.submit(a_record("C"))
    with desk.database.reading() as session:
        assert verify(session).content_root != root


ROOT_OF_A_AND_B = "9b49e38cb8039f111193f0ccd3b078537e6bc7e89e86ed650bd32546434829e3"


def test_content_root_is_digested_page_by_page_in_the_order_of_characters(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Databases disagree on the order of texts, and the keys of a nation fit in no memory."""
    monkeypatch.setattr(verifying, "PAGE", 3)
    ids = ["b", "B", "a-1", "a1", "é", "模", "\U0001f642", "\ufffd", "A", "10", "9", "模应急罚〔2026〕1号", "aB", "ab"]
    desk.submit(*map(a_record, ids), a_record("a1", 2, document_no="x"), a_record("a1", 3, document_no="y"))
    pages: list[int] = []
    with desk.database.reading() as session:
        event.listen(session, "do_orm_execute", lambda state: pages.append(state.execution_options.get("yield_per", 0)))
        root = content_root(session)
        keys = session.execute(select(EventKey)).scalars().all()
        told = sorted((k.source, k.record_id, k.version, k.content_hash) for k in keys)
    digest = sha256(b"".join(f"{s}\0{r}\0{v}\0".encode() + content for s, r, v, content in told))
    assert root == digest.digest()
    assert pages[0] == 3
