"""The planted cases: which subject carries which, and what it must be found to be."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from training.simulated_city import blacklist_scripts, fire_scripts, standing_scripts
from training.simulated_city.firm import Life, Wish
from training.simulated_city.props import quiet

_SCRIPTS = {**blacklist_scripts.SCRIPTS, **fire_scripts.SCRIPTS, **standing_scripts.SCRIPTS}
_FIRST, _EVERY = 3, 4


@dataclass(frozen=True, slots=True)
class Case:
    """One planted subject: its wish, and which rules must and must not find it on the last day."""

    id: str
    wish: Wish
    zh: str
    en: str
    rules: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()
    limit: str = ""
    has_person: bool = False

    def play(self, life: Life) -> None:
        """Lets the subject live quietly but for its script."""
        quiet(life, self.wish.is_licensed)
        _SCRIPTS[self.id](life)


@cache
def cases() -> tuple[Case, ...]:
    """Reads the planted cases once, in the order of their subjects."""
    text = Path(__file__).with_name("cases.toml").read_text(encoding="utf-8")
    return tuple(
        Case(
            id=row["id"],
            wish=Wish(
                row["trade"],
                row["headcount"],
                row.get("founded_months", 130),
                row.get("region", ""),
                is_licensed=row.get("licence", True),
            ),
            zh=row["zh"],
            en=row["en"],
            rules=tuple(row.get("rules", ())),
            forbids=tuple(row.get("forbids", ())),
            limit=row.get("limit", ""),
            has_person=row.get("person", False),
        )
        for row in tomllib.loads(text)["cases"]
    )


def case_of(index: int) -> Case | None:
    """Returns the case that the subject with this index carries."""
    number, rest = divmod(index - _FIRST, _EVERY)
    return cases()[number] if rest == 0 and 0 <= number < len(cases()) else None


def planted_below(subjects: int) -> list[int]:
    """Returns the indexes of the planted subjects in a city of this size."""
    last = _FIRST + _EVERY * (len(cases()) - 1)
    return list(range(_FIRST, min(subjects, last + 1), _EVERY))
