"""Subcommand predict: who comes to harm in the 12 months after a cut-off, by what was known on it."""

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from credit_service.errors import CreditError
from credit_service.legal_days import parse_day
from training.tasks.model import grades, learn
from training.tasks.task import TASKS

COLUMNS = ("entity_id", "probability", "grade")
USAGE = 2


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    text = "fit an evaluation task on what was known on a cut-off and write a probability per entity"
    parser = subparsers.add_parser("predict", help=text, description=text)
    parser.add_argument("--task", required=True, choices=tuple(TASKS))
    parser.add_argument("--events", required=True, type=Path, action="append", help="records; may be given again")
    parser.add_argument("--cutoff", required=True, help="day, YYYY-MM-DD; nothing known later is used")
    parser.add_argument("--out", required=True, type=Path, help="CSV file to write")
    parser.set_defaults(run=_predict)


def _predict(given: argparse.Namespace) -> int:
    try:
        text = predicted(given.task, given.events, parse_day(given.cutoff))
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text, "utf-8")
    except (CreditError, OSError) as fault:
        print(f"predict: {fault}", file=sys.stderr)
        return USAGE
    return 0


def predicted(name: str, events: Sequence[Path], cutoff: int) -> str:
    """Returns the predictions as CSV, sorted by entity; the same records give the same bytes."""
    task = TASKS[name]
    records = task.read(events)
    learned = learn(task, records, cutoff)
    probability = learned.probability(learned.population.features)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    letters = grades(probability, learned.base_rate)
    for place, chance, letter in zip(learned.population.subject, probability, letters, strict=True):
        writer.writerow([records.entity_ids[place], f"{chance:.10g}", letter])
    return out.getvalue()
