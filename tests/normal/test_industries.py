"""Industry codes: section, form, and the risk sectors they point to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_service.errors import CreditError, Reason
from credit_service.normal.industries import canonical, problem, risk_sectors, section, sections, sectors
from tests.normal.widths import wide

DIVISIONS = st.sampled_from([n for s in sections() for n in range(s.first, s.last + 1)])
CODES = st.builds(lambda n, rest: f"{n:02d}{rest}", DIVISIONS, st.sampled_from(["", "1", "12", "99"]))


@pytest.mark.parametrize(
    ("code", "letter"),
    [
        ("C2631", "C"),
        ("2631", "C"),
        ("c26", "C"),
        ("26", "C"),
        ("C", "C"),
        ("0111", "A"),
        (wide("B0610"), "B"),
        ("97", "T"),
    ],
)
def test_section_is_known_with_and_without_its_letter(code: str, letter: str) -> None:
    assert section(code) == letter


def test_sections_follow_each_other_without_overlap() -> None:
    assert "".join(s.letter for s in sections()) == "ABCDEFGHIJKLMNOPQRST"
    assert all(one.last < other.first for one, other in zip(sections(), sections()[1:], strict=False))
    assert (sections()[0].first, sections()[-1].last) == (1, 97)


@given(CODES)
def test_letter_in_front_changes_nothing(code: str) -> None:
    assert canonical(canonical(code)) == canonical(code)
    assert canonical(code)[1:] == code
    assert problem(canonical(code)) is None


@pytest.mark.parametrize(
    ("code", "want"),
    [
        ("", "a code of GB/T 4754-2017"),
        ("C2", "such as C2631"),
        ("C26311", "such as C2631"),
        ("U2631", "such as C2631"),
        ("化工", "such as C2631"),
        ("9811", "no section holds division 98"),
        ("0011", "no section holds division 00"),
        ("B2631", "C2631: division 26 lies in section C"),
    ],
)
def test_wrong_code_is_refused_with_what_is_wrong(code: str, want: str) -> None:
    fault = problem(code)
    assert fault is not None
    assert want in fault.want
    with pytest.raises(CreditError, match="industry_code: got") as caught:
        section(code)
    assert caught.value.reason is Reason.FIELD_INVALID


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("B0610", {"MINING"}),
        ("B", {"MINING"}),
        ("C2631", {"HAZARDOUS_CHEMICALS", "INDUSTRY_TRADE"}),
        ("2672", {"HAZARDOUS_CHEMICALS", "FIREWORKS", "INDUSTRY_TRADE"}),
        ("C2671", {"HAZARDOUS_CHEMICALS", "CIVIL_EXPLOSIVES", "INDUSTRY_TRADE"}),
        ("C267", {"HAZARDOUS_CHEMICALS", "INDUSTRY_TRADE"}),
        ("C", {"INDUSTRY_TRADE"}),
        ("C3120", {"METAL_SMELTING", "INDUSTRY_TRADE"}),
        ("E4710", {"CONSTRUCTION"}),
        ("E", {"CONSTRUCTION"}),
        ("G5431", {"TRANSPORT"}),
        ("G5942", {"HAZARDOUS_CHEMICALS"}),
        ("G", set()),
        ("A0411", {"FISHERY"}),
        ("D4511", {"ENERGY_SUPPLY"}),
        ("D46", set()),
        ("F5169", {"HAZARDOUS_CHEMICALS", "INDUSTRY_TRADE", "CROWDED_PLACE"}),
        ("F5265", {"HAZARDOUS_CHEMICALS", "INDUSTRY_TRADE", "CROWDED_PLACE"}),
        ("F5264", {"INDUSTRY_TRADE", "CROWDED_PLACE"}),
        ("H6110", {"CROWDED_PLACE"}),
        ("I6510", set()),
    ],
)
def test_code_points_to_the_sectors_whose_anchor_holds_it(code: str, expected: set[str]) -> None:
    assert {sector.id for sector in risk_sectors(code)} == expected


@given(CODES)
def test_finer_code_keeps_the_sectors_of_the_coarser(code: str) -> None:
    coarse = {sector.id for sector in risk_sectors(code[:2])}
    assert coarse <= {sector.id for sector in risk_sectors(code)}


def test_each_sector_says_its_basis_and_source() -> None:
    assert len({sector.id for sector in sectors()}) == len(sectors()) == 11
    for sector in sectors():
        assert sector.order_11 in ("YES", "NO", "PART")
        assert sector.insurance in ("COMPULSORY", "PROMOTED", "NO")
        assert {sector.anchors_source, sector.insurance_source} <= {"read", "memory"}
        assert sector.basis
    assert sum(sector.insurance == "COMPULSORY" for sector in sectors()) == 8
