"""The command line `credit-service`: a client like any other, plus what only an operator does."""

import os
import sys
import traceback

import typer

from credit_service.cli import (
    asking,
    events,
    explaining,
    extracting,
    importing,
    keeping,
    listings,
    obligations,
    operating,
    overrides,
    remedies,
    rulebooks,
    sources,
    subjects,
    watching,
)
from credit_service.cli.ending import ending_of
from credit_service.cli.output import complain

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Safety credit: collect events, ask grades and listings, watch changes, operate the service.",
)
for part in (
    operating,
    keeping,
    extracting,
    importing,
    sources,
    subjects,
    asking,
    explaining,
    listings,
    obligations,
    remedies,
    overrides,
    events,
    rulebooks,
    watching,
):
    part.register(app)


def main() -> None:
    """Runs a command; exit codes: 0 ok, 1 failed, 2 usage, 3 refused by a rule, 4 unreachable."""
    try:
        app()
    except Exception as error:  # noqa: BLE001  # whatever went wrong, people read a line and scripts a code
        line, code = ending_of(error)
        if os.environ.get("CREDIT_SERVICE_LOG_LEVEL") == "debug":
            traceback.print_exc()
        complain(line)
        sys.exit(code)
