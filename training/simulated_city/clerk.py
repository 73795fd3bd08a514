"""Writes the events of one subject as its sources publish them, none after the last day."""

from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

from training.simulated_city.dice import Dice
from training.simulated_city.world import Domain, Section

Event = dict[str, Any]

_UNPUBLISHED = 2**30
# Both sources publish at the end of a day, so a notice never precedes a fact of the same day.
_PUBLISH_HOUR = "T18:00:00+08:00"


@dataclass(slots=True)
class Record:
    """A record under way: what each further version repeats, and when the last one came."""

    domain: Domain
    record_id: str
    kind: str
    day: int
    subject: dict[str, str]
    texts: dict[str, str]
    payload: dict[str, Any] = field(default_factory=dict)
    minute: int = 0
    version: int = 0
    first_day: int = _UNPUBLISHED
    last_day: int = 0

    @property
    def is_published(self) -> bool:
        """Says whether anyone can know it by the last day."""
        return self.first_day != _UNPUBLISHED


@dataclass(slots=True)
class Clerk:
    """Numbers the records of one subject and keeps their events by day of publication."""

    index: int
    subject: dict[str, str]
    first_day: int
    until: int
    dice: Dice
    clocks: Section
    renamed: tuple[int, str] | None = None
    _filed: list[tuple[int, Event]] = field(default_factory=list)
    _opened: int = 0

    def open(self, domain: Domain, kind: str, day: int, *, refers_to: Record | None = None, **texts: str) -> Record:
        """Opens a record of a fact of this day; publishing its first version makes it known."""
        self._opened += 1
        record_id = f"{kind}-{self.index:07d}-{self._opened:03d}"
        if refers_to is not None:
            texts["refers_to"] = _reference(refers_to, domain)
        record = Record(domain, record_id, kind, day, self.subject, texts)
        if refers_to is not None:
            record.last_day = refers_to.first_day
        return record

    def publish(self, record: Record, day: int, **payload: Any) -> None:
        """Publishes the next version, the payload so far and this; not after the last day."""
        record.payload = {**record.payload, **payload}
        self._file(record, day, "ASSERT", dict(record.payload))

    def retract(self, record: Record, day: int) -> None:
        """Withdraws a published record."""
        if record.is_published:
            self._file(record, day, "RETRACT", {})

    def report(self, record: Record, **payload: Any) -> None:
        """Publishes the first version at the usual delay; a few notices are withdrawn later."""
        notice = self.notice(record.day)
        self.publish(record, notice, **payload)
        if record.kind in {"INS", "HAZ", "CLM", "HON"} and self.dice.chance(self.clocks["retracted"]):
            self.retract(record, notice + self.dice.whole(5, 60))

    def notice(self, day: int) -> int:
        """Draws the day on which a source publishes a fact of this day."""
        low, high = self.clocks["late_days" if self.dice.chance(self.clocks["late"]) else "notice_days"]
        return max(day, self.first_day) + self.dice.whole(low, high)

    def events(self) -> list[Event]:
        """Returns the subject's events by day of publication, versions and references in order."""
        return [event for _, event in sorted(self._filed, key=lambda filed: filed[0])]

    def _file(self, record: Record, day: int, op: str, payload: dict[str, Any]) -> None:
        day = max(day, record.last_day, record.day)
        if day > self.until:
            return
        record.version += 1
        record.last_day = day
        record.first_day = min(record.first_day, day)
        self._filed.append((day, self._event(record, day, op, payload)))

    def _event(self, record: Record, day: int, op: str, payload: dict[str, Any]) -> Event:
        subject = dict(record.subject)
        if self.renamed is not None and day >= self.renamed[0] and subject["scheme"] == "USCC":
            subject["name"] = self.renamed[1]
        return {
            "source": record.domain.source,
            "source_record_id": record.record_id,
            "source_version": record.version,
            "op": op,
            "subject": subject,
            "kind": record.kind,
            "domain": record.domain.name,
            "occur_time": _moment(record.day, record.minute),
            "source_publish_time": text_of(day) + _PUBLISH_HOUR,
            **record.texts,
            "payload": payload,
        }


def _reference(target: Record, domain: Domain) -> str:
    if target.domain.source == domain.source:
        return target.record_id
    return f"{target.domain.source}/{target.record_id}"


def _moment(day: int, minute: int) -> str:
    hours, minutes = divmod(minute, 60)
    return f"{text_of(day)}T{hours:02d}:{minutes:02d}:00+08:00"


@lru_cache(maxsize=32768)
def text_of(day: int) -> str:
    """Writes a day as 2026-10-31."""
    return date.fromordinal(day).isoformat()
