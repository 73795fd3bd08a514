"""Quarters of US mines: reading, populations, labels, and what is known of a mine.

The file states neither hours worked nor employees nor inspection hours. Exposure is what it lets one
see of it: the quarters in which a mine shows up at all, how long ago it first did, and whether it has been silent
for longer than is its habit. A mine that closed has no injuries, whatever it had before.
"""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from credit_service.arrays import Bools, Floats, Ints
from training.tasks.measure import QUARTER, Measure, age, fading
from training.tasks.records import Records, Row, after, before, cell, read_rows, refused

COUNTS = ("viol", "days_lost", "days_restrict", "perm_dis", "deaths")
COLUMNS = ("mine_id", "year", "quarter", *COUNTS)
POPULATION_MONTHS = 24
LABEL_MONTHS = 12
MEMORY_QUARTERS = 60
# The chance that a mine ends its work before a quarter: of 0.03 and 0.1 the one that ranked earlier years better.
ENDING = 0.03


def read(paths: Sequence[Path]) -> Records:
    """Reads files of quarters; a quarter happens, and is known, on its last day.

    Quarters without violation or injury are left out, as they are absent from the public file.
    """
    rows = [(row["mine_id"], _last_day(row), *(_count(row, c) for c in COUNTS)) for row in read_rows(paths, COLUMNS)]
    held = sorted(row for row in rows if any(row[2:]))
    ids = tuple(sorted({str(row[0]) for row in held}))
    places = {mine_id: place for place, mine_id in enumerate(ids)}
    day = np.array([row[1] for row in held], dtype=np.int64)
    return Records(
        entity_ids=ids,
        subject=np.array([places[str(row[0])] for row in held], dtype=np.int64),
        day=day,
        known_day=day,
        values={name: np.array([row[n] for row in held], dtype=np.float64) for n, name in enumerate(COUNTS, 2)},
    )


def _last_day(row: Row) -> int:
    year = cell(row, "year", lambda text: date(int(text), 1, 1).year, "a year")
    quarter = cell(row, "quarter", lambda text: (0, 1, 2, 3, 4).index(int(text)), "1 to 4")
    if not quarter:
        raise refused("quarter", "0", "1 to 4")
    return date(year + quarter // 4, quarter * 3 % 12 + 1, 1).toordinal() - 1


def _count(row: Row, column: str) -> float:
    found = cell(row, column, lambda text: float(text or 0), "a number")
    if not 0 <= found < float("inf"):
        raise refused(column, str(found), "0 or more")
    return found


def population(held: Records, cutoff: int) -> Bools:
    """Takes mines with a quarter on file in the 24 months before the cut-off."""
    return held.has(before(held.known_day, cutoff, POPULATION_MONTHS))


def serious(records: Records, cutoff: int) -> Bools:
    """Says who had a death or permanent disability in the 12 months after the cut-off."""
    return records.has(_serious(records) & after(records.day, cutoff, LABEL_MONTHS))


def lost_time(records: Records, cutoff: int) -> Bools:
    """Says who had an injury with days lost in those 12 months."""
    return records.has(records.marked("days_lost") & after(records.day, cutoff, LABEL_MONTHS))


def rule(seen: Records, cutoff: int) -> Floats:
    """Counts the violations of 12 months: the one-line rule."""
    return seen.total(seen.values["viol"] * before(seen.day, cutoff, 12))


def _serious(records: Records) -> Bools:
    return records.marked("deaths") | records.marked("perm_dis")


def _injured(records: Records) -> Bools:
    return records.marked("days_lost") | records.marked("days_restrict")


def _every(records: Records) -> Bools:
    return np.ones(len(records.day), dtype=np.bool_)


def violations(seen: Records, cutoff: int, years: float) -> Floats:
    """Adds up violations, fading by half in so many years."""
    return seen.total(seen.values["viol"] * fading(seen, cutoff, years))


def violations_damped(seen: Records, cutoff: int, years: float) -> Floats:
    """Adds up the square roots of a quarter's violations, fading: many small inspections above one large."""
    return seen.total(np.sqrt(seen.values["viol"]) * fading(seen, cutoff, years))


def lost_time_quarters(seen: Records, cutoff: int, years: float) -> Floats:
    """Adds up the quarters with days lost, fading by half in so many years."""
    return seen.total(seen.marked("days_lost") * fading(seen, cutoff, years))


def injury_quarters(seen: Records, cutoff: int) -> Floats:
    """Adds up the quarters with days lost or restricted, fading by half in two years."""
    return seen.total(_injured(seen) * fading(seen, cutoff, 2.0))


def restricted_quarters(seen: Records, cutoff: int) -> Floats:
    """Adds up the quarters with days of restricted work, fading by half in two years."""
    return seen.total(seen.marked("days_restrict") * fading(seen, cutoff, 2.0))


def injury_days(seen: Records, cutoff: int, years: float) -> Floats:
    """Adds up the logarithms of a quarter's days lost or restricted, fading by half in so many years."""
    days = seen.values["days_lost"] + seen.values["days_restrict"]
    return seen.total(np.log1p(days) * fading(seen, cutoff, years))


def worst_quarter_60m(seen: Records, cutoff: int) -> Floats:
    """Takes the most days lost in one quarter of 60 months."""
    return seen.largest(seen.values["days_lost"] * before(seen.day, cutoff, 60))


def serious_quarters(seen: Records, cutoff: int) -> Floats:
    """Adds up the quarters with a death or permanent disability, fading by half in four years."""
    return seen.total(_serious(seen) * fading(seen, cutoff, 4.0))


def quarters_seen(seen: Records, cutoff: int, years: float) -> Floats:
    """Adds up the quarters on file, fading by half in so many years: a sign of work going on."""
    return seen.total(fading(seen, cutoff, years))


def quarters_seen_12m(seen: Records, cutoff: int) -> Floats:
    """Counts the quarters of 12 months on file."""
    return seen.count(before(seen.day, cutoff, 12))


def quarters_since_seen(seen: Records, cutoff: int) -> Floats:
    """Counts the quarters since the last one on file."""
    return age(seen.latest(_every(seen)), cutoff, QUARTER, MEMORY_QUARTERS)


def quarters_since_injury(seen: Records, cutoff: int) -> Floats:
    """Counts the quarters since the last one with days lost or restricted, 60 at most and for none."""
    return age(seen.latest(_injured(seen)), cutoff, QUARTER, MEMORY_QUARTERS)


def quarters_since_lost_time(seen: Records, cutoff: int) -> Floats:
    """Counts the quarters since the last one with days lost, 60 at most and for none."""
    return age(seen.latest(seen.marked("days_lost")), cutoff, QUARTER, MEMORY_QUARTERS)


def quarters_on_file(seen: Records, cutoff: int) -> Floats:
    """Counts the quarters since the first one on file, 60 at most: how long there was something to see."""
    return age(seen.earliest(_every(seen)), cutoff, QUARTER, MEMORY_QUARTERS)


def at_work(seen: Records, cutoff: int) -> Floats:
    """Returns the chance that a mine is still at work, from its silent quarters beside the share of quarters in which
    it showed up before: two silent quarters mean much of one that always did, little of one that seldom did.

    It may end its work before any quarter (`ENDING`); a mine at work shows up in as large a share of quarters as
    between its first and its last on file, taken for one more that it did and one that it did not.
    """
    silent = _quarters_since(seen.latest(_every(seen)), cutoff)
    seen_over = _quarters_since(seen.earliest(_every(seen)), cutoff) - silent + 1
    habit = (seen.count(seen.once(_every(seen), seen.day)) + 1) / (seen_over + 2)
    silent_on = (1 - habit) * (1 - ENDING)
    working = silent_on**silent
    ended = ENDING * (1 - working) / (1 - silent_on)
    found: Floats = working / (working + ended)
    return found


def _quarters_since(days: Ints, cutoff: int) -> Floats:
    found: Floats = np.round((cutoff - days) / QUARTER)
    return found


def _if_at_work(name: str, function: Callable[[Records, int], Floats]) -> Measure:
    """Counts a history as far as the mine is likely to be still at work."""
    return Measure(name, 1, lambda seen, cutoff: function(seen, cutoff) * at_work(seen, cutoff))


MEASURES = (
    Measure("violations_6m", 1, lambda seen, cutoff: violations(seen, cutoff, 0.5)),
    Measure("violations_1y", 1, lambda seen, cutoff: violations(seen, cutoff, 1.0)),
    Measure("violations_2y", 1, lambda seen, cutoff: violations(seen, cutoff, 2.0)),
    Measure("violations_4y", 1, lambda seen, cutoff: violations(seen, cutoff, 4.0)),
    Measure("violations_12m", 1, rule),
    Measure("violations_damped_1y", 1, lambda seen, cutoff: violations_damped(seen, cutoff, 1.0)),
    Measure("violations_damped_4y", 1, lambda seen, cutoff: violations_damped(seen, cutoff, 4.0)),
    Measure("lost_time_quarters_1y", 1, lambda seen, cutoff: lost_time_quarters(seen, cutoff, 1.0)),
    Measure("lost_time_quarters_2y", 1, lambda seen, cutoff: lost_time_quarters(seen, cutoff, 2.0)),
    Measure("lost_time_quarters_4y", 1, lambda seen, cutoff: lost_time_quarters(seen, cutoff, 4.0)),
    Measure("injury_quarters", 1, injury_quarters),
    Measure("restricted_quarters", 1, restricted_quarters),
    Measure("injury_days_1y", 1, lambda seen, cutoff: injury_days(seen, cutoff, 1.0)),
    Measure("injury_days_4y", 1, lambda seen, cutoff: injury_days(seen, cutoff, 4.0)),
    Measure("worst_quarter_60m", 1, worst_quarter_60m),
    Measure("serious_quarters", 1, serious_quarters),
    Measure("quarters_since_injury", -1, quarters_since_injury),
    Measure("quarters_since_lost_time", -1, quarters_since_lost_time),
    Measure("quarters_since_seen", -1, quarters_since_seen),
    Measure("quarters_seen_1y", 1, lambda seen, cutoff: quarters_seen(seen, cutoff, 1.0)),
    Measure("quarters_seen_4y", 1, lambda seen, cutoff: quarters_seen(seen, cutoff, 4.0)),
    Measure("quarters_seen_12m", 1, quarters_seen_12m),
    Measure("quarters_on_file", 0, quarters_on_file),
    Measure("at_work", 1, at_work),
    _if_at_work("lost_time_quarters_2y_at_work", lambda seen, cutoff: lost_time_quarters(seen, cutoff, 2.0)),
    _if_at_work("lost_time_quarters_4y_at_work", lambda seen, cutoff: lost_time_quarters(seen, cutoff, 4.0)),
    _if_at_work("violations_2y_at_work", lambda seen, cutoff: violations(seen, cutoff, 2.0)),
    _if_at_work("violations_damped_4y_at_work", lambda seen, cutoff: violations_damped(seen, cutoff, 4.0)),
    _if_at_work("injury_days_4y_at_work", lambda seen, cutoff: injury_days(seen, cutoff, 4.0)),
    _if_at_work("quarters_seen_4y_at_work", lambda seen, cutoff: quarters_seen(seen, cutoff, 4.0)),
)
