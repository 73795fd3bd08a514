"""Point-in-time sets: what was known on a day against what happened in the year after."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from credit_service.arrays import Bools, Floats, Ints
from credit_service.grades.columns import Columns, build, mark_of, visible
from credit_service.grades.features import matrix
from credit_service.grades.targets import TARGETS
from credit_service.ledger.fact import Fact
from credit_service.legal_days import add_months
from training.data import Population
from training.metrics import Labels

Rows = Callable[[Columns], Bools]

HORIZON_MONTHS = 12
# How long the labels of a year go on becoming known: liability is settled up to nine months after an accident.
MATURITY_MONTHS = 9
RULE_MONTHS = 36
GRADED_KINDS = frozenset({"ENTERPRISE", "SOLE_TRADER", "INSTITUTION"})


# Returns per fact of a subject the first day on which it may no longer be used, by what these facts say.
Ends = Callable[[Sequence[Fact]], Sequence[int]]


@dataclass(frozen=True, slots=True)
class History:
    """Holds every version of every fact of the subjects, in columns, and when each gave way to the next."""

    columns: Columns
    superseded: Ints
    is_graded: Bools
    subject_ids: tuple[str, ...]
    kinds: tuple[str, ...]
    population: Population
    ends: Ends | None

    def known_on(self, day: int) -> Columns:
        """Returns what was known on a day, happened and may be used: a repair not known yet repairs nothing yet."""
        if self.ends is None:
            return visible(self.columns, day, day)
        known = self.facts_known_on(day)
        return visible(build(known, [self.ends(facts) for facts in known]), day)

    def facts_known_on(self, day: int) -> list[tuple[Fact, ...]]:
        """Returns per subject what was known on a day, each record in the version that counted then."""
        return [
            tuple(fact for fact, next_day in zip(facts, days, strict=True) if fact.known_day <= day < next_day)
            for facts, days in zip(self.population.facts, self.population.superseded, strict=True)
        ]


def history(population: Population, ends: Ends | None = None) -> History:
    """Lays a population into columns; `ends` comes from the rulebook of its edition, if any."""
    return History(
        # Until it is superseded a version may be used, as far as these columns say.
        columns=build(population.facts, population.superseded),
        superseded=np.array([day for days in population.superseded for day in days], dtype=np.int64),
        is_graded=np.array([kind in GRADED_KINDS for kind in population.kinds], dtype=np.bool_),
        subject_ids=population.subject_ids,
        kinds=population.kinds,
        population=population,
        ends=ends,
    )


@dataclass(frozen=True, slots=True)
class Task:
    """Says who is looked at on a day and what counts as bad in the 12 months after it.

    The population has a record of `population` that became known in so many months, or ever.
    """

    name: str
    text: str
    population: Rows
    population_months: int | None
    label: Rows


@dataclass(frozen=True, slots=True)
class Sample:
    """Holds one row a subject and cut-off: features, labels of each task, and the one-line rule."""

    subject: Ints
    cutoff: Ints
    features: Floats
    labels: Mapping[str, Labels]
    rule: Floats

    def __len__(self) -> int:
        """Counts the rows."""
        return len(self.subject)


def notices(columns: Columns) -> Bools:
    """Marks administrative penalties."""
    return columns.of_kind("PEN")


def harm(columns: Columns) -> Bools:
    """Marks accidents, and penalties that follow one."""
    return columns.of_kind("ACC") | (columns.of_kind("PEN") & columns.flag)


def registrations(columns: Columns) -> Bools:
    """Marks registrations."""
    return columns.of_kind("REG")


def liable_or_serious(columns: Columns) -> Bools:
    """Marks accidents with liability, and penalties classed as serious that follow no accident.

    A penalty for an accident is the paperwork of an accident that may lie before the cut-off.
    """
    liable = columns.of_kind("ACC") & (columns.mark == mark_of("ACC", "LIABLE"))
    serious = columns.of_kind("PEN") & (columns.mark == mark_of("PEN", "SERIOUS")) & ~columns.flag
    found: Bools = liable | serious
    return found


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task("tw-b", TARGETS["tw-b"][1], notices, 36, harm),
        Task("tw-c", "any new notice", notices, 36, notices),
        Task(
            "cn-main",
            TARGETS["cn-main"][1],
            registrations,
            None,
            liable_or_serious,
        ),
    )
}


def sample(held: History, tasks: Sequence[Task], cutoff: int, known_by: int, names: Sequence[str]) -> Sample:
    """Returns the set of one cut-off day.

    Features and population use what was known on the cut-off T; labels use what happened in
    (T, T + 12 months] and was known by `known_by`. Persons are left out: they are never graded.
    """
    columns = held.columns
    now = held.known_on(cutoff)
    rule = _count(now, notices(now) & (now.known_day > add_months(cutoff, -RULE_MONTHS)))
    looked_at = tasks[0].population(now)
    if tasks[0].population_months is not None:
        looked_at &= now.known_day > add_months(cutoff, -tasks[0].population_months)
    members = np.flatnonzero((_count(now, looked_at) > 0) & held.is_graded)
    later = (columns.day > cutoff) & (columns.day <= add_months(cutoff, HORIZON_MONTHS))
    later &= (columns.known_day <= known_by) & (held.superseded > known_by)
    labels = {task.name: _count(columns, later & task.label(columns)) > 0 for task in tasks}
    return Sample(
        subject=members,
        cutoff=np.full(len(members), cutoff, dtype=np.int64),
        features=matrix(now, cutoff, names)[members],
        labels={name: label[members] for name, label in labels.items()},
        rule=rule[members],
    )


def _count(columns: Columns, rows: Bools) -> Floats:
    return np.bincount(columns.subject[rows], minlength=columns.subjects).astype(np.float64)


def join(samples: Iterable[Sample]) -> Sample:
    """Puts samples below each other, in order."""
    held = list(samples)
    return Sample(
        subject=np.concatenate([s.subject for s in held]),
        cutoff=np.concatenate([s.cutoff for s in held]),
        features=np.concatenate([s.features for s in held]),
        labels={name: np.concatenate([s.labels[name] for s in held]) for name in held[0].labels},
        rule=np.concatenate([s.rule for s in held]),
    )
