"""Who came from which recorded grade to which since a moment; read from the feed, and only of whose grade is newer."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import orjson
from sqlalchemy import BigInteger, bindparam, text
from sqlmodel import Session

from credit_service.changes import revision_at
from credit_service.grades.tables import KIND

Moves = Mapping[tuple[str, str], int]

# Whose grade has not been recorded since, stands where it stood.
_STAYED = text("SELECT grade, count(*) FROM current_grade WHERE revision <= :revision GROUP BY grade").bindparams(
    bindparam("revision", type_=BigInteger)
)
# Of the others the grade before; who had none is new, and has moved from nowhere.
_CAME = text(f"""
    SELECT g.grade, c.document FROM current_grade g JOIN change c ON c.revision = (
        SELECT max(b.revision) FROM change b WHERE b.entry_key = '{KIND}/' || g.subject_id AND b.revision <= :revision)
    WHERE g.revision > :revision""").bindparams(bindparam("revision", type_=BigInteger))  # noqa: S608  # our own word
ROWS_AT_ONCE = 2_000


def moves_since(session: Session, begin: datetime) -> Moves:
    """Counts subjects by their recorded grades at a moment and now; none while nothing was recorded by then.

    It takes a look at every current grade, and a document for each that was recorded since.
    """
    revision = revision_at(session, begin)
    if not revision:
        return {}
    given = {"revision": revision}
    found = Counter({(grade, grade): number for grade, number in session.execute(_STAYED, given)})
    for grade, document in session.execute(_CAME, given, execution_options={"yield_per": ROWS_AT_ONCE}):
        found[orjson.loads(document)["grade"], grade] += 1
    return found


def stay_rates(moves: Moves) -> dict[str, float]:
    """Returns for each grade the share of those that stood there and stand there now."""
    stood: Counter[str] = Counter()
    for (before, _), number in moves.items():
        stood[before] += number
    return {grade: moves.get((grade, grade), 0) / number for grade, number in stood.items()}
