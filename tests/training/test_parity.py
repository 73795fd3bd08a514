"""The features that training learns from are those that the service answers with: one code, one clock."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from credit_service import migrations, server
from credit_service.api.house import House
from credit_service.cli import throwaway
from credit_service.errors import CreditError
from credit_service.grades.features import matrix
from credit_service.ledger.append import Reception, append
from credit_service.ledger.sources import load_sources
from credit_service.legal_days import parse_day
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.rulebook.usable import unusable_from
from credit_service.settings import Settings
from training.data import gather, known_day
from training.dataset import history
from training.simulated_city.city import city

SUBJECTS, SEED, UNTIL = 320, 411, date(2026, 10, 31)
CUTOFFS = ("2026-04-30", "2026-06-15", "2026-08-31", "2026-10-20")
SHANGHAI = ZoneInfo("Asia/Shanghai")
WANTED = 1000


def at(day: int, hour: int = 23) -> datetime:
    """Returns a time of a civil day."""
    return datetime.combine(date.fromordinal(day), time(hour), SHANGHAI).astimezone(UTC)


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """Draws the records of a city."""
    return list(city(SUBJECTS, SEED, UNTIL))


@pytest.fixture(scope="module")
def house(records: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Collects every record on the day on which it became known."""
    folder: Path = tmp_path_factory.mktemp("parity")
    now = at(UNTIL.toordinal() + 1)
    settings = throwaway.prepare(Settings(database_url=f"sqlite:///{folder / 'credit.db'}"), folder, now)
    migrations.check(settings.database_url, settings.audit_database_url())
    made, sources = server.build_house(settings, lambda: now), load_sources()
    days = [(known_day(record, sources[record["source"]]), record) for record in records]
    known = sorted(((day, record) for day, record in days if day is not None), key=lambda pair: pair[0])
    for day, group in groupby(known, key=lambda pair: pair[0]):
        checked = [made.checking.checker.check(record, at(day)) for _, record in group]
        with made.database.transaction() as session:
            statuses = {receipt.status for receipt in append(session, checked, at(day), Reception(made.vault))}
        assert statuses <= {"ACCEPTED", "SUPERSEDED_LATE", "DUPLICATE"}
    yield made
    made.database.close()
    made.audit.close()


def test_service_and_training_see_the_same_features(house: House, records: list[dict[str, Any]]) -> None:
    """Over a thousand questions of past days, each as it would have been answered then; not one value differs."""
    population, edition = gather(records, load_sources()), load_edition(SHIPPED / "cn-2026-04.toml")
    held = history(population, partial(unusable_from, edition))
    names = house.assessor.scorecards[edition.grading.model].columns
    compared, differing = 0, []
    for text in CUTOFFS:
        day = parse_day(text)
        offline = matrix(held.known_on(day), day, names)
        then = at(day + 1, 0) - timedelta(microseconds=1)
        with house.database.reading() as session:
            for place, subject_id in enumerate(population.subject_ids):
                try:
                    explained = house.assessor.explain(session, subject_id, then, then)
                except CreditError:
                    continue  # a person, or not known yet
                parts = (*explained.contributions, *explained.exposure)
                online = {part.feature: part.value for part in parts}
                if online:
                    compared += 1
                    wrong = {
                        name: (online[name], value)
                        for name, value in zip(names, offline[place].tolist(), strict=True)
                        if not (online[name] == value or (online[name] is None and value != value))
                    }
                    differing += [(text, subject_id, wrong)] if wrong else []
    assert differing == []
    assert compared >= WANTED
