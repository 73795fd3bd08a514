"""The facts of many subjects side by side: days as arrays, payloads of a kind read once a field. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from credit_service.arrays import NEVER, Bools, Ints
from credit_service.ledger.facts import Fact
from credit_service.legal_days import parse_day


class Kind:
    """Holds the facts of one kind and the rows in which they lie, rising."""

    def __init__(self, rows: Ints, facts: Sequence[Fact]) -> None:
        """Takes the facts, one a row."""
        self.rows, self.facts = rows, facts
        self.payloads: Sequence[Mapping[str, Any]] = [fact.payload for fact in facts]
        self._days: dict[str, Ints] = {}

    def values(self, field: str) -> list[Any]:
        """Returns what each fact states, None where it states nothing."""
        return [payload.get(field) for payload in self.payloads]

    def days(self, field: str) -> Ints:
        """Returns the day that each fact states, NEVER where it states none."""
        found = self._days.get(field)
        if found is None:
            days = [NEVER if text is None else parse_day(text) for text in self.values(field)]
            found = self._days[field] = np.array(days, dtype=np.int64)
        return found

    def states(self, field: str) -> Bools:
        """Marks the facts that state a field."""
        return np.array([field in payload for payload in self.payloads], dtype=np.bool_)


class Crowd:
    """Holds the facts of subjects, row by row; subject i owns rows offsets[i] to offsets[i + 1]."""

    def __init__(self, facts: Sequence[Sequence[Fact]]) -> None:
        """Takes the facts of each subject, sorted by their places."""
        self.facts = facts
        every = [fact for mine in facts for fact in mine]
        # Turned over at once: a look at every fact for every column would cost more than the columns.
        of = (
            dict(zip(Fact._fields, zip(*every, strict=True), strict=True)) if every else dict.fromkeys(Fact._fields, ())
        )
        counts = [len(mine) for mine in facts]
        self.offsets: Ints = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.subject: Ints = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        self.event_id: Ints = np.array(of["event_id"], dtype=np.int64)
        self.day: Ints = np.array(of["day"], dtype=np.int64)
        self.known_day: Ints = np.array(of["known_day"], dtype=np.int64)
        places: dict[str, list[int]] = {}
        for row, kind in enumerate(of["kind"]):
            places.setdefault(kind, []).append(row)
        self.kinds: Mapping[str, Kind] = {
            kind: Kind(np.array(rows, dtype=np.int64), [every[row] for row in rows]) for kind, rows in places.items()
        }

    def __len__(self) -> int:
        """Counts the rows."""
        return len(self.subject)
