"""What a feature is: a number with a name, a unit, a sign, and words for those it is about."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from credit_service.arrays import Bools, Floats
from credit_service.grades.columns import Columns

Values = Callable[[Columns, int], Floats]
Rows = Callable[[Columns, int], Bools]

YEARLY = (12, 24, 36, 48, 60)
QUARTERLY = tuple(range(3, 61, 3))
NEVER_MISSING = "never missing"
# What one of a unit is called in English; a unit without a form of its own, such as 10,000 yuan, is left out.
ONE = {
    "accidents": "accident", "acts": "act", "days": "day", "hazards": "hazard", "honours": "honour",
    "licences": "licence", "months": "month", "orders": "order", "penalties": "penalty", "people": "person",
    "provisions": "provision", "quarters": "quarter", "visits": "visit", "weighted days": "weighted day",
    "weighted records": "weighted record",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Feature:
    """Describes one feature; the docstring of `function` is its public explanation.

    `sign` is -1 when more is worse, +1 when more is better, 0 when it earns no points. `rows` marks
    the facts behind a value. A fact's share changes only when it has passed one of `steps`, in
    months, or on a day that it names itself. `missing` says what no value means.
    """

    name: str
    unit: str
    unit_zh: str
    window_months: int | None
    sign: int
    is_actionable: bool
    zh: str
    en: str
    kinds: tuple[str, ...]
    steps: tuple[int, ...]
    function: Values
    rows: Rows
    missing: str = NEVER_MISSING
    # Says how a value comes about, by it and the number of records behind it, where a reader would count otherwise.
    # No part of what a model signs: it explains the value and never moves it.
    note: Callable[[float, int], tuple[str, str]] | None = None

    @property
    def explanation(self) -> str:
        """Returns the public explanation."""
        return " ".join((self.function.__doc__ or "").split())

    @property
    def may_be_missing(self) -> bool:
        """Says whether a subject may have no value."""
        return self.missing != NEVER_MISSING

    def text(self, value: float | None) -> tuple[str, str]:
        """Says the value in Chinese and in English."""
        if value is None:
            return f"{self.zh}：未知", f"{self.en}: unknown"
        zh, en = _counted(value + 0.0, self.unit, self.unit_zh)
        return f"{self.zh}：{zh}", f"{self.en}: {en}"


# Few values are those of many subjects.
@lru_cache(maxsize=4096)
def _counted(value: float, unit: str, unit_zh: str) -> tuple[str, str]:
    """Returns a value with its unit, in Chinese and in English."""
    shown = f"{value:,.2f}".rstrip("0").rstrip(".")
    named = ONE.get(unit, unit) if shown in {"1", "-1"} else unit
    return f"{shown}{unit_zh}", f"{shown} {named}".rstrip()
