"""The public occupational-safety records of Taiwan: what is shipped of them, and their reading."""

import csv
import gzip
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from credit_service.ledger.sources import drafts, load_sources

SHIPPED = Path(__file__).parent / "data" / "tw_osh" / "events.csv.gz"
SOURCES = ("tw-mol-155978", "tw-mol-126835")
COLUMNS = (
    "source", "source_ref", "entity_id", "entity_kind", "entity_name", "occurred_on", "known_on",
    "kind", "severity", "agency", "legal_basis", "content_digest", "cause", "victims", "industry",
)  # fmt: skip

# A name with one of these is of a legal person or a public body; others may name a sole trader.
_LEGAL_PERSON = re.compile(
    "有限公|公司|合作社|法人|學校|大學|學院|高中|國中|國小|中學|小學|高職|農會|漁會|公會|協會|學會|工會|委員會|"
    "管理[處局所]|水利會|政府|公所|監獄|銀行|基金會|教會|機場|衛生福利部|法務部|財政部|交通部|內政部|國防部|"
    "[市縣]立|國立|國家|中央|法院|林務所|[局署部]$|(工程|事業|管理|服務|診療|防疫|衛生|養護)處$|中心$"
)
_TRADE = re.compile(
    "(工程行|企業社|土木包工業|實業社|工業社|企業行|商行|商號|工廠|診所|事務所|[行社業號店廠所場館院園])$"
)
# One row of the public file tells the accident in the place of the name.
_TALE = re.compile("所僱.*$")


def prepare(raw: Path, shipped: Path = SHIPPED) -> int:
    """Writes the part of the public file that the product ships; returns the number of rows.

    Free text, tax numbers, clients and places are left out; names that may be a sole trader's are
    masked.
    """
    with gzip.open(raw, "rt", encoding="utf-8", newline="") as source:
        rows = [_shipped(row) for row in csv.DictReader(source)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    # A fixed time in the header keeps the file the same in every run.
    shipped.write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))
    return len(rows)


def read(path: Path = SHIPPED) -> list[dict[str, str]]:
    """Reads the rows of the shipped file in the order of publication."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as source:
        return list(csv.DictReader(source))


def events(rows: Iterable[Mapping[str, str]]) -> Iterator[dict[str, Any]]:
    """Turns the rows of both sources into events, source by source."""
    held = list(rows)
    sources = load_sources()
    for name in SOURCES:
        yield from drafts(sources[name], held)


def masked_name(name: str, kind: str) -> str:
    """Masks a name that may be a sole trader's; natural persons stay `自然人`."""
    plain = _TALE.sub("", re.sub(r"\s", "", name))
    if kind != "company" or _LEGAL_PERSON.search(plain):
        return plain
    trade = _TRADE.search(plain)
    return "○○" + (trade[0] if trade else "")


def _shipped(row: Mapping[str, str]) -> dict[str, str]:
    is_accident = row["kind"] == "accident"
    kept = {column: row.get(column, "") for column in COLUMNS}
    kept["entity_name"] = masked_name(row["entity_name"], row["entity_kind"])
    # Rows that differ only in the facts they tell stay apart without shipping the telling.
    kept["content_digest"] = "" if is_accident else hashlib.sha256(row["content"].encode()).hexdigest()[:16]
    kept["cause"] = row["content"] if is_accident and row["content"] != "nan" else ""
    kept["legal_basis"] = re.sub("勞工[O○]+", "勞工", row["legal_basis"])
    return kept
