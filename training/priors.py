"""What a model publishes of classes: how often those of whom nothing but the class is known came to harm."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaln
from scipy.stats import beta

from credit_service.arrays import Floats, Ints
from credit_service.grades.prior import EVERYBODY, STRENGTHS, Prior, Priors, class_codes, counted, industries_of
from credit_service.ledger.crowd import Crowd
from credit_service.ledger.fact import Fact
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.rulebook.law import Edition
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.vetoes import pending
from credit_service.rulebook.view import View
from credit_service.subjects.schemes import split
from training.dataset import History, Sample
from training.metrics import Labels, auc, brier, observed_to_expected

CONFIDENCE = 0.90
# Fewer subjects make no class; with fewer of all together nothing is published.
LEAST_SUBJECTS = 100
_DIGITS, _TRIED = 10, 81


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Holds the pending subjects of some samples, each once: row in its sample, industry code, labels of each task."""

    rows: Ints
    industries: tuple[str, ...]
    labels: Mapping[str, Labels]

    def __len__(self) -> int:
        """Counts the subjects."""
        return len(self.industries)


def newcomers(edition_id: str, held: History, samples: Sequence[Sample]) -> Newcomers:
    """Returns who was pending by the edition on the cut-off of a sample; of several cut-offs the first counts.

    A subject that stood twice in one class would make the interval of its rate too narrow.
    """
    edition, seen = load_edition(SHIPPED / f"{edition_id}.toml"), set[int]()
    rows: list[int] = []
    industries: list[str] = []
    labels: dict[str, list[bool]] = {name: [] for name in samples[0].labels}
    for one in samples:
        day = int(one.cutoff[0]) if len(one) else 0
        known = held.facts_known_on(day) if len(one) else []
        for row, subject in enumerate(one.subject.tolist()):
            facts = known[subject]
            if subject in seen or not _is_pending(edition, held.subject_ids[subject], facts, day):
                continue
            seen.add(subject)
            rows.append(row)
            industries.extend(industries_of(Crowd([facts]), [0]))
            for name, told in one.labels.items():
                labels[name].append(bool(told[row]))
    kept = {name: np.array(told, dtype=np.bool_) for name, told in labels.items()}
    return Newcomers(np.array(rows, dtype=np.int64), tuple(industries), kept)


def priors_of(held: Newcomers, task: str) -> Priors | None:
    """Returns rates and intervals by class, nothing when there are too few subjects to speak of."""
    if len(held) < LEAST_SUBJECTS:
        return None
    subjects, positives = Counter[str](), Counter[str]()
    for industry, is_bad in zip(held.industries, held.labels[task].tolist(), strict=True):
        for code in class_codes(industry):
            subjects[code] += 1
            positives[code] += is_bad
    strength, found = _strength(held, task), dict[str, Prior]()
    # Sorted, everybody comes first.
    for code in sorted(code for code, n in subjects.items() if n >= LEAST_SUBJECTS):
        everybody = None if code == EVERYBODY else found[EVERYBODY].probability
        a, b = counted(subjects[code], positives[code], strength, everybody)
        tail = (1 - CONFIDENCE) / 2
        rates = (_short(one) for one in (a / (a + b), *beta.ppf((tail, 1 - tail), a, b)))
        found[code] = Prior(code, subjects[code], positives[code], *rates)
    return Priors(CONFIDENCE, strength, found)


def figures(priors: Priors, held: Newcomers, task: str, chances: Floats) -> dict[str, float | int]:
    """Returns what came true of the rates on subjects of a test, beside what the model's points would have said."""
    labels = held.labels[task]
    rates = np.array([priors.at(industry).probability for industry in held.industries])
    return {
        "n": len(held), "positives": int(labels.sum()), "expected": float(rates.mean()),
        "observed": float(labels.mean()), "observed_to_expected": observed_to_expected(labels, rates),
        "brier": brier(labels, rates), "auc": auc(labels, rates),
        "model_observed_to_expected": observed_to_expected(labels, chances[held.rows]),
        "model_brier": brier(labels, chances[held.rows]), "model_auc": auc(labels, chances[held.rows]),
    }  # fmt: skip


def _is_pending(edition: Edition, subject_id: str, facts: Sequence[Fact], day: int) -> bool:
    view = View(edition, facts, unusable_from(edition, facts), day)
    return pending(view, split(subject_id)[0]) is not None


def _strength(held: Newcomers, task: str) -> float:
    """Returns how many subjects the rate of everybody is worth: the number under which the counts are likeliest.

    It is found over the narrowest classes, small ones too.
    """
    leaves = np.array([class_codes(industry)[0] for industry in held.industries])
    labels = held.labels[task]
    counts = [(int((rows := leaves == code).sum()), int(labels[rows].sum())) for code in sorted(set(leaves.tolist()))]
    n, k = np.array(counts, dtype=np.float64).T
    a, b = counted(len(held), int(labels.sum()), 0.0, None)
    mean = a / (a + b)
    tried = np.geomspace(*STRENGTHS, _TRIED)
    likely = [
        float(np.sum(betaln(one * mean + k, one * (1 - mean) + n - k) - betaln(one * mean, one * (1 - mean))))
        for one in tried
    ]
    return _short(tried[int(np.argmax(likely))])


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
