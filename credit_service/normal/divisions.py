"""Division codes 行政区划代码 (GB/T 2260): today's code, level, what lies in what.

A wrong form is a fault. An unknown or obsolete code is a warning only: districts are redrawn every year,
development zones carry codes of their own, and a record must not be lost over either.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from credit_service.errors import CreditError, Problem, Reason, shown
from credit_service.normal.shipped import rows

NATION = "100000"
# Only here is the list of counties complete, so only here can a county be called unknown.
_COMPLETE_COUNTIES = ("11",)
# These three have no prefectures in the standard.
_WITHOUT_PREFECTURES = ("71", "81", "82")
# 01 and 02 stand for the districts and counties of a municipality, 90 for counties directly below a province.
_PLACEHOLDERS = ("01", "02", "90")
_WANT = "6 digits (GB/T 2260)"
_CODE = re.compile(r"[1-9]\d{5}", re.ASCII)
_PREFIX = re.compile(r"[1-9]\d|[1-9]\d{3}", re.ASCII)


class Level(StrEnum):
    """Names how high a division stands."""

    NATION = "NATION"
    PROVINCE = "PROVINCE"
    CITY = "CITY"
    COUNTY = "COUNTY"


@dataclass(frozen=True, slots=True)
class Division:
    """Names a division in use."""

    code: str
    name: str
    short_name: str


@dataclass(frozen=True, slots=True)
class Obsolete:
    """Names a county code out of use and the codes of those that have its ground today."""

    code: str
    name: str
    successors: tuple[str, ...]


@cache
def in_use() -> dict[str, Division]:
    """Lists the known divisions in use by code."""
    return {r["code"]: Division(r["code"], r["name"], r["short_name"]) for r in rows("divisions.csv")}


@cache
def out_of_use() -> dict[str, Obsolete]:
    """Lists the known obsolete codes."""
    found = rows("obsolete_divisions.csv")
    return {r["code"]: Obsolete(r["code"], r["name"], tuple(r["successors"].split("|"))) for r in found}


def canonical(code: str) -> str:
    """Returns six digits, half width; 11 and 1101 are filled with zeros.

    Fails with FIELD_INVALID.
    """
    text = unicodedata.normalize("NFKC", code).strip()
    if _PREFIX.fullmatch(text):
        text = text.ljust(6, "0")
    if not _CODE.fullmatch(text):
        raise CreditError(Reason.FIELD_INVALID, f"division: got {shown(code) or 'nothing'}, want {_WANT}")
    return text


def problem(code: str, field: str = "division") -> Problem | None:
    """Names the fault in the form of a full code; None when the form is right, whether or not the code is known."""
    if _CODE.fullmatch(code):
        return None
    return Problem(field, shown(code), _WANT, Reason.FIELD_INVALID)


def warning(code: str, field: str = "division") -> Problem | None:
    """Names what is odd about a well-formed code: obsolete, divided since, or not known; never a refusal."""
    code = canonical(code)
    obsolete = out_of_use().get(code)
    if obsolete:
        want = " or ".join(obsolete.successors) if len(obsolete.successors) > 1 else current(code)
        return Problem(field, f"{code} {obsolete.name} (out of use)", want, Reason.FIELD_UNKNOWN)
    if _is_known(code):
        return None
    return Problem(field, code, "a division in use (GB/T 2260)", Reason.FIELD_UNKNOWN)


def _is_known(code: str) -> bool:
    province, city, county = code[:2], code[2:4], code[4:]
    if code in in_use():
        return True
    if f"{province}0000" not in in_use() or code == NATION:
        return False
    if province in _WITHOUT_PREFECTURES:
        return True
    if city not in _PLACEHOLDERS and f"{province}{city}00" not in in_use():
        return False
    return county == "00" or province not in _COMPLETE_COUNTIES


def current(code: str) -> str:
    """Returns today's code of a county whose whole ground went to one successor; any other code stays as it is."""
    code = canonical(code)
    while (obsolete := out_of_use().get(code)) and len(obsolete.successors) == 1:
        code = obsolete.successors[0]
    return code


def level(code: str) -> Level:
    """Says how high a division stands, by its zeros."""
    code = canonical(code)
    if code == NATION:
        return Level.NATION
    if code.endswith("0000"):
        return Level.PROVINCE
    return Level.CITY if code.endswith("00") else Level.COUNTY


def covers(parent: str, child: str) -> bool:
    """Says whether the child lies in the parent or is the parent, both by today's codes."""
    above, below = current(parent), current(child)
    if above == NATION:
        return True
    shared = {Level.PROVINCE: 2, Level.CITY: 4}.get(level(above), 6)
    return below[:shared] == above[:shared]
