"""Division codes: today's code, level, what covers what, faults and warnings."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_service.errors import CreditError, Reason
from credit_service.normal import divisions
from credit_service.normal.divisions import Level, canonical, covers, current, level, problem, warning
from credit_service.normal.shipped import rows
from tests.normal.widths import wide

PUBLIC = Path(__file__).parents[2] / "training" / "data" / "divisions" / "beijing_districts.csv"
KNOWN = [*divisions.in_use(), *divisions.out_of_use()]
CODES = st.one_of(st.sampled_from(KNOWN), st.integers(100000, 999999).map(str))


@pytest.mark.parametrize(
    ("old", "today"),
    [
        ("110103", "110101"),
        ("110104", "110102"),
        ("110228", "110118"),
        ("110229", "110119"),
        ("310225", "310115"),
        ("371202", "370116"),
        (wide("110103"), "110101"),
        ("110101", "110101"),
        ("330104", "330104"),
        ("999999", "999999"),
    ],
)
def test_obsolete_code_leads_to_its_one_successor(old: str, today: str) -> None:
    assert current(old) == today


@given(CODES)
def test_current_code_is_final(code: str) -> None:
    assert current(current(code)) == current(code)


def test_every_successor_is_in_use_where_the_list_is_complete() -> None:
    for old in divisions.out_of_use().values():
        assert old.code not in old.successors
        assert old.code not in divisions.in_use()
        assert {s[:2] for s in old.successors} == {old.code[:2]}
        assert all(s in divisions.in_use() for s in old.successors if s.startswith("11"))


def test_districts_of_beijing_are_those_of_the_public_list() -> None:
    public = {r["code"]: r["name"] for r in csv.DictReader(PUBLIC.read_text("utf-8").splitlines())}
    shipped = {r["code"]: r["name"] for r in rows("divisions.csv") if r["source"] == "read"}
    assert shipped == public
    assert {r["source"] for r in rows("divisions.csv") + rows("obsolete_divisions.csv")} == {"read", "memory"}


def test_list_holds_every_province_and_prefecture_once() -> None:
    codes = [r["code"] for r in rows("divisions.csv")]
    assert codes == sorted(set(codes))
    levels = [level(code) for code in codes]
    assert [levels.count(kind) for kind in Level] == [1, 34, 333, 16]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("100000", Level.NATION),
        ("110000", Level.PROVINCE),
        ("11", Level.PROVINCE),
        ("320500", Level.CITY),
        ("3205", Level.CITY),
        ("110108", Level.COUNTY),
        ("110302", Level.COUNTY),
    ],
)
def test_zeros_tell_the_level(code: str, expected: Level) -> None:
    assert level(code) is expected


@pytest.mark.parametrize(
    ("parent", "child", "expected"),
    [
        ("110000", "110108", True),
        ("11", "110108", True),
        ("110000", "110103", True),
        ("110101", "110103", True),
        ("110103", "110101", True),
        ("110102", "110103", False),
        ("320500", "320584", True),
        ("320500", "320200", False),
        ("320500", "320000", False),
        ("110108", "110105", False),
        ("110108", "110000", False),
        ("100000", "659001", True),
        ("650000", "100000", False),
    ],
)
def test_parent_covers_what_lies_in_it_today(parent: str, child: str, expected: bool) -> None:
    assert covers(parent, child) is expected


@given(CODES, CODES, CODES)
def test_cover_is_an_order(a: str, b: str, c: str) -> None:
    assert covers(a, a)
    assert not (covers(a, b) and covers(b, c)) or covers(a, c)
    assert not (covers(a, b) and covers(b, a)) or current(a) == current(b)


@given(st.sampled_from(KNOWN))
def test_province_covers_each_of_its_codes(code: str) -> None:
    assert code == divisions.NATION or covers(code[:2], code)


@pytest.mark.parametrize("code", ["", "1101", "11010a", "1101080", "010101", "١١٠١٠٨", " 110108"])
def test_wrong_form_is_a_fault(code: str) -> None:
    fault = problem(code, "supervising_region")
    assert fault is not None
    assert fault.reason is Reason.FIELD_INVALID
    assert str(fault).startswith("supervising_region: got")
    assert "6 digits" in fault.want


@pytest.mark.parametrize("code", ["", "1", "110", "11010", "abc", "011"])
def test_code_that_no_filling_mends_is_refused(code: str) -> None:
    with pytest.raises(CreditError, match=r"division: got .*, want 6 digits") as caught:
        canonical(code)
    assert caught.value.reason is Reason.FIELD_INVALID


@pytest.mark.parametrize(
    ("code", "want"),
    [
        ("110103", "110101"),
        ("310225", "310115"),
        ("330104", "330102 or 330114"),
        ("110302", "in use"),
        ("110199", "in use"),
        ("990000", "in use"),
        ("329900", "in use"),
        ("329901", "in use"),
    ],
)
def test_odd_code_is_warned_of_and_no_fault(code: str, want: str) -> None:
    assert problem(code) is None
    found = warning(code)
    assert found is not None
    assert found.reason is Reason.FIELD_UNKNOWN
    assert want in found.want


@pytest.mark.parametrize("code", ["100000", "110000", "110100", "110108", "320582", "469001", "710101", "500200"])
def test_code_that_may_be_right_is_not_warned_of(code: str) -> None:
    assert warning(code) is None
