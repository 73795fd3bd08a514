"""The account that the demo prints: plain sentences, one small table, one bar."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

LETTERS = ("A", "B", "C", "D", "PENDING")
BAR = 48


class Account:
    """Prints what happens as it happens."""

    def __init__(self) -> None:
        """Writes to stdout; progress goes to stderr."""
        self._console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
        self._shown = 0

    def title(self, text: str) -> None:
        """Begins a part."""
        self._console.print(f"\n[bold]{text}[/bold]")

    def line(self, text: str) -> None:
        """Says one sentence."""
        self._console.print(f"   {text}", markup=False)

    def progress(self, title: str, count: int) -> None:
        """Shows on a terminal how far an import is."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r   {title}: {count} records".ljust(70))

    def collected(self, report: Mapping[str, Any]) -> None:
        """Tells what became of the records."""
        if sys.stderr.isatty():
            sys.stderr.write("\r" + " " * 72 + "\r")
        self.line(
            f"{report['events_submitted']:,} records submitted through the public stream"
            f" at {report['ingest_events_per_s']:,.0f} records/s:"
        )
        for name in ("accepted", "duplicate_first_pass", "quarantined", "rejected", "conflict"):
            self.line(f"  {report[f'events_{name}']:>7,} {name.replace('_', ' ')}")
        if report["reasons"]:
            self.line("  reasons: " + ", ".join(f"{reason} {n}" for reason, n in sorted(report["reasons"].items())))
        self.line(f"the same records again: {report['events_duplicate_on_replay']:,} duplicates, nothing applied twice")

    def distribution(self, title: str, counts: Mapping[str, int]) -> None:
        """Draws how many subjects hold each grade."""
        total = sum(counts.get(letter, 0) for letter in LETTERS) or 1
        self.line(f"{title}: {total:,} graded")
        for letter in LETTERS:
            count = counts.get(letter, 0)
            share = count / total
            self.line(f"  {letter:<7} {'█' * round(BAR * share):<{BAR}} {count:>7,} {100 * share:5.1f} %")

    def table(self, title: str, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Prints a small table."""
        table = Table(title=title, title_justify="left")
        for header in headers:
            table.add_column(header, overflow="fold")
        for row in rows:
            table.add_row(*(str(cell) for cell in row))
        self._console.print(table)

    def verified(self, facts: Mapping[str, Any]) -> None:
        """Tells whether the chain holds."""
        state = "holds" if facts["verified"] else f"IS BROKEN at {facts['broken_position']}"
        self.line(f"the hash chain of {facts['events']:,} events {state}; head {facts['head'][:16]}…")

    def end(self, report: Mapping[str, Any], out: Path) -> None:
        """Says where the figures are."""
        self.line(f"{report['seconds_total']:.0f} s in all; figures in {out}")
