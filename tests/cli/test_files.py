"""Files as they come: encodings, forms, titles and layouts; what cannot be read is refused before the first record."""

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from credit_service.cli.files import open_records
from credit_service.cli.reports import Report, Unkept
from credit_service.errors import CreditError, Problem, Reason
from credit_service.ledger.layouts import load_layouts, recognised
from training.simulated_city import shuanggongshi
from training.simulated_city.city import subject_events

TITLES = ["行政相对人名称", "行政相对人类别", "统一社会信用代码", "行政处罚决定书文号", "处罚依据", "处罚类别",
          "罚款金额(万元)", "处罚决定日期", "处罚机关", "处罚机关统一社会信用代码", "备注"]  # fmt: skip
ROW = [
    "模拟化工有限公司", "法人及非法人组织", "91350100M000100Y43", "模应急罚〔2026〕1号",
    "《安全生产法》第一百零二条第1款", "罚款;警告", "3.5", "民国115年3月1日", "模拟市应急管理局",
    "11110000MB0000000A", "模拟数据",
]  # fmt: skip


def table(path: Path, encoding: str = "utf-8", rows: Sequence[Sequence[Any]] = (TITLES, ROW)) -> Path:
    """Writes a table in the form that the name asks for."""
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.worksheets[0].append(list(row))
        book.save(path)
    elif path.suffix == ".parquet":
        parquet.write_table(pa.table({title: [row[at] for row in rows[1:]] for at, title in enumerate(rows[0])}), path)
    else:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter="\t" if path.suffix == ".tsv" else ",").writerows(rows)
        content = text.getvalue().encode(encoding)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def only(path: Path, encoding: str = "") -> dict[str, Any]:
    """Returns the one record of a file."""
    (read,) = open_records(path, "sim-city-em", encoding).records
    assert isinstance(read.record, dict)
    assert read.place == 2
    return read.record


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("a.csv", "utf-8"), ("a.csv", "utf-8-sig"), ("a.csv", "gbk"), ("a.csv", "gb18030"), ("a.tsv", "utf-8"),
     ("a.csv.gz", "gbk"), ("a.xlsx", ""), ("a.parquet", "")],
)  # fmt: skip
def test_table_says_the_same_in_every_form(tmp_path: Path, name: str, encoding: str) -> None:
    record = only(table(tmp_path / name, encoding))
    assert record["source_record_id"] == "模应急罚〔2026〕1号:91350100M000100Y43"
    assert record["occur_time"] == "2026-03-01T00:00:00+08:00"
    assert record["subject"] == {
        "scheme": "USCC", "code": "91350100M000100Y43", "name": "模拟化工有限公司", "kind": "ENTERPRISE",
    }  # fmt: skip
    assert record["payload"] == {
        "articles": ["安全生产法/102/1"], "fine_fen": 3_500_000, "penalty_types": ["FINE", "WARNING"],
        "organ_name": "模拟市应急管理局", "organ_code": "11110000MB0000000A", "organ_kind": "EMERGENCY_MANAGEMENT",
    }  # fmt: skip


def test_reading_says_which_encoding_and_layout_and_what_was_not_known(tmp_path: Path) -> None:
    rows = [[*TITLES, "自定义列"], [*ROW, "x"]]
    opened = open_records(table(tmp_path / "a.csv", "gbk", rows), "sim-city-em")
    assert opened.notes == ("encoding gb18030", "layout penalty-current", "columns not known and not read: 自定义列")


def test_spreadsheet_s_own_dates_and_numbers_are_read(tmp_path: Path) -> None:

    row = [*ROW]
    row[6], row[7] = 3.5, datetime(2026, 3, 1)  # type: ignore[call-overload]  # noqa: DTZ001  # cells carry no offset
    record = only(table(tmp_path / "a.xlsx", "", [TITLES, row]))
    assert (record["payload"]["fine_fen"], record["occur_time"]) == (3_500_000, "2026-03-01T00:00:00+08:00")


def test_person_is_known_by_the_titled_column_of_the_number_and_no_representative_is(tmp_path: Path) -> None:
    """The number of a legal representative stands under a title of its own, and is read nowhere."""
    titles = [*TITLES, "法定代表人", "法定代表人证件类型", "法定代表人证件号码", "证件类型", "证件号码"]
    firm = [*ROW, "某甲", "身份证", "REPRESENTATIVE", "", ""]
    person = [*ROW[:1], "自然人", "", *ROW[3:], "", "", "", "身份证", "NUMBER"]
    opened = open_records(table(tmp_path / "a.csv", rows=[titles, firm, person]), "sim-city-em")
    assert opened.notes == ("encoding utf-8", "layout penalty-current")
    of_firm, of_person = (read.record for read in opened.records)
    assert isinstance(of_firm, dict)
    assert isinstance(of_person, dict)
    assert of_person["subject"]["code"] == "NUMBER"
    assert (of_person["subject"]["scheme"], of_person["source_record_id"]) == ("PERSON", f"{ROW[3]}:{{person}}")
    assert "REPRESENTATIVE" not in str(of_firm)
    assert of_firm["subject"]["code"] == ROW[2]


@pytest.mark.parametrize("columns", ["current", "older"])
@pytest.mark.parametrize("kind", ["PEN", "LIC"])
def test_layouts_read_back_what_the_tables_were_written_from(tmp_path: Path, kind: str, columns: str) -> None:
    """Every field that the column set holds returns as it was collected."""

    drawn = [e for index in range(300, 700) for e in shuanggongshi.latest(subject_events(index, 5, date(2026, 10, 31)))]
    events = [e for e in drawn if (e["kind"], e["source"]) == (kind, "sim-city-fire")]
    assert len(events) > 30
    lines = [shuanggongshi.header(kind, columns), *(shuanggongshi.line(e, columns) for e in events)]
    path = tmp_path / "table.csv"
    path.write_text("".join(lines), "utf-8", newline="")
    for event, read in zip(events, open_records(path, "sim-city-fire").records, strict=True):
        assert isinstance(read.record, dict)
        said = {name: value for name, value in read.record["payload"].items() if name in event["payload"]}
        # The older table of licences tells the day of the decision in place of the first day.
        said.pop("from_date" if columns == "older" else "", None)
        assert said == {name: event["payload"][name] for name in said}
        assert len(said) >= 2
        for name in ("kind", "domain", "document_no"):
            assert read.record[name] == event[name]
        assert read.record["occur_time"][:10] == event["occur_time"][:10]
        assert read.record["subject"]["code"] == event["subject"]["code"]


def test_bytes_of_another_encoding_are_named_with_their_column(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", rows=[TITLES, ROW, ROW])
    content = path.read_bytes()
    at = content.rindex("模拟化工".encode())
    path.write_bytes(content[:at] + b"\xff\xfe" + content[at + 6 :])
    good, bad = open_records(path, "sim-city-em").records
    assert isinstance(good.record, dict)
    assert bad[:2] == (
        3,
        Problem("CF_XDR_MC", "bytes that are no text", "text in the encoding of the file", Reason.TEXT_INVALID),
    )


def test_row_that_is_no_row_is_named_and_the_next_is_read(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", rows=[TITLES, ROW])
    good = path.read_bytes().split(b"\r\n")[1]
    path.write_bytes(path.read_bytes() + b"x" * 200_000 + b"\r\n" + good + b"\r\n")
    first, broken, last = open_records(path, "sim-city-em").records
    assert isinstance(broken.record, Problem)
    assert (broken.place, broken.record.field, last.place) == (3, "row", 4)
    assert first.record == last.record


@pytest.mark.parametrize(
    ("name", "content", "got"),
    [("a.csv", b"", "no header"), ("a.csv", b"a,b\n1,2\n", "the first row a b"),
     ("a.xlsx", b"PK", "want a readable .xlsx"), ("a.parquet", b"PAR1", "want a readable Parquet"),
     ("a.doc", b"x", "got a.doc")],
)  # fmt: skip
def test_unreadable_file_is_refused_before_the_first_record(
    tmp_path: Path, name: str, content: bytes, got: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CreditError) as refused:
        open_records(path, "sim-city-em")
    assert refused.value.reason is Reason.FILE_INVALID
    assert got in refused.value.message


def test_encoding_may_be_stated_and_only_a_known_one(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "gbk")
    assert only(path, "gb18030")["payload"]["fine_fen"] == 3_500_000
    with pytest.raises(CreditError, match="encoding: got latin-1, want utf-8 or gb18030"):
        open_records(path, "sim-city-em", "latin-1")


def test_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(CreditError, match=r"pip install 'safety-credit\[import\]'"):
        open_records(table_without(tmp_path), "sim-city-em")


def table_without(folder: Path) -> Path:
    """Makes a file that only its name calls a workbook."""
    path = folder / "a.xlsx"
    path.write_bytes(b"PK")
    return path


def test_report_opens_in_a_spreadsheet_without_running_anything(tmp_path: Path) -> None:
    """A cell that begins like a formula is text; the column is the clerk's, not the contract's."""
    layout = next(layout for layout in load_layouts() if layout.id == "penalty-current")
    path = tmp_path / "report.csv"
    report = Report(path, Path("month.csv"), layout, is_resumed=False)
    report.write(Unkept(7, "K", "REJECTED", [Problem("payload.fine_fen", "=1+1", "a number", Reason.FIELD_INVALID)]))
    report.close()
    content = path.read_text("utf-8")
    assert content.startswith("\ufefffile,row,column")
    assert "month.csv,7,CF_NR_FK,'=1+1,a number,FIELD_INVALID,REJECTED,K" in content


def test_report_names_a_cell_as_it_was_written_and_what_must_stand_there(tmp_path: Path) -> None:
    """Neither the contract's form of a day nor its name of a value helps a clerk; the last column is Chinese."""
    row = [*ROW]
    row[5], row[6], row[7] = "罚款;训话", "叁万", "2026/13/41"
    path, report = table(tmp_path / "a.csv", "gbk", (TITLES, row)), tmp_path / "report.csv"
    opened = open_records(path, "sim-city-em")
    written = Report(report, path, opened.layout, is_resumed=False)
    (read,) = opened.records
    fields = {"occur_time": "2026/13/41T00:00", "payload.penalty_types": "PENALTY_TYPE_X", "payload.fine_fen": "x"}
    faults = [Problem(field, got, "another form", Reason.FIELD_INVALID) for field, got in fields.items()]
    written.write(
        Unkept(2, "K", "REJECTED", [*faults, Problem("subject.code", "x", "y", Reason.CHECK_DIGIT)], read.cells)
    )
    written.close()
    lines = list(csv.DictReader(io.StringIO(report.read_text("utf-8-sig"))))
    assert [(line["column"], line["got"]) for line in lines] == [
        ("CF_JDRQ", "2026/13/41"), ("CF_CFLB", "罚款;训话"), ("CF_NR_FK", "叁万"), ("CF_XDR_SHXYM", "x"),
    ]  # fmt: skip
    assert [line["want"].split(", ")[0][:9] for line in lines] == ["a day", "警告 or 通报批", "an amount", "y"]
    assert lines[3]["说明"] == "代码校验位不符；未归集，改正后重报"
    # What comes from a day that cannot be read is the cell itself, whoever reads it.
    assert isinstance(read.record, dict)
    assert read.record["occur_time"] == "2026/13/41"


def test_sheets_that_are_not_read_are_named(tmp_path: Path) -> None:
    path = table(tmp_path / "a.xlsx")
    book = openpyxl.load_workbook(path)
    book.create_sheet("空")
    assert open_records(path, "sim-city-em").notes[0] == "sheet Sheet"
    book.create_sheet("十一月").append(TITLES)
    book.save(path)
    assert open_records(path, "sim-city-em").notes[0] == "sheet Sheet; sheets not read: 十一月"


def test_header_that_lacks_columns_is_told_which(tmp_path: Path) -> None:
    few = [title for title in TITLES if "文号" not in title and "类别" not in title]
    with pytest.raises(
        CreditError, match="no column CF_WSH 行政处罚决定书文号, CF_CFLB 处罚类别, want every column of"
    ):
        open_records(table(tmp_path / "few.csv", "gbk", (few, ROW[: len(few)])), "sim-city-em")
    with pytest.raises(CreditError, match="the first row 二〇二六年十月公示表, want the names of columns there"):
        open_records(table(tmp_path / "titled.xlsx", "", (["二〇二六年十月公示表"], TITLES, ROW)), "sim-city-em")


def test_every_shared_layout_is_told_apart_by_its_header() -> None:
    for layout in load_layouts():
        assert recognised([*layout.header], load_layouts()) == layout
        assert set(layout.header) <= layout.columns()


@pytest.mark.parametrize("stated", ["A1", "A1:K1", "A1:K2"])
def test_rows_outside_the_stated_size_of_a_sheet_are_read(tmp_path: Path, stated: str) -> None:
    path, other = table(tmp_path / "a.xlsx", rows=[TITLES, ROW, ROW, ROW]), tmp_path / "stated.xlsx"
    with zipfile.ZipFile(path) as book, zipfile.ZipFile(other, "w") as changed:
        for name in book.namelist():
            content = re.sub(rb'(?<=<dimension ref=")[^"]+', stated.encode(), book.read(name))
            changed.writestr(name, content)
    assert [read.place for read in open_records(other, "sim-city-em").records] == [2, 3, 4]


@pytest.mark.parametrize("spoiled", ['"见附件', '"见"附件', '见"附件"', '"见，附件'])
@pytest.mark.parametrize("places", [{1}, {1, 3}, {3}])
def test_stray_quotation_mark_swallows_no_neighbour(tmp_path: Path, spoiled: str, places: set[int]) -> None:
    rows = [[*ROW[:3], f"罚{n}", *ROW[4:]] for n in range(5)]
    path = table(tmp_path / "a.csv", rows=[TITLES, *rows])
    lines = path.read_bytes().decode().split("\r\n")
    for n in places:
        lines[n + 1] = lines[n + 1].removesuffix(ROW[-1]) + spoiled
    path.write_text("\r\n".join(lines), "utf-8", newline="")
    read = list(open_records(path, "sim-city-em").records)
    assert [one.place for one in read] == [2, 3, 4, 5, 6]
    faulty = places if spoiled.count('"') == 1 else set()
    for n, one in enumerate(read):
        if n in faulty:
            assert isinstance(one.record, Problem)
            assert "a quotation mark without its pair" in one.record.got
        else:
            assert isinstance(one.record, dict)
            assert one.record["document_no"] == f"罚{n}"


def test_cell_of_several_lines_is_one_cell(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", rows=[TITLES, [*ROW[:-1], '第一行\r\n第二行 "引用" \r\n,第三行'], ROW])
    assert [read.place for read in open_records(path, "sim-city-em").records] == [2, 3]


def test_column_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", rows=[[*TITLES, "CF_WSH"], [*ROW, "另一文号"]])
    with pytest.raises(CreditError, match="got CF_WSH more than once"):
        open_records(path, "sim-city-em")
    # What is not read may come as often as it likes.
    only(table(tmp_path / "b.csv", rows=[[*TITLES, "备注"], [*ROW, "x"]]))


def test_row_behind_a_merged_cell_is_named_and_never_read_without_it(tmp_path: Path) -> None:
    path = table(tmp_path / "a.xlsx", rows=[TITLES, *[ROW] * 6])
    book = openpyxl.load_workbook(path)
    for place in ("G2:G4", "A6:B6"):
        book.worksheets[0].merge_cells(place)
    book.save(path)
    read = list(open_records(path, "sim-city-em").records)
    named = {one.place: one.record.got for one in read if isinstance(one.record, Problem)}
    assert named == dict.fromkeys((3, 4), "the merged cell G2:G4") | {6: "the merged cell A6:B6"}
    kept = [one.record for one in read if isinstance(one.record, dict)]
    assert [record["payload"]["fine_fen"] for record in kept] == [3_500_000] * 3
