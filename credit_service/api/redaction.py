"""Which fields each role sees: one table, applied to every answer at the door."""

from collections.abc import Mapping
from typing import TypeVar

from google.protobuf.message import Message

from credit_service.api.identity import Caller
from credit_service.v1 import subjects_pb2

M = TypeVar("M", bound=Message)
MASK = "＊＊"  # noqa: RUF001  # the full-width asterisk is what officials expect to see
ALL = frozenset({"*"})
GRADE_BASICS = frozenset({"subject", "grade", "edition_id", "as_of_time", "known_time", "next_review_date"})
SUBJECT_BASICS = frozenset({"subject", "name", "kind", "industry_code", "supervising_region"})
# A district officer outside the own district.
MASKED = "masked"

FIELDS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "Subject": {
        "regulator": ALL,
        "enterprise": ALL,
        "agency": SUBJECT_BASICS,
        "insurer": SUBJECT_BASICS,
        MASKED: SUBJECT_BASICS,
    },
    "GradeRecord": {
        "regulator": ALL,
        "enterprise": ALL,
        "agency": GRADE_BASICS,
        "insurer": GRADE_BASICS,
        MASKED: GRADE_BASICS,
    },
}
# Effects of findings that are the authority's own work: a candidate is no listing, a watch is no measure.
INTERNAL_EFFECTS = frozenset({"CANDIDATE", "WATCH", "ALERT"})


def redact(message: M, caller: Caller, region: str | None) -> M:
    """Clears in place every field that the caller may not see, and returns the message."""
    view = caller.role if caller.covers(region) else MASKED
    allowed = FIELDS[message.DESCRIPTOR.name].get(view, frozenset())
    if allowed is not ALL:
        for field, _ in message.ListFields():
            if field.name not in allowed:
                message.ClearField(field.name)
    if view == MASKED and isinstance(message, subjects_pb2.Subject):
        message.name = masked_name(message.name)
    return message


def masked_name(name: str) -> str:
    """Keeps the first two characters of a name."""
    return name[:2] + MASK


def sees_listing(role: str, *, was_noticed: bool, is_displayed: bool) -> bool:
    """Says whether a role may see a listing: the enterprise its own from the notice on, others what is displayed."""
    return role == "regulator" or is_displayed or was_noticed


def sees_finding(role: str, effect: str) -> bool:
    """Says whether a role may see findings of an effect; what only prepares a decision is internal."""
    return role == "regulator" or effect not in INTERNAL_EFFECTS
