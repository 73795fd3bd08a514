"""The explanation of a grade as a page to print: every point, by which articles, and how sure each text is."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from credit_service.cli.asking import article_text
from credit_service.cli.bundles import make_sheet
from credit_service.v1 import grades_pb2, remedies_pb2, rulebook_pb2
from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess

Told = dict[str, Any]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onload"}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def sheet(command: Command, as_regulator: ServerProcess, code: str, kept: Path) -> str:
    assert as_regulator
    path = kept / "sheet.html"
    assert command("explain", code, "--sheet", str(path)).code == 0
    return path.read_text("utf-8")


def test_sheet_tells_the_enterprise_every_point_in_its_language(sheet: str, command: Command, code: str) -> None:
    told = command("explain", code, "--json").json()
    read = _Texts()
    read.feed(sheet)
    text = "\n".join(read.texts)
    assert "script" not in read.tags
    assert all(feature["text_zh"] in text for feature in told["features"])
    cells = [part for part in read.texts if part.lstrip("-").isdigit()]
    assert told["grade"]["score"] in cells
    points = [int(f.get("points", 0)) for f in told["features"]]
    assert int(told["base_points"]) + sum(points) == int(told["grade"]["score"])
    for part in ("得分构成", "您的权利", "异议", code, "计分依据"):
        assert part in text
    bases = [basis for feature in told["features"] for basis in feature["bases"]]
    assert all(f"{basis['instrument']} {basis['article']}".removesuffix(" -") in text for basis in bases)
    assert "无专门法律条文：本系统默认规则" in text
    assert "未来十二个月内发生负有责任的事故，或者受到并非因事故作出的严重行政处罚的可能性" in text
    cited = [article_text(article) for one in told["cited"] for article in one["articles"]]
    assert cited
    assert all(article in text for article in cited)


def test_sheet_escapes_what_came_from_outside() -> None:
    answer = grades_pb2.ExplainGradeResponse(document=json.dumps({"as_of": "2026-11-01", "edition_id": "e"}).encode())
    answer.grade.pending_zh = "<script>alert(1)</script>"
    page = make_sheet(answer, "<img src=x>&公司", None)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;img src=x&gt;&amp;公司" in page


def test_sheet_tells_basis_lifting_day_and_records_as_readers_know_them() -> None:
    answer = grades_pb2.ExplainGradeResponse(document=json.dumps({"as_of": "2026-11-01", "edition_id": "e"}).encode())
    basis = rulebook_pb2.LegalBasis(instrument="本系统默认规则", article="-", source="default")
    answer.grade.vetoes.add(
        veto_id="V-04", cap=grades_pb2.GRADE_C, until_date="2028-01-31", text_zh="较大", basis=basis
    )
    answer.grade.vetoes.add(
        veto_id="V-01", cap=grades_pb2.GRADE_D, basis=rulebook_pb2.LegalBasis(instrument="安全生产法", article="113(1)")
    )
    step = remedies_pb2.PlanStep(target="event/31", from_date="2027-06-01", text_zh="申请信用修复")
    path = remedies_pb2.RepairPath(reach_date="2027-06-01", grade=grades_pb2.GRADE_B, steps=[step])
    page = make_sheet(answer, "公司", remedies_pb2.PlanRepairResponse(paths=[path]))
    assert "<td>较大</td><td>无专门法律条文：本系统默认规则</td><td>C</td><td>2028-01-31</td>" in page
    assert "<td>安全生产法 113(1)</td><td>D</td><td>解除前</td>" in page
    assert "解除日" in page
    assert "2027-06-01 起：申请信用修复（记录31）" in page


def test_sheet_says_how_sure_an_article_is_and_where_none_stands() -> None:
    answer = grades_pb2.ExplainGradeResponse(document=json.dumps({"as_of": "2026-11-01", "edition_id": "e"}).encode())
    law, verify, own = (
        rulebook_pb2.LegalBasis(instrument=name, article=article, source=source, role=role)
        for name, article, source, role in (
            ("安全生产法", "41", "law", "duty"),
            ("应急管理部令第11号", "7(3)", "verify", "authority"),
            ("本系统默认规则", "-", "default", ""),
        )
    )
    answer.features.add(
        text_zh="检查发现违法的比例：0.43",
        note_zh="检查3次，其中2次发现违法",
        event_ids=["7", "8"],
        bases=[law, verify],
    )
    answer.features.add(text_zh="荣誉：0", bases=[own])
    answer.features.add(text_zh="保险：1", bases=[law, own])
    answer.cited.add(event_id="8", articles=["安全生产法/99/2", "安全生产法/102"])
    assert "只影响概率" not in make_sheet(answer, "公司", None)
    answer.exposure.add(text_zh="从业人数：120人", points=-78, event_ids=["3"], bases=[own])
    page = make_sheet(answer, "公司", None)
    assert "<h2>只影响概率、不影响得分的因素</h2>" in page
    assert "<td>从业人数：120人</td><td>-78</td><td>无专门法律条文：本系统默认规则</td><td>3</td>" in page
    assert "<td>检查发现违法的比例：0.43。检查3次，其中2次发现违法</td>" in page
    assert "<td>安全生产法 41（企业义务）；应急管理部令第11号 7(3)（监管权限，待核）</td>" in page
    assert "<td>7、8（安全生产法 99(2)、安全生产法 102）</td>" in page
    assert "<td>无专门法律条文：本系统默认规则</td>" in page
    assert "<td>安全生产法 41（企业义务）；其余：本系统默认规则</td>" in page
