"""Industry codes 国民经济行业分类 (GB/T 4754-2017): section, form, and the risk sectors they point to.

A code is read as the range of four-digit classes below it, so C26 is 2600-2699. It points to a risk sector
when an anchor of that sector holds the whole range; a code coarser than the anchor decides nothing.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from credit_service.errors import CreditError, Problem, Reason, shown
from credit_service.normal.shipped import tables

_CODE = re.compile(r"(?P<letter>[A-T]?)(?P<digits>\d{2,4})|(?P<section>[A-T])", re.ASCII)
_WANT = "a code of GB/T 4754-2017 such as C2631, C26 or C"

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Section:
    """Holds a section: letter, names, and its two-digit divisions, first and last."""

    letter: str
    name_zh: str
    name_en: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class RiskSector:
    """Holds a risk sector: the codes that anchor it, and what two legal texts say of it.

    order_11: YES, NO or PART of the sector lies within Order 11. insurance: COMPULSORY, PROMOTED or NO.
    """

    id: str
    name_zh: str
    name_en: str
    anchors: tuple[str, ...]
    order_11: str
    insurance: str
    basis: str
    anchors_source: str
    insurance_source: str


@cache
def sections() -> tuple[Section, ...]:
    """Lists the sections in order."""
    return tuple(Section(**values) for values in tables("industries.toml")["section"])


@cache
def sectors() -> tuple[RiskSector, ...]:
    """Lists the risk sectors in order."""
    found = tables("industries.toml")["sector"]
    return tuple(RiskSector(**(values | {"anchors": tuple(values["anchors"])})) for values in found)


def canonical(code: str) -> str:
    """Returns the code with its section letter, in capitals and half width: 2631 is C2631.

    Fails with FIELD_INVALID when the form is wrong, no section holds the digits, or another than the letter says.
    """
    text = unicodedata.normalize("NFKC", code).strip().upper()
    found = _CODE.fullmatch(text)
    if not found:
        raise _refusal(code, _WANT)
    if found["section"]:
        return text
    letter = _letter(int(found["digits"][:2]))
    if not letter:
        raise _refusal(code, f"{_WANT}; no section holds division {found['digits'][:2]}")
    if found["letter"] not in ("", letter):
        raise _refusal(code, f"{letter}{found['digits']}: division {found['digits'][:2]} lies in section {letter}")
    return letter + found["digits"]


def problem(code: str, field: str = "industry_code") -> Problem | None:
    """Names the fault in a code; None when it is well formed."""
    try:
        canonical(code)
    except CreditError as error:
        _, _, want = error.message.partition(", want ")
        return Problem(field, shown(code), want, error.reason)
    return None


def section(code: str) -> str:
    """Returns the section letter of a code, with or without its letter."""
    return canonical(code)[0]


def risk_sectors(code: str) -> tuple[RiskSector, ...]:
    """Lists the risk sectors that a code points to; a hint, for the licence decides."""
    first, last = _classes(canonical(code))
    return tuple(
        sector for sector in sectors() if any(low <= first and last <= high for low, high in _anchored(sector))
    )


def _anchored(sector: RiskSector) -> list[Range]:
    return [_anchor(anchor) for anchor in sector.anchors]


@cache
def _anchor(anchor: str) -> Range:
    """Reads B06-B12, F5265 or a section letter as a range of classes."""
    low, _, high = anchor.partition("-")
    return _classes(low)[0], _classes(high or low)[1]


def _classes(code: str) -> Range:
    digits = code[1:]
    if not digits:
        (found,) = (s for s in sections() if s.letter == code)
        return found.first * 100, found.last * 100 + 99
    width = 10 ** (4 - len(digits))
    return int(digits) * width, int(digits) * width + width - 1


def _letter(division: int) -> str:
    return next((s.letter for s in sections() if s.first <= division <= s.last), "")


def _refusal(code: str, want: str) -> CreditError:
    return CreditError(Reason.FIELD_INVALID, f"industry_code: got {shown(code) or 'nothing'}, want {want}")
