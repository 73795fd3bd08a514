"""Made-up records in the layouts of the evaluation tasks: small, drawn from one seed, no real firm or mine."""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np

Row = dict[str, str]

ARTICLES = (
    "營造安全衛生設施標準第19條第1項暨職業安全衛生法第6條第1項第5款。",
    "職業安全衛生設施規則第281條第1項暨職業安全衛生法第6條第1項第5款。",
    "職業安全衛生法第27條第1項第3款。",
)
TW_COLUMNS = (
    "source", "source_ref", "entity_id", "entity_kind", "occurred_on", "known_on", "kind", "severity",
    "agency", "legal_basis", "victims",
)  # fmt: skip
MSHA_COLUMNS = ("mine_id", "year", "quarter", "viol", "days_lost", "days_restrict", "perm_dis", "deaths")


def tw_row(entity: str, occurred: str, known: str, kind: str = "penalty", **rest: str) -> Row:
    """Makes one notice or accident."""
    row = dict.fromkeys(TW_COLUMNS, "") | {
        "source": "tw-mol-155978" if kind == "penalty" else "tw-mol-126835",
        "entity_id": entity,
        "entity_kind": "company",
        "occurred_on": occurred,
        "known_on": known,
        "kind": kind,
        "severity": "ordinary" if kind == "penalty" else "major",
        "legal_basis": ARTICLES[0] if kind == "penalty" else "",
        "victims": "" if kind == "penalty" else "1",
    }
    return row | rest


def tw_rows(firms: int = 160, seed: int = 7) -> list[Row]:
    """Draws nine years of notices and accidents: some firms have many of both."""
    random = np.random.default_rng(seed)
    rows = []
    for firm in range(firms):
        rate = random.gamma(0.7, 1.2)
        for _ in range(random.poisson(rate * 9)):
            day = date(2014, 9, 1) + timedelta(int(random.integers(0, 3_300)))
            is_accident = bool(random.random() < 0.12) and day.year >= 2018
            known = day + timedelta(60 if is_accident else int(random.integers(20, 130)))
            basis = ARTICLES[int(random.integers(0, 3))]
            severity = "accident-related" if random.random() < 0.1 else "ordinary"
            rest = {} if is_accident else {"legal_basis": basis, "severity": severity}
            kind = "accident" if is_accident else "penalty"
            rows.append(tw_row(f"firm{firm:03}", day.isoformat(), known.isoformat(), kind, **rest))
    return sorted(rows, key=lambda row: row["known_on"])


def msha_row(mine: str, year: int, quarter: int, **counts: int) -> Row:
    """Makes one quarter of a mine."""
    row = dict.fromkeys(MSHA_COLUMNS, "0") | {"mine_id": mine, "year": str(year), "quarter": str(quarter)}
    return row | {name: str(count) for name, count in counts.items()}


def msha_rows(mines: int = 120, seed: int = 8) -> list[Row]:
    """Draws eight years of quarters: some mines have many violations and many injuries."""
    random = np.random.default_rng(seed)
    rows = []
    for mine in range(mines):
        rate = random.gamma(0.8, 2.0)
        for year in range(2000, 2008):
            for quarter in range(1, 5):
                counts = {
                    "viol": int(random.poisson(rate)),
                    "days_lost": int(random.poisson(20)) if random.random() < rate / 25 else 0,
                    "days_restrict": int(random.poisson(5)) if random.random() < rate / 30 else 0,
                    "deaths": int(random.random() < rate / 150),
                }
                if any(counts.values()):
                    rows.append(msha_row(f"{mine:04}", year, quarter, **counts))
    return rows


def write(path: Path, rows: Iterable[Mapping[str, str]], columns: Iterable[str]) -> Path:
    """Writes rows as a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), "utf-8")
    return path
