"""Command line of the training side: data sets, fit, evaluation, publication, simulation, demo."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from credit_service.errors import CreditError

# Each module adds its own subcommands; one that is not installed is left out.
MODULES = (
    *("training.commands", "training.predict", "training.backtest", "training.simulate", "training.spreading"),
    *("training.shadow", "training.demo"),
)

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one subcommand and returns its exit code; what is refused ends with one line."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as absent:
            if absent.name != name:
                raise
            continue
        module.add_parser(subparsers)
    given = parser.parse_args(arguments)
    try:
        return int(given.run(given) or 0)
    except CreditError as fault:
        said = f"{fault.reason}: {fault.message}"
    except (FileNotFoundError, FileExistsError, IsADirectoryError, PermissionError) as fault:
        said = f"FILE_INVALID: {fault.filename}: {fault.strerror}"
    print(f"{given.command}: {said}", file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    sys.exit(main())
