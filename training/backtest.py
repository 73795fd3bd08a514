"""Subcommand backtest: every evaluation task at the latest cut-off that its records allow, or at an earlier one."""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from credit_service.errors import CreditError
from credit_service.grades.windows import cutoff as months_before
from credit_service.legal_days import add_months, day_text, parse_day
from training import tw_osh
from training.evaluate import rounded
from training.publish import json_text
from training.resample import bootstrapped
from training.tasks.figures import by_grade, figures, is_rising
from training.tasks.model import HORIZON_MONTHS, grades, learn, month_end, refused
from training.tasks.records import Records
from training.tasks.rivals import rivals
from training.tasks.settings import SETTINGS
from training.tasks.task import TASKS, Task, sample

MSHA = Path(__file__).parent / "data" / "msha" / "quarters.csv.gz"
PACKAGES = ("lightgbm", "numpy", "scikit-learn", "scipy")
USAGE = 2
NO_SCORE = {"auc": None, "reason": "the records state neither penalties nor liability"}
RIVALS = ("rule", "rule_score", "logistic", "free")


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    text = "measure every evaluation task at the latest cut-off that its records allow"
    parser = subparsers.add_parser("backtest", help=text, description=text)
    parser.add_argument("--tw", type=Path, default=tw_osh.SHIPPED, help="records of Taiwan instead of the shipped")
    parser.add_argument("--msha", type=Path, default=MSHA if MSHA.exists() else None, help="quarters of US mines")
    parser.add_argument("--task", choices=tuple(TASKS), action="append", help="only this task; may be given again")
    parser.add_argument("--cutoff", default="", help="earlier day, YYYY-MM-DD, instead of the latest")
    parser.add_argument("--out", type=Path, default=Path("build/backtest.json"))
    parser.set_defaults(run=_backtest)


def _backtest(given: argparse.Namespace) -> int:
    files = {"tw": given.tw, "msha": given.msha}
    try:
        day = parse_day(given.cutoff) if given.cutoff else None
        measured = {
            name: figures_or_why(task, files[task.family], day)
            for name, task in TASKS.items()
            if name in (given.task or TASKS)
        }
    except CreditError as fault:
        print(f"backtest: {fault}", file=sys.stderr)
        return USAGE
    git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    document = {
        "git_commit": git.stdout.strip() or None,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "cores": os.cpu_count(),
        "seed": SETTINGS["seed"],
        "resamples": SETTINGS["backtest"]["resamples"],
        "tasks": measured,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json_text(rounded(document)), "utf-8")
    print(summary(measured))
    print(f"written to {given.out}")
    return 0


def figures_or_why(task: Task, file: Path | None, cutoff: int | None = None) -> dict[str, Any]:
    """Measures one task, at the latest cut-off or an earlier one; says why not when its records are not there."""
    if file is None:
        return {"auc": None, "reason": f"records are not shipped: name a file with --{task.family}"}
    held = task.read([file])
    latest = latest_cutoff(task, held)
    if cutoff is not None and cutoff > latest:
        raise refused(cutoff, "a year after it that is not all on file", f"{day_text(latest)} or earlier")
    return measured(task, held, latest if cutoff is None else cutoff)


def latest_cutoff(task: Task, held: Records) -> int:
    """Returns the last end of a month whose year had passed and been published when the records end."""
    return months_before(
        month_end(int(held.known_day.max())), HORIZON_MONTHS + SETTINGS["family"][task.family]["label_months"]
    )


def measured(task: Task, held: Records, cutoff: int) -> dict[str, Any]:
    """Returns the figures of ours and of every rival on one cut-off, with what was learned from."""
    learned = learn(task, held, cutoff)
    test = sample(task, held, cutoff)
    contenders = rivals(task, held.seen(cutoff), cutoff, learned)
    present = {name: one for name, one in contenders.items() if one is not None}
    settings = SETTINGS["backtest"]
    rankings = {name: one.ranking for name, one in present.items()}
    drawn = bootstrapped(test.labels, rankings, test.subject, settings["resamples"], SETTINGS["seed"])
    others = {name: drawn[name] for name in ("rule", "free", "logistic")}
    found = {name: figures(test.labels, one, drawn[name], others) for name, one in present.items()}
    ours = present["ours"].ranking
    letters = by_grade(test.labels, ours, grades(ours, learned.base_rate))
    return {
        "text": task.text,
        "cutoff": day_text(cutoff),
        "label_until": day_text(add_months(cutoff, HORIZON_MONTHS)),
        "n": len(test),
        "positives": int(test.labels.sum()),
        "base_rate": float(test.labels.mean()),
        **found.pop("ours"),
        "comparators": found | {name: NO_SCORE for name, one in contenders.items() if one is None},
        "grades": letters,
        "grades_rise": is_rising(letters),
        "learned_from": {
            "cutoffs": [day_text(learned.cutoffs[0]), day_text(learned.cutoffs[-1])],
            "number": len(learned.cutoffs),
            "rows": len(learned.learned_from),
            "positives": int(learned.learned_from.labels.sum()),
            "base_rate": learned.base_rate,
        },
        "published": SETTINGS["published"].get(task.name),
    }


def summary(tasks: Mapping[str, Mapping[str, Any]]) -> str:
    """Writes the table that is printed at the end."""
    heads = (
        "task", "cut-off", "n", "bad", "AUC", "95 %", "rule", "score", "logistic", "free", "over rule", "over free",
        "top 5 %", "O/E", "ECE", "noise", "A<B<C<D",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [heads]
    for name, one in tasks.items():
        rows.append((name, one["reason"]) if one["auc"] is None else (name, *_cells(one)))
    widths = [max(len(row[n]) for row in rows if len(row) > 2 and n < len(row)) for n in range(len(heads))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows)


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    rivals = one["comparators"]
    return (
        one["cutoff"],
        f"{one['n']:,}",
        f"{one['positives']:,}",
        f"{one['auc']:.3f}",
        _range(one["auc_ci"]),
        *("-" if rivals[name]["auc"] is None else f"{rivals[name]['auc']:.3f}" for name in RIVALS),
        _range(one["paired_vs_rule_ci"]),
        _range(one["paired_vs_free_ci"]),
        f"{one['capture_at_5pct']:.1%}",
        f"{one['oe_ratio']:.2f}",
        f"{one['ece']:.4f}",
        f"{one['ece_noise_95']:.4f}",
        "yes" if one["grades_rise"] else "no",
    )


def _range(ends: list[float]) -> str:
    return f"{ends[0]:.3f} {ends[1]:.3f}"
