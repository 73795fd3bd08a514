"""What a learned model is compared with: the one-line rule, the rule score, logistic regression, a free booster."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import lightgbm
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from credit_service.arrays import Floats
from training.metrics import sigmoid
from training.tasks.model import Learned, leveled, weighed
from training.tasks.records import Records
from training.tasks.settings import SETTINGS
from training.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Rival:
    """Holds what one contender says of each row: a ranking, higher is worse, and chances where it gives any."""

    ranking: Floats
    chances: Floats | None = None


def rivals(task: Task, seen: Records, cutoff: int, learned: Learned) -> Mapping[str, Rival | None]:
    """Returns all contenders by name, ours first; the rule score is None where the records do not allow it.

    Logistic regression and the free booster have the same rows, inputs and level as ours.
    """
    now = learned.population
    chances = learned.probability(now.features)
    return {
        "ours": Rival(chances, chances),
        "rule": Rival(task.rule(seen, cutoff)[now.subject]),
        "rule_score": None if task.score is None else Rival(-task.score(seen, cutoff)[now.subject]),
        "logistic": _level(task, learned, _logistic(learned)),
        "free": _level(task, learned, _free(learned)),
    }


def _level(task: Task, learned: Learned, log_odds: Callable[[Floats], Floats]) -> Rival:
    weights = weighed(task, learned.cutoffs)
    shift, _ = leveled(task, log_odds, learned.past, weights, learned.population)
    chances = sigmoid(log_odds(learned.population.features) + shift)
    return Rival(chances, chances)


def _logistic(learned: Learned) -> Callable[[Floats], Floats]:
    past = learned.learned_from
    model = make_pipeline(StandardScaler(), LogisticRegression(C=SETTINGS["logistic"]["C"], max_iter=3000))
    model.fit(np.log1p(past.features), past.labels)
    return lambda features: np.asarray(model.decision_function(np.log1p(features)), dtype=np.float64)


def _free(learned: Learned) -> Callable[[Floats], Floats]:
    past = learned.learned_from
    options = dict(SETTINGS["free"])
    rounds = options.pop("rounds")
    parameters = options | {
        "objective": "binary",
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 2,
        "seed": SETTINGS["seed"],
        "verbose": -1,
    }
    data = lightgbm.Dataset(past.features, past.labels.astype(np.float64))
    booster = lightgbm.train(parameters, data, num_boost_round=rounds)
    return lambda features: np.asarray(booster.predict(features, raw_score=True), dtype=np.float64)
