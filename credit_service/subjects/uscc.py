"""The unified social credit code (GB 32100): its canonical form and what its check characters say."""

import unicodedata

from stdnum.cn import uscc
from stdnum.exceptions import InvalidChecksum, ValidationError

from credit_service.errors import CreditError, Reason, shown

_ORG_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def canonical(code: str) -> str:
    """Returns the code in upper case, half width, without blanks.

    Fails with CODE_INVALID on a wrong form and CHECK_DIGIT when only the last character is wrong.
    """
    folded = unicodedata.normalize("NFKC", code)
    try:
        return str(uscc.validate(folded))
    except InvalidChecksum:
        raise CreditError(
            Reason.CHECK_DIGIT,
            f"subject.code: got {shown(code)}, want a code whose check character fits (GB 32100)",
        ) from None
    except ValidationError:
        raise CreditError(
            Reason.CODE_INVALID,
            f"subject.code: got {shown(code)}, want 18 characters without I O S V Z (GB 32100)",
        ) from None


def organisation_code_fits(code: str) -> bool:
    """Says whether characters 9-17 are a well-checked organisation code (GB 11714); a warning, never a refusal."""
    body, check = code[8:16], code[16]
    total = sum(_ORG_ALPHABET.index(c) * w for c, w in zip(body, _ORG_WEIGHTS, strict=True))
    return check == {10: "X", 11: "0"}.get(11 - total % 11, str(11 - total % 11))
