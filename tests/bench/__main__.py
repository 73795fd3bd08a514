"""`python -m tests.bench [--events N] [--only NAME]` measures and writes build/bench.json."""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.ingest import measure_ingest
from tests.bench.regrading import measure_regrading
from tests.bench.scoring import measure_scoring
from tests.bench.serving import measure_serving
from tests.bench.ticking import measure_ticking
from tests.bench.trying import measure_trying

OUT = Path("build/bench.json")
SECTIONS = ("sqlite", "postgresql", "trying", "ticking", "scoring", "serving", "regrading")


def main() -> None:
    """Measures what was asked for and merges it into the figures of the same commit."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="events collected on each database")
    parser.add_argument("--subjects", type=int, default=100_000, help="subjects graded anew")
    parser.add_argument("--only", choices=SECTIONS, help="one section instead of all")
    given = parser.parse_args()
    found: dict[str, object] = {
        "git_commit": subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    sections: dict[str, Callable[[], dict[str, object]]] = {
        "sqlite": lambda: measure_ingest("sqlite", given.events),
        "postgresql": lambda: measure_ingest("postgresql", given.events),
        "trying": lambda: measure_trying(min(given.events, 200_000)),
        "ticking": measure_ticking,
        "scoring": measure_scoring,
        "serving": measure_serving,
        "regrading": lambda: measure_regrading(given.subjects),
    }
    for name, measure in sections.items():
        if given.only in {None, name}:
            found |= measure()
    OUT.parent.mkdir(exist_ok=True)
    if given.only and OUT.is_file():
        # One section replaces its own figures only.
        found = json.loads(OUT.read_text("utf-8")) | found
    text = json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    OUT.write_text(text, "utf-8")
    sys.stdout.write(text)


main()
