"""Subjects of some twenty records each, made of the simulated city's own records."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice

from credit_service.ledger.drafts import Checker, Draft
from credit_service.ledger.fact import Fact, fact_of, place_of
from credit_service.ledger.sources import SHIPPED as SOURCES
from credit_service.ledger.sources import load_sources
from credit_service.legal_days import civil_day
from credit_service.rulebook.accidents import accident_level
from credit_service.rulebook.edition import SHIPPED, load_edition
from training.simulated_city.city import city

UNTIL = date(2026, 10, 31)
NOW = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
AS_OF_DAY = civil_day(NOW)
PER_SUBJECT = 20
COLLECTED = NOW - timedelta(days=1)


def drafts(subjects: int) -> Iterator[list[Draft]]:
    """Yields the records of each subject: those of a registered firm, and of its neighbours up to twenty."""
    edition = load_edition(SHIPPED / "cn-2026-04.toml")
    schemes = {name: source.scheme for name, source in load_sources(SOURCES).items()}
    checker = Checker(schemes, partial(accident_level, edition.accidents), str)
    checked = (checker.check(record, NOW).draft for record in city(subjects * 4, 2026, UNTIL))
    # Of a record one version stands.
    wanted = ("ASSERT", "ENTERPRISE", 1)
    kept = (draft for draft in checked if draft is not None and (draft.op, draft.subject_kind, draft.version) == wanted)
    while len(mine := list(islice(kept, PER_SUBJECT))) == PER_SUBJECT:
        yield mine


def lives(subjects: int) -> Iterator[list[Fact]]:
    """Yields the facts of each subject, sorted as they are read."""
    day = civil_day(COLLECTED)
    for mine in islice(drafts(subjects), subjects):
        facts = [fact_of(draft, number, day) for number, draft in enumerate(mine, 1)]
        yield sorted(facts, key=place_of)
