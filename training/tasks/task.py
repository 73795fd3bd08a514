"""The evaluation tasks: population, label and measures of each, and the set of one cut-off."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from credit_service.arrays import Bools, Floats, Ints
from training.metrics import Labels
from training.tasks import msha, tw
from training.tasks.measure import Measure, matrix
from training.tasks.records import Records
from training.tasks.rule_score import rule_score


@dataclass(frozen=True, slots=True)
class Task:
    """Says who is looked at on a cut-off and what counts as bad in the 12 months after it.

    `population` looks at when a record was known; `label` at when it happened, in all that is held;
    `rule`, the one-line rule, and `score`, the rule score where the records let one compute it, want
    records as seen on the cut-off.
    """

    name: str
    text: str
    read: Callable[[Sequence[Path]], Records]
    population: Callable[[Records, int], Bools]
    label: Callable[[Records, int], Bools]
    rule: Callable[[Records, int], Floats]
    measures: tuple[Measure, ...]
    score: Callable[[Records, int], Floats] | None = None

    @property
    def family(self) -> str:
        """Names the records that the task is of."""
        return self.name.split("-")[0]


@dataclass(frozen=True, slots=True)
class Sample:
    """Holds one row an entity of the population, sorted by entity."""

    subject: Ints
    features: Floats
    labels: Labels

    def __len__(self) -> int:
        """Counts the rows."""
        return len(self.subject)


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task("tw-a", "a major accident", tw.read, tw.population, tw.accident, tw.rule, tw.MEASURES, rule_score),
        Task("tw-b", "a major accident, or a notice that cites Art. 37-2",
             tw.read, tw.population, tw.harm, tw.rule, tw.MEASURES, rule_score),
        Task("tw-c", "any new notice", tw.read, tw.population, tw.notice, tw.rule, tw.MEASURES, rule_score),
        Task("msha-a", "a death or permanent disability",
             msha.read, msha.population, msha.serious, msha.rule, msha.MEASURES),
        Task("msha-b", "an injury with days lost",
             msha.read, msha.population, msha.lost_time, msha.rule, msha.MEASURES),
    )
}  # fmt: skip


def sample(task: Task, held: Records, cutoff: int) -> Sample:
    """Returns the set of one cut-off: inputs by what was known on it, labels by all that is held."""
    members = np.flatnonzero(task.population(held, cutoff))
    seen = held.seen(cutoff)
    return Sample(
        subject=members,
        features=matrix(task.measures, seen, cutoff)[members],
        labels=task.label(held, cutoff)[members],
    )


def join(samples: Sequence[Sample]) -> Sample:
    """Puts samples below each other, in order."""
    return Sample(
        subject=np.concatenate([one.subject for one in samples]),
        features=np.concatenate([one.features for one in samples]),
        labels=np.concatenate([one.labels for one in samples]),
    )
