"""Importing files: every record answered, each fault named, nothing twice."""

import gzip
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from credit_service.cli.connection import Connection, read_profile
from credit_service.cli.settling import epoch_of
from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess
from training.tw_osh import COLUMNS

Write = Callable[[list[dict[str, Any]]], Path]


def test_replayed_file_is_all_duplicates(
    command: Command, filled: ServerProcess, events: list[dict[str, Any]], lines_file: Write
) -> None:
    ended = command("import", str(lines_file(events)), "--profile", filled.profile("source"), "--json")
    assert ended.code == 0
    assert ended.json()["statuses"] == {"DUPLICATE": len(events)}


def test_bad_records_are_named_and_their_neighbours_kept(
    command: Command, filled: ServerProcess, events: list[dict[str, Any]], tmp_path: Path
) -> None:
    good = [{**e, "source_record_id": f"{e['source_record_id']}-again"} for e in events if e["kind"] == "INS"][:3]
    bad = [
        b'{"source": "sim-city-em", "note": "\xff"}',
        b"not json",
        b'["a list"]',
        json.dumps({**good[0], "source_record_id": "X1", "kind": "XYZ"}).encode(),
        json.dumps({**good[0], "source_record_id": "X2", "payload": {"result": "FINE"}}).encode(),
        json.dumps({**good[0], "source_record_id": "X3", "payload": {}}).encode(),
    ]
    file = tmp_path / "mixed.jsonl"
    rows = [json.dumps(good[0]).encode(), *bad, b"", *(json.dumps(g).encode() for g in good[1:])]
    file.write_bytes(b"\n".join(rows))
    ended = command("import", str(file), "--profile", filled.profile("source"))
    report = [json.loads(line) for line in Path(f"{file}.report.jsonl").read_text("utf-8").splitlines()]
    assert ended.code == 1
    assert "3 ACCEPTED, 6 REJECTED" in ended.err
    assert [line["record"] for line in report] == [2, 3, 4, 5, 6, 7]
    assert [line["problems"][0]["reason"] for line in report] == [
        "TEXT_INVALID", "FIELD_INVALID", "FIELD_INVALID", "KIND_UNKNOWN", "ENUM_UNKNOWN", "FIELD_MISSING",
    ]  # fmt: skip
    assert report[4]["problems"][0]["field"] == "payload.result"


def test_csv_of_a_source_is_read_by_its_mapping(command: Command, filled: ServerProcess, tmp_path: Path) -> None:
    columns = ",".join(COLUMNS)
    article = "職業安全衛生法第6條第1項"
    row = f"tw-mol-155978,文1,tw0123456789ab,company,甲,2020-01-05,2020-03-01,penalty,ordinary,某局,{article},d,,,"
    late = row.replace("文1", "文2").replace("2020-03-01", "2019-03-01")
    file = tmp_path / "notices.csv.gz"
    file.write_bytes(gzip.compress("\n".join([columns, row, row, late]).encode()))
    profile = filled.profile("source")
    ended = command("import", str(file), "--source", "tw-mol-155978", "--profile", profile, "--json")
    assert ended.json()["statuses"] == {"ACCEPTED": 1, "DUPLICATE": 1, "QUARANTINED": 1}
    assert ended.json()["reasons"] == {"TIME_ORDER": 1}


def test_undecodable_row_of_a_csv_is_named(command: Command, filled: ServerProcess, tmp_path: Path) -> None:
    columns = ",".join(COLUMNS).encode() + b"\n"
    row = b"tw-mol-155978,d9,tw0123456789ac,company,\xff\xfe,2020-01-05,2020-03-01,penalty,ordinary,x,y,d,,,\n"
    file = tmp_path / "broken.csv"
    file.write_bytes(columns + row)
    ended = command("import", str(file), "--source", "tw-mol-155978", "--profile", filled.profile("source"), "--json")
    assert ended.json()["statuses"] == {"REJECTED": 1}
    assert ended.json()["reasons"] == {"TEXT_INVALID": 1}


def test_unknown_source_form_and_file_are_refused(command: Command, filled: ServerProcess, tmp_path: Path) -> None:
    profile = filled.profile("source")
    table = tmp_path / "a.csv"
    table.write_text("a\n1\n", "utf-8")
    other = tmp_path / "a.doc"
    other.write_text("x", "utf-8")
    assert "SOURCE_UNKNOWN" in command("import", str(table), "--source", "x", "--profile", profile).err
    assert "FILE_INVALID" in command("import", str(other), "--profile", profile).err
    assert "FILE_INVALID" in command("import", str(tmp_path / "none.jsonl"), "--profile", profile).err


def test_source_of_another_agency_is_refused_whole(
    command: Command, filled: ServerProcess, events: list[dict[str, Any]], lines_file: Write
) -> None:
    ended = command("import", str(lines_file(events[:3])), "--profile", filled.profile("agency"))
    assert (ended.code, "SOURCE_FORBIDDEN" in ended.err) == (3, True)


def test_folder_in_place_of_a_file_is_said(command: Command, filled: ServerProcess, tmp_path: Path) -> None:
    folder = tmp_path / "city.jsonl"
    folder.mkdir()
    ended = command("import", str(folder), "--profile", filled.profile("source"))
    assert (ended.code, f"got the folder {folder}, want one file" in ended.err) == (2, True)


def test_place_of_a_changed_file_is_not_resumed(
    command: Command, filled: ServerProcess, events: list[dict[str, Any]], lines_file: Write
) -> None:
    file = lines_file(events[:5])
    state = Path(f"{file}.report.jsonl.state")
    state.write_text(json.dumps({"fingerprint": "other", "submitted": 3, "statuses": {}, "reasons": {}}), "utf-8")
    ended = command("import", str(file), "--profile", filled.profile("source"), "--json")
    assert ended.json()["submitted"] == 5
    assert not state.exists()


def test_place_in_another_life_of_the_ledger_is_not_resumed(
    command: Command, filled: ServerProcess, events: list[dict[str, Any]], lines_file: Write
) -> None:
    """A restored ledger may lack what was acknowledged before: nothing may be left out by an old place."""
    file, profile = lines_file(events[:20]), filled.profile("source")
    connection = Connection(read_profile(profile))
    told, epoch = sha256(b"\0" + file.read_bytes()).hexdigest(), epoch_of(connection)
    connection.channel.close()
    for life, is_resumed in ((epoch, True), ("0" * 32, False)):
        place = {"fingerprint": f"{told}@{life}", "submitted": 15, "statuses": {"DUPLICATE": 15}, "reasons": {}}
        Path(f"{file}.report.jsonl.state").write_text(json.dumps(place), "utf-8")
        ended = command("import", str(file), "--profile", profile)
        assert "20 submitted: 20 DUPLICATE" in ended.err
        assert ("resuming after record 15" in ended.err) == is_resumed


def test_frames_without_a_sendable_record_keep_the_order(
    command: Command, filled: ServerProcess, events: list[dict[str, Any]], tmp_path: Path
) -> None:
    good = next(e for e in events if e["kind"] == "INS")
    file = tmp_path / "mostly.jsonl"
    bad = ["not json"] * 1200
    lines = [*bad, json.dumps({**good, "source_record_id": "after-many-bad-ones"}), *bad]
    file.write_text("\n".join(lines), "utf-8")
    ended = command("import", str(file), "--profile", filled.profile("source"), "--json")
    report = [json.loads(line)["record"] for line in Path(f"{file}.report.jsonl").read_text("utf-8").splitlines()]
    assert ended.json()["statuses"] == {"REJECTED": 2400, "ACCEPTED": 1}
    assert report == [*range(1, 1201), *range(1202, 2402)]
