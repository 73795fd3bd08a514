"""Data on stdout, words on stderr: tables on a terminal, JSON on request."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table

WIDE = 300


def plain(message: Message) -> dict[str, Any]:
    """Returns a message as JSON values with the names of the contract."""
    found: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return found


def print_json(value: Any) -> None:
    """Prints one JSON value on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def show(message: Message, rows: Sequence[tuple[str, Any]], *, as_json: bool) -> None:
    """Prints a message as JSON, or the chosen rows as a table of names and values."""
    if as_json:
        print_json(plain(message))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in rows:
        if value not in (None, "", []):
            table.add_row(f"[bold]{name}[/bold]", str(value))
    _console().print(table)


def show_table(headers: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
    """Prints rows as a table."""
    table = Table(title=title or None, title_justify="left")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    _console().print(table)


def _console() -> Console:
    """Writes as wide as the terminal; into a pipe or a file, wide enough that nothing is folded."""
    return Console() if sys.stdout.isatty() else Console(width=WIDE)


def say(text: str) -> None:
    """Prints words for people."""
    sys.stderr.write(text + "\n")


def complain(text: str) -> None:
    """Prints why something did not work."""
    sys.stderr.write(f"credit-service: {text}\n")
