"""Scores whole populations on many processes or machines with Dask: the service's own features and points, in parts.

A part is some subjects with what is known of them. What a worker answers depends on its part alone, so that a spread
run equals one in a single process to the last bit, however many workers there are.
"""

import argparse
import csv
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from distributed import Client, LocalCluster

from credit_service.arrays import Floats, Ints
from credit_service.grades.artefact import load_champions, load_keys
from credit_service.grades.columns import build, visible
from credit_service.grades.features import matrix
from credit_service.grades.scorecard import Scorecard
from credit_service.ledger.fact import Fact
from credit_service.ledger.sources import load_sources
from credit_service.legal_days import parse_day
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.rulebook.law import Edition
from credit_service.rulebook.usable import unusable_from
from training.data import gather, read_events
from training.dataset import GRADED_KINDS, history

MODELS = Path("models")
AT_ONCE = 2_000
LOOPBACK = "127.0.0.1"
Known = Sequence[tuple[Fact, ...]]


class Question(NamedTuple):
    """Names edition and day, and the folder of the models, which every worker must have."""

    edition_id: str
    day: int
    models: str


class Part(NamedTuple):
    """Holds a row a subject, features and then exposures, and the process that answered."""

    features: Floats
    scores: Ints
    process: int


def score(known: Known, question: Question) -> Part:
    """Returns features and scores of the subjects, by what is known of them."""
    edition, scorecard = _served(question.edition_id, question.models)
    columns = visible(build(known, [unusable_from(edition, facts) for facts in known]), question.day)
    rows = matrix(columns, question.day, scorecard.columns)
    return Part(rows, scorecard.score(rows[:, : len(scorecard.lines)]), os.getpid())


def spread(client: Client, known: Known, question: Question, at_once: int = AT_ONCE) -> tuple[Part, set[int]]:
    """Returns the same for any number of subjects, part by part on the workers, and the processes that answered."""
    parts = [known[start : start + at_once] for start in range(0, len(known), at_once)]
    # A part is answered anew each time: Dask must not take two questions for one.
    answers = client.gather(client.map(score, parts, question=question, pure=False))
    features = np.concatenate([answer.features for answer in answers])
    scores = np.concatenate([answer.scores for answer in answers])
    return Part(features, scores, os.getpid()), {answer.process for answer in answers}


@contextmanager
def workers(count: int, scheduler: str = "") -> Iterator[Client]:
    """Connects to a scheduler, or runs processes of one's own on this machine, on loopback alone."""
    if scheduler:
        with Client(scheduler) as client:
            yield client
        return
    local = LocalCluster(
        n_workers=count, threads_per_worker=1, processes=True, host=LOOPBACK, dashboard_address=None, silence_logs=40
    )
    with local as cluster, Client(cluster) as client:
        yield client


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand of this module."""
    text = "score the subjects of event files on many processes"
    parser = subparsers.add_parser("spread", help=text, description=text)
    parser.add_argument("--events", type=Path, action="append", required=True, help="file of events, JSON lines")
    parser.add_argument("--as-of", required=True, help="civil day, such as 2026-10-31")
    parser.add_argument("--edition", default="cn-2026-04", help="rulebook edition, which names the model")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the artefacts")
    parser.add_argument("--workers", type=int, default=2, help="processes on this machine")
    parser.add_argument("--scheduler", default="", help="address of a Dask scheduler instead of processes here")
    parser.add_argument("--out", type=Path, help="file to write to")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    population = gather(chain.from_iterable(map(read_events, given.events)), load_sources())
    day = parse_day(given.as_of)
    known = history(population).facts_known_on(day)
    places = [n for n, facts in enumerate(known) if facts and population.kinds[n] in GRADED_KINDS]
    question = Question(given.edition, day, str(given.models.resolve()))
    with workers(given.workers, given.scheduler) as client:
        found, processes = spread(client, [known[n] for n in places], question)
    scorecard = _served(question.edition_id, question.models)[1]
    exposure = scorecard.exposure_points(found.features[:, len(scorecard.lines) :])
    chances = scorecard.probability(found.scores, exposure).tolist()
    with given.out.open("w", encoding="utf-8", newline="") if given.out else sys.stdout as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["subject_id", "score", "probability", *scorecard.columns])
        rows = zip(places, found.scores.tolist(), chances, found.features.tolist(), strict=True)
        writer.writerows([population.subject_ids[n], points, chance, *row] for n, points, chance, row in rows)
    sys.stderr.write(f"{len(places)} subjects scored by {len(processes)} processes\n")
    return 0


@cache
def _served(edition_id: str, models: str) -> tuple[Edition, Scorecard]:
    edition, folder = load_edition(SHIPPED / f"{edition_id}.toml"), Path(models)
    artefact = load_champions(folder, load_keys(folder / "keys"))[edition.grading.model]
    return edition, artefact.scorecard
