"""Codes are checked by the vectors of the standard, folded once, and never echoed for persons."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc as stdnum

from credit_service.errors import CreditError, Reason
from credit_service.subjects import uscc
from credit_service.subjects.schemes import is_id_number, split, subject_id
from tests.ledger.test_append import ric_number

VECTORS = """9111000071093123XX 91110000100010433L 9111000010169286X1 91110000710926094P
911100007109250324 91110000802100433B 91110108551385082Q 911103026605015136 914403001922038216
91440300708461136T 91110000710935003U 91310000631696382C 91370000163044841F 91350100M000100Y43
911100001011200015 91110108MA00000070 91110108MA0000197Y 91100000100003962T""".split()  # noqa: SIM905  # a list of 18 strings reads worse
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@pytest.mark.parametrize("code", VECTORS)
def test_public_codes_pass_and_keep_their_form(code: str) -> None:
    """Every vector is canonical already."""
    assert uscc.canonical(code) == code


@pytest.mark.parametrize("code", [v for v in VECTORS if v != "91350100M000100Y43"])
def test_embedded_organisation_code_fits(code: str) -> None:
    """The ninth character of the organisation code checks as well."""
    assert uscc.organisation_code_fits(code)


def test_every_changed_character_is_caught() -> None:
    """All 510 single changes of one vector fail the check."""
    code, caught = VECTORS[0], 0
    for place in range(17):
        for letter in ALPHABET:
            if letter != code[place]:
                with pytest.raises(CreditError):
                    uscc.canonical(code[:place] + letter + code[place + 1 :])
                caught += 1
    assert caught == 510


def test_swapped_neighbours_are_caught() -> None:
    """Every swap of two different neighbours fails."""
    code = VECTORS[6]
    for place in range(16):
        swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
        if swapped != code:
            with pytest.raises(CreditError):
                uscc.canonical(swapped)


@given(
    st.sampled_from("123459ANY"),
    st.text("0123456789", min_size=6, max_size=6),
    st.text(ALPHABET, min_size=9, max_size=9),
)
def test_check_character_is_the_library_s(department: str, division: str, body: str) -> None:
    """Two implementations agree on every code."""
    front = department + "1" + division + body
    code = front + stdnum.calc_check_digit(front)
    assert uscc.canonical(code) == code


@pytest.mark.parametrize("prefix", ["A1", "A9", "N1", "N2", "N3", "N9", "Y1", "54", "55"])
def test_departments_written_with_a_letter_are_codes(prefix: str) -> None:
    """Rural collectives and others registered by departments of later years."""
    front = prefix + "110108MA0000000"
    assert uscc.canonical(front + uscc.check_character(front)).startswith(prefix)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("91350100M000100Y44", Reason.CHECK_DIGIT),
        ("9135010OM000100Y43", Reason.CODE_INVALID),
        ("91350100M000100Y4", Reason.CODE_INVALID),
        ("350100400000123", Reason.CODE_INVALID),
        ("", Reason.CODE_INVALID),
        ("化工有限公司化工有限公司化工有限公司", Reason.CODE_INVALID),
    ],
)
def test_malformed_code_is_refused_with_its_reason(code: str, reason: Reason) -> None:
    """The form and the check character are told apart."""
    with pytest.raises(CreditError) as refused:
        subject_id("USCC", code)
    assert refused.value.reason is reason


@pytest.mark.parametrize("code", ["91350100m000100y43", " 91350100 M000100Y43", "91350100M000100Y43"])
def test_code_is_folded_to_its_canonical_form(code: str) -> None:
    """Case, blanks and width do not make another subject."""
    assert subject_id("", code) == "USCC:91350100M000100Y43"


def test_other_schemes_have_their_own_form() -> None:
    """A registered source's code and a person's hash."""
    assert split(subject_id("TW-OSH", "tw0123456789ab")) == ("TW-OSH", "tw0123456789ab")
    assert subject_id("PERSON", "0f" * 32) == "PERSON:" + "0f" * 32
    with pytest.raises(CreditError, match="tw and 12"):
        subject_id("TW-OSH", "0123")
    with pytest.raises(CreditError, match="one of USCC, PERSON, TW-OSH"):
        subject_id("LEI", "x")


def test_refused_person_code_is_never_echoed() -> None:
    """It may be somebody's ID number."""
    with pytest.raises(CreditError) as refused:
        subject_id("PERSON", "a name or a number")
    assert "number" not in refused.value.message


def test_id_numbers_are_recognised() -> None:
    """By length and check digit."""
    assert is_id_number(ric_number("11010119000101000"))
    assert not is_id_number("11010119000101000" + "?")
    assert not is_id_number("0f" * 32)


def test_codes_in_endless_blanks_are_not_remembered() -> None:
    """What is remembered is bounded by the number of codes, whatever a caller writes around one."""
    blanks = " " * 1_000_000
    tracemalloc.start()
    try:
        for code in VECTORS:
            assert uscc.canonical(blanks + code) == code
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
