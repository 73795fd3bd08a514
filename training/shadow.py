"""Scores a population by the champion of a model and by its shadow, side by side; nothing of it is ever a grade.

Both are given the same facts through the service's own judgement. Where a year has passed since the day, what came true
is compared in pairs.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from credit_service.arrays import Floats, Ints
from credit_service.errors import CreditError, Reason
from credit_service.grades.artefact import Artefact, load, load_keys
from credit_service.grades.drift import stability_index
from credit_service.grades.features import matrix
from credit_service.grades.grading import Graded
from credit_service.legal_days import add_months, day_text, parse_day
from credit_service.rulebook.edition import SHIPPED, load_edition
from training.dataset import HORIZON_MONTHS, MATURITY_MONTHS, TASKS, sample
from training.evaluate import rounded
from training.extract import Extract, graded, is_scored, read_extract
from training.grouping import groups_of
from training.metrics import Labels, auc, bootstrap, brier, observed_to_expected
from training.monitoring import LETTERS, Letters, by_grade, drift, migration
from training.publish import json_text
from training.registry import ALIASES, CHAMPION, read

SHADOW = "shadow"
TIMES, SEED = 400, 20261123
# A pair of grades is told by the outcomes of fewer subjects only as a count.
LEAST_PAIR = 30


@dataclass(frozen=True, slots=True)
class Side:
    """Holds what one version makes of the subjects that both score, in their order."""

    artefact: Artefact
    letters: Letters
    scores: Ints
    chances: Floats
    features: Floats


def compared(champion: Artefact, other: Artefact, extract: Extract, day: int) -> dict[str, Any]:
    """Returns how two versions of a model differ on a day, and which of them was right where that is known."""
    edition = load_edition(SHIPPED / f"{champion.manifest['edition']}.toml")
    judged = [graded(extract, edition, one.scorecard, day) for one in (champion, other)]
    places = [n for n, one in judged[0].items() if is_scored(one) and is_scored(judged[1][n])]
    if not places:
        raise CreditError(Reason.MODEL_INVALID, f"extract: got nobody to score on {day_text(day)}, want a population")
    now = extract.held.known_on(day)
    sides = [
        _side(artefact, [found[n] for n in places], matrix(now, day, artefact.scorecard.columns)[places])
        for artefact, found in zip((champion, other), judged, strict=True)
    ]
    groups = groups_of(extract.held, places, day)
    return {
        "champion": champion.scorecard.model_id, "shadow": other.scorecard.model_id, "as_of": day_text(day),
        "edition": edition.id, "n": len(places), "not_scored": len(judged[0]) - len(places),
        "score": _scores(*sides), "drift": {one.artefact.scorecard.model_id: _drift(one) for one in sides},
        "migration": migration(sides[0].letters, sides[1].letters),
        "moved": {way: _moved(of, *sides) for way, of in groups.items()},
        "outcomes": _outcomes(sides, extract, places, day),
    }  # fmt: skip


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    text = "score a population by a model's champion and by its shadow, and say how they differ"
    parser = subparsers.add_parser("shadow", help=text, description=text)
    parser.add_argument("model", help="name of the model")
    parser.add_argument("--extract", type=Path, required=True, help="folder of `credit-service extract`, or events")
    parser.add_argument("--as-of", required=True, help="civil day, such as 2026-10-31")
    parser.add_argument("--alias", choices=[one for one in ALIASES if one != CHAMPION], default=SHADOW)
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the artefacts")
    parser.add_argument("--out", type=Path, help="file to write to")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    try:
        champion, other = named(given.models, given.model, given.alias)
        edition = load_edition(SHIPPED / f"{champion.manifest['edition']}.toml")
        document = compared(champion, other, read_extract(given.extract, edition), parse_day(given.as_of))
    except (CreditError, OSError, json.JSONDecodeError) as fault:
        print(f"shadow: {fault}", file=sys.stderr)
        return 2
    text = json_text(rounded(document))
    if given.out:
        given.out.write_text(text, "utf-8")
    else:
        print(text, end="")
    return 0


def named(models: Path, name: str, alias: str) -> tuple[Artefact, Artefact]:
    """Loads the champion of a model and the version of another alias, both verified by signature."""
    aliases, keys = read(models)["aliases"].get(name, {}), load_keys(models / "keys")
    for wanted in (CHAMPION, alias):
        if wanted not in aliases:
            raise CreditError(Reason.MODEL_NOT_FOUND, f"alias: got no {wanted} of {name}, want one in registry.json")
    champion, other = (load(models / name / aliases[one], keys) for one in (CHAMPION, alias))
    if champion.manifest["edition"] != other.manifest["edition"]:
        got = f"{champion.manifest['edition']} and {other.manifest['edition']}"
        raise CreditError(Reason.MODEL_INVALID, f"edition: got {got}, want one edition for both")
    return champion, other


def _side(artefact: Artefact, found: Sequence[Graded], features: Floats) -> Side:
    scores = np.array([one.score for one in found], dtype=np.int64)
    letters = np.array([one.grade for one in found])
    card, width = artefact.scorecard, len(artefact.scorecard.lines)
    chances = card.probability(scores, card.exposure_points(features[:, width:]))
    return Side(artefact, letters, scores, chances, features)


def _scores(one: Side, other: Side) -> dict[str, Any]:
    """Returns how the scores lie to each other; of the same subjects, so that chance has no part in the index."""
    gap, edges = other.scores - one.scores, _reference(one)["score"]["edges"]
    counts = [np.histogram(np.clip(side.scores, edges[0], edges[-1]), edges)[0].tolist() for side in (one, other)]
    ranks = [rankdata(side.scores) for side in (one, other)]
    varies = all(float(np.ptp(rank)) for rank in ranks)
    return {
        "psi": stability_index(*counts), "mean_difference": float(gap.mean()), "unchanged": float((gap == 0).mean()),
        "difference_5_50_95": [float(value) for value in np.percentile(gap, [5, 50, 95])],
        "rank_correlation": float(np.corrcoef(*ranks)[0, 1]) if varies else None,
    }  # fmt: skip


def _drift(side: Side) -> dict[str, Any]:
    """Returns the alarms of a version against its own reference, and the index of its score."""
    found = drift(_reference(side), side.artefact.scorecard, side.features, side.scores)
    alarms = [name for name, one in found["features"].items() if one["is_alarm"]]
    return {"score": found["score"], "features_in_alarm": alarms}


def _reference(side: Side) -> dict[str, Any]:
    """Reads what was signed of the version's population; its digest was verified when the version was loaded."""
    kept: dict[str, Any] = json.loads((side.artefact.directory / "reference.json").read_text("utf-8"))
    return kept


def _moved(groups: Sequence[str], one: Side, other: Side) -> dict[str, Any]:
    """Returns per group how many the shadow would grade better, and how many worse."""
    names = np.array(groups)
    better, worse = other.letters < one.letters, other.letters > one.letters
    return {
        name: {
            "n": int((rows := names == name).sum()), "better": int(better[rows].sum()), "worse": int(worse[rows].sum()),
        }
        for name in sorted(set(groups))
    }  # fmt: skip


def _outcomes(sides: Sequence[Side], extract: Extract, places: Sequence[int], day: int) -> dict[str, Any]:
    """Returns paired figures of what came true in the year after the day, or why there are none yet."""
    matured, last = add_months(day, HORIZON_MONTHS + MATURITY_MONTHS), extract.last_known_day
    if last < matured:
        return {"reason": f"the year after matures on {day_text(matured)}; the extract knows until {day_text(last)}"}
    task = sides[0].artefact.manifest["task"]
    if task != sides[1].artefact.manifest["task"]:
        return {"reason": "the versions predict different labels"}
    told = sample(extract.held, [TASKS[task]], day, last, sides[0].artefact.scorecard.feature_names)
    label_of = dict(zip(told.subject.tolist(), told.labels[task].tolist(), strict=True))
    rows = np.array([n for n, place in enumerate(places) if place in label_of], dtype=np.int64)
    labels = np.array([label_of[places[n]] for n in rows], dtype=np.bool_)
    if not 0 < labels.sum() < len(labels):
        return {"reason": f"{int(labels.sum())} of {len(labels)} came to harm: nothing to compare"}
    one, other = (Side(s.artefact, s.letters[rows], s.scores[rows], s.chances[rows], s.features) for s in sides)
    return {
        "task": task, "n": len(labels), "positives": int(labels.sum()),
        "is_out_of_time": {s.artefact.scorecard.model_id: day >= _fitted_until(s, task) for s in sides},
        **_paired(labels, one, other), "pairs": _pairs(labels, one.letters, other.letters),
        "by_grade": {s.artefact.scorecard.model_id: by_grade(s.letters, labels, s.chances) for s in (one, other)},
    }  # fmt: skip


def _paired(labels: Labels, one: Side, other: Side) -> dict[str, Any]:
    """Returns figures of both versions and, on the same drawn subjects, the interval of their difference."""

    def ranking(side: Side, rows: NDArray[Any]) -> float:
        return auc(labels[rows], -side.scores[rows].astype(np.float64))

    def error(side: Side, rows: NDArray[Any]) -> float:
        return brier(labels[rows], side.chances[rows])

    everybody, found = np.arange(len(labels)), dict[str, Any]()
    for name, measure in (("auc", ranking), ("brier", error)):
        first, second = measure(one, everybody), measure(other, everybody)
        gap = bootstrap(lambda rows, m=measure: m(other, rows) - m(one, rows), len(labels), TIMES, SEED)  # type: ignore[misc]  # bound at once
        found[name] = {"champion": first, "shadow": second, "difference": second - first, "ci": gap}
    ratios = (observed_to_expected(labels, side.chances) for side in (one, other))
    return found | {"observed_to_expected": dict(zip(("champion", "shadow"), ratios, strict=True))}


def _pairs(labels: Labels, one: Letters, other: Letters) -> list[dict[str, Any]]:
    """Returns how many each pair of different grades holds and how many of them came to harm: who was right."""
    found = []
    for first in LETTERS:
        for second in LETTERS:
            rows = (one == first) & (other == second)
            if first != second and rows.any():
                n, positives = int(rows.sum()), int(labels[rows].sum())
                observed = positives / n if n >= LEAST_PAIR else None
                found.append(
                    {"champion": first, "shadow": second, "n": n, "positives": positives, "observed": observed}
                )
    return found


def _fitted_until(side: Side, task: str) -> int:
    """Returns the last day of the outcomes that a version was fitted or calibrated on."""
    cutoff: str = side.artefact.metrics["tasks"][task]["calibration"]["cutoff"]
    return add_months(parse_day(cutoff), HORIZON_MONTHS)
