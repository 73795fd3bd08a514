"""A grade to take away: the bundle that a stranger computes it again from, and the sheet that its enterprise reads."""

import hashlib
import json
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from credit_service.cli import bundle_verifier
from credit_service.cli.asking import article_text, basis_text
from credit_service.cli.connection import Connection
from credit_service.cli.output import plain
from credit_service.v1 import (
    grades_pb2,
    ledger_pb2,
    ledger_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    remedies_pb2,
    rulebook_pb2,
    rulebook_pb2_grpc,
)

# Entries carry no time of making: the same grade has the same bundle.
EPOCH = (1980, 1, 1, 0, 0, 0)
READ_ME = """\
证据包说明 / What this bundle is

explanation.json  等级的完整说明（逐字节可复现）/ the whole explanation, the same bytes whenever it is asked
model/            模型的积分表、刻度、清单、签名和公钥 / points table, scale, signed manifest and public key
edition/          当时适用的规则及其所引规则 / the rulebook edition that applied, and those it extends
articles/         各项计分所依据的法律条文 / the articles of law by which what earns points counts
records.json      所依据的每一条记录及其账本哈希 / every record behind it, with its hashes in the ledger
verify.py         独立验证：python verify.py 本文件 [公钥编号] / computes the grade again, and asks for a signer:
                  python verify.py BUNDLE.zip [KEY-ID]; the ids of keys are published by the service
"""


def make_bundle(connection: Connection, answer: grades_pb2.ExplainGradeResponse) -> bytes:
    """Returns the bundle of an explanation; records that the caller may not see are named by their id alone."""
    told = json.loads(answer.document)
    files: dict[str, bytes] = {
        "explanation.json": bytes(answer.document),
        **_editions(connection, told["edition_id"]),
        "records.json": _json(_records(connection, told)),
        "verify.py": Path(bundle_verifier.__file__).read_bytes(),
        "说明 README.txt": READ_ME.encode(),
    }
    if model_id := told.get("model_id") or told.get("class_prior", {}).get("model_id"):
        request = models_pb2.GetModelRequest(model_id=model_id)
        model = connection.call(models_pb2_grpc.ModelServiceStub, "GetModel", request)
        files |= {f"model/{file.name}": file.content for file in model.files}
        files["model/key.pub"] = model.public_key
    files["index.json"] = _json({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in sorted(files):
            bundle.writestr(zipfile.ZipInfo(name, EPOCH), files[name], zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _editions(connection: Connection, edition_id: str) -> dict[str, bytes]:
    """Returns an edition and those that it extends, with the articles that points count by, by file."""
    files: dict[str, bytes] = {}
    wanted: str | None = edition_id
    while wanted is not None:
        request = rulebook_pb2.GetRulebookRequest(edition_id=wanted)
        answer = connection.call(rulebook_pb2_grpc.RulebookServiceStub, "GetRulebook", request)
        document = str(answer.edition.document)
        files[f"edition/{wanted}.toml"] = document.encode()
        if answer.edition.points_bases_document:
            files[f"articles/{wanted}.toml"] = str(answer.edition.points_bases_document).encode()
        wanted = tomllib.loads(document).get("extends")
    return files


def _records(connection: Connection, told: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [*told["features"], *told.get("exposure", ()), *told["vetoes"]]
    found = []
    for event_id in sorted({event_id for part in parts for event_id in part["event_ids"]}):
        request = ledger_pb2.GetEventRequest(event_id=str(event_id))
        answer = connection.call(ledger_pb2_grpc.LedgerServiceStub, "GetEvent", request)
        found.append(plain(answer.event))
    return found


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode()


STYLE = """
body { font: 11pt/1.6 "Songti SC", "SimSun", serif; max-width: 46em; margin: 2em auto; color: #111 }
h1 { font-size: 16pt; text-align: center } h2 { font-size: 12.5pt; border-bottom: 1px solid #999; margin-top: 1.6em }
table { border-collapse: collapse; width: 100% } td, th { border: 1px solid #bbb; padding: .2em .5em; text-align: left }
td.n { text-align: right; white-space: nowrap } .bar { background: #b33; height: .7em; display: inline-block }
.small { font-size: 9pt; color: #444; word-break: break-all }
@media print { body { margin: 0 } h2 { break-after: avoid } }
"""


def make_sheet(answer: grades_pb2.ExplainGradeResponse, name: str, plan: remedies_pb2.PlanRepairResponse | None) -> str:
    """Returns the explanation as one page to print, in Chinese; everything that came from outside is escaped."""
    told, g = json.loads(answer.document), answer.grade
    heads = [
        ("企业名称", name), ("统一社会信用代码", g.subject.code), ("信用等级", _letter(g.grade)),
        ("信用分", g.score if g.HasField("score") else "—"), *_chance(g), ("评定日", told["as_of"]),
        ("适用规则", told["edition_id"]), ("模型", told.get("model_id", "未使用")),
    ]  # fmt: skip
    parts = [_table((), [(escape(label), escape(str(value))) for label, value in heads])]
    if g.pending_zh:
        texts = (g.pending_zh, g.class_prior.text_zh)
        parts.append(_section("待评定", "".join(f"<p>{escape(text)}</p>" for text in texts if text)))
    if g.held_zh:
        parts.append(_section("等级与得分", f"<p>{escape(g.held_zh)}</p>"))
    if g.HasField("override"):
        text = f"经两名执法人员依程序人工调整为{_letter(g.override.grade)}级，至{g.override.last_date}止。"
        parts.append(_section("人工调整", f"<p>{escape(text)}</p>"))
    parts += _composition(answer)
    if g.vetoes:
        cited = {one.event_id: one.articles for one in answer.cited}
        rows = [
            (escape(v.text_zh), escape(_bases(v.bases or [v.basis])), _letter(v.cap),
             escape(v.until_date or "解除前"), escape(_proof(v.event_ids, cited)))
            for v in g.vetoes
        ]  # fmt: skip
        parts.append(_section("一票否决", _table(("事由", "依据", "最高等级", "解除日", "记录编号"), rows)))
    if answer.unmet_zh:
        items = "".join(f"<li>{escape(text)}</li>" for text in answer.unmet_zh)
        parts.append(_section("评定 A 级尚缺的条件", f"<ul>{items}</ul>"))
    if plan is not None:
        parts.append(_section("如何提升等级", _plan(plan)))
    parts.append(_section("您的权利", RIGHTS))
    digest = hashlib.sha256(answer.document).hexdigest()
    parts.append(f'<p class="small">本说明对应的完整文本摘要（SHA-256）：{digest}</p>')
    title = "企业安全信用等级说明书"
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="zh"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )


RIGHTS = (
    "<p>对所依据的记录或者本等级有异议的，可以向作出评定的机关提出异议；对已公示满最短期限的行政处罚，可以申请信用修复；"
    "有权查询谁、何时、因何查询过本企业的信用信息。记录编号可用于查阅每一条所依据的记录。</p>"
)


ABOUT_BASES = (
    "计分依据：“企业义务”是对企业的要求和责任，“监管权限”是监管机关据以评价的规定；“待核”的条文以公布文本为准；"
    "无专门法律条文的项目依本评级规则计分。记录编号之后是该记录自身引用的条文。"
)
ROLES = {"duty": "企业义务", "authority": "监管权限"}


def _chance(g: grades_pb2.GradeRecord) -> list[tuple[str, str]]:
    """Says the probability and what it is of."""
    if not g.HasField("probability"):
        return []
    of = g.target_zh or "模型所定义的事件"
    return [("概率", f"{100 * g.probability:.2f}%：未来十二个月内{of}的可能性")]


def _bases(bases: Sequence[rulebook_pb2.LegalBasis]) -> str:
    """Says by which articles points count; where no article of law stands behind them, so."""
    told = []
    for basis in bases:
        if basis.source == "default":
            # Beside articles of law, a default is what counts where they do not reach.
            told.append(f"{'无专门法律条文' if len(bases) == 1 else '其余'}：{basis_text(basis)}")
            continue
        about = "，".join(filter(None, (ROLES.get(basis.role, ""), "待核" if basis.source == "verify" else "")))
        told.append(f"{basis_text(basis)}（{about}）" if about else basis_text(basis))
    return "；".join(told)


def _proof(event_ids: Sequence[str], cited: Mapping[str, Sequence[str]]) -> str:
    """Names records, each with the articles that it cites itself."""
    told = [f"{i}（{'、'.join(map(article_text, cited[i]))}）" if i in cited else i for i in event_ids]
    return "、".join(told)


def _composition(answer: grades_pb2.ExplainGradeResponse) -> list[str]:
    """Says what makes the score, and what moves the probability beside it."""
    if not answer.features:
        return []
    moved = [_section("只影响概率、不影响得分的因素", _exposure(answer))] if answer.exposure else []
    return [_section("得分构成", _points(answer)), *moved, f'<p class="small">{ABOUT_BASES}</p>']


def _points(answer: grades_pb2.ExplainGradeResponse) -> str:
    most = max(1, *(f.best_points - f.points for f in answer.features))
    cited = {one.event_id: one.articles for one in answer.cited}
    rows = [("基础分", "", f"{answer.base_points}", "", "")]
    for f in answer.features:
        lost = f.best_points - f.points
        bar = f'<span class="bar" style="width:{round(8 * lost / most, 2)}em"></span>' if lost else ""
        text = f"{f.text_zh}。{f.note_zh}" if f.note_zh else f.text_zh
        rows.append((escape(text), bar, f"{f.points}", escape(_bases(f.bases)), escape(_proof(f.event_ids, cited))))
    total = answer.base_points + sum(f.points for f in answer.features)
    rows.append(("<b>合计</b>", "", f"<b>{total}</b>", "", ""))
    return _table(("项目", "失分", "得分", "计分依据", "记录编号"), rows)


def _exposure(answer: grades_pb2.ExplainGradeResponse) -> str:
    """Says what moves the probability alone, in the points by which it moves the score that this is read from."""
    cited = {one.event_id: one.articles for one in answer.cited}
    rows = [
        (escape(f.text_zh), f"{f.points:+}", escape(_bases(f.bases)), escape(_proof(f.event_ids, cited)))
        for f in answer.exposure
    ]
    return _table(("项目", "折合分值", "计算依据", "记录编号"), rows)


def _plan(plan: remedies_pb2.PlanRepairResponse) -> str:
    if not plan.paths:
        return f"<p>按现有记录，至{escape(plan.horizon_date)}前等级不会变化。</p>"
    rows = []
    for path in plan.paths:
        steps = [f"{step.from_date} 起：{step.text_zh}（{_target(step.target)}）" for step in path.steps] or [
            "等待相关期限届满"
        ]
        rows.append((escape(path.reach_date), _letter(path.grade), "<br>".join(map(escape, steps))))
    return _table(("最早日期", "可达等级", "依法可以采取的步骤"), rows)


def _target(target: str) -> str:
    """Names what a step is about as the other tables of the page do."""
    return target.replace("event/", "记录").replace("listing/", "列入")


def _section(title: str, body: str) -> str:
    return f"<h2>{title}</h2>\n{body}"


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = f"<tr>{''.join(f'<th>{one}</th>' for one in heads)}</tr>" if heads else ""
    return f"<table>{head}{''.join('<tr>' + ''.join(f'<td>{c}</td>' for c in row) + '</tr>' for row in rows)}</table>"


def _letter(grade: grades_pb2.Grade.ValueType) -> str:
    name = grades_pb2.Grade.Name(grade).removeprefix("GRADE_")
    return "待评定" if name == "PENDING" else name
