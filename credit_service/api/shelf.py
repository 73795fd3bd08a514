"""Grades of now in the form in which they are sent, as long as nothing was committed since they were read."""

from datetime import datetime
from typing import NamedTuple

from credit_service.database import Database

# So many subjects have room, at a kilobyte each.
ROOM = 20_000


class Shown(NamedTuple):
    """Holds what an answer about now is made of: whom it is about, since when it stands, and the encoded grade.

    Neither the time frame is in it nor is anything left out for a role.
    """

    kind: str
    supervising_region: str | None
    since: datetime
    content: bytes


class Shelf:
    """Keeps grades of one state of the database and one day; used by one event loop.

    Whoever takes one sees all that was committed before: asking whether anybody has costs some microseconds.
    """

    def __init__(self, database: Database) -> None:
        """Begins empty."""
        self._database = database
        self._state: tuple[int | None, int] | None = None
        self._shown: dict[str, Shown] = {}

    def state(self, day: int) -> tuple[int | None, int]:
        """Returns the state of now, which a grade that is read afterwards is put with; lets go of every other."""
        state = (self._database.version(), day)
        if state != self._state:
            self._state = state
            self._shown.clear()
        return state

    def take(self, subject_id: str, known: datetime) -> Shown | None:
        """Returns the grade of a subject that stood by a time of knowledge, at the state that was asked for last."""
        shown = self._shown.get(subject_id)
        return shown if shown is not None and shown.since <= known else None

    def put(self, subject_id: str, shown: Shown, state: tuple[int | None, int]) -> None:
        """Keeps a grade that was read after the state; not where that has passed or cannot be told from a later one."""
        if state != self._state or state[0] is None:
            return
        if len(self._shown) >= ROOM:
            # The one that came first.
            del self._shown[next(iter(self._shown))]
        self._shown[subject_id] = shown
