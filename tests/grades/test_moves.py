"""Moves between recorded grades: the same subjects at a moment and now, on every database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from credit_service import changes
from credit_service.changes import Recorder, revision_at, start
from credit_service.database import Database
from credit_service.grades import tables
from credit_service.grades.keeping import Verdict, keep
from credit_service.grades.moves import moves_since, stay_rates

DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Opens an empty feed and no grades."""
    database = Database(database_url)
    database.create_tables([table.__table__ for table in [*changes.TABLES, *tables.TABLES]])
    with database.transaction() as session:
        start(session)
    yield database
    database.close()


def grade(database: Database, now: datetime, **letters: str) -> None:
    """Keeps grades; the same letter again says something new all the same, as after a new model."""
    said = [
        Verdict(f"USCC:{name}", "ENTERPRISE", letter, None, f"{letter} {now}", None, f'{{"grade": "{letter}"}}',
                is_review_open=False, basis="")
        for name, letter in letters.items()
    ]  # fmt: skip
    with database.transaction() as session:
        keep(session, said, Recorder(now), now)


def test_moves_compare_the_same_subjects_then_and_now(database: Database) -> None:
    grade(database, FIRST, still="A", again="A", fell="A", back="B", young="PENDING")
    grade(database, FIRST + 10 * DAY, fell="B", back="D", new="C")
    grade(database, FIRST + 20 * DAY, fell="D", back="B", again="A", young="B")
    with database.reading() as session:
        found = moves_since(session, FIRST + 5 * DAY)
        assert found == {("A", "A"): 2, ("A", "D"): 1, ("B", "B"): 1, ("PENDING", "B"): 1}
        assert stay_rates(found) == {"A": pytest.approx(2 / 3), "B": 1.0, "PENDING": 0.0}
        later = moves_since(session, FIRST + 15 * DAY)
        assert later == {("A", "A"): 2, ("B", "D"): 1, ("D", "B"): 1, ("C", "C"): 1, ("PENDING", "B"): 1}
        assert moves_since(session, FIRST + 30 * DAY) == {
            ("A", "A"): 2, ("B", "B"): 2, ("C", "C"): 1, ("D", "D"): 1,
        }  # fmt: skip
        assert moves_since(session, FIRST - DAY) == {}
        assert stay_rates({}) == {}


def test_revision_of_a_time_is_the_last_one_committed_by_it(database: Database) -> None:
    for n in range(7):
        grade(database, FIRST + n * DAY, **{f"S{place}": "A" for place in range(n + 1)})
    with database.reading() as session:
        ends = [(n + 1) * (n + 2) // 2 for n in range(7)]
        assert [revision_at(session, FIRST + n * DAY) for n in range(7)] == ends
        assert [revision_at(session, FIRST + n * DAY + DAY / 2) for n in range(7)] == ends
        assert revision_at(session, FIRST - DAY / 2) == 0
