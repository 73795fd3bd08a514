"""What the ledger holds, as lines for those who train: every version with its own clocks, nothing personal."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import select
from sqlmodel import Session, col

from credit_service.ledger.tables import LedgerEvent
from credit_service.subjects.schemes import split

PAGE = 5_000
PERSON = "PERSON"
_COLUMNS = (
    "position", "subject_id", "subject_kind", "source", "record_id", "version", "op", "kind", "domain", "occur_time",
    "publish_time", "collect_time", "document_no", "refers_to", "payload",
)  # fmt: skip


def event_lines(session: Session) -> Iterator[bytes]:
    """Yields every version of every record as a line of an import file, with the time of its receipt.

    Persons are left out, and the names of subjects: nobody is graded by either.
    """
    columns, position = [col(getattr(LedgerEvent, name)) for name in _COLUMNS], 0
    graded = col(LedgerEvent.subject_kind) != PERSON
    while True:
        after = col(LedgerEvent.position) > position
        page = select(*columns).where(after, graded).order_by(col(LedgerEvent.position)).limit(PAGE)
        rows = session.connection().execute(page).all()
        for row in rows:
            yield _line(row)
        if len(rows) < PAGE:
            return
        position = rows[-1][0]


def _line(row: tuple) -> bytes:  # type: ignore[type-arg]  # as the columns say
    _, subject_id, subject_kind, source, record_id, version, op, kind, domain, *rest = row
    occur_time, publish_time, collect_time, document_no, refers_to, payload = rest
    scheme, code = split(subject_id)
    told = {
        "source": source, "source_record_id": record_id, "source_version": version, "op": op,
        "subject": {"scheme": scheme, "code": code, "kind": subject_kind}, "kind": kind, "domain": domain,
        "occur_time": _text(occur_time), "source_publish_time": publish_time and _text(publish_time),
        "collect_time": _text(collect_time), "document_no": document_no, "refers_to": refers_to,
        "payload": _nameless(payload) if kind == "REG" else orjson.Fragment(payload),
    }  # fmt: skip
    return orjson.dumps({name: value for name, value in told.items() if value}) + b"\n"


def _nameless(payload: str) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(payload)
    told.pop("name", None)
    return told


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()
