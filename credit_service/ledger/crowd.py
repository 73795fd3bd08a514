"""The facts of many subjects side by side: each field of a kind as one array. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import orjson

from credit_service.arrays import Bools, Floats, Ints
from credit_service.ledger.fact import Fact
from credit_service.ledger.figures import (
    ABSENT,
    DAY,
    DOMAIN,
    EVENT,
    KIND,
    KINDS,
    KNOWN_DAY,
    LANES,
    LINK,
    WIDTH,
    Figures,
    PackedFacts,
    days_of,
    figures_of,
    narrow,
)


class Beside:
    """Holds what stands beside the figures of a crowd: the facts themselves, and their texts."""

    def __init__(self, facts: Sequence[Sequence[Fact]], made_texts: Sequence[Sequence[Any]]) -> None:
        """Takes the facts of each subject, and the texts of those that are not packed."""
        self._facts, self._made_texts = facts, made_texts
        counts = [len(mine) for mine in facts]
        self.offsets: Ints = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.subject: Ints = np.repeat(np.arange(len(counts), dtype=np.int64), counts)

    def fact(self, row: int) -> Fact:
        """Returns the fact of a row."""
        subject = int(self.subject[row])
        return self._facts[subject][row - int(self.offsets[subject])]

    def read(self, rows: Ints) -> None:
        """Reads the facts of the subjects of rows together."""
        PackedFacts.read(self._facts[subject] for subject in np.unique(self.subject[rows]).tolist())

    @cached_property
    def texts(self) -> Sequence[Sequence[Any]]:
        """Holds the texts beside the rows of each subject."""
        packed = [mine.texts for mine in self._facts if isinstance(mine, PackedFacts)]
        read = iter(orjson.loads(b"[" + b",".join(packed) + b"]"))
        made = iter(self._made_texts)
        return [next(read) if isinstance(mine, PackedFacts) else next(made) for mine in self._facts]


class Kind:
    """Holds the facts of one kind and the rows in which they lie, rising."""

    def __init__(self, name: str, rows: Ints, figures: Figures, beside: Beside) -> None:
        """Takes the rows, their figures, and what stands beside the whole crowd.

        The crowd itself is not held: whatever holds each other waits for the collector, and crowds are large.
        """
        self.name, self.rows, self.lanes = name, rows, LANES[name]
        self._beside, self._figures = beside, figures
        self.domain = self._figures[:, DOMAIN]
        self._days: dict[str, Ints] = {}

    def codes(self, field: str) -> Figures:
        """Returns the number of the word, words or mark that each fact states, ABSENT where it states none."""
        return self._figures[:, self.lanes[field].place]

    def numbers(self, field: str) -> Floats:
        """Returns the number that each fact states, exact up to 2**53; what is not stated is no number."""
        lane = self.lanes[field]
        if lane.form == "number":
            found: Floats = narrow(self._figures, lane.place, np.float64)
            return found
        whole: Ints = narrow(self._figures, lane.place, np.int64)
        return np.where(whole == ABSENT, np.nan, whole)

    def days(self, field: str) -> Ints:
        """Returns the day that each fact states, NEVER where it states none."""
        found = self._days.get(field)
        if found is None:
            found = self._days[field] = days_of(self.codes(field))
        return found

    def states(self, field: str) -> Bools:
        """Marks the facts that state a field."""
        lane = self.lanes.get(field)
        if lane is None:
            return np.array([field in payload for payload in self.payloads()], dtype=np.bool_)
        if lane.form in {"int", "number"}:
            return ~np.isnan(self.numbers(field))
        found: Bools = self.codes(field) != ABSENT
        return found

    def texts(self, field: str, places: Ints | None = None) -> list[Any]:
        """Returns what the facts, or those at some places, state in texts; None where they state nothing."""
        chosen = slice(None) if places is None else places
        lane = self.lanes.get(field)
        if lane is None or lane.form != "compared":
            every = list(self.payloads())
            return [payload.get(field) for payload in (every if places is None else [every[n] for n in places])]
        subjects = self._beside.subject[self.rows[chosen]].tolist()
        beside, numbers = self._beside.texts, self.codes(field)[chosen].tolist()
        return [None if n < 0 else beside[subject][n] for subject, n in zip(subjects, numbers, strict=True)]

    def payloads(self) -> Iterator[Mapping[str, Any]]:
        """Makes the payloads, which costs far more than every array."""
        self._beside.read(self.rows)
        return (self._beside.fact(row).payload for row in self.rows.tolist())


class Crowd:
    """Holds the facts of subjects, row by row; subject i owns rows offsets[i] to offsets[i + 1]."""

    def __init__(self, facts: Sequence[Sequence[Fact]]) -> None:
        """Takes the facts of each subject, sorted by their places."""
        self.facts = facts
        self.figures, made_texts = _joined(facts)
        self._beside = Beside(facts, made_texts)
        self.offsets, self.subject = self._beside.offsets, self._beside.subject
        self.event_id: Ints = narrow(self.figures, EVENT, np.int64)
        self.day: Ints = self.figures[:, DAY].astype(np.int64)
        self.known_day: Ints = self.figures[:, KNOWN_DAY].astype(np.int64)
        self.kind: Ints = self.figures[:, KIND].astype(np.int64)
        order = np.argsort(self.kind, kind="stable")
        codes, starts = np.unique(self.kind[order], return_index=True)
        parts = np.split(order, starts[1:]) if len(codes) else []
        self.kinds: Mapping[str, Kind] = {
            KINDS[code]: Kind(KINDS[code], rows, self.figures[rows], self._beside)
            for code, rows in zip(codes.tolist(), parts, strict=True)
        }

    def __len__(self) -> int:
        """Counts the rows."""
        return len(self.subject)

    def fact(self, row: int) -> Fact:
        """Returns the fact of a row."""
        return self._beside.fact(row)

    @cached_property
    def link(self) -> Ints:
        """Holds the row of the fact that each refers to, ABSENT where there is none."""
        places = self.figures[:, LINK].astype(np.int64)
        return np.where(places == ABSENT, ABSENT, places + self.offsets[self.subject])

    @property
    def texts(self) -> Sequence[Sequence[Any]]:
        """Returns the texts beside the rows of each subject."""
        return self._beside.texts


def _joined(facts: Sequence[Sequence[Fact]]) -> tuple[Figures, list[list[Any]]]:
    """Returns the rows of all subjects one after the other, and the texts beside those that are not packed."""
    plain = [mine for mine in facts if not isinstance(mine, PackedFacts)]
    rows, texts = figures_of(plain)
    if len(plain) == len(facts):
        return rows, texts
    ends = np.cumsum([0, *(len(mine) for mine in plain)]).tolist()
    parts = iter([rows[start:end].tobytes() for start, end in pairwise(ends)])
    joined = b"".join([mine.figures if isinstance(mine, PackedFacts) else next(parts) for mine in facts])
    return np.frombuffer(joined, dtype=np.int32).reshape(-1, WIDTH), texts
