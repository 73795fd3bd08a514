"""Many processes answer what one would, to the last bit."""

import csv
import json
import os
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from distributed import Client

from credit_service.ledger.fact import Fact
from credit_service.ledger.sources import load_sources
from credit_service.legal_days import parse_day
from training.__main__ import main
from training.data import gather
from training.dataset import history
from training.simulated_city.city import city
from training.spreading import Question, score, spread, workers

SUBJECTS, SEED, UNTIL = 400, 77, date(2026, 10, 31)
QUESTION = Question("cn-2026-04", parse_day("2026-09-30"), str(Path("models").resolve()))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Runs two workers of their own."""
    with workers(2) as client:
        yield client


@pytest.fixture(scope="module")
def known() -> list[tuple[Fact, ...]]:
    """Holds what was known of a city's subjects."""
    population = gather(islice(city(SUBJECTS, SEED, UNTIL), 10_000), load_sources())
    return history(population).facts_known_on(QUESTION.day)


def test_two_processes_answer_what_one_does(client: Client, known: list[tuple[Fact, ...]]) -> None:
    alone = score(known, QUESTION)
    found, processes = spread(client, known, QUESTION, at_once=25)
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert len(known) > SUBJECTS / 2
    np.testing.assert_array_equal(found.features, alone.features)
    np.testing.assert_array_equal(found.scores, alone.scores)
    assert len(set(alone.scores.tolist())) > 20


def test_parts_may_be_cut_anywhere(client: Client, known: list[tuple[Fact, ...]]) -> None:
    some = known[:60]
    answers = [spread(client, some, QUESTION, at_once)[0] for at_once in (1, 7, 60)]
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer.features, answers[0].features)
        np.testing.assert_array_equal(answer.scores, answers[0].scores)


def test_command_scores_a_file(client: Client, tmp_path: Path) -> None:
    events, out = tmp_path / "events.jsonl", tmp_path / "scores.csv"
    lines = (json.dumps(event, ensure_ascii=False) for event in islice(city(SUBJECTS, SEED, UNTIL), 2_000))
    events.write_text("\n".join(lines) + "\n", "utf-8")
    scheduler = str(client.scheduler_info()["address"])
    command = ["spread", "--events", str(events), "--as-of", "2026-09-30", "--scheduler", scheduler, "--out", str(out)]
    assert main(command) == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 100
    assert all(0 < float(row["probability"]) < 1 for row in rows)
