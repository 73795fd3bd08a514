"""The daily tick: does its cost follow what is due, or how many subjects there are?"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from credit_service import migrations
from credit_service.assessment import Assessor
from credit_service.changes import Feed
from credit_service.collecting import Writer
from credit_service.database import Database, insert_rows
from credit_service.grades.tables import CurrentGrade
from credit_service.ledger.append import Reception
from credit_service.legal_days import civil_day
from credit_service.listings.tables import ListingMoveRow, ListingRow
from credit_service.rulebook.edition import load_editions
from credit_service.server import load_scorecards
from credit_service.settings import Settings
from credit_service.subjects.tables import SubjectRow
from credit_service.subjects.vault import Vault

DUE = 1000
DAYS = 3
AT_ONCE = 20_000
FIRST = datetime(2029, 6, 1, 4, 0, tzinfo=UTC)
BEGUN = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
# One subject in ten has a listing that is not due.
LISTED_EVERY = 10


def measure_ticking(few: int = 10_000, many: int = 1_000_000) -> dict[str, object]:
    """Returns the median seconds of a tick with 1,000 due terms among few and among many subjects, and their ratio."""
    figures = {size: _ticks(size) for size in (few, many)}
    seconds = {size: median(ticks) for size, ticks in figures.items()}
    return {
        "tick_ratio": round(seconds[many] / seconds[few], 3),
        "tick": {
            "due": DUE, "seconds": {str(size): [round(t, 3) for t in ticks] for size, ticks in figures.items()},
            "database": "sqlite",
        },
    }  # fmt: skip


def _ticks(size: int) -> list[float]:
    """Fills a database and returns how long the tick of each day takes."""
    with TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        url = f"sqlite:///{Path(folder) / 'credit.db'}"
        migrations.upgrade(url, f"sqlite:///{Path(folder) / 'audit.db'}")
        database = Database(url)
        _fill(database, size)
        now = [FIRST]
        editions = load_editions()
        assessor = Assessor(lambda: editions, load_scorecards(Settings()))
        vault = Vault(bytes(32), lambda n: bytes(n))
        writer = Writer(database, Reception(vault, frozenset()), assessor, Feed(), lambda: now[0])
        taken = []
        for day in range(DAYS):
            now[0] = FIRST + timedelta(days=day)
            begun = time.perf_counter()
            writer._judge_due()  # the tick itself, without the thread around it
            taken.append(time.perf_counter() - begun)
        with database.reading() as session:
            ended = session.query(ListingRow).filter_by(state="REMOVED_EXPIRED").count()
        assert ended == DUE * DAYS, ended
        database.close()
        return taken


def _fill(database: Database, size: int) -> None:
    due, idle = DUE * DAYS, civil_day(FIRST) + 4000
    with database.transaction() as session:
        for model, rows in (
            (SubjectRow, (_subject(n) for n in range(size))),
            (CurrentGrade, (_grade(n, idle) for n in range(size))),
            (ListingRow, (_listing(n, idle, due) for n in range(size) if n < due or n % LISTED_EVERY == 0)),
            (ListingMoveRow, (move for n in range(due) for move in _moves(n))),
        ):
            while part := list(islice(rows, AT_ONCE)):
                insert_rows(session, model, part)


def _id(n: int) -> str:
    return f"USCC:bench-{n * 7919 % 10_000_019:08d}"


def _subject(n: int) -> dict[str, Any]:
    return {
        "subject_id": _id(n), "scheme": "USCC", "code": _id(n)[5:], "name": f"模拟{n}", "kind": "ENTERPRISE",
        "first_collect_time": BEGUN,
    }  # fmt: skip


def _grade(n: int, idle: int) -> dict[str, Any]:
    return {
        "subject_id": _id(n), "grade": "PENDING", "score": None, "fingerprint": "", "revision": 0, "assess_time": BEGUN,
        "next_review_day": idle,
    }  # fmt: skip


def _listing(n: int, idle: int, due: int) -> dict[str, Any]:
    last_day = civil_day(FIRST) + n // DUE - 1 if n < due else idle
    return {
        "subject_id": _id(n), "listing_id": f"BLACK-{n}", "subject_kind": "ENTERPRISE", "list": "BLACK",
        "state": "PUBLISHED", "rule_id": "B-01", "edition_id": "cn-2026-04", "event_ids": "[]", "text_zh": "",
        "text_en": "", "open_time": BEGUN, "record_keys": "[]", "last_move": "PUBLISH", "agency": "bureau",
        "is_stayed": False, "is_suspended": False, "was_displayed": True, "begin_time": BEGUN,
        "last_day": last_day, "early_from_day": None, "next_day": last_day + 1,
    }  # fmt: skip


def _moves(n: int) -> Iterator[dict[str, Any]]:
    last_day = civil_day(FIRST) + n // DUE - 1
    way = (("PROPOSE", None, "CANDIDATE"), ("CONFIRM", "DECIDED", "CONFIRMED"), ("PUBLISH", "CONFIRMED", "PUBLISHED"))
    for number, (name, before, after) in enumerate(way, 1):
        yield {
            "subject_id": _id(n), "listing_id": f"BLACK-{n}", "number": number, "from_state": before,
            "to_state": after, "move_time": BEGUN, "actor": "bench", "reason": "", "name": name, "legal_time": BEGUN,
            "key": "", "agency": "bureau", "document_no": "", "document_digest": "", "request_id": "",
            "facts": json.dumps({"last_day": last_day} if name == "CONFIRM" else {}),
        }  # fmt: skip
