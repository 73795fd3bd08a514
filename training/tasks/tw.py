"""Penalty notices and major accidents of Taiwan: reading, populations, labels, and what is known of a firm."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from credit_service.arrays import NEVER, Bools, Floats
from credit_service.grades.columns import build
from credit_service.grades.features import BY_NAME
from credit_service.grades.windows import quarters
from credit_service.ledger.fact import Fact
from credit_service.ledger.layouts import Layout, articles
from credit_service.ledger.sources import load_sources
from credit_service.legal_days import parse_day
from training.tasks.measure import MONTH, YEAR, Measure, age, fading
from training.tasks.records import Records, Row, after, before, cell, read_rows

NOTICES = "tw-mol-155978"
COLUMNS = ("entity_id", "entity_kind", "occurred_on", "known_on", "kind", "severity", "legal_basis", "victims")
KINDS = {"penalty": "PEN", "accident": "ACC"}
JUDGED = frozenset({"company", "trade"})
POPULATION_MONTHS = 36
LABEL_MONTHS = 12
MEMORY_MONTHS = 60

# Building works, and what firms that work side by side on one site owe each other (Arts. 25 to 28 of the Act).
_CONSTRUCTION = re.compile("營造安全衛生設施標準")
_JOINT_WORK = re.compile("職業安全衛生法第?2[5-8]條")
_VALUES: Mapping[str, Callable[[Row], bool]] = {
    "notice": lambda row: row["kind"] == "penalty",
    "accident": lambda row: row["kind"] == "accident",
    "related": lambda row: row["kind"] == "penalty" and row["severity"] == "accident-related",
    "judged": lambda row: row["entity_kind"] in JUDGED,
    "construction": lambda row: _CONSTRUCTION.search(row["legal_basis"] or "") is not None,
    "company": lambda row: row["entity_kind"] == "company",
    "joint_work": lambda row: _JOINT_WORK.search(row["legal_basis"] or "") is not None,
}


def read(paths: Sequence[Path]) -> Records:
    """Reads files of the public layout.

    Rows that are neither notice nor accident are left out. The order of files and rows does not
    matter: rows are sorted by entity, days and content.
    """
    layout = load_sources()[NOTICES].layout
    rows = [row for row in read_rows(paths, COLUMNS) if row["kind"] in KINDS]
    rows.sort(key=lambda row: tuple(row[c] or "" for c in ("entity_id", "occurred_on", *sorted(COLUMNS))))
    ids = tuple(sorted({row["entity_id"] for row in rows}))
    facts: dict[str, list[Fact]] = {entity_id: [] for entity_id in ids}
    for number, row in enumerate(rows):
        facts[row["entity_id"]].append(_fact(number, row, layout))
    columns = build(list(facts.values()), [[NEVER] * len(held) for held in facts.values()])
    return Records(
        entity_ids=ids,
        subject=columns.subject,
        day=columns.day,
        known_day=columns.known_day,
        values={name: np.array([is_so(row) for row in rows], dtype=np.float64) for name, is_so in _VALUES.items()},
        columns=columns,
    )


def _day(row: Row, column: str) -> int:
    return cell(row, column, parse_day, "YYYY-MM-DD")


def _fact(number: int, row: Row, layout: Layout | None) -> Fact:
    """Reads a row as the service would: cited provisions, whether it follows an accident, people hurt."""
    if layout is not None and row["kind"] == "penalty":
        cited = articles(layout, row["legal_basis"] or "")
        payload = {"articles": cited, "is_accident_related": row["severity"] == "accident-related"}
    else:
        payload = {"victims": cell(row, "victims", lambda text: int(text or 1), "a whole number")}
    return Fact(
        event_id=number,
        source=NOTICES,
        record_id=str(number),
        version=1,
        kind=KINDS[row["kind"]],
        domain="WORK",
        day=_day(row, "occurred_on"),
        known_day=_day(row, "known_on"),
        document_no="",
        refers_to=None,
        payload=payload,
    )


def population(held: Records, cutoff: int) -> Bools:
    """Takes firms, and no persons, with a notice published in the 36 months before the cut-off."""
    published = before(held.known_day, cutoff, POPULATION_MONTHS)
    return held.has(held.marked("notice") & held.marked("judged") & published)


def accident(records: Records, cutoff: int) -> Bools:
    """Says who had a major accident of its own workers in the 12 months after the cut-off."""
    return records.has(records.marked("accident") & after(records.day, cutoff, LABEL_MONTHS))


def harm(records: Records, cutoff: int) -> Bools:
    """Says who had a major accident, or was given a notice that cites Art. 37-2, in those 12 months."""
    later = after(records.day, cutoff, LABEL_MONTHS)
    return records.has((records.marked("accident") | records.marked("related")) & later)


def notice(records: Records, cutoff: int) -> Bools:
    """Says who was given any notice in those 12 months."""
    return records.has(records.marked("notice") & after(records.day, cutoff, LABEL_MONTHS))


def rule(seen: Records, cutoff: int) -> Floats:
    """Counts the notices published in 36 months: the one-line rule."""
    return seen.count(seen.marked("notice") & before(seen.known_day, cutoff, POPULATION_MONTHS))


def _ordinary(seen: Records) -> Bools:
    """A notice that follows an accident is its paperwork, and says little of the next inspection."""
    return seen.marked("notice") & ~seen.marked("related")


def _ordinary_days(seen: Records) -> Bools:
    """One inspection gives several notices on one day."""
    return seen.once(_ordinary(seen), seen.day)


def ordinary_days(seen: Records, cutoff: int, years: float) -> Floats:
    """Adds up the days with a notice that follows no accident, fading by half in so many years."""
    return seen.total(_ordinary_days(seen) * fading(seen, cutoff, years))


def ordinary_quarters_36m(seen: Records, cutoff: int) -> Floats:
    """Counts the calendar quarters of 36 months with a notice that follows no accident."""
    rows = _ordinary(seen) & before(seen.day, cutoff, POPULATION_MONTHS)
    return seen.count(seen.once(rows, quarters(seen.day)))


def ordinary_quarters(seen: Records, _: int) -> Floats:
    """Counts the calendar quarters of all records with a notice that follows no accident."""
    return seen.count(seen.once(_ordinary(seen), quarters(seen.day)))


def months_since_ordinary(seen: Records, cutoff: int) -> Floats:
    """Counts the months since the last notice that follows no accident, 60 at most and for none."""
    return age(seen.latest(_ordinary(seen)), cutoff, MONTH, MEMORY_MONTHS)


def years_with_notices(seen: Records, cutoff: int) -> Floats:
    """Counts the years, backward from the cut-off, with a notice."""
    years = ((cutoff - seen.day) // YEAR).astype(np.int64)
    return seen.count(seen.once(seen.marked("notice"), years))


def published_days(seen: Records, cutoff: int, years: float) -> Floats:
    """Adds up the days on which a notice was published, fading by half in so many years."""
    weights = 0.5 ** ((cutoff - seen.known_day) / (years * YEAR))
    return seen.total(seen.once(seen.marked("notice"), seen.known_day) * weights)


def is_company(seen: Records, _: int) -> Floats:
    """Says whether the firm is a company and no sole trader: with how many workers, and so how much there is to see."""
    return seen.has(seen.marked("company")).astype(np.float64)


def construction_days(seen: Records, cutoff: int) -> Floats:
    """Adds up the days with a notice under the construction standard, fading by half in two years."""
    rows = seen.once(_ordinary(seen) & seen.marked("construction"), seen.day)
    return seen.total(rows * fading(seen, cutoff, 2.0))


def joint_work_days(seen: Records, cutoff: int) -> Floats:
    """Adds up the days with a notice under the duties of joint work, fading by half in two years."""
    rows = seen.once(_ordinary(seen) & seen.marked("joint_work"), seen.day)
    return seen.total(rows * fading(seen, cutoff, 2.0))


def other_notices_36m(seen: Records, cutoff: int) -> Floats:
    """Counts the notices of 36 months that do not cite the construction standard."""
    rows = seen.marked("notice") & ~seen.marked("construction")
    return seen.count(rows & before(seen.day, cutoff, POPULATION_MONTHS))


def _served(name: str) -> Measure:
    """Takes a feature of the service as it is; the service's sign says what is better."""
    feature = BY_NAME[name]

    def values(seen: Records, cutoff: int) -> Floats:
        if seen.columns is None:
            raise TypeError(f"{name}: got records without columns, want those of the service")
        return feature.function(seen.columns, cutoff)

    return Measure(name, -feature.sign, values)


MEASURES = (
    *(
        _served(name)
        for name in (
            "provisions_60m", "provisions_at_once_60m", "repeat_penalties_60m", "months_of_penalties",
            "harm_weighted", "months_since_harm", "accidents_60m",
        )
    ),
    Measure("ordinary_days_1y", 1, lambda seen, cutoff: ordinary_days(seen, cutoff, 1.0)),
    Measure("ordinary_days_2y", 1, lambda seen, cutoff: ordinary_days(seen, cutoff, 2.0)),
    Measure("ordinary_days_4y", 1, lambda seen, cutoff: ordinary_days(seen, cutoff, 4.0)),
    Measure("ordinary_quarters_36m", 1, ordinary_quarters_36m),
    Measure("ordinary_quarters", 1, ordinary_quarters),
    Measure("months_since_ordinary", -1, months_since_ordinary),
    Measure("years_with_notices", 1, years_with_notices),
    Measure("construction_days", 1, construction_days),
    Measure("joint_work_days", 1, joint_work_days),
    Measure("other_notices_36m", 1, other_notices_36m),
    Measure("published_days_6m", 1, lambda seen, cutoff: published_days(seen, cutoff, 0.5)),
    Measure("published_days_1y", 1, lambda seen, cutoff: published_days(seen, cutoff, 1.0)),
    Measure("is_company", 0, is_company),
)  # fmt: skip
