"""The numbers of a listing's life in an edition: who must act, or may act, within which time. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from credit_service.errors import CreditError, Reason
from credit_service.legal_days import Period
from credit_service.rulebook.calendar import Calendar, LastDay
from credit_service.rulebook.law import Deadline, LegalBasis
from credit_service.rulebook.schema import Table

# What the moves of listings and remedies need; an edition that has the section names each.
KEYS = (
    "triage", "candidate_lapse", "notice_service", "notice_reply", "public_notice", "statement_review",
    "confirmation", "decision_service", "list_system_entry", "list_publish", "basis_review", "withdrawal",
    "early_removal_accept", "early_removal_decide", "removal_system", "removal_stop", "change_reply",
    "reconsideration", "litigation", "objection_decide", "repair_decide",
)  # fmt: skip
_FIELDS = ("working_days", "period", "side", "bases", "text_zh", "text_en")


@dataclass(frozen=True, slots=True)
class Numbers:
    """Joins the deadlines of an edition with the calendar that they are counted in."""

    edition_id: str
    deadlines: Mapping[str, Deadline]
    calendar: Calendar

    def last_day(self, key: str, day: int) -> LastDay:
        """Returns the last day of a deadline that an act of `day` starts; fails with EDITION_INVALID."""
        rule = self.deadlines.get(key)
        if rule is None:
            raise CreditError(
                Reason.EDITION_INVALID, f"{self.edition_id}: deadlines.{key}: got nothing, want a deadline",
                file=self.edition_id, path=f"deadlines.{key}",
            )  # fmt: skip
        if rule.period is not None:
            return LastDay(rule.period.after(day))
        return self.calendar.last_day(day, rule.working_days, is_right=rule.is_right)


def read_deadlines(table: Table, bases: Callable[[Table], tuple[LegalBasis, ...]]) -> Mapping[str, Deadline]:
    """Reads the section `deadlines`: none at all, or every key with its number, side, basis and text."""
    found = {}
    for key in KEYS if table.names() else ():
        entry = table.table(key)
        is_period = entry.has("period")
        if is_period == entry.has("working_days"):
            entry.refuse("working_days", entry.values.get("working_days"), "either working_days or period")
        found[key] = Deadline(
            working_days=0 if is_period else entry.whole("working_days", 1, 366),
            period=entry.period("period") if is_period else None,
            is_right=entry.choice("side", ("AUTHORITY", "SUBJECT")) == "SUBJECT",
            bases=bases(entry), text_zh=entry.text("text_zh"), text_en=entry.text("text_en"),
        )  # fmt: skip
        entry.finish(_FIELDS)
    table.finish(KEYS)
    return MappingProxyType(found)


def period_of(edition_id: str, name: str, period: Period | None) -> Period:
    """Returns a period that a rule must have for this; fails with EDITION_INVALID."""
    if period is None:
        raise CreditError(
            Reason.EDITION_INVALID, f"{edition_id}: {name}: got nothing, want a period", file=edition_id, path=name
        )
    return period
