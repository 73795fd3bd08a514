"""A whole population graded anew: from the records of the database to written grades."""

import json
import resource
import subprocess
import sys
import time
from datetime import timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from credit_service import migrations
from credit_service.api.checking import spare_collections
from credit_service.assessment import Assessor
from credit_service.database import Database, from_microseconds, insert_rows
from credit_service.grades.tables import CurrentGrade
from credit_service.ledger.tables import LedgerEvent
from credit_service.rulebook.edition import load_editions
from credit_service.server import load_scorecards
from credit_service.settings import Settings
from credit_service.subjects.tables import SubjectRow, all_subject_ids
from tests.bench.lives import COLLECTED, NOW, PER_SUBJECT, drafts

FEW = 10_000
PATTERNS = 2_000
AT_ONCE = 500
FILLED_AT_ONCE = 1_000


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
            "seconds": round(more["seconds"], 1), "rates": {str(size): round(f["rate"]) for size, f in found.items()},
            "written": more["written"], "peak_rss_mb": round(more["peak_mb"]),
            "again_subjects_per_s": round(more["again"]),
        },
    }  # fmt: skip


def _in_process(size: int) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", "tests.bench.regrading", str(size)], capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def regrade(size: int) -> dict[str, float]:
    """Fills a database and grades everybody twice: all grades are new, then none has moved."""
    with TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        url = f"sqlite:///{Path(folder) / 'credit.db'}"
        migrations.upgrade(url, f"sqlite:///{Path(folder) / 'audit.db'}")
        database = Database(url)
        _fill(database, size)
        # As the service does before it serves.
        spare_collections()
        editions = load_editions()
        assessor = Assessor(lambda: editions, load_scorecards(Settings()))
        first, again = _all(database, assessor, 0), _all(database, assessor, 1)
        with database.reading() as session:
            written = session.query(CurrentGrade).count()
        database.close()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"rate": size / first, "seconds": first, "again": size / again, "written": written, "peak_mb": peak}


def _all(database: Database, assessor: Assessor, later: int) -> float:
    begun, after = time.perf_counter(), ""
    while True:
        with database.reading() as session:
            ids = list(all_subject_ids(session, after, AT_ONCE))
        if ids:
            with database.transaction() as session:
                assessor.assess(session, ids, NOW + timedelta(seconds=later))
            after = ids[-1]
        if len(ids) < AT_ONCE:
            return time.perf_counter() - begun


def _fill(database: Database, size: int) -> None:
    patterns = list(islice(drafts(PATTERNS), PATTERNS))
    for start in range(0, size, FILLED_AT_ONCE):
        numbers = range(start, min(size, start + FILLED_AT_ONCE))
        with database.transaction() as session:
            insert_rows(session, SubjectRow, [_subject(n) for n in numbers])
            rows = [row for n in numbers for row in _events(n, patterns[n % len(patterns)])]
            insert_rows(session, LedgerEvent, rows)


def _id(n: int) -> str:
    return f"USCC:bench-{n * 7919 % 10_000_019:08d}"


def _subject(n: int) -> dict[str, Any]:
    return {
        "subject_id": _id(n), "scheme": "USCC", "code": _id(n)[5:], "name": f"模拟{n}", "kind": "ENTERPRISE",
        "first_collect_time": COLLECTED,
    }  # fmt: skip


def _events(n: int, pattern: Any) -> list[dict[str, Any]]:
    rows = []
    for place, draft in enumerate(pattern, 1):
        row = draft._asdict()
        row |= {
            "subject_id": _id(n), "position": n * PER_SUBJECT + place, "record_id": f"{n}-{place}",
            "collect_time": COLLECTED, "personal_commitment": None, "chain_hash": b"", "refers_to": None,
            "version": 1, "op": "ASSERT", "occur_time": from_microseconds(draft.occur_time),
            "publish_time": None,
        }  # fmt: skip
        del row["person_name"]
        rows.append(row)
    return rows


if __name__ == "__main__":
    sys.stdout.write(json.dumps(regrade(int(sys.argv[1]))))
