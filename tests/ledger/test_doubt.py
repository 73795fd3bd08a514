"""A record that may speak of another enterprise waits in quarantine; what merely writes a name otherwise does not."""

from typing import Any

import pytest

from credit_service.database import from_microseconds
from credit_service.errors import CreditError, Reason
from credit_service.ledger.append import Reception, append
from credit_service.ledger.quarantine import find_quarantined
from credit_service.ledger.verify import verify
from credit_service.subjects.tables import get_subject
from tests.ledger.conftest import CODE, NOW, OTHER, Desk, a_record

NAMED = {"code": CODE, "name": "北京模拟化工有限公司"}


def registration(record_id: str, day: str = "2025-02-01", **named: Any) -> dict[str, Any]:
    """Builds a registration of the subject."""
    return a_record(
        record_id, kind="REG", occur_time=f"{day}T00:00:00+08:00", payload={}, **{"subject": NAMED, **named}
    )


def named(name: str, record_id: str = "R") -> dict[str, Any]:
    """Builds a penalty under the code, with a name."""
    return a_record(record_id, subject={"code": CODE, "name": name})


def statuses(desk: Desk, *records: dict[str, Any]) -> list[str]:
    """Submits records in one batch."""
    return [receipt.status for receipt in desk.submit(*records)]


@pytest.mark.parametrize(
    "name",
    ["北京模拟化工有限公司", "模拟化工有限公司", "北京模拟化工有限公司通州分公司", "北京模拟化工有限责任公司", ""],
)
def test_name_written_otherwise_is_the_same_subject(desk: Desk, name: str) -> None:
    """Region, branch, legal form and a missing name are ways of writing."""
    assert statuses(desk, registration("G"), named(name)) == ["ACCEPTED", "ACCEPTED"]


def test_name_of_another_enterprise_waits_until_it_is_mended(desk: Desk) -> None:
    """It is named, kept, never in the ledger, and accepted under the right name."""
    accepted, waiting = desk.submit(registration("G"), named("上海虚构商贸有限公司"))
    assert (accepted.status, waiting.status, waiting.event_id) == ("ACCEPTED", "QUARANTINED", None)
    (problem,) = waiting.problems
    assert (problem.field, problem.got, problem.reason) == (
        "subject_name",
        "上海虚构商贸有限公司",
        Reason.NAME_DISAGREES,
    )
    with desk.database.reading() as session:
        kept = find_quarantined(session, "bureau", "R", 1)
        assert kept is not None
        assert kept.faults() == [problem]
        assert verify(session).events == 1
    assert statuses(desk, named("北京模拟化工有限公司")) == ["ACCEPTED"]
    with desk.database.reading() as session:
        assert find_quarantined(session, "bureau", "R", 1) is None


def test_name_of_before_a_renaming_still_fits(desk: Desk) -> None:
    """Old records carry old names; only a registration renames."""
    renamed = registration("G2", "2026-02-01", subject={"code": CODE, "name": "北京新号材料有限公司"})
    assert statuses(desk, registration("G"), renamed, named("北京模拟化工有限公司")) == ["ACCEPTED"] * 3
    with desk.database.reading() as session:
        row = get_subject(session, f"USCC:{CODE}")
        assert row is not None
        assert row.name == "北京新号材料有限公司"


def test_without_a_registration_no_name_is_doubted(desk: Desk) -> None:
    """The first to name a subject is no better witness than the second."""
    assert statuses(desk, named("北京模拟化工有限公司", "A"), named("上海虚构商贸有限公司", "B")) == ["ACCEPTED"] * 2


def test_waiting_record_is_kept_as_it_came(desk: Desk) -> None:
    """What is released later is what was submitted."""
    record = {**named("上海虚构商贸有限公司"), "source_publish_time": "2026-03-02T00:00:00+08:00", "refers_to": "X"}
    draft = desk.checker.check(record, NOW).draft
    desk.submit(registration("G"), record)
    with desk.database.reading() as session:
        kept = find_quarantined(session, "bureau", "R", 1)
    assert kept is not None
    assert desk.checker.check(kept.content(), NOW).draft == draft
    assert draft is not None
    assert from_microseconds(draft.occur_time).isoformat() == "2026-02-28T16:00:00+00:00"


def test_source_that_needs_registrations_speaks_of_no_unknown_subject(desk: Desk) -> None:
    """Its own registrations make subjects known, also within the batch; all or nothing refuses the whole."""
    strict = Reception(desk.vault, frozenset({"bureau"}))
    records = [a_record("U", subject={"code": OTHER, "name": ""}), registration("G"), named("北京模拟化工有限公司")]
    checked = [desk.checker.check(record, NOW) for record in records]
    with desk.database.transaction() as session, pytest.raises(CreditError, match=r"events\[0\].subject: got"):
        append(session, checked, NOW, strict, is_all_or_nothing=True)
    with desk.database.transaction() as session:
        receipts = append(session, checked, NOW, strict)
    assert [receipt.status for receipt in receipts] == ["QUARANTINED", "ACCEPTED", "ACCEPTED"]
    assert receipts[0].problems[0].reason is Reason.SUBJECT_UNKNOWN


def test_penalty_without_its_article_waits(desk: Desk) -> None:
    """The clerk has only to look it up."""
    (receipt,) = desk.submit(a_record(payload={"fine_fen": 100}))
    assert (receipt.status, receipt.problems[0].reason) == ("QUARANTINED", Reason.CLAUSE_MISSING)


def test_record_under_a_wrong_name_can_be_taken_back(desk: Desk) -> None:
    """It came before the registration that shows the name to be wrong; nothing may keep it."""
    wrong = named("上海虚构商贸有限公司")
    withdrawal = {**wrong, "source_version": 2, "op": "RETRACT", "payload": {}}
    assert statuses(desk, wrong, registration("G"), withdrawal) == ["ACCEPTED"] * 3
