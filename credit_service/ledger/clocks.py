"""The times that a source tells of a record, checked against ours: of this age, ordered, and not in the future."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from credit_service.database import from_microseconds, to_microseconds
from credit_service.errors import Problem, Reason, shown

EARLIEST = to_microseconds(datetime(1949, 10, 1, tzinfo=UTC))
CLOCK_SKEW = timedelta(minutes=5)
_NO_TIME: tuple[Any, ...] = (None, "")


def instant_text(count: int | None) -> str:
    """Writes a time in microseconds for a digest, nothing for no time."""
    return "" if count is None else str(count)


def time_text(time: datetime) -> str:
    """Writes a time for people."""
    return (time if time.tzinfo is UTC else time.astimezone(UTC)).isoformat(timespec="microseconds")


def check_times(record: Mapping[str, Any], now: datetime, problems: list[Problem]) -> tuple[int | None, int | None]:
    """Returns when the fact was and when the source published it, in microseconds; adds every fault of both."""
    latest = _latest(now)
    occur = _time("occur_time", record.get("occur_time"), latest, problems)
    publish = _time("source_publish_time", record.get("source_publish_time"), latest, problems)
    if record.get("occur_time") in _NO_TIME:
        problems.append(Problem("occur_time", "", "the time of the fact", Reason.FIELD_MISSING))
    if occur is not None and publish is not None and publish < occur:
        got, want = shown_time(publish), f"not before {shown_time(occur)}"
        problems.append(Problem("source_publish_time", got, want, Reason.TIME_ORDER))
    return occur, publish


@lru_cache(maxsize=8)
def _latest(now: datetime) -> int:
    """Returns the last microsecond that is not in the future for a source whose clock is a little ahead."""
    return to_microseconds(now + CLOCK_SKEW)


def _time(name: str, value: Any, latest: int, problems: list[Problem]) -> int | None:
    """Reads a time: microseconds since 1970 UTC, a time object, or its text."""
    if type(value) is not int:
        if value in _NO_TIME:
            return None
        value = _parsed(name, value, problems)
        if value is None:
            return None
    if value > latest:
        want = f"not after the receipt, {time_text(from_microseconds(latest) - CLOCK_SKEW)}"
        problems.append(Problem(name, shown_time(value), want, Reason.TIME_IN_FUTURE))
        return None
    if value < EARLIEST:
        problems.append(Problem(name, shown_time(value), "1949-10-01 or later", Reason.FIELD_OUT_OF_RANGE))
        return None
    count: int = value
    return count


def _parsed(name: str, value: Any, problems: list[Problem]) -> int | None:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        time = None
    if time is None or time.tzinfo is None:
        want = "a time with an offset, such as 2026-03-01T08:00:00+08:00"
        problems.append(Problem(name, shown(value), want, Reason.FIELD_INVALID))
        return None
    return to_microseconds(time)


def shown_time(count: int) -> str:
    """Writes a time in microseconds for people."""
    return time_text(from_microseconds(count))
