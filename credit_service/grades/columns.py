"""The facts of many subjects as sorted column arrays with subject offsets; judges nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from credit_service.arrays import NEVER as NEVER
from credit_service.arrays import Bools as Bools
from credit_service.arrays import Floats as Floats
from credit_service.arrays import Ints as Ints
from credit_service.ledger.facts import Fact
from credit_service.ledger.payloads import PAYLOADS
from credit_service.legal_days import parse_day

KINDS = tuple(PAYLOADS)
KIND_CODES: Mapping[str, int] = {kind: code for code, kind in enumerate(KINDS)}


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
    counts = [len(facts) for facts in facts_by_subject]
    rows = [fact for facts in facts_by_subject for fact in facts]
    told = [_TELL[fact.kind](fact.payload) for fact in rows]
    # Turned over at once: a look at every fact for every column would cost more than the columns.
    of = dict(zip(Fact._fields, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(Fact._fields, ())
    mark, amount, flag, start_day, due_day, over_day, topic = zip(*told, strict=True) if told else ((),) * 7
    topics: dict[str, int] = {}
    cited = [
        (n, topics.setdefault(a, len(topics))) for n, f in enumerate(rows) if f.kind == "PEN" for a in _articles(f)
    ]
    return Columns(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        subject=np.repeat(np.arange(len(counts), dtype=np.int64), counts),
        event_id=_ints(of["event_id"]),
        kind=_ints([KIND_CODES[kind] for kind in of["kind"]]),
        day=_ints(of["day"]),
        known_day=_ints(of["known_day"]),
        unusable_from=_ints([day for days in unusable_by_subject for day in days]),
        mark=_ints(mark),
        amount=np.array(amount, dtype=np.float64),
        flag=np.array(flag, dtype=np.bool_),
        start_day=_ints(start_day),
        due_day=_ints(due_day),
        over_day=_ints(over_day),
        topic=_ints([topics.setdefault(text, len(topics)) for text in topic]),
        cite_row=_ints([n for n, _ in cited]),
        cite=_ints([code for _, code in cited]),
    )


def visible(columns: Columns, as_of_day: int, known_day: int | None = None) -> Columns:
    """Keeps the rows that had happened, were known, and may still be used on the day."""
    kept = (columns.day <= as_of_day) & (columns.unusable_from > as_of_day)
    if known_day is not None:
        kept &= columns.known_day <= known_day
    return columns if kept.all() else take(columns, kept)


def take(columns: Columns, kept: Bools) -> Columns:
    """Keeps some rows; every subject stays, even without rows."""
    counts = np.bincount(columns.subject[kept], minlength=columns.subjects)
    cited = kept[columns.cite_row]
    places = np.cumsum(kept) - 1
    rows = {
        f.name: getattr(columns, f.name)[kept] for f in fields(columns) if f.name not in {"offsets", "cite_row", "cite"}
    }
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


def _none(_: Mapping[str, Any]) -> float:
    return np.nan


def _no(_: Mapping[str, Any]) -> bool:
    return False


def _casualties(payload: Mapping[str, Any]) -> float:
    counted = (payload.get("deaths"), payload.get("serious_injuries"))
    split = sum(count for count in counted if count is not None)
    return float(max(split, payload.get("victims") or 0))


# Yuan, people hurt, people employed.
_AMOUNTS: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    "PEN": lambda payload: payload["fine_fen"] / 100 if "fine_fen" in payload else np.nan,
    "ACC": _casualties,
    "REG": lambda payload: float(payload["headcount"]) if "headcount" in payload else np.nan,
}
_FLAGS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "PEN": lambda payload: bool(payload.get("is_accident_related")),
    "HAZ": lambda payload: payload["hazard_level"] == "MAJOR",
    "INS": lambda payload: payload.get("mode") == "RANDOM",
    "LIC": lambda payload: bool(payload.get("is_mandatory")),
}


def _articles(fact: Fact) -> Sequence[str]:
    found: Sequence[str] = fact.payload.get("articles", ())
    return found


# Mark, amount, flag, start, due and over day, and topic of a payload.
Laid = tuple[int, float, bool, int, int, int, str]


def _teller(kind: str) -> Callable[[Mapping[str, Any]], Laid]:
    """Returns what lays out the payloads of a kind, and looks only for what the kind can say."""
    fields = PAYLOADS[kind]
    name, words = MARKS.get(kind, ("", ()))
    marks: Mapping[Any, int] = {word: place for place, word in enumerate(words, 1)}
    if kind == "STD":
        name, marks = "level", {level: level for level in range(1, 4)}
    amount, flag = _AMOUNTS.get(kind, _none), _FLAGS.get(kind, _no)
    starts, dues = (tuple(one for one in names if one in fields) for names in (STARTS, DUES))
    overs = tuple((one, more) for one, more in OVERS if one in fields)
    topic = "licence_type" if kind == "LIC" else ""

    def tell(payload: Mapping[str, Any]) -> Laid:
        mark = marks.get(payload.get(name), 0)
        if not (starts or dues or overs):
            return mark, amount(payload), flag(payload), NEVER, NEVER, NEVER, ""
        return (
            mark, amount(payload), flag(payload), _first_day(payload, starts), _first_day(payload, dues),
            _over_day(payload, overs), str(payload.get(topic, "")),
        )  # fmt: skip

    return tell


def _first_day(payload: Mapping[str, Any], names: Sequence[str]) -> int:
    for name in names:
        if name in payload:
            return parse_day(payload[name])
    return NEVER


def _over_day(payload: Mapping[str, Any], names: Sequence[tuple[str, int]]) -> int:
    day = NEVER
    for name, more in names:
        if name in payload:
            day = min(day, parse_day(payload[name]) + more)
    return day


_TELL = {kind: _teller(kind) for kind in KINDS}
