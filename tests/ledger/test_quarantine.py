"""What waits in quarantine is released by its mended form, at a cost that its number and the batch's keep small."""

from typing import Any

import pytest
from sqlalchemy import event

from credit_service.database import PAIRS_AT_ONCE
from credit_service.ledger.quarantine import QuarantinedRecord, count_quarantined, find_quarantined, list_quarantined
from tests.ledger.conftest import CODE, OTHER, Desk, a_record

WRONG = "91350100M000100Y44"


def is_waiting(desk: Desk, record_id: str, version: int = 1) -> bool:
    with desk.database.reading() as session:
        return find_quarantined(session, "bureau", record_id, version) is not None


def test_look_for_what_a_batch_releases_is_planned_at_once(desk: Desk) -> None:
    """A statement with every key of a batch in it takes a database longer to plan than the whole batch to write."""
    desk.submit(a_record("W", subject={"code": WRONG, "name": ""}))
    given: list[int] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if "quarantined_record" in statement:
            given.append(len(parameters))

    event.listen(desk.database.engine, "before_cursor_execute", note)
    desk.submit(*(a_record(f"R{n}") for n in range(PAIRS_AT_ONCE)), a_record("W"))
    event.remove(desk.database.engine, "before_cursor_execute", note)
    assert given
    assert max(given) <= (PAIRS_AT_ONCE + 1 if desk.database.is_sqlite else 5)
    assert not is_waiting(desk, "W")


def test_only_the_version_that_waits_is_released(desk: Desk) -> None:
    faulty = {"subject": {"code": WRONG, "name": ""}}
    desk.submit(a_record("W", 2, **faulty), a_record("V", 1, **faulty))
    desk.submit(a_record("W", 1, subject={"code": CODE, "name": ""}))
    assert (is_waiting(desk, "W", 2), is_waiting(desk, "V")) == (True, True)


NAME, DOCUMENT = "模拟化工有限公司", "模应急罚〔2026〕1号"


def row(code: str, name: str = NAME, document: str = DOCUMENT, **named: Any) -> dict[str, Any]:
    """Builds the record of a row of a file: its id holds the code."""
    subject = {"code": code, "name": name}
    return a_record(f"{document}:{code}", subject=subject, document_no=document, **named)


def submitted(desk: Desk, *records: dict[str, Any]) -> list[str]:
    return [receipt.status for receipt in desk.submit(*records)]


def kept(desk: Desk, record: dict[str, Any]) -> QuarantinedRecord:
    """Returns what quarantine knows of a record."""
    with desk.database.reading() as session:
        found = session.get(QuarantinedRecord, ("bureau", record["source_record_id"], 1))
    assert found is not None
    return found


def waiting(desk: Desk) -> tuple[int, int]:
    """Returns how many records wait, and how many were superseded."""
    with desk.database.reading() as session:
        counts = (count_quarantined(session, "bureau", are_superseded=told) for told in (False, True))
        return next(counts), next(counts)


@pytest.mark.parametrize("name", [NAME, "", "模拟化工有限责任公司"])
@pytest.mark.parametrize("at_once", [False, True])
def test_record_with_a_mended_code_supersedes_what_waited(desk: Desk, name: str, at_once: bool) -> None:
    """It comes under another id, for the code stands in it; the waiting row is settled, shown and counted."""
    wrong, right = row(WRONG), row(CODE, name)
    if at_once:
        assert submitted(desk, right, wrong) == ["ACCEPTED", "QUARANTINED"]
    else:
        assert submitted(desk, wrong) + submitted(desk, right) == ["QUARANTINED", "ACCEPTED"]
    assert (kept(desk, wrong).superseded_by, waiting(desk)) == (right["source_record_id"], (0, 1))
    with desk.database.reading() as session:
        (shown,) = list_quarantined(session, "bureau", None, 9, are_superseded=True)
        assert shown.record_id == wrong["source_record_id"]


def test_name_of_another_enterprise_under_its_code_is_mended_by_the_right_code(desk: Desk) -> None:
    registered = a_record("G", kind="REG", payload={}, subject={"code": OTHER, "name": "北京虚构商贸有限公司"})
    assert submitted(desk, registered, row(OTHER), row(CODE)) == ["ACCEPTED", "QUARANTINED", "ACCEPTED"]
    assert waiting(desk) == (0, 1)
    # The other enterprise may be in the same document all the same.
    assert submitted(desk, row(OTHER, "北京虚构商贸有限公司")) == ["ACCEPTED"]


@pytest.mark.parametrize(
    "other",
    [row(OTHER, "上海虚构商贸有限公司"), row(CODE, "上海虚构商贸有限公司"), row(OTHER, ""),
     row(CODE, document="模应急罚〔2026〕2号"),
     row(CODE, kind="COM", payload={"status": "MADE"})],
)  # fmt: skip
def test_record_of_another_case_settles_nothing(desk: Desk, other: dict[str, Any]) -> None:
    """Several subjects share a document, and one subject has several."""
    desk.submit(row(WRONG))
    assert submitted(desk, other) == ["ACCEPTED"]
    assert waiting(desk) == (1, 0)


def test_what_waits_for_its_article_is_not_settled_by_another_row_of_its_document(desk: Desk) -> None:
    numbered: dict[str, Any] = {"subject": {"code": CODE, "name": NAME}, "document_no": DOCUMENT}
    desk.submit(a_record(f"{DOCUMENT}:{CODE}:1", payload={"fine_fen": 1}, **numbered))
    desk.submit(a_record(f"{DOCUMENT}:{CODE}:2", **numbered))
    assert waiting(desk) == (1, 0)


def test_faulty_row_sent_again_stays_superseded(desk: Desk) -> None:
    """A clerk imports the old file once more: nothing waits again."""
    desk.submit(row(WRONG))
    desk.submit(row(CODE))
    (receipt,) = desk.submit(row(WRONG))
    assert (receipt.status, receipt.event_id) == ("CONFLICT", None)
    assert receipt.problems[0].want.startswith(f"{DOCUMENT}:{CODE}, which stands for it")
    assert waiting(desk) == (0, 1)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("is_own_first", [False, True])
def test_one_fact_never_counts_twice_whichever_id_is_mended(desk: Desk, is_own_first: bool, at_once: bool) -> None:
    """Under the id with the wrong code, or under that with the right one: the second to come is in conflict."""
    ids = (row(WRONG)["source_record_id"], row(CODE)["source_record_id"])
    own, new = ({**row(CODE), "source_record_id": record_id} for record_id in ids)
    desk.submit(row(WRONG))
    records = [own, new] if is_own_first else [new, own]
    found = submitted(desk, *records) if at_once else [s for record in records for s in submitted(desk, record)]
    assert found == ["ACCEPTED", "CONFLICT"]
    assert waiting(desk) == ((0, 0) if is_own_first else (0, 1))


@pytest.mark.parametrize("is_own_first", [False, True])
def test_once_withdrawn_the_record_may_come_under_the_other_id(desk: Desk, is_own_first: bool) -> None:
    ids = (row(WRONG)["source_record_id"], row(CODE)["source_record_id"])
    own, new = ({**row(CODE), "source_record_id": record_id} for record_id in ids)
    first, second = (own, new) if is_own_first else (new, own)
    desk.submit(row(WRONG))
    desk.submit(first)
    assert submitted(desk, {**first, "source_version": 2, "op": "RETRACT", "payload": {}}) == ["ACCEPTED"]
    assert submitted(desk, second) == ["ACCEPTED"]


def test_higher_version_ends_the_waiting_of_a_lower_one(desk: Desk) -> None:
    faulty, mended = a_record("W", subject={"code": WRONG, "name": ""}), a_record("W", 2)
    assert submitted(desk, faulty) + submitted(desk, mended) == ["QUARANTINED", "ACCEPTED"]
    assert (kept(desk, faulty).superseded_by, waiting(desk)) == ("W", (0, 1))


def test_correct_row_sent_again_settles_what_came_to_wait_after_it(desk: Desk) -> None:
    assert submitted(desk, row(CODE)) + submitted(desk, row(WRONG)) == ["ACCEPTED", "QUARANTINED"]
    assert submitted(desk, row(CODE)) == ["DUPLICATE"]
    assert waiting(desk) == (0, 1)


def withdrawal(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "source_version": 2, "op": "RETRACT", "payload": {}}


def test_faulty_row_waits_again_once_what_superseded_it_is_withdrawn(desk: Desk) -> None:
    """Nothing stands for it any more, and nobody may be told so."""
    desk.submit(row(WRONG))
    assert submitted(desk, row(CODE)) + submitted(desk, withdrawal(row(CODE))) == ["ACCEPTED", "ACCEPTED"]
    assert submitted(desk, row(WRONG)) == ["QUARANTINED"]
    assert waiting(desk) == (1, 0)


def test_withdrawn_row_sent_again_settles_nothing(desk: Desk) -> None:
    desk.submit(row(CODE))
    desk.submit(withdrawal(row(CODE)))
    assert submitted(desk, row(WRONG)) + submitted(desk, row(CODE)) == ["QUARANTINED", "DUPLICATE"]
    assert waiting(desk) == (1, 0)
