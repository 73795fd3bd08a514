"""Identification schemes: each with its validator; a subject id is `SCHEME:CODE`."""

import re
import unicodedata
from collections.abc import Callable, Mapping

from stdnum.cn import ric
from stdnum.exceptions import ValidationError

from credit_service.errors import CreditError, Reason, shown
from credit_service.subjects import uscc

_PERSON = re.compile(r"[0-9a-f]{64}")
# All but the last character of an ID number are digits, whatever stands between them and however they are written.
_DIGIT = re.compile(r"\d")
_BETWEEN = re.compile(r"[\s\-]+")
_LIKE_ID = re.compile(r"\d{6}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]", re.ASCII)
_TW_OSH = re.compile(r"tw[0-9a-f]{12}")


def _person(code: str) -> str:
    # The received text is never shown: it may be an ID number.
    if not _PERSON.fullmatch(code):
        raise CreditError(
            Reason.CODE_INVALID,
            "subject.code: got a withheld value, want a keyed hash of 64 hexadecimal characters",
        )
    return code


def _tw_osh(code: str) -> str:
    if not _TW_OSH.fullmatch(code):
        raise CreditError(
            Reason.CODE_INVALID,
            f"subject.code: got {shown(code)}, want tw and 12 hexadecimal characters",
        )
    return code


SCHEMES: Mapping[str, Callable[[str], str]] = {
    "USCC": uscc.canonical,
    "PERSON": _person,
    "TW-OSH": _tw_osh,
}


def subject_id(scheme: str, code: str) -> str:
    """Returns the id of a subject; an empty scheme means USCC.

    Fails with SCHEME_UNKNOWN, CODE_INVALID, CHECK_DIGIT.
    """
    name = scheme or "USCC"
    validate = SCHEMES.get(name)
    if validate is None:
        raise CreditError(
            Reason.SCHEME_UNKNOWN,
            f"subject.scheme: got {shown(name)}, want one of {', '.join(SCHEMES)}",
        )
    return f"{name}:{validate(code)}"


def split(identifier: str) -> tuple[str, str]:
    """Returns scheme and code of a subject id."""
    scheme, _, code = identifier.partition(":")
    return scheme, code


def is_id_number(code: str) -> bool:
    """Says whether a text is a resident ID number (GB 11643)."""
    if len(_DIGIT.findall(code)) < 17:
        return False
    try:
        return len(ric.validate(code)) == 18
    except ValidationError:
        return False


def resembles_id_number(code: str) -> bool:
    """Says whether a text has the form of a resident ID number with a day of birth, its check character aside."""
    return bool(_LIKE_ID.fullmatch(_BETWEEN.sub("", unicodedata.normalize("NFKC", code))))


def compact_id_number(code: str) -> str:
    """Returns an ID number in its one form, so that one person has one hash."""
    return str(ric.compact(code)).upper()
