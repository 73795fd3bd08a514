"""The unified social credit code (GB 32100): its canonical form and what its check characters say."""

import re
import unicodedata
from functools import lru_cache
from operator import getitem

from credit_service.errors import CreditError, Reason, shown

# Values 0 to 30 in order: no I, O, S, V, Z.
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# What each character adds in its place: every call that names a subject sums them.
_ADDED = tuple({c: value * pow(3, place, 31) for value, c in enumerate(ALPHABET)} for place in range(17))
# Registering department (digits, and A, N, Y of later years), category, division, subject code, check character.
_FORM = re.compile(rf"[0-9ANY][{ALPHABET}][0-9]{{6}}[{ALPHABET}]{{10}}")
LENGTH = 18
_BLANKS = re.compile(r"[\s\-\u2010-\u2015\u2212]+")
_ORG_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def canonical(code: str) -> str:
    """Returns the code in upper case, half width, without blanks.

    Fails with CODE_INVALID on a wrong form and CHECK_DIGIT when only the last character is wrong.
    """
    # Blanks may make a text as long as a message: no longer one than a code is remembered.
    return _known(code) if len(code) <= LENGTH else _canonical(code)


# The same subjects are asked about and reported again and again.
@lru_cache(maxsize=16_384)
def _known(code: str) -> str:
    return _canonical(code)


def _canonical(code: str) -> str:
    if not _FORM.fullmatch(code):
        folded = _BLANKS.sub("", unicodedata.normalize("NFKC", code)).upper()
        if not _FORM.fullmatch(folded):
            raise CreditError(
                Reason.CODE_INVALID,
                f"subject.code: got {shown(code)}, want 18 characters without I O S V Z (GB 32100)",
            )
        code = folded
    if check_character(code) != code[17]:
        raise CreditError(
            Reason.CHECK_DIGIT,
            f"subject.code: got {shown(code)}, want a code whose check character fits (GB 32100)",
        )
    return code


def check_character(code: str) -> str:
    """Returns the check character of the first 17 characters."""
    total = sum(map(getitem, _ADDED, code))
    return ALPHABET[-total % 31]


def organisation_code_fits(code: str) -> bool:
    """Says whether characters 9-17 are a well-checked organisation code (GB 11714); a warning, never a refusal."""
    body, check = code[8:16], code[16]
    total = sum(_ORG_ALPHABET.index(c) * w for c, w in zip(body, _ORG_WEIGHTS, strict=True))
    return check == {10: "X", 11: "0"}.get(11 - total % 11, str(11 - total % 11))
