"""Counts the faults that were tried and writes them down: a campaign that tried nothing proves nothing."""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# `make soak` asks for more rounds; `make test` takes what fits into a minute.
ROUNDS = int(os.environ.get("SOAK_ROUNDS", "1"))
KINDS = ("kill_server", "kill_database", "kill_client", "disk_full", "cut_connection", "race")
DIALECTS = ("sqlite", "postgresql")
OUT = Path("build/faults.json")


@dataclass
class Faults:
    """Holds how often each fault was tried on each database, and why some could not be."""

    tried: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, kind: str, dialect: str, count: int = 1) -> None:
        """Counts faults that were tried and left no trace."""
        assert (kind in KINDS, dialect in DIALECTS) == (True, True)
        self.tried[kind, dialect] += count

    def skip(self, kind: str, dialect: str, reason: str) -> None:
        """Notes why a fault cannot be tried here; its figure is null."""
        self.reasons[kind, dialect] = reason

    def told(self) -> list[Any]:
        """Returns what another process can read."""
        return [[[*k, count] for k, count in self.tried.items()], [[*k, why] for k, why in self.reasons.items()]]

    def hear(self, told: list[Any]) -> None:
        """Adds what another process counted."""
        tried, reasons = told
        self.tried.update({(kind, dialect): count for kind, dialect, count in tried})
        self.reasons |= {(kind, dialect): why for kind, dialect, why in reasons}

    def write(self) -> str:
        """Writes the figures and returns the line that sums them up; 0 was not run, null cannot be run here."""
        figures = {
            dialect: {k: None if (k, dialect) in self.reasons else self.tried[k, dialect] for k in KINDS}
            for dialect in DIALECTS
        }
        reasons = {f"{dialect}.{kind}": reason for (kind, dialect), reason in sorted(self.reasons.items())}
        found = {"rounds": ROUNDS, "sum": self.tried.total(), **figures, "reasons": reasons}
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", "utf-8")
        return f"{self.tried.total()} faults tried, nothing lost, nothing doubled: {OUT}"


# One run of the tests fills one tally; the summary of the run reads it.
TALLY = Faults()
