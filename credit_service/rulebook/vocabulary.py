"""The words that an edition may use: event kinds, payload fields and values of the ledger.

A word outside them is an error in the edition: a misspelt value never makes a rule silent.
"""

from collections.abc import Mapping
from types import MappingProxyType

from credit_service.ledger.payloads import PAYLOADS

KINDS = PAYLOADS
DOMAINS = ("WORK", "FIRE")
LEVELS = ("EXTRA", "MAJOR", "LARGER", "GENERAL")
SEVERITIES = ("MINOR", "GENERAL", "SERIOUS")
REPAIR_GUARDS = ("MINIMUM_PUBLICITY", "PENALTY_PERFORMED", "CONDUCT_CORRECTED", "COMMITMENT", "NOT_LISTED")
ACCIDENT_KINDS = tuple(sorted(PAYLOADS["ACC"]["accident_kind"].values))

# What an absent field stands for; elsewhere an absent value is unknown and proves nothing.
ABSENT: Mapping[tuple[str, str], str] = MappingProxyType(
    {("ACC", "liability"): "UNKNOWN", ("PEN", "status"): "IN_FORCE", ("LIC", "status"): "VALID"}
)
