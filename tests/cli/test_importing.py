"""Importing files: every record answered, each fault named, nothing twice."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from credit_service.cli import importing
from credit_service.cli.files import Read, open_records
from credit_service.cli.importing import encoded
from credit_service.errors import Problem
from tests.cli.conftest import Command
from tests.ledger.test_append import ric_number
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


@pytest.mark.parametrize("changed", ["life", "correct"])
def test_place_in_another_life_of_the_ledger_is_not_resumed(
    command: Command, filled: ServerProcess, events: list[dict[str, Any]], lines_file: Write,
    monkeypatch: pytest.MonkeyPatch, changed: str,
) -> None:  # fmt: skip
    """What was acknowledged before a restore, or by another server, may not be there."""
    file = lines_file([{**event, "source_record_id": f"life-{n}"} for n, event in enumerate(events)])

    def killed(_connection: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(importing, "wait_until_judged", killed)
        command("import", str(file), "--profile", filled.profile("source"))
    state = Path(f"{file}.report.jsonl.state")
    assert json.loads(state.read_text("utf-8"))["submitted"] == len(events)
    if changed == "life":
        monkeypatch.setattr(importing, "epoch_of", lambda _connection: "restored")
    options = ["--correct"] if changed == "correct" else []
    ended = command("import", str(file), "--profile", filled.profile("source"), "--json", *options)
    assert "resuming" not in ended.err
    assert ended.json()["statuses"]["DUPLICATE"] == len(events)


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


MISSHAPEN: list[tuple[dict[str, Any], str]] = [
    ({"subject": "91350100M000100Y43"}, "subject"),
    ({"subject": {"code": 911100007109250324}}, "subject.code"),
    ({"subject": {"code": "91350100M000100Y43", "name": ["某公司"]}}, "subject.name"),
    ({"source": 5}, "source"),
    ({"document_no": 7}, "document_no"),
    ({"document_no": "\ud800"}, "document_no"),
    ({"refers_to": True}, "refers_to"),
    ({"kind": ["PEN"]}, "kind"),
    ({"payload": "x"}, "payload"),
    ({"payload": [1]}, "payload"),
    ({"payload": {"articles": "安全生产法/99/2"}}, "payload.articles"),
    ({"occur_time": "0001-01-01T00:00:00+08:00"}, "occur_time"),
    ({"occur_time": "9999-12-31T23:59:59-08:00"}, "occur_time"),
]


@pytest.mark.parametrize(("spoiled", "field"), MISSHAPEN)
def test_misshapen_record_is_named_by_its_field(spoiled: dict[str, Any], field: str) -> None:
    record = {"source": "sim-city-em", "source_record_id": "R", "kind": "PEN", "domain": "WORK",
              "subject": {"code": "91350100M000100Y43"}, "payload": {"articles": ["安全生产法/102"]}}  # fmt: skip
    assert encoded(Read(1, record))[1] is not None
    read, draft = encoded(Read(1, {**record, **spoiled}))
    fault = read.record
    assert draft is None
    assert isinstance(fault, Problem)
    assert fault.field == field


def test_line_that_nests_too_deep_is_named_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep.jsonl"
    path.write_text("[" * 200_000 + '\n{"source": "x"}\n', "utf-8")
    deep, good = open_records(path, "").records
    assert isinstance(deep.record, Problem)
    assert good == Read(2, {"source": "x"})


def test_long_records_are_sent_in_frames_that_the_service_takes(
    command: Command, filled: ServerProcess, events: list[dict[str, Any]], lines_file: Write
) -> None:
    penalty = next(e for e in events if e["kind"] == "PEN")
    payload = {**penalty["payload"], "facts": "违" * 4000}
    long = [{**penalty, "source_record_id": f"LONG-{n}", "payload": payload} for n in range(400)]
    ended = command("import", str(lines_file(long)), "--profile", filled.profile("source"), "--json")
    assert ended.json()["statuses"] == {"ACCEPTED": 400}


def test_persons_of_a_document_are_told_apart_wherever_they_stand_in_a_file(
    command: Command, filled: ServerProcess, tmp_path: Path
) -> None:
    """A file with fewer of them, or in another order, corrects nobody; a changed row corrects the person it names."""
    columns = "CF_WSH,CF_XDR_MC,CF_XDR_LB,CF_XDR_SHXYM,CF_XDR_ZJHM,CF_CFLB,CF_JDRQ,CF_CFJG,CF_YJ,CF_NR_FK"
    first, second, third = (
        f"罚〔2026〕99号,某{name},自然人,,{ric_number(number)},罚款,2026/3/1,局,安全生产法第99条,{fine}"
        for name, number, fine in (
            ("甲", "11010119000101000", 1), ("乙", "11010119000101001", 1), ("乙", "11010119000101001", 2)
        )
    )  # fmt: skip
    sent = ("--source", "sim-city-em", "--profile", filled.profile("source"), "--json")

    def statuses(*rows: str) -> Any:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
        path.write_text("\n".join([columns, *rows]), "utf-8")
        return command("import", str(path), *sent, "--correct").json()["statuses"]

    assert statuses(first, second) == {"ACCEPTED": 2}
    assert statuses(second) == {"DUPLICATE": 1}
    assert statuses(second, first) == {"DUPLICATE": 2}
    assert statuses(third, first) == {"ACCEPTED": 1, "DUPLICATE": 1}
    assert statuses(first, third) == {"DUPLICATE": 2}
