"""`python -m tests.bench [--events N] [--only NAME]` measures and writes build/bench.json."""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from tests.bench.ingest import measure_ingest
from tests.bench.ticking import measure_ticking
from tests.bench.trying import measure_trying

OUT = Path("build/bench.json")
SECTIONS = ("sqlite", "postgresql", "trying", "ticking")


def main() -> None:
    """Measures what was asked for and merges it into the figures of the same commit."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="events collected on each database")
    parser.add_argument("--only", choices=SECTIONS, help="one section instead of all")
    given = parser.parse_args()
    found: dict[str, object] = {
        "git_commit": subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    for dialect in ("sqlite", "postgresql"):
        if given.only in {None, dialect}:
            found |= measure_ingest(dialect, given.events)
    if given.only in {None, "trying"}:
        found |= measure_trying(min(given.events, 200_000))
    if given.only in {None, "ticking"}:
        found |= measure_ticking()
    OUT.parent.mkdir(exist_ok=True)
    if given.only and OUT.is_file():
        # One section replaces its own figures only.
        found = json.loads(OUT.read_text("utf-8")) | found
    text = json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    OUT.write_text(text, "utf-8")
    sys.stdout.write(text)


main()
