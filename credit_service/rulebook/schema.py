"""Reads one table of an edition file strictly; says where a value is wrong, got and wanted."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from credit_service.errors import CreditError, Reason, shown
from credit_service.legal_days import Period, parse_day, parse_period

Values = Mapping[str, Any]


class Table:
    """Wraps a table with its file and path; every key must be read before `finish`."""

    __slots__ = ("_unread", "file", "path", "values")

    def __init__(self, file: str, path: str, values: Values) -> None:
        """Takes the values and the place they come from."""
        self.file, self.path, self.values = file, path, values
        self._unread = dict.fromkeys(values)

    def refuse(self, key: str, got: object, want: str) -> NoReturn:
        """Raises EDITION_INVALID that names the file, the path, what came and what is wanted."""
        path = ".".join(part for part in (self.path, key) if part)
        came = "nothing" if got is None else shown(got)
        raise CreditError(
            Reason.EDITION_INVALID,
            f"{self.file}: {path}: got {came}, want {want}",
            file=self.file,
            path=path,
        )

    def has(self, key: str) -> bool:
        """Says whether the key is there."""
        return key in self.values

    def raw(self, key: str, kind: type | tuple[type, ...], want: str) -> Any:
        """Returns a required value of the type."""
        self._unread.pop(key, None)
        value = self.values.get(key)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            self.refuse(key, value, want)
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """Returns a text that is not empty."""
        if default is not None and not self.has(key):
            return default
        value: str = self.raw(key, str, "a text")
        if not value.strip():
            self.refuse(key, value, "a text that is not empty")
        return value

    def choice(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        """Returns one of the allowed words."""
        value = self.text(key, default)
        self.check_word(key, value, allowed)
        return value

    def check_word(self, key: str, value: object, allowed: Iterable[Any]) -> None:
        """Refuses a value that is not one of the allowed, and names the nearest one."""
        words = tuple(allowed)
        if value in words and not isinstance(value, bool):
            return
        near = get_close_matches(str(value), [str(word) for word in words], 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        self.refuse(key, value, f"one of {', '.join(map(str, words))}{hint}")

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Returns a list of texts; one text alone stands for a list of one."""
        if default is not None and not self.has(key):
            return default
        value = self.raw(key, (str, list), "a text or a list of texts")
        items = [value] if isinstance(value, str) else value
        if not items or not all(isinstance(item, str) and item for item in items):
            self.refuse(key, value, "a text or a list of texts, none empty")
        return tuple(items)

    def choices(self, key: str, allowed: Iterable[str], default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Returns a list of allowed words."""
        values, words = self.texts(key, default), tuple(allowed)
        for value in values:
            self.check_word(key, value, words)
        return values

    def whole(self, key: str, low: int, high: int) -> int:
        """Returns a whole number within the limits."""
        value: int = self.raw(key, int, f"a whole number from {low} to {high}")
        if not low <= value <= high:
            self.refuse(key, value, f"a whole number from {low} to {high}")
        return value

    def number(self, key: str) -> float | None:
        """Returns a number, or nothing when the key is absent."""
        return self.raw(key, (int, float), "a number") if self.has(key) else None

    def flag(self, key: str, default: bool) -> bool:
        """Returns true or false."""
        return bool(self.raw(key, bool, "true or false")) if self.has(key) else default

    def period(self, key: str) -> Period:
        """Returns a required period."""
        text = self.text(key)
        try:
            return parse_period(text)
        except CreditError:
            self.refuse(key, text, "a period such as P3Y, P12M or P180D")

    def period_or_none(self, key: str) -> Period | None:
        """Returns a period, or nothing when the key is absent."""
        return self.period(key) if self.has(key) else None

    def day(self, key: str) -> int:
        """Returns a required civil date as an ordinal."""
        text = self.text(key)
        try:
            return parse_day(text)
        except CreditError:
            self.refuse(key, text, 'a date such as "2026-04-01"')

    def table(self, key: str) -> "Table":
        """Returns a required table."""
        return self.within(key, self.raw(key, dict, "a table"))

    def table_or_empty(self, key: str) -> "Table":
        """Returns a table, empty when the key is absent."""
        return self.table(key) if self.has(key) else self.within(key, {})

    def tables(self, key: str) -> "list[Table]":
        """Returns a list of tables, each named in its path by its id; absent means none."""
        if not self.has(key):
            return []
        items = self.raw(key, list, "a list of tables")
        if not all(isinstance(item, dict) for item in items):
            self.refuse(key, items, "a list of tables")
        return [
            self.within(f"{key}[{n}]" + (f" ({item['id']})" if "id" in item else ""), item)
            for n, item in enumerate(items)
        ]

    def within(self, key: str, values: Values) -> "Table":
        """Wraps an inner table with its path."""
        return Table(self.file, f"{self.path}.{key}" if self.path else key, values)

    def names(self) -> tuple[str, ...]:
        """Returns every key, in the order of the file."""
        return tuple(self.values)

    def finish(self, known: Iterable[str] = ()) -> None:
        """Refuses a key that nobody read, naming the nearest one that could have been meant."""
        for key in self._unread:
            near = get_close_matches(key, tuple(known), 1)
            self.refuse(key, self.values[key], f"no such key{f' (did you mean {near[0]}?)' if near else ''}")
