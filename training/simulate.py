"""Draws a simulated city: made-up subjects and events of both domains, the same for the same seed.

As a module: `city` yields the events subject by subject, `in_publish_order` in the order of
publication (small cities), `sources` names the two sources. As a command it writes files, or lines
of JSON to standard output.
"""

import argparse
import sys
from datetime import date
from pathlib import Path

from training.simulated_city.city import (
    DEFAULT_SEED,
    DEFAULT_SUBJECTS,
    DEFAULT_UNTIL,
    city,
    in_publish_order,
    sources,
)
from training.simulated_city.files import Order, event_line, write_folder

__all__ = [
    "DEFAULT_SEED",
    "DEFAULT_SUBJECTS",
    "DEFAULT_UNTIL",
    "add_parser",
    "city",
    "in_publish_order",
    "sources",
]

_MOST_SUBJECTS = 31**6
_HELP = "draw a simulated city: made-up firms, events of both domains, planted cases"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command `simulate` to a command line."""
    _describe(subparsers.add_parser("simulate", help=_HELP, description=_HELP))


def run(arguments: argparse.Namespace) -> int:
    """Writes the city that was asked for; returns the exit code."""
    order = Order(
        arguments.subjects,
        arguments.seed,
        arguments.until,
        arguments.layout,
        arguments.columns,
        arguments.encoding,
    )
    if arguments.out != "-":
        manifest = write_folder(order, Path(arguments.out))
        rows = sum(entry["rows"] for entry in manifest["files"].values())
        print(
            f"simulated city: {order.subjects} subjects, {rows} rows in {arguments.out}",
            file=sys.stderr,
        )
        return 0
    if order.layout != "events":
        print("simulate: got --out - with --layout shuanggongshi, want a folder", file=sys.stderr)
        return 2
    for event in city(order.subjects, order.seed, order.until):
        sys.stdout.buffer.write(event_line(event))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Runs the command by itself."""
    parser = argparse.ArgumentParser(prog="python -m training.simulate", description=_HELP)
    _describe(parser)
    parsed = parser.parse_args(arguments)
    return run(parsed)


def _describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--subjects",
        type=_subjects,
        default=DEFAULT_SUBJECTS,
        help="how many subjects (default: 300)",
    )
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="the seed of every draw (default: 2026)")
    parser.add_argument(
        "--until",
        type=date.fromisoformat,
        default=DEFAULT_UNTIL,
        help="last known day (default: 2026-10-31)",
    )
    parser.add_argument(
        "--out",
        default="build/simulated-city",
        help="folder, or - for lines of JSON on standard output",
    )
    parser.add_argument("--format", choices=["jsonl"], default="jsonl", help="format of events: one file a source")
    parser.add_argument(
        "--layout",
        choices=["events", "shuanggongshi"],
        default="events",
        help="events, or 双公示 tables",
    )
    parser.add_argument(
        "--columns",
        choices=["current", "older"],
        default="current",
        help="column layout of 双公示 tables",
    )
    parser.add_argument("--encoding", choices=["utf-8", "gbk"], default="utf-8", help="encoding of 双公示 tables")
    parser.set_defaults(run=run)


def _subjects(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST_SUBJECTS:
        raise argparse.ArgumentTypeError(f"got {text}, want 1 to {_MOST_SUBJECTS}")
    return number


if __name__ == "__main__":
    sys.exit(main())
