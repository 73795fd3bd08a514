"""Facts as figures: a row of whole numbers for each, so that thousands are looked at as arrays. Pure.

What a payload says in words of a closed list, in numbers, days or marks has a lane of its own in the row. Texts that
are compared stand beside the rows, and their lane holds their place there. Free text has no lane.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, SupportsIndex, overload

import numpy as np
import orjson
from numpy.typing import NDArray

from credit_service.arrays import NEVER, Floats, Ints
from credit_service.ledger.drafts import DOMAINS
from credit_service.ledger.fact import Fact, key
from credit_service.ledger.payloads import PAYLOADS, Field
from credit_service.legal_days import parse_day

Figures = NDArray[np.int32]
# Stands for what is not stated, in every lane.
ABSENT = -1
# Lanes of every fact. An event's number takes two, as every number does that may be large.
EVENT, DAY, KNOWN_DAY, KIND, DOMAIN, LINK = 0, 2, 3, 4, 5, 6
_FIRST = 7
KINDS = tuple(PAYLOADS)
KIND_CODES: Mapping[str, int] = {kind: code for code, kind in enumerate(KINDS)}
DOMAIN_CODES: Mapping[str, int] = {domain: code for code, domain in enumerate(sorted(DOMAINS))}
_WIDE = frozenset({"int", "number"})
_CLOSED = frozenset({"enum", "enums", "bool", "date"})
# What rules, features and classes compare as texts.
_COMPARED = frozenset({"articles", "licence_type", "industry_code"})


class Lane(NamedTuple):
    """Says where a field stands in the rows of its kind, in which form, and what each word of it is as a number."""

    place: int
    form: str
    codes: Mapping[str, int]


def _lanes(table: Mapping[str, Field]) -> dict[str, Lane]:
    found, place = {}, _FIRST
    for name, field in table.items():
        if field.form in _WIDE or field.form in _CLOSED or name in _COMPARED:
            form = field.form if name not in _COMPARED else "compared"
            found[name] = Lane(place, form, {word: code for code, word in enumerate(sorted(field.values))})
            place += 2 if form in _WIDE else 1
    return found


LANES: Mapping[str, Mapping[str, Lane]] = {kind: _lanes(table) for kind, table in PAYLOADS.items()}
WIDTH = max(lane.place + 2 for lanes in LANES.values() for lane in lanes.values())
_LANE_BYTES = np.dtype(np.int32).itemsize
ROW_BYTES = WIDTH * _LANE_BYTES
# Rows that another program, or another machine, laid otherwise are not read.
_LAID = repr((sys.byteorder, WIDTH, KINDS, DOMAIN_CODES, sorted(LANES.items())))
LAYOUT = int.from_bytes(hashlib.sha256(_LAID.encode()).digest()[:4], "big")
# Reads the facts of some subjects.
Reader = Callable[[Sequence[str]], Mapping[str, Sequence[Fact]]]


class PackedFacts(Sequence[Fact]):
    """Holds the facts of a subject, by day and event, as figures; the facts themselves are read when one is asked for.

    `texts` is the JSON list of what is compared as text. The reader answers as long as the transaction lasts in which
    the figures were read.
    """

    __slots__ = ("_facts", "_reader", "_subject_id", "figures", "texts")

    def __init__(self, subject_id: str, figures: bytes, texts: bytes, told: Reader | Sequence[Fact]) -> None:
        """Takes what was packed, and who reads the facts, or the facts where they are made already."""
        self._subject_id, self.figures, self.texts = subject_id, figures, texts
        self._facts: list[Fact] | None = None if callable(told) else list(told)
        self._reader = told if callable(told) else None

    @property
    def last_day(self) -> int:
        """Returns the day of the last fact, 0 without any."""
        start = len(self.figures) - ROW_BYTES + DAY * _LANE_BYTES
        return int.from_bytes(self.figures[start : start + _LANE_BYTES], sys.byteorder) if self.figures else 0

    @staticmethod
    def read(many: Iterable[Sequence[Fact]]) -> None:
        """Reads the facts of several subjects together: one by one they would cost several times as much."""
        unread = [mine for mine in many if isinstance(mine, PackedFacts) and mine._facts is None]
        for reader, some in groupby(unread, key=lambda mine: mine._reader):
            those = list(some)
            facts = reader([mine._subject_id for mine in those]) if reader else {}
            for mine in those:
                mine._facts = list(facts[mine._subject_id])

    def made(self) -> list[Fact]:
        """Returns the facts."""
        self.read([self])
        return self._facts or []

    def __len__(self) -> int:
        """Counts the facts."""
        return len(self.figures) // ROW_BYTES

    @overload
    def __getitem__(self, place: SupportsIndex) -> Fact: ...
    @overload
    def __getitem__(self, place: slice) -> list[Fact]: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Fact | list[Fact]:
        """Returns a fact, or some."""
        return self.made()[place]

    def __iter__(self) -> Iterator[Fact]:
        """Walks the facts in order."""
        return iter(self.made())

    def __eq__(self, other: object) -> bool:
        """Compares the facts, whoever holds them."""
        return isinstance(other, Sequence) and self.made() == list(other)

    __hash__ = None  # type: ignore[assignment]


def packs(facts: Mapping[str, Sequence[Fact]]) -> dict[str, PackedFacts]:
    """Packs the facts of subjects, each sorted by day and event."""
    figures, texts = figures_of(list(facts.values()))
    found, start = {}, 0
    for (subject_id, mine), beside in zip(facts.items(), texts, strict=True):
        end = start + len(mine)
        found[subject_id] = PackedFacts(subject_id, figures[start:end].tobytes(), orjson.dumps(beside), mine)
        start = end
    return found


def figures_of(facts: Sequence[Sequence[Fact]]) -> tuple[Figures, list[list[Any]]]:
    """Returns the rows of the facts of subjects, one subject after the other, and the texts beside those of each."""
    every = [fact for mine in facts for fact in mine]
    rows: Figures = np.full((len(every), WIDTH), ABSENT, dtype=np.int32)
    texts: list[list[Any]] = [[] for _ in facts]
    if not every:
        return rows, texts
    # Turned over at once: a look at every fact for every lane would cost more than the lanes.
    of = dict(zip(Fact._fields, zip(*every, strict=True), strict=True))
    rows[:, EVENT : EVENT + 2] = _wide(np.array(of["event_id"], dtype=np.int64))
    rows[:, DAY], rows[:, KNOWN_DAY] = of["day"], of["known_day"]
    rows[:, KIND] = [KIND_CODES[kind] for kind in of["kind"]]
    rows[:, DOMAIN] = [DOMAIN_CODES.get(domain, ABSENT) for domain in of["domain"]]
    beside = [mine for mine, told in zip(texts, facts, strict=True) for _ in told]
    places: dict[str, list[int]] = {}
    for place, kind in enumerate(of["kind"]):
        places.setdefault(kind, []).append(place)
    # Always in the same order, so that texts lie beside a subject as they would if it were alone.
    for kind in sorted(places, key=KINDS.index):
        mine = places[kind]
        _fill(rows, kind, np.array(mine, dtype=np.int64), [of["payload"][place] for place in mine], beside)
    if any(of["refers_to"]):
        rows[:, LINK] = [link for mine in facts for link in _links(mine)]
    return rows, texts


def _fill(
    rows: Figures, kind: str, places: Ints, payloads: Sequence[Mapping[str, Any]], beside: Sequence[list[Any]]
) -> None:
    stated = set().union(*payloads)
    for name, lane in LANES[kind].items():
        if name not in stated:
            continue
        values = [payload.get(name) for payload in payloads]
        if lane.form in _WIDE:
            rows[places, lane.place : lane.place + 2] = _wide(_NUMBERS[lane.form](values))
        elif lane.form == "compared":
            rows[places, lane.place] = [
                _beside(beside[place], value) for place, value in zip(places.tolist(), values, strict=True)
            ]
        else:
            rows[places, lane.place] = _CODED[lane.form](lane, values)


def _beside(texts: list[Any], value: Any) -> int:
    if value is None:
        return ABSENT
    texts.append(value)
    return len(texts) - 1


def _links(facts: Sequence[Fact]) -> list[int]:
    """Returns the place of the fact that each refers to, among the facts of the subject."""
    if not any(fact.refers_to for fact in facts):
        return [ABSENT] * len(facts)
    named = {key(fact): place for place, fact in enumerate(facts)}
    return [named.get(fact.refers_to or "", ABSENT) for fact in facts]


def _wide(numbers: Ints | Floats) -> Figures:
    found: Figures = numbers.view(np.int32).reshape(-1, 2)
    return found


def narrow(rows: Figures, place: int, kind: type[np.int64 | np.float64]) -> Any:
    """Returns the numbers that two lanes hold."""
    return np.ascontiguousarray(rows[:, place : place + 2]).view(kind)[:, 0]


def _enum(lane: Lane, values: Sequence[Any]) -> Sequence[int]:
    # A word that no list of today holds is stated, and none of its words.
    other = len(lane.codes)
    codes: Mapping[Any, int] = {**lane.codes, None: ABSENT}
    return [codes.get(value, other) for value in values]


def _enums(lane: Lane, values: Sequence[Any]) -> Sequence[int]:
    bits = {word: 1 << code for word, code in lane.codes.items()}
    return [ABSENT if words is None else sum(bits.get(word, 0) for word in set(words)) for words in values]


def _dates(_lane: Lane, values: Sequence[Any]) -> Sequence[int]:
    return [ABSENT if text is None else parse_day(text) for text in values]


def _bools(_lane: Lane, values: Sequence[Any]) -> Sequence[int]:
    return [ABSENT if value is None else int(value) for value in values]


_CODED: Mapping[str, Callable[[Lane, Sequence[Any]], Sequence[int]]] = {
    "enum": _enum, "enums": _enums, "date": _dates, "bool": _bools,
}  # fmt: skip


def _numbers(values: Sequence[Any]) -> Floats:
    found = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    # Read as a fraction, ABSENT is no number either; and a row never hangs on the rows beside it.
    found.view(np.int64)[np.isnan(found)] = ABSENT
    return found


_NUMBERS: Mapping[str, Callable[[Sequence[Any]], Ints | Floats]] = {
    "int": lambda values: np.array([ABSENT if value is None else value for value in values], dtype=np.int64),
    "number": _numbers,
}


def days_of(figures: Figures) -> Ints:
    """Returns days as they are reckoned with: NEVER for what is not stated."""
    found = figures.astype(np.int64)
    found[found == ABSENT] = NEVER
    return found
