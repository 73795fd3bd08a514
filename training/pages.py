"""The report of an evaluation as one page that people read: tables and drawings, nothing from outside."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from training.monitoring import RED

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em; border-bottom: 1px solid #ccc }
table { border-collapse: collapse; margin: .6em 0 } td, th { border: 1px solid #ccc; padding: .2em .6em }
td { text-align: right }
th:first-child, td:first-child { text-align: left } .green { background: #dff0d8 } .yellow { background: #fcf3cf }
.red { background: #f8d7da } svg { background: #fafafa; border: 1px solid #ddd } svg text { font: 11px system-ui }
"""
SIDE, MARGIN = 340, 48
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def page(document: Mapping[str, Any]) -> str:
    """Returns the page of a report: one section a task, then drift, moves and groups, then what a ledger tells."""
    parts = [f"<h1>{escape(document['model'])}</h1>"]
    if document["is_simulated"]:
        parts.append("<p><b>SIMULATED 模拟数据</b>: these figures say nothing of real enterprises.</p>")
    for task, found in document["tasks"].items():
        parts.append(f"<h2>{escape(task)}, test cut-off {escape(found['test_cutoff'])}</h2>")
        parts.append(_ranking(found))
        parts.append(reliability(found["reliability"]))
        parts.append(capture(found["capture"]))
        if "monitoring" in found:
            parts += _monitoring(found["monitoring"])
    if "ledger" in document:
        parts += _ledger(document["ledger"])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(document['model'])}</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def reliability(bins: Sequence[Mapping[str, float]]) -> str:
    """Draws what came true against what was said, by bins of equal count with 95 % intervals.

    Most chances are small: both axes are roots, so that they lie apart and the diagonal stays one.
    """
    top = max([0.01, *(max(b["high"], b["expected"]) for b in bins)])
    marks = [f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="#999" stroke-dasharray="4"/>']
    for b in bins:
        places = [math.sqrt(b[k] / top) for k in ("expected", "low", "high", "observed")]
        x, low, high, y = _x(places[0]), *map(_y, places[1:])
        marks.append(f'<line x1="{x}" y1="{low}" x2="{x}" y2="{high}" stroke="#36c"/>')
        marks.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="#36c"/>')
    ticks = [(place, f"{100 * top * place**2:.3g} %") for place in TICKS]
    return _drawing("Said (across) and came true (up), on root scales", marks, ticks)


def capture(curve: Sequence[Sequence[float]]) -> str:
    """Draws the share of harm among the shares of worst scores."""
    points = " ".join(f"{_x(share)},{_y(caught)}" for share, caught in curve)
    marks = [
        f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="#999" stroke-dasharray="4"/>',
        f'<polyline points="{points}" fill="none" stroke="#c33" stroke-width="2"/>',
    ]
    return _drawing(
        "Share of subjects by worst score (across) and of harm (up)",
        marks,
        [(place, f"{100 * place:.0f} %") for place in TICKS],
    )


def _ranking(found: Mapping[str, Any]) -> str:
    rows = [
        (name or "ours", _number(found[f"{key}auc"]), " – ".join(map(_number, found[f"{key}auc_ci"])),
         _number(found[f"{key}average_precision"]), _number(found[f"{key}captured_top_5_percent"]))
        for name, key in (("ours", ""), ("rule", "rule_"), ("logistic", "logistic_"), ("free booster", "free_"))
    ]  # fmt: skip
    told = [(name, _number(found[name])) for name in TOLD]
    heads = ("", "AUC", "95 %", "average precision", "caught by the worst 5 %")
    return table(heads, rows) + table(("", ""), told)


TOLD = (
    "n", "positives", "base_rate", "brier", "brier_reference", "ece", "observed_to_expected", "calibration_slope",
)  # fmt: skip


GROUP_HEADS = (
    "", "n", "observed / expected", "by the score alone", "with size and visits", "clean at C or D", "",
)  # fmt: skip


def _monitoring(m: Mapping[str, Any]) -> list[str]:
    groups = [
        (
            f"{way} {name}",
            g["n"],
            _number(g["observed_to_expected"]),
            _number(m["by_score_alone"][way][name]["observed_to_expected"]),
            _number(m["with_exposure"][way][name]["observed_to_expected"]),
            _number(g["clean_at_c_or_d"]),
            _alarm(g),
        )
        for way, found in m["by_group"].items()
        for name, g in found.items()
    ]
    return [
        *_grades(m["by_grade"]), *_drift(m["drift"]), *_moves(m["migration"], m["from"], m["to"]),
        "<h3>Groups</h3>", table(GROUP_HEADS, groups), *_reporting(m["reporting"]),
    ]  # fmt: skip


def _alarm(group: Mapping[str, Any]) -> str:
    return "" if not group["is_alarm"] else "alarm, sure" if group["sureness"] >= RED else "alarm, may be chance"


def _grades(found: Mapping[str, Any]) -> list[str]:
    rows = [
        (letter, one["n"], _number(one.get("expected")), _number(one.get("observed")), one["light"] or "–")
        for letter, one in found["grades"].items()
    ]
    seen = sum(one.get("observed") is not None for one in found["grades"].values())
    rising = "fewer than two grades to compare" if seen < 2 else "yes" if found["is_rising"] else "NO"
    return [
        "<h3>By grade</h3>", table(("grade", "n", "expected", "observed", "light"), rows, [row[-1] for row in rows]),
        f"<p>Observed rates rise from A to D: {rising}</p>",
    ]  # fmt: skip


def _drift(found: Mapping[str, Any]) -> list[str]:
    rows = [
        (
            name, _number(one["psi"]), _number(one["floor"]), one["periods_above_floor"],
            ", ".join(word for word in ("alarm", "lasting") if one[f"is_{word}"]),
        )
        for name, one in [("score", found["score"]), *found["features"].items()]
    ]  # fmt: skip
    lights = ["red" if row[-1] else "" for row in rows]
    return [
        "<h3>Drift against the model's reference</h3>",
        table(("", "PSI", "chance alone, 99 %", "above chance, evaluations running", ""), rows, lights),
        trend(found["periods"]),
    ]


def trend(periods: Sequence[Mapping[str, Any]]) -> str:
    """Draws the index of the score, evaluation by evaluation, beside what chance alone reaches."""
    top = max([0.01, *(max(one["psi"], one["floor"]) for one in periods)]) * 1.1
    places = [_x(n / max(1, len(periods) - 1)) for n in range(len(periods))]
    lines = [
        (key, colour, [(x, _y(one[key] / top)) for x, one in zip(places, periods, strict=True)])
        for key, colour in (("floor", "#999"), ("psi", "#c33"))
    ]
    marks = [
        f'<polyline points="{" ".join(f"{x},{y}" for x, y in points)}" fill="none" stroke="{colour}"/>'
        + "".join(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>' for x, y in points)
        for _, colour, points in lines
    ]
    marks += [
        f'<text x="{x}" y="{_y(0) + 16}" text-anchor="{_anchor(n, len(periods))}">{escape(periods[n]["day"])}</text>'
        for n, x in enumerate(places)
        if n in {0, len(periods) - 1}
    ]
    ups = [(place, f"{top * place:.3g}") for place in TICKS]
    return _drawing("PSI of the score (red), chance alone (grey), by evaluation", marks, ups, ())


def _anchor(n: int, count: int) -> str:
    return "start" if n == 0 else "end" if n == count - 1 else "middle"


def _moves(found: Mapping[str, Any], begin: str, end: str) -> list[str]:
    heat = [
        (letter, *(row[other] for other in row), _number(found["stay"][letter]))
        for letter, row in found["matrix"].items()
    ]
    return [
        f"<h3>From {escape(begin)} to {escape(end)}, the same subjects</h3>",
        table(("from \\ to", "A", "B", "C", "D", "stayed"), heat),
        f"<p>Changed: {_number(found['changed'])}; by two grades or more: {_number(found['jumped'])}</p>",
    ]


def _reporting(found: Mapping[str, Any]) -> list[str]:
    """Shows light accidents against three things that let expect them."""
    rows = [
        (
            f"{way} {name}", one["n"], one["light"], one["fatal"], one["claims"],
            *(_number(one.get(measure, {}).get("observed_to_expected")) for measure in MEASURES),
            ", ".join(measure for measure in MEASURES if one.get(measure, {}).get("is_alarm")),
        )
        for way in ("size", "district", "industry")
        for name, one in found[way].items()
    ]  # fmt: skip
    heads = ("", "n", "light accidents", "fatal", "claims", "by exposure", "by fatal", "by claims", "too few by")
    return [f"<h3>Reported from {escape(found['from'])} to {escape(found['to'])}</h3>", table(heads, rows)]


MEASURES = ("by_exposure", "by_fatal", "by_claims")
STATES = {True: "silent", False: "", None: "nothing agreed"}


def _ledger(found: Mapping[str, Any]) -> list[str]:
    """Shows sources, reporting and overrides of a ledger."""
    sources = [
        (
            name, one["quarter"], _number(one.get("expected")), _number(one.get("observed_to_expected")),
            one["days_since_last"], _number(one["interval_days"]), STATES[one["is_silent"]],
        )
        for name, one in found["sources"].items()
    ]  # fmt: skip
    heads = ("source", "last quarter", "expected", "observed / expected", "days since", "agreed days", "")
    parts = [f"<h2>Ledger on {escape(found['as_of'])}</h2>", table(heads, sources), *_reporting(found["reporting"])]
    if "drift" in found:
        parts += _drift(found["drift"])
    if "migration" in found:
        parts += _moves(found["migration"], found["migration"]["from"], found["migration"]["to"])
    if "outcomes" in found:
        parts += _outcomes(found["outcomes"])
    if "overrides" in found:
        parts += _overrides(found["overrides"])
    return parts


def _outcomes(found: Mapping[str, Any]) -> list[str]:
    """Shows what came true in the year after a day, by grade and by group."""
    rows = [
        (
            f"{way} {name}", one["n"], one["positives"], _number(one["observed_to_expected"]),
            _number(one["clean_at_c_or_d"]), _alarm(one),
        )
        for way, groups in found["by_group"].items()
        for name, one in groups.items()
    ]  # fmt: skip
    fitted = "" if found["is_out_of_time"] else " The model was fitted on this time: it says less than it seems to."
    heads = ("", "n", "harmed", "observed / expected", "clean at C or D", "")
    return [
        f"<h3>What came true in the year after {escape(found['day'])}</h3>",
        f"<p>{found['positives']:,} of {found['n']:,} came to harm,"
        f" {_number(found['observed_to_expected'])} times as many as were expected.{fitted}</p>",
        *_grades(found["by_grade"]), "<h3>Groups</h3>", table(heads, rows),
    ]  # fmt: skip


def _overrides(found: Mapping[str, Any]) -> list[str]:
    rows = [
        (
            f"{way} {name}", one["n"], one["known"], one["harmed"], _number(one.get("agreed")),
            _number(one.get("agreed_expected")),
        )
        for way in ("by_reason", "by_direction")
        for name, one in found[way].items()
    ]  # fmt: skip
    heads = ("", "overrides", "year is over", "harmed", "agreed by what came", "agreed if the machine is right")
    share = f"<p>In force: {found['in_force']} ({_number(found['share'])} of the graded)</p>"
    return ["<h3>Overrides</h3>", share, table(heads, rows)]


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], lights: Sequence[str] = ()) -> str:
    """Returns rows as a table; a light colours its row."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = []
    for n, row in enumerate(rows):
        light = f' class="{lights[n]}"' if n < len(lights) and lights[n] in {"green", "yellow", "red"} else ""
        body.append(f"<tr{light}>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>")
    return f"<table><tr>{head}</tr>{''.join(body)}</table>"


def _drawing(
    title: str,
    marks: Sequence[str],
    ups: Sequence[tuple[float, str]],
    acrosses: Sequence[tuple[float, str]] | None = None,
) -> str:
    """Frames marks and names places on both axes; those across are those up where none are given."""
    size = SIDE + 2 * MARGIN
    texts = f'<text x="{MARGIN}" y="{MARGIN - 14}">{escape(title)}</text>'
    texts += "".join(
        f'<text x="{_x(0) - 4}" y="{_y(place) + 4}" text-anchor="end">{escape(label)}</text>' for place, label in ups
    )
    texts += "".join(
        f'<text x="{_x(place)}" y="{_y(0) + 16}" text-anchor="middle">{escape(label)}</text>'
        for place, label in (ups if acrosses is None else acrosses)
    )
    frame = f'<rect x="{_x(0)}" y="{_y(1)}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#bbb"/>'
    return f'<svg width="{size}" height="{size}" role="img">{frame}{texts}{"".join(marks)}</svg> '


def _x(share: float) -> float:
    return round(MARGIN + share * SIDE, 1)


def _y(share: float) -> float:
    return round(MARGIN + (1 - share) * SIDE, 1)


def _number(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
