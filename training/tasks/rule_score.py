"""The rule score: points by the plain table of the law, as far as notices and accidents let one compute it."""

import numpy as np

from credit_service.arrays import Bools, Floats, forward
from credit_service.grades.columns import Columns
from credit_service.grades.windows import within
from training.tasks.measure import MONTH
from training.tasks.records import Records
from training.tasks.settings import SETTINGS


def rule_score(seen: Records, cutoff: int) -> Floats:
    """Returns the score of each entity, 0 to 1,000; more is better.

    The records state neither class nor fine of a penalty, nor level or liability of an accident: each
    penalty counts as general, each accident as fatal and liable, which is what most of them are.
    """
    rules, columns = SETTINGS["rule_score"], seen.columns
    if columns is None:
        raise TypeError("rule score: got records without columns, want those of the service")
    recent = within(columns, cutoff, rules["months"])
    penalties, accidents = columns.of_kind("PEN") & recent, columns.of_kind("ACC") & recent
    factor = np.where(cited_again(columns, rules["repeat_months"]), rules["repeat_factor"], 1.0)
    left = 1.0 - np.clip((cutoff - columns.day) / MONTH / rules["months"], 0.0, 1.0)
    lost = rules["penalty"] * factor * penalties + rules["accident"] * left * accidents
    found: Floats = rules["base"] - seen.total(lost) + rules["clean"] * ~seen.has(penalties | accidents)
    bounded: Floats = np.clip(found, 0.0, 1000.0)
    return bounded


def cited_again(columns: Columns, months: int) -> Bools:
    """Marks the penalties that cite a provision which an earlier day's penalty cited within so many months."""
    row = columns.cite_row
    if not len(row):
        return np.zeros(len(columns.day), dtype=np.bool_)
    cited = np.stack([columns.subject[row], columns.cite, columns.day[row]])
    (subject, provision, day), place = np.unique(cited, axis=1, return_inverse=True)
    is_again = np.zeros(len(day), dtype=np.bool_)
    is_same = (subject[1:] == subject[:-1]) & (provision[1:] == provision[:-1])
    is_again[1:] = is_same & (day[1:] < forward(day[:-1], np.full(len(day) - 1, months)))
    found = np.zeros(len(columns.day), dtype=np.bool_)
    found[row[is_again[place.reshape(-1)]]] = True
    return found
