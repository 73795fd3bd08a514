"""Data on stdout, words on stderr: tables on a terminal, JSON on request."""

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Never

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table
from rich.text import Text

from credit_service.legal_days import local_text

WIDE = 300


def time_text(time: Timestamp) -> str:
    """Returns a time as people in the jurisdiction read it."""
    return local_text(time.ToDatetime(UTC))


def date_text(time: Timestamp) -> str:
    """Returns the civil date of a time."""
    return time_text(time)[: len("2026-06-30")]


def plain(message: Message) -> dict[str, Any]:
    """Returns a message as JSON values with the names of the contract."""
    found: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return found


def print_json(value: Any) -> None:
    """Prints one JSON value on one line."""
    try:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _end_quietly()


def show(message: Message, rows: Sequence[tuple[str, Any]], *, as_json: bool) -> None:
    """Prints a message as JSON, or the chosen rows as a table of names and values."""
    if as_json:
        print_json(plain(message))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in rows:
        if value not in (None, "", []):
            table.add_row(Text(name, "bold"), Text(str(value)))
    _console().print(table)


def show_table(headers: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
    """Prints rows as a table; none are words, not an empty frame."""
    if not rows:
        say("none")
        return
    table = Table(title=title or None, title_justify="left")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        # Texts, not markup: brackets in a name or a document number are what they are.
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    _console().print(table)


class _Console(Console):
    """Ends well when the reader has gone."""

    def on_broken_pipe(self) -> None:
        """Ends the command."""
        _end_quietly()


def _end_quietly() -> Never:
    """Ends a command whose reader has read enough, such as `head`: that is no failure."""
    # The interpreter flushes standard output once more at its end, and must find somebody there.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(0)


def _console() -> Console:
    """Writes as wide as the terminal; into a pipe or a file, wide enough that nothing is folded."""
    return _Console() if sys.stdout.isatty() else _Console(width=WIDE)


def say(text: str) -> None:
    """Prints words for people."""
    sys.stderr.write(text + "\n")


def complain(text: str) -> None:
    """Prints why something did not work."""
    sys.stderr.write(f"credit-service: {text}\n")
