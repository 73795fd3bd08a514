"""The simulated city as 双公示 tables: columns, amounts, encodings, and nobody's name."""

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest

from training.simulate import DEFAULT_SEED, DEFAULT_UNTIL, city, main
from training.simulated_city.shuanggongshi import COLUMNS, PENALTY_TYPES, latest, wan

Rows = list[dict[str, str]]
PERSONAL = ("ZJHM", "ZJLX", "FRDB", "_FR", "SFZ")


def _write(folder: Path, *options: str) -> int:
    return main(["--out", str(folder), "--layout", "shuanggongshi", *options])


def _read(path: Path, encoding: str = "utf-8") -> Rows:
    with path.open(encoding=encoding, newline="") as lines:
        return list(csv.DictReader(lines))


def _all(folder: Path, encoding: str = "utf-8") -> Rows:
    return [row for path in sorted(folder.glob("*.csv")) for row in _read(path, encoding)]


@pytest.mark.parametrize(("kind", "name"), [("PEN", "penalties"), ("LIC", "licences")])
@pytest.mark.parametrize("columns", ["current", "older"])
def test_first_line_holds_the_columns_of_the_layout(tmp_path: Path, kind: str, name: str, columns: str) -> None:
    _write(tmp_path, "--columns", columns)
    for source in ("sim-city-em", "sim-city-fire"):
        path = tmp_path / f"{source}.{name}.simulated.csv"
        header = path.read_text("utf-8").splitlines()[0]
        assert tuple(header.split(",")) == COLUMNS[kind, columns]


def test_every_live_penalty_and_licence_has_one_row(tmp_path: Path) -> None:
    _write(tmp_path)
    own = latest(city(300, DEFAULT_SEED, DEFAULT_UNTIL))
    assert len(_all(tmp_path)) == len(own) > 200


def test_fines_are_round_in_ten_thousand_yuan_with_six_decimals(tmp_path: Path) -> None:
    _write(tmp_path)
    fines = [row["CF_NR_FK"] for row in _all(tmp_path) if row.get("CF_NR_FK")]
    assert len(fines) > 30
    for fine in fines:
        assert len(fine.partition(".")[2]) == 6
        assert Decimal(fine) * 10 == int(Decimal(fine) * 10)


@pytest.mark.parametrize(("fen", "text"), [(1, "0.000001"), (3_500_000, "3.500000"), (100_000_000_00, "10000.000000")])
def test_one_fen_is_the_last_decimal(fen: int, text: str) -> None:
    assert wan(fen) == text


def test_gbk_tables_say_the_same_as_utf8_ones(tmp_path: Path) -> None:
    _write(tmp_path / "gbk", "--encoding", "gbk")
    _write(tmp_path / "utf8")
    assert _all(tmp_path / "gbk", "gbk") == _all(tmp_path / "utf8")


@pytest.mark.parametrize("columns", ["current", "older"])
def test_rows_name_no_person_and_say_they_are_simulated(tmp_path: Path, columns: str) -> None:
    _write(tmp_path, "--columns", columns)
    for row in _all(tmp_path):
        assert row["BZ"].startswith("模拟数据")
        assert not [name for name, value in row.items() if name.endswith(PERSONAL) and value]


def test_revoked_and_withdrawn_records_are_left_out() -> None:
    events = list(city(3_000, DEFAULT_SEED, DEFAULT_UNTIL))
    kept = {event["source_record_id"] for event in latest(events)}
    gone = {
        event["source_record_id"]
        for event in events
        if event["kind"] == "PEN" and (event["op"] == "RETRACT" or event["payload"].get("status") == "REVOKED")
    }
    assert gone
    assert not gone & kept


def test_every_penalty_type_of_the_city_has_its_text() -> None:
    used = {
        name for event in city(1_000, DEFAULT_SEED, DEFAULT_UNTIL) for name in event["payload"].get("penalty_types", ())
    }
    assert used <= set(PENALTY_TYPES)


def test_dates_are_written_with_slashes(tmp_path: Path) -> None:
    _write(tmp_path, "--columns", "older")
    rows = _all(tmp_path)
    assert all(row.get("CF_JDRQ", row.get("XK_JDRQ", ""))[4::3] == "//" for row in rows)


def test_manifest_of_tables_stands_beside_that_of_events(tmp_path: Path) -> None:
    main(["--out", str(tmp_path), "--subjects", "20"])
    _write(tmp_path, "--subjects", "20", "--encoding", "gbk")
    manifest = json.loads((tmp_path / "manifest.shuanggongshi.json").read_text("utf-8"))
    assert manifest["simulated"] is True
    assert manifest["encoding"] == "gbk"
    assert all(".simulated." in name for name in manifest["files"])
    assert (tmp_path / "manifest.json").exists()
