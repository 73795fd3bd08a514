"""What messages may show: ID numbers are masked, mistyped ones too; codes of enterprises are what they say."""

import pytest
from stdnum.cn import ric

from credit_service.errors import shown, without_id_numbers
from credit_service.subjects.uscc import check_character

# Division 350119: the code reads like a birth in 1980.
BODY = "9135011980"


def _codes() -> list[str]:
    """Returns well-formed codes of digits alone whose middle reads like a day of birth."""
    bodies = (f"{BODY}{month:02d}{number:05d}" for month in (1, 12) for number in range(300))
    return [code for code in (body + check_character(body) for body in bodies) if code.isdecimal()]


@pytest.mark.parametrize(
    "number", ["11010519491231002X", "110105194912310021", "92110519800101002X", "11010519491231002x"]
)
def test_id_number_is_masked_right_or_mistyped(number: str) -> None:
    assert number not in shown(f"code {number} of a clerk")
    assert without_id_numbers(number) == "[ID]"


def test_code_of_an_enterprise_is_shown_unless_it_is_an_id_number_as_well() -> None:
    for code in _codes():
        is_id = ric.calc_check_digit(code) == code[17]
        assert without_id_numbers(code) == ("[ID]" if is_id else code)


def test_code_with_a_wrong_check_character_is_masked() -> None:
    code = _codes()[0]
    wrong = code[:17] + str((int(code[17]) + 1) % 10)
    assert without_id_numbers(wrong) == "[ID]"


def full_width(text: str) -> str:
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


@pytest.mark.parametrize(
    "number",
    [full_width("11010519491231002X"), f"1{full_width('1010519491231')}0021", "110105 19491231 002X",
     "110105-19491231-002x", full_width("110105-19491231-002X"), f"{full_width('110105')}\u300019491231 002X"],
)  # fmt: skip
def test_id_number_is_masked_however_it_is_written(number: str) -> None:
    assert shown(f"金额{number}元") == "金额[ID]元"


def test_document_number_with_its_day_is_shown() -> None:
    assert shown("110108-20260301-0012") == "110108-20260301-0012"
