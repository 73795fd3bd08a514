"""Checking a record names every fault, and settles the level of an accident by its counts."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_service.database import to_microseconds
from credit_service.errors import Problem, Reason
from credit_service.ledger.clocks import time_text
from credit_service.ledger.drafts import CheckedDraft, check_header, is_plain_header, payload_json
from credit_service.ledger.payloads import MONEY_LIMIT, NEEDS_REFERENCE, PAYLOADS
from tests.ledger.conftest import CODE, NOW, Desk, a_record
from tests.ledger.test_append import ric_number

YUAN = 100


def check(desk: Desk, **named: Any) -> CheckedDraft:
    """Checks one record."""
    return desk.checker.check(a_record(**named), NOW)


def accident(**payload: Any) -> dict[str, Any]:
    """Builds the differing parts of an accident record."""
    return {"kind": "ACC", "payload": {"accident_kind": "WORK", **payload}}


@pytest.mark.parametrize(
    ("counts", "level"),
    [
        ({"deaths": 2, "serious_injuries": 10}, "LARGER"),
        ({"deaths": 0, "serious_injuries": 0, "direct_loss_fen": 50_000_000 * YUAN}, "MAJOR"),
        ({"deaths": 9}, "LARGER"),
        ({"deaths": 10}, "MAJOR"),
        ({"deaths": 30}, "EXTRA"),
        ({"serious_injuries": 100}, "EXTRA"),
        ({"deaths": 2, "serious_injuries": 9, "direct_loss_fen": 10_000_000 * YUAN - 1}, "GENERAL"),
    ],
)
def test_level_is_derived_from_the_counts(desk: Desk, counts: dict[str, int], level: str) -> None:
    """Any one criterion suffices; the number itself is included."""
    draft = check(desk, **accident(**counts)).draft
    assert draft is not None
    assert json.loads(draft.payload)["level"] == level


def test_level_stays_unknown_without_counts(desk: Desk) -> None:
    """Dead or hospitalised together say nothing about a level."""
    draft = check(desk, **accident(victims=12)).draft
    assert draft is not None
    assert "level" not in json.loads(draft.payload)


@pytest.mark.parametrize(
    ("stated", "counts", "agrees"),
    [
        ("GENERAL", {"deaths": 3}, False),
        ("LARGER", {"deaths": 1}, True),
        ("LARGER", {"deaths": 1, "serious_injuries": 0, "direct_loss_fen": 0}, False),
    ],
)
def test_stated_level_must_agree_with_complete_counts(
    desk: Desk, stated: str, counts: dict[str, int], agrees: bool
) -> None:
    """Missing counts make the derived level a lower bound only."""
    checked = check(desk, **accident(level=stated, **counts))
    assert (checked.draft is not None) is agrees
    assert checked.is_mendable is not agrees


def test_every_fault_of_a_record_is_named_at_once(desk: Desk) -> None:
    """A clerk mends a record in one go."""
    checked = check(desk, record_id="", domain="SEA", payload={"fine_fen": -1, "colour": "red"}, occur_time="soon")
    assert {p.field for p in checked.problems} == {
        "source_record_id",
        "domain",
        "payload.articles",
        "payload.fine_fen",
        "payload.colour",
        "occur_time",
    }


def test_publication_before_the_fact_is_mendable(desk: Desk) -> None:
    """It goes to quarantine."""
    checked = check(desk, source_publish_time="2026-02-01T00:00:00+08:00")
    assert [p.reason for p in checked.problems] == [Reason.TIME_ORDER]
    assert checked.is_mendable


def test_one_unmendable_fault_rejects_the_record(desk: Desk) -> None:
    """Mendable faults beside it do not save it."""
    assert not check(desk, source_publish_time="2026-02-01T00:00:00+08:00", domain="").is_mendable


def test_repair_must_name_the_repaired_record(desk: Desk) -> None:
    """The reference is what a repair is about."""
    assert set(PAYLOADS) >= NEEDS_REFERENCE
    checked = check(desk, kind="REP", payload={"decision_date": "2026-03-01"})
    assert [p.reason for p in checked.problems] == [Reason.REFERENCE_MISSING]


def test_foreign_scheme_is_refused_for_a_source(desk: Desk) -> None:
    """A source speaks for the subjects of its own scheme, and for persons."""
    checked = check(desk, subject={"scheme": "TW-OSH", "code": "tw0123456789ab"})
    assert [p.reason for p in checked.problems] == [Reason.SCHEME_UNKNOWN]


def test_unicode_code_is_one_subject(desk: Desk) -> None:
    """Full width is folded before the check."""
    draft = check(desk, subject={"code": CODE.translate({ord("9"): "９"})}).draft  # noqa: RUF001  # the full-width digit is the point
    assert draft is not None
    assert draft.subject_id == f"USCC:{CODE}"


def test_quarantine_keeps_nothing_of_a_person(desk: Desk) -> None:
    """Code and name are left out of what is kept aside."""
    person = {"scheme": "PERSON", "code": "ab" * 32, "kind": "PERSON", "name": "某甲"}
    checked = check(desk, subject=person, source_publish_time="2026-02-01T00:00:00+08:00")
    assert checked.record["subject"] == {**person, "code": "", "name": ""}


@pytest.mark.parametrize(
    ("dates", "field"),
    [
        ({"due_date": "2026-02-10", "extended_due_date": "2026-02-09"}, "payload.extended_due_date"),
        ({"order_date": "2026-01-10", "closed_date": "2026-01-09"}, "payload.closed_date"),
        ({"due_date": "2026-02-10", "extended_due_date": "2026-02-10"}, None),
        ({"order_date": "2026-01-10", "closed_date": "2026-01-10"}, None),
    ],
)
def test_the_life_of_a_hazard_runs_forward(desk: Desk, dates: dict[str, str], field: str | None) -> None:
    """An extension never shortens the time given, and nothing is closed before it was ordered."""
    checked = check(desk, kind="HAZ", payload={"hazard_level": "MAJOR", "found_by": "AUTHORITY", **dates})
    want = [] if field is None else [(field, Reason.TIME_ORDER)]
    assert [(p.field, p.reason) for p in checked.problems] == want


@pytest.mark.parametrize(
    ("kind", "last", "later"),
    [("WORK", "2026-03-31", "2026-04-01"), ("FIRE", "2026-03-08", "2026-03-09"), ("ROAD", "2026-03-08", "2026-03-09")],
)
def test_casualties_of_later_than_the_last_counted_day_raise_no_level(
    desk: Desk, kind: str, last: str, later: str
) -> None:
    """The tenth death on day 30 (fire and road: 7) makes a larger accident major; a day later it stays larger."""
    nine, ten = accident(accident_kind=kind, deaths=9), {"accident_kind": kind, "deaths": 10}
    in_time, stays, unsaid = (
        check(desk, **accident(**ten, **more))
        for more in ({"counts_date": last}, {"counts_date": later, "level": "LARGER"}, {"counts_date": later})
    )
    levels = [json.loads(c.draft.payload)["level"] for c in (check(desk, **nine), in_time, stays) if c.draft]
    assert levels == ["LARGER", "MAJOR", "LARGER"]
    (problem,) = unsaid.problems
    assert (problem.field, problem.reason, unsaid.is_mendable) == ("payload.level", Reason.LEVEL_DISAGREES, True)
    assert last in problem.want


def test_level_that_the_counts_of_the_last_day_do_not_bear_is_still_quarantined(desk: Desk) -> None:
    """Within the days that count, nobody may state another level."""
    checked = check(desk, **accident(deaths=10, level="LARGER", counts_date="2026-03-31"))
    assert checked.is_mendable


@pytest.mark.parametrize("code", ["110101194912310021", " 11010119491231002１", "110101-19491231-0020"])  # noqa: RUF001  # the full-width digit is the point
def test_mistyped_id_number_is_refused_and_kept_nowhere(desk: Desk, code: str) -> None:
    """Its check character fits no code and no number: quarantine would keep it in the clear."""
    checked = check(desk, subject={"code": code})
    (problem,) = checked.problems
    assert (problem.got, problem.reason, checked.is_mendable) == (
        "a resident ID number", Reason.CODE_INVALID, False,
    )  # fmt: skip


def test_code_of_digits_that_holds_is_no_id_number(desk: Desk) -> None:
    """The vectors hold codes of digits alone."""
    for code in ("911100007109250324", "914403001922038216"):
        assert check(desk, subject={"code": code}).draft is not None


def amounts() -> st.SearchStrategy[Any]:
    """Draws what the fields of a payload may hold."""
    texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\t\n\r"\\/'), max_size=30)
    numbers = st.integers(0, MONEY_LIMIT) | st.floats(0.01, 10_000)
    return texts | numbers | st.booleans() | st.lists(texts, max_size=4)


@given(st.dictionaries(st.sampled_from([name for table in PAYLOADS.values() for name in table]), amounts()))
def test_payload_is_written_as_the_standard_library_writes_it(payload: dict[str, Any]) -> None:
    """Digests are of this text for ever: another writer, or a later version of this one, must not move a byte."""
    plain = json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert payload_json(payload) == plain


PLAIN: dict[str, Any] = {"document_no": "京应急罚〔2026〕1号", "legal_basis": "", "refers_to": "", "op": "ASSERT"}
HEADERS: list[dict[str, Any]] = [
    *({"source_record_id": text} for text in ("", "x" * 201, "tab\t\x07", 7, None)),
    *({"document_no": text} for text in ("x" * 201, "\x07", None)),
    *({"legal_basis": text} for text in ("y" * 4001, "\ud800", None)),
    *({"refers_to": text} for text in ("z" * 401, "\x00", None)),
    *({"source_version": version} for version in (-1, 2**31, True, "1", 1.0, None)),
    *({"op": text} for text in ("UPSERT", "", None)),
    *({"domain": text} for text in ("AIR", "", None)),
    {"payload": {"fire_matter": "REFUSED_CORRECTION"}},
]


@pytest.mark.parametrize("fault", HEADERS, ids=repr)
def test_no_plain_header_has_a_fault(fault: dict[str, Any]) -> None:
    """The look at a whole header spares the looks at its fields only when none of them would find anything."""
    problems: list[Problem] = []
    check_header(record := a_record(**PLAIN) | fault, problems)
    assert not (is_plain_header(record) and problems)


def test_header_of_a_common_record_is_plain() -> None:
    """Most records must be spared the looks, or the short cut is none."""
    assert is_plain_header(a_record(**PLAIN))


@pytest.mark.parametrize("name", ["occur_time", "source_publish_time"])
def test_faulty_record_keeps_its_times_for_people(desk: Desk, name: str) -> None:
    """Whoever mends a record reads its times; a count of microseconds says nothing to them."""
    record = a_record(payload={"articles": []}) | {name: to_microseconds(NOW) - 1}
    assert desk.checker.check(record, NOW).record[name] == time_text(NOW - timedelta(microseconds=1))


def test_times_of_the_first_second_count(desk: Desk) -> None:
    """Midnight of 1970 is a time like any other, not the absence of one."""
    checked = desk.checker.check({**a_record(), "occur_time": 0, "source_publish_time": 0}, NOW)
    assert checked.draft is not None
    assert (checked.draft.occur_time, checked.draft.publish_time) == (0, 0)


def test_id_of_a_person_s_record_hangs_on_who_it_is_and_on_the_document_alone(desk: Desk) -> None:
    """It shows no number, is the same each time, and joins no two documents of one person."""

    def record_id(number: str, document: str = "罚1号", kind: str = "PERSON", **named: Any) -> str:
        subject = {"scheme": "PERSON", "code": number, "kind": kind}
        checked = check(desk, source_record_id=f"{document}:{{person}}", subject=subject, **named)
        return checked.draft.record_id if checked.draft else str(checked.record["source_record_id"])

    one, other = ric_number("11010119000101000"), ric_number("11010119000101001")
    assert record_id(one) == record_id(f" {one} ") == record_id(one, payload={"fine_fen": 1})
    assert re.fullmatch("罚1号:[0-9a-f]{16}", record_id(one))
    assert len({record_id(one), record_id(other), record_id(one, "罚2号").replace("2", "1")}) == 3
    assert record_id("nobody's") == "罚1号:{person}"
    assert desk.vault.person_code(one)[:16] not in record_id(one)
