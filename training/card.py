"""The model card: what a model is for, what it came from, how well it does, what it must not do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from credit_service.grades.prior import EVERYBODY, Priors
from credit_service.grades.scorecard import Line
from credit_service.legal_days import day_text
from training.dataset import TASKS
from training.making import Made
from training.recipe import BOOSTER, LOGISTIC, Recipe

TEMPLATE = Path(__file__).parent / "card_template.md"
SIMULATED = (
    "**SIMULATED 模拟数据.** Every record behind this model was made up by the simulated\n"
    "city. Its figures say how well the method finds what the simulation put in, and nothing\n"
    "about any real enterprise.\n\n"
)
FOREIGN = (
    "- The source holds no amounts, no severity classes and no industry of penalties. `major` there\n"
    "  means one death or three in hospital, and is never taken as a level of accident."
)
SIZE_KNOWN = "the probability knows it, and stands beside the score for those who plan visits or price a risk."
SIZE_UNKNOWN = "so much more is to be expected of it than its probability says."
METHODS = {
    BOOSTER: "additive boosted trees, each of one feature, whose steps keep the sign of the feature",
    LOGISTIC: "logistic regression on coarse bins, a weight a step from bin to bin that keeps the sign of the feature",
}
COLUMNS = (
    "task", "n", "positives", "AUC (95 %)", "rule", "logistic", "unrestrained booster",
    "over rule (95 %)", "Brier", "reference", "ECE", "O/E", "slope",
)  # fmt: skip


def card_text(recipe: Recipe, made: Made, metrics: Mapping[str, Any]) -> str:
    """Writes the card from the recipe, the table and the measured figures."""
    text = TEMPLATE.read_text("utf-8")
    return text.format_map(_words(recipe, made) | _figures(made, metrics)).rstrip() + "\n"


def _words(recipe: Recipe, made: Made) -> dict[str, str]:
    is_simulated = recipe.is_simulated
    return {
        "name": recipe.name,
        "version": recipe.version,
        "title_zh": recipe.title_zh,
        "title_en": recipe.title_en,
        "edition": recipe.edition,
        "published_on": recipe.published_on,
        "expires_on": recipe.expires_on,
        "recipe": recipe.digest,
        "method": METHODS[recipe.kind],
        "warning": SIMULATED if is_simulated else "",
        "source_zh": "模拟城市的虚构数据，不代表任何真实企业" if is_simulated else "公开的处罚与事故记录",
        "label": TASKS[made.task].text,
        "known_by": day_text(recipe.known_by),
        "maturity_months": str(recipe.maturity_months),
        "fit_cutoffs": str(len(recipe.fit_cutoffs)),
        "fit_first": day_text(recipe.fit_cutoffs[0]),
        "fit_last": day_text(recipe.fit_cutoffs[-1]),
        "calibration_cutoff": day_text(recipe.calibration_cutoff),
        "test_cutoff": day_text(recipe.test_cutoff),
        "controls": ", ".join((*recipe.controls, *recipe.exposure)) or "none",
        "base_points": str(made.scorecard.base_points),
        "points": "\n\n".join(_points(line) for line in made.scorecard.lines),
        "exposure": _exposure(made.scorecard.exposure),
        "size_limit": SIZE_KNOWN if made.scorecard.exposure else SIZE_UNKNOWN,
        "limits": "" if is_simulated else FOREIGN,
    }


def _figures(made: Made, metrics: Mapping[str, Any]) -> dict[str, str]:
    data, task = metrics["data"], metrics["tasks"][made.task]
    low, high = task["auc_ci"]
    return {
        "data_title": data["title"],
        "registration": data["registration"],
        "clock": data["clock"],
        "snapshot": data["snapshot"],
        "auc": f"{task['auc']:.3f}",
        "auc_ci": f"{low:.3f}–{high:.3f}",
        "rule_auc": f"{task['rule_auc']:.3f}",
        "chance_auc": f"{task['chance_auc']:.3f}",
        "against": ", ".join(task["logistic_against_sign"]) or "none",
        "without_auc": f"{task['logistic_without_these_auc']:.3f}",
        "fit_n": f"{task['fitting']['n']:,}",
        "fit_positives": f"{task['fitting']['positives']:,}",
        "calibration_n": f"{task['calibration']['n']:,}",
        "calibration_positives": f"{task['calibration']['positives']:,}",
        "test_n": f"{task['n']:,}",
        "test_positives": f"{task['positives']:,}",
        "tasks": "\n".join(f"- {name}: {TASKS[name].text}." for name in metrics["tasks"]),
        "figures": _table(COLUMNS, [_row(name, found) for name, found in metrics["tasks"].items()]),
        "bands": _bands(task),
        "observed_to_expected": f"{task['observed_to_expected']:.2f}",
        "pending": _pending(made.scorecard.priors),
        "by_kind": _groups(task["by_kind"]),
        "by_size": _groups(task["by_size"]),
    }


def _groups(groups: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{name} O/E {found['observed_to_expected']:.2f} (n {found['n']:,}, {found['positives']:,} positives)"
        for name, found in groups.items()
    )


def _exposure(lines: Sequence[Line]) -> str:
    """Says by how many points each exposure moves the probability."""
    if not lines:
        return "None is published: the probability is that of the score alone."
    told = "\n\n".join(f"{_points(line)}; none stated: {_unstated(line)}" for line in lines)
    return (
        "The score is of care, and knows no size. The published probability is read from the score moved by these"
        f" points;\nof an unstated exposure nothing is supposed but the mean.\n\n{told}"
    )


def _unstated(line: Line) -> str:
    return "refused" if line.missing is None else str(line.missing)


def _pending(priors: Priors | None) -> str:
    """Says what is published of their classes."""
    if priors is None:
        return "Nothing is published of their classes."
    one = priors.classes[EVERYBODY]
    low, rate, high = (_percent(value) for value in (one.low, one.probability, one.high))
    return (
        f"Of {one.subjects:,} such subjects of the cut-offs before the test, {one.positives:,} came to harm: expected"
        f" {rate} ({low} to {high}), by industry in `priors.json`. That is a rate of a class, never of one subject."
    )


def _row(name: str, found: Mapping[str, Any]) -> list[str]:
    gain = found["over_rule"]
    return [
        name,
        f"{found['n']:,}",
        f"{found['positives']:,}",
        f"{found['auc']:.3f} {_range(found['auc_ci'])}",
        *(f"{found[key]:.3f}" for key in ("rule_auc", "logistic_auc", "free_auc")),
        f"{gain['difference']:+.3f} {_range(gain['ci'])}",
        *(f"{found[key]:.4f}" for key in ("brier", "brier_reference", "ece")),
        *(f"{found[key]:.2f}" for key in ("observed_to_expected", "calibration_slope")),
    ]


def _bands(task: Mapping[str, Any]) -> str:
    rows = [
        [letter, *(_percent(band[key]) for key in ("share", "expected", "observed"))]
        for letter, band in task["bands"].items()
    ]
    return _table(("band", "share", "expected", "observed"), rows)


def _table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _range(pair: list[float]) -> str:
    return f"[{pair[0]:.3f}, {pair[1]:.3f}]"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _points(line: Line) -> str:
    tops = [f"≤ {cut:g}" for cut in line.cuts]
    last = f"> {line.cuts[-1]:g}" if line.cuts else "any"
    bins = zip([*tops, last], line.points, strict=True)
    shape = "; ".join(f"{top}: {points}" for top, points in bins)
    feature = line.feature
    return f"**{feature.name}** ({feature.zh}). {feature.explanation}\n\n{shape}"
