"""The one exception of the service, its machine reasons, and the fault in a field.

CreditError            a refusal with a reason; the door turns it into a status
Problem                one fault in one field of one record: "field: got …, want …"
Reason                 the machine reasons, equal to ErrorReason of the contract
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Names why something was refused; each value equals its ErrorReason without the prefix."""

    INTERNAL = "INTERNAL"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    FIELD_MISSING = "FIELD_MISSING"
    FIELD_INVALID = "FIELD_INVALID"
    FIELD_OUT_OF_RANGE = "FIELD_OUT_OF_RANGE"
    FIELD_UNKNOWN = "FIELD_UNKNOWN"
    ENUM_UNKNOWN = "ENUM_UNKNOWN"
    TEXT_INVALID = "TEXT_INVALID"
    KIND_UNKNOWN = "KIND_UNKNOWN"
    PAYLOAD_MISMATCH = "PAYLOAD_MISMATCH"
    DOMAIN_INVALID = "DOMAIN_INVALID"
    TIME_IN_FUTURE = "TIME_IN_FUTURE"
    TIME_ORDER = "TIME_ORDER"
    AMOUNT_NEGATIVE = "AMOUNT_NEGATIVE"
    CODE_INVALID = "CODE_INVALID"
    CHECK_DIGIT = "CHECK_DIGIT"
    SCHEME_UNKNOWN = "SCHEME_UNKNOWN"
    LEVEL_DISAGREES = "LEVEL_DISAGREES"
    REFERENCE_MISSING = "REFERENCE_MISSING"
    RECORD_TOO_LARGE = "RECORD_TOO_LARGE"
    BATCH_TOO_LARGE = "BATCH_TOO_LARGE"
    BATCH_EMPTY = "BATCH_EMPTY"
    KEY_CONFLICT = "KEY_CONFLICT"
    SOURCE_UNKNOWN = "SOURCE_UNKNOWN"
    SOURCE_FORBIDDEN = "SOURCE_FORBIDDEN"
    OFFSET_GAP = "OFFSET_GAP"
    SUBJECT_NOT_FOUND = "SUBJECT_NOT_FOUND"
    EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
    LISTING_NOT_FOUND = "LISTING_NOT_FOUND"
    GRADE_NOT_FOUND = "GRADE_NOT_FOUND"
    EDITION_NOT_FOUND = "EDITION_NOT_FOUND"
    NO_EDITION = "NO_EDITION"
    EDITION_INVALID = "EDITION_INVALID"
    BAD_PERIOD = "BAD_PERIOD"
    PERSON_NOT_VISIBLE = "PERSON_NOT_VISIBLE"
    ROLE_FORBIDDEN = "ROLE_FORBIDDEN"
    OUT_OF_JURISDICTION = "OUT_OF_JURISDICTION"
    NOT_OWN_SUBJECT = "NOT_OWN_SUBJECT"
    IDENTITY_MISSING = "IDENTITY_MISSING"
    OFFICER_REQUIRED = "OFFICER_REQUIRED"
    SECOND_OFFICER_SAME = "SECOND_OFFICER_SAME"
    PURPOSE_REQUIRED = "PURPOSE_REQUIRED"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    RESUME_TOKEN_INVALID = "RESUME_TOKEN_INVALID"
    EPOCH_CHANGED = "EPOCH_CHANGED"
    REVISION_AHEAD = "REVISION_AHEAD"
    REVISION_COMPACTED = "REVISION_COMPACTED"
    SLOW_CONSUMER = "SLOW_CONSUMER"
    DEADLINE_TOO_SHORT = "DEADLINE_TOO_SHORT"
    OVERLOADED = "OVERLOADED"
    MOVE_ILLEGAL = "MOVE_ILLEGAL"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    ALREADY_ADOPTED = "ALREADY_ADOPTED"
    CHAIN_BROKEN = "CHAIN_BROKEN"
    MODEL_INVALID = "MODEL_INVALID"
    MODEL_TAMPERED = "MODEL_TAMPERED"
    MODEL_UNSIGNED = "MODEL_UNSIGNED"
    MODEL_UNTRUSTED = "MODEL_UNTRUSTED"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    SETTING_INVALID = "SETTING_INVALID"
    MIGRATION_NEEDED = "MIGRATION_NEEDED"
    DATABASE_NEWER = "DATABASE_NEWER"
    FILE_INVALID = "FILE_INVALID"
    BATCH_REFUSED = "BATCH_REFUSED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    RECEIPT_NOT_FOUND = "RECEIPT_NOT_FOUND"
    QUARANTINE_NOT_FOUND = "QUARANTINE_NOT_FOUND"
    WATERMARK_BACK = "WATERMARK_BACK"
    SUBJECT_UNKNOWN = "SUBJECT_UNKNOWN"
    NAME_DISAGREES = "NAME_DISAGREES"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    CLAUSE_MISSING = "CLAUSE_MISSING"
    REMEDY_NOT_FOUND = "REMEDY_NOT_FOUND"
    MODEL_EXPIRED = "MODEL_EXPIRED"
    OVERRIDE_NOT_FOUND = "OVERRIDE_NOT_FOUND"
    REVIEW_NOT_FOUND = "REVIEW_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Problem:
    """Names a fault in one field: what came, what would have been accepted, and the reason."""

    field: str
    got: str
    want: str
    reason: Reason

    def __str__(self) -> str:
        """Reads as one line for a clerk."""
        return f"{self.field}: got {self.got or 'nothing'}, want {self.want}"


class CreditError(Exception):
    """Refuses a request with a machine reason, a message for people and the facts of the case."""

    def __init__(self, reason: Reason, message: str, **facts: str) -> None:
        """Keeps the reason, the public message and the facts that travel as metadata."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.facts = facts


def problem_of(error: CreditError) -> Problem:
    """Reads a message of the form "field: got …, want …" back into its parts."""
    path, _, rest = error.message.partition(": got ")
    got, _, want = rest.partition(", want ")
    return Problem(path, got, want, error.reason)


# Resident ID numbers (GB 11643) must reach neither a message nor a log, whatever field they were put in.
# Clerks write them in full width as well, and part place, birth and serial by blanks or hyphens.
_HALF_WIDTH = {code + 0xFEE0: code for code in range(ord("!"), ord("~") + 1)}
_PART = r"[\s\-]{0,2}"
_ID_NUMBER = re.compile(
    rf"(?<!\d)\d{{6}}{_PART}(?:18|19|20)\d{{2}}(?:0[1-9]|1[0-2])\d{{2}}{_PART}\d{{3}}[\dXx](?![\dA-Za-z])"
)
_BETWEEN = re.compile(r"[\s\-]")


def without_id_numbers(text: str) -> str:
    """Returns a text with every resident ID number masked, also one that a slip of the pen made wrong.

    A number that fits as an enterprise's code, and not as an ID number, is what it says; so is one in parts, such as a
    document number with its day, whose check character is that of no ID number.
    """
    kept, end = list[str](), 0
    # Character by character the same length, so that places found in one hold in the other.
    for found in _ID_NUMBER.finditer(text if text.isascii() else text.translate(_HALF_WIDTH)):
        if _is_somebody(found[0]):
            kept += (text[end : found.start()], "[ID]")
            end = found.end()
    return "".join((*kept, text[end:]))


def _is_somebody(written: str) -> bool:
    number = _BETWEEN.sub("", written).upper()
    if len(written) > len(number):
        return _fits_as_id(number)
    return not _is_enterprise_code(number)


def _is_enterprise_code(number: str) -> bool:
    """Says whether 18 digits are a social credit code of business registration by its check character, and no ID.

    Codes of some districts read like a year of birth, and the ID numbers of foreigners begin with 9 as well.
    """
    if number[:2] not in {"91", "92", "93"} or not number.isdecimal():
        return False
    as_code = sum(int(digit) * pow(3, place, 31) for place, digit in enumerate(number[:17])) + int(number[17])
    return as_code % 31 == 0 and not _fits_as_id(number)


def _fits_as_id(number: str) -> bool:
    """Says whether the check character of 18 is that of an ID number (GB 11643)."""
    digits = [10 if character == "X" else int(character) for character in number]
    return sum(digit * pow(2, 17 - place, 11) for place, digit in enumerate(digits)) % 11 == 1


def shown(value: object, limit: int = 80) -> str:
    """Shortens a received value so that a message can show it; ID numbers are masked."""
    if value == "":
        return ""
    text = without_id_numbers(value if isinstance(value, str) else repr(value))
    text = "".join(c if c.isprintable() else "�" for c in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
