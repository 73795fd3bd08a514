"""The facts of many subjects as sorted column arrays with subject offsets; judges nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np

from credit_service.arrays import NEVER, Bools, Floats, Ints
from credit_service.ledger.crowd import Crowd, Kind
from credit_service.ledger.fact import Fact
from credit_service.ledger.figures import KIND_CODES, LANES
from credit_service.ledger.payloads import PAYLOADS


@dataclass(frozen=True, slots=True)
class Columns:
    """Holds facts by column; subject i owns rows offsets[i] to offsets[i + 1], by day and event.

    `mark`, `amount`, `flag` and the days mean what the tables below say for the row's kind. A mark
    of 0 and an amount that is no number stand for "not stated". `cite` holds the codes of the
    provisions that row `cite_row` cites; codes are only compared, and differ between batches.
    """

    offsets: Ints
    subject: Ints
    event_id: Ints
    kind: Ints
    day: Ints
    known_day: Ints
    unusable_from: Ints
    mark: Ints
    amount: Floats
    flag: Bools
    start_day: Ints
    due_day: Ints
    over_day: Ints
    topic: Ints
    cite_row: Ints
    cite: Ints

    @property
    def subjects(self) -> int:
        """Counts the subjects, those without facts too."""
        return len(self.offsets) - 1

    def of_kind(self, *kinds: str) -> Bools:
        """Marks the rows of these kinds."""
        found: Bools = self.kind == KIND_CODES[kinds[0]]
        for kind in kinds[1:]:
            found |= self.kind == KIND_CODES[kind]
        return found


_BY_ROW = tuple(field.name for field in fields(Columns) if field.name not in {"offsets", "cite_row", "cite"})
# The classed word of each kind: the field, and the words in order; the mark is the place, from 1.
MARKS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "PEN": ("severity", ("MINOR", "GENERAL", "SERIOUS")),
    "ACC": ("liability", ("LIABLE", "NOT_LIABLE")),
    "HAZ": ("found_by", ("SELF", "AUTHORITY")),
    "INS": ("result", ("CLEAN", "VIOLATION", "MAJOR_VIOLATION")),
    "COM": ("status", ("MADE", "KEPT", "BROKEN")),
    "LIC": ("status", ("VALID", "SUSPENDED", "REVOKED")),
    "ORD": ("order_kind", ("RECTIFY", "STOP_WORK", "CLOSE")),
}
STARTS = ("from_date",)
DUES = ("extended_due_date", "due_date")
# The first day on which the matter is over: the day itself, or the day after a last day.
OVERS = (("revoked_date", 0), ("closed_date", 0), ("lifted_date", 0), ("to_date", 1))


def mark_of(kind: str, word: str) -> int:
    """Returns the mark of a word of a kind."""
    return MARKS[kind][1].index(word) + 1


def build(facts_by_subject: Sequence[Sequence[Fact]], unusable_by_subject: Sequence[Sequence[int]]) -> Columns:
    """Lays the facts of the subjects into columns; each list comes sorted by day and event id."""
    return lay(Crowd(facts_by_subject), np.array([day for days in unusable_by_subject for day in days], dtype=np.int64))


def lay(crowd: Crowd, unusable_from: Ints) -> Columns:
    """Lays a crowd into columns, with the first day on which each row may no longer be used."""
    count = len(crowd)
    mark, topic = (np.zeros(count, dtype=np.int64) for _ in range(2))
    amount, flag = np.full(count, np.nan), np.zeros(count, dtype=np.bool_)
    start_day, due_day, over_day = (np.full(count, NEVER, dtype=np.int64) for _ in range(3))
    for name, kind in crowd.kinds.items():
        told, rows = _TOLD[name], kind.rows
        if told.marks is not None:
            mark[rows] = told.marks(kind)
        if told.amount is not None:
            amount[rows] = told.amount(kind)
        if told.flag is not None:
            flag[rows] = kind.codes(told.flag.field) == told.flag.code
        start_day[rows] = _first_day(kind, told.starts)
        due_day[rows] = _first_day(kind, told.dues)
        over_day[rows] = _over_day(kind, told.overs)
    topics: dict[str, int] = {}
    cite_row, cite = _citations(crowd, topics)
    if _LICENCE in crowd.kinds:
        licences = crowd.kinds[_LICENCE]
        topic[licences.rows] = [topics.setdefault(text or "", len(topics)) for text in licences.texts("licence_type")]
    return Columns(
        offsets=crowd.offsets, subject=crowd.subject, event_id=crowd.event_id, kind=crowd.kind, day=crowd.day,
        known_day=crowd.known_day, unusable_from=unusable_from, mark=mark, amount=amount, flag=flag,
        start_day=start_day, due_day=due_day, over_day=over_day, topic=topic, cite_row=cite_row, cite=cite,
    )  # fmt: skip


def _citations(crowd: Crowd, topics: dict[str, int]) -> tuple[Ints, Ints]:
    """Returns the rows that cite provisions, and the codes of these, which are the places of their texts."""
    if _PENALTY not in crowd.kinds:
        return _ints([]), _ints([])
    penalties = crowd.kinds[_PENALTY]
    cited = [
        (row, topics.setdefault(article, len(topics)))
        for row, articles in zip(penalties.rows.tolist(), penalties.texts("articles"), strict=True)
        for article in articles or ()
    ]
    return _ints([row for row, _ in cited]), _ints([code for _, code in cited])


def visible(columns: Columns, as_of_day: int, known_day: int | None = None) -> Columns:
    """Keeps the rows that had happened, were known, and may still be used on the day."""
    kept = (columns.day <= as_of_day) & (columns.unusable_from > as_of_day)
    if known_day is not None:
        kept &= columns.known_day <= known_day
    return columns if kept.all() else take(columns, kept)


def take(columns: Columns, kept: Bools) -> Columns:
    """Keeps some rows; every subject stays, even without rows."""
    cited, places = kept[columns.cite_row], np.cumsum(kept) - 1
    # By their places: to go through the marks again for every column costs twice as much.
    chosen = np.flatnonzero(kept)
    rows = {name: getattr(columns, name).take(chosen) for name in _BY_ROW}
    counts = np.bincount(rows["subject"], minlength=columns.subjects)
    return replace(
        columns,
        **rows,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        cite_row=places[columns.cite_row[cited]],
        cite=columns.cite[cited],
    )


def members(columns: Columns, subjects: Sequence[int]) -> Columns:
    """Keeps some subjects, numbered anew in the given rising order."""
    if len(subjects) == columns.subjects:
        return columns
    kept = np.zeros(columns.subjects, dtype=np.bool_)
    kept[list(subjects)] = True
    found = take(columns, kept[columns.subject])
    numbers = np.cumsum(kept) - 1
    counts = np.diff(found.offsets)[kept]
    return replace(
        found, subject=numbers[found.subject], offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    )


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def _fines(kind: Kind) -> Floats:
    return kind.numbers("fine_fen") / 100


def _casualties(kind: Kind) -> Floats:
    victims, deaths, injuries = (
        np.nan_to_num(kind.numbers(name)) for name in ("victims", "deaths", "serious_injuries")
    )
    return np.maximum(deaths + injuries, victims)


def _headcount(kind: Kind) -> Floats:
    return kind.numbers("headcount")


# Yuan, people hurt, people employed.
_AMOUNTS: Mapping[str, Callable[[Kind], Floats]] = {"PEN": _fines, "ACC": _casualties, "REG": _headcount}
# The field that raises the flag of a kind, and the word or mark with which it does.
_FLAGS: Mapping[str, tuple[str, str | bool]] = {
    "PEN": ("is_accident_related", True),
    "HAZ": ("hazard_level", "MAJOR"),
    "INS": ("mode", "RANDOM"),
    "LIC": ("is_mandatory", True),
}


_LICENCE, _PENALTY = "LIC", "PEN"


class _Flag(NamedTuple):
    field: str
    code: int


class _Told(NamedTuple):
    """Says what the payloads of a kind can say, and by which fields."""

    marks: Callable[[Kind], Ints] | None
    amount: Callable[[Kind], Floats] | None
    flag: _Flag | None
    starts: Sequence[str]
    dues: Sequence[str]
    overs: Sequence[tuple[str, int]]


def _told(kind: str) -> _Told:
    stated = PAYLOADS[kind]
    starts, dues = ([one for one in names if one in stated] for names in (STARTS, DUES))
    overs = [(one, more) for one, more in OVERS if one in stated]
    return _Told(_marks(kind), _AMOUNTS.get(kind), _flag(kind), starts, dues, overs)


def _flag(kind: str) -> _Flag | None:
    if kind not in _FLAGS:
        return None
    name, value = _FLAGS[kind]
    return _Flag(name, int(value) if isinstance(value, bool) else LANES[kind][name].codes[value])


def _marks(kind: str) -> Callable[[Kind], Ints] | None:
    if kind == "STD":
        return _levels
    if kind not in MARKS:
        return None
    name, words = MARKS[kind]
    # One more for words of no list, and the last, which is that of ABSENT.
    marks = np.zeros(len(LANES[kind][name].codes) + 2, dtype=np.int64)
    for word, code in LANES[kind][name].codes.items():
        marks[code] = words.index(word) + 1 if word in words else 0
    return lambda told: marks[told.codes(name)]


def _levels(kind: Kind) -> Ints:
    levels = np.nan_to_num(kind.numbers("level")).astype(np.int64)
    return np.where((levels >= 1) & (levels <= _LEVELS), levels, 0)


_LEVELS = 3


def _first_day(kind: Kind, names: Sequence[str]) -> Ints:
    found = np.full(len(kind.rows), NEVER, dtype=np.int64)
    for name in reversed(names):
        stated = kind.days(name)
        found = np.where(stated < NEVER, stated, found)
    return found


def _over_day(kind: Kind, names: Sequence[tuple[str, int]]) -> Ints:
    found = np.full(len(kind.rows), NEVER, dtype=np.int64)
    for name, more in names:
        found = np.minimum(found, kind.days(name) + more)
    return found


_TOLD = {kind: _told(kind) for kind in PAYLOADS}
