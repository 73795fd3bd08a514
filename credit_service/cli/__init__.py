"""The command line `credit-service`: a client like any other, plus what only an operator does."""

import sys

import grpc
import typer

from credit_service.api.status import reason_of
from credit_service.cli import asking, importing, keeping, operating, watching
from credit_service.cli.connection import EXIT_FAILED, EXIT_REFUSED, EXIT_UNREACHABLE, explain_unreachable
from credit_service.cli.output import complain
from credit_service.errors import CreditError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Safety credit: collect events, ask grades and listings, watch changes, operate the service.",
)
for part in (operating, keeping, importing, asking, watching):
    part.register(app)


def main() -> None:
    """Runs a command; exit codes: 0 ok, 1 failed, 2 usage, 3 refused by a rule, 4 unreachable."""
    try:
        app()
    except CreditError as error:
        complain(f"{error.reason}: {error.message}")
        sys.exit(EXIT_FAILED)
    except grpc.RpcError as error:
        sys.exit(_refused(error))


def _refused(error: grpc.RpcError) -> int:
    code = error.code()
    if code is grpc.StatusCode.UNAVAILABLE:
        complain(explain_unreachable(str(error.details())))
        return EXIT_UNREACHABLE
    reason, facts = reason_of(error)
    shown = ", ".join(f"{key}={value}" for key, value in facts.items())
    complain(f"{reason or code.name}: {error.details()}{f' ({shown})' if shown else ''}")
    return EXIT_REFUSED
