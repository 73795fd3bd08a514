"""A whole population graded anew as `regrade` does it: from the records of the database to written grades."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import func, select, text

from credit_service import migrations
from credit_service.database import Database, insert_stored, to_microseconds
from credit_service.grades.tables import CurrentGrade
from credit_service.ledger.drafts import Draft
from credit_service.ledger.facts import facts_of
from credit_service.ledger.tables import EventKey, LedgerEvent
from credit_service.memory import spare_collections
from credit_service.regrading import regrade
from credit_service.server import open_judgement
from credit_service.settings import Settings
from credit_service.subjects.tables import SubjectRow
from tests.bench.lives import COLLECTED, NOW, PER_SUBJECT, drafts

FEW = 100_000
PATTERNS = 2_000
FILLED_AT_ONCE = 10_000
PROCESSES = os.cpu_count() or 1


def measure_regrading(many: int) -> dict[str, object]:
    """Returns subjects a second for many subjects, and the cost of one among many over one among few.

    Each size runs in a process of its own, so that its peak memory is its own.
    """
    found = {size: _in_process(size) for size in (min(FEW, many // 10), many)}
    (few, less), (_, more) = found.items()
    return {
        "regrade_subjects_per_s": round(more["rate"]),
        "regrade_growth": round(less["rate"] / more["rate"], 3),
        "regrade": {
            "database": "sqlite", "subjects": many, "few": few, "records_per_subject": PER_SUBJECT,
            "processes": PROCESSES, "seconds": round(more["seconds"], 1), "filled_seconds": round(more["filled"]),
            "rates": {str(size): round(f["rate"]) for size, f in found.items()}, "written": more["written"],
            "peak_rss_mb": round(more["peak_mb"]), "peak_rss_mb_of_a_judge": round(more["judge_peak_mb"]),
            "again_subjects_per_s": round(more["again"]), "nothing_stale_seconds": round(more["stale"], 2),
            "few_again_without_timelines_subjects_per_s": round(less["cold"]),
        },
    }  # fmt: skip


def _in_process(size: int) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", "tests.bench.regrading", str(size)], capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(size: int) -> dict[str, float]:
    """Fills a database and grades everybody twice: all grades are new, then none has moved, then none is stale.

    Each time in a process of its own, as an operator does it; a small population once more without its timelines.
    """
    with TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        settings = Settings(database_url=f"sqlite:///{Path(folder) / 'credit.db'}")
        migrations.upgrade(settings.database_url, f"sqlite:///{Path(folder) / 'audit.db'}")
        database, begun = Database(settings.database_url), time.perf_counter()
        fill(database, size)
        filled = time.perf_counter() - begun
        database.close()
        first, again, stale = (_apart(settings, everybody) for everybody in ("everybody", "everybody", ""))
        cold = None
        if size <= FEW:
            _execute(database, "DELETE FROM timeline")
            cold = _apart(settings, "everybody")
        with database.reading() as session:
            written = session.execute(select(func.count()).select_from(CurrentGrade)).scalar_one()
        database.close()
        return {
            "rate": size / first["seconds"], "seconds": first["seconds"], "again": size / again["seconds"],
            "stale": stale["seconds"], "written": written, "cold": size / cold["seconds"] if cold else 0,
            "peak_mb": first["peak_mb"], "judge_peak_mb": first["judge_peak_mb"], "filled": filled,
        }  # fmt: skip


def _apart(settings: Settings, everybody: str) -> dict[str, float]:
    """Grades in a process that has filled nothing, so that its peak memory is that of grading."""
    command = [sys.executable, "-m", "tests.bench.regrading", "grade", settings.database_url, everybody]
    done = subprocess.run(command, capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def grade(url: str, *, is_everybody: bool) -> dict[str, float]:
    """Grades, and returns the seconds that it took and the most memory of this process and of one that judges."""
    settings = Settings(database_url=url)
    # As the command does.
    spare_collections()
    seconds = _all(settings, is_everybody=is_everybody)
    # What the system counts of this process itself includes the one that started it.
    own = next(line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmHWM"))
    judges = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"seconds": seconds, "peak_mb": int(own.split()[1]) / 1024, "judge_peak_mb": judges / 1024}


def _all(settings: Settings, *, is_everybody: bool) -> float:
    begun = time.perf_counter()
    house = open_judgement(settings)
    opening = partial(open_judgement, settings)
    failed = sum(page.failed for page in regrade(house, opening, lambda: NOW, PROCESSES, is_everybody=is_everybody))
    house[0].close()
    if failed:
        raise RuntimeError(f"got {failed} subjects that could not be graded, want none")
    return time.perf_counter() - begun


def _execute(database: Database, statement: str) -> None:
    with database.transaction() as session:
        session.execute(text(statement))


def fill(database: Database, size: int) -> None:
    """Fills a ledger with the records of so many subjects, twenty each, in turns: none lies beside its next one."""
    patterns = [_told(mine) for mine in islice(drafts(PATTERNS), PATTERNS)]
    collected = to_microseconds(COLLECTED)
    for start in range(0, size, FILLED_AT_ONCE):
        numbers = range(start, min(size, start + FILLED_AT_ONCE))
        subjects = [(_id(n), "USCC", _id(n)[5:], f"模拟{n}", "ENTERPRISE", collected) for n in numbers]
        position = start * PER_SUBJECT
        events, keys = [], []
        for place in range(PER_SUBJECT):
            for n in numbers:
                position += 1
                event, source = patterns[n % len(patterns)][place]
                events.append((_id(n), position, f"{n}-{place}", 1, "ASSERT", collected, *event))
                keys.append((source, f"{n}-{place}", 1, _id(n), position, collected, b""))
        with database.transaction() as session:
            if database.is_sqlite:
                # To fill only: room for the whole of the indexes, which are met in every place.
                session.execute(text("PRAGMA cache_size=-4000000"))
            insert_stored(session, SubjectRow, _SUBJECT, subjects)
            insert_stored(session, LedgerEvent, _EVENT, events)
            insert_stored(session, EventKey, _KEY, keys)
            session.execute(text("UPDATE ledger_head SET position = :p, judged_position = :p"), {"p": position})
            # As judging leaves them behind when it follows collection.
            facts_of(session, [subject[0] for subject in subjects], NOW, NOW, is_packing=True)


_SUBJECT = ("subject_id", "scheme", "code", "name", "kind", "first_collect_time")
_KEY = ("source", "record_id", "version", "subject_id", "position", "collect_time", "content_hash")
_DRAFTED = (
    "source", "subject_name", "subject_kind", "kind", "domain", "occur_time", "occur_day", "document_no",
    "legal_basis", "payload", "content_hash",
)  # fmt: skip
_EVENT = (
    "subject_id", "position", "record_id", "version", "op", "collect_time", *_DRAFTED, "chain_hash",
)  # fmt: skip


def _told(mine: Sequence[Draft]) -> list[tuple[tuple[Any, ...], str]]:
    """Returns what a row keeps of each draft, and its source."""
    return [((*(getattr(draft, name) for name in _DRAFTED), b""), draft.source) for draft in mine]


def _id(n: int) -> str:
    return f"USCC:bench-{n * 7919 % 10_000_019:08d}"


if __name__ == "__main__":
    match sys.argv[1:]:
        case "grade", url, everybody:
            sys.stdout.write(json.dumps(grade(url, is_everybody=bool(everybody))))
        case size, *_:
            sys.stdout.write(json.dumps(measure(int(size))))
