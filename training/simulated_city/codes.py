"""Codes of the simulated city: valid in form, and in a range that no registry hands out."""

from hashlib import sha256
from hmac import new as keyed

from stdnum.cn import uscc

_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGANISATION = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_RANGE = 31**6
# Coprime with 31, so that index → number is one to one and neighbours do not look alike.
_STEP = 3**18
# "MN" for 模拟: organisation codes of this range mark every subject of the city as simulated.
_MARK = "MN"


def subject_code(seed: int, index: int, prefix: str, region: str) -> str:
    """Returns the social credit code of the subject with this index; no two share one."""
    number = (index * _STEP + _offset(seed)) % _RANGE
    letters = ""
    for _ in range(6):
        number, rest = divmod(number, 31)
        letters += _LETTERS[rest]
    return social_credit_code(prefix, region, _MARK + letters)


def organ_code(mark: str, district: str) -> str:
    """Returns the code of a simulated authority."""
    return social_credit_code("11", district, mark + district[2:])


def social_credit_code(prefix: str, region: str, body: str) -> str:
    """Completes a code by the check characters of GB 11714 and GB 32100."""
    front = prefix + region + body + organisation_check(body)
    return front + uscc.calc_check_digit(front)


def organisation_check(body: str) -> str:
    """Returns the check character of an organisation code, GB 11714."""
    total = sum(_ORGANISATION.index(letter) * weight for letter, weight in zip(body, _WEIGHTS, strict=True))
    return {10: "X", 11: "0"}.get(11 - total % 11, str(11 - total % 11))


def person_code(seed: int, index: int) -> str:
    """Returns a keyed hash that stands for a person; eight leading zeros mark it as simulated."""
    return "00000000" + keyed(b"simulated person", f"{seed}/{index}".encode(), sha256).hexdigest()[8:]


def _offset(seed: int) -> int:
    return int.from_bytes(sha256(f"simulated city {seed}".encode()).digest()[:8]) % _RANGE
