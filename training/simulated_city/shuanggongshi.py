"""Writes penalties and licences as the 双公示 tables of public platforms, in two layouts.

A row holds the latest state of a record; withdrawn and revoked ones are left out. Columns that
would name a person stay empty, and every remark says that the row is simulated.
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from io import StringIO

from training.simulated_city.clerk import Event
from training.simulated_city.codes import organ_code
from training.simulated_city.world import world

Row = dict[str, str]

_FEN_PER_WAN = 1_000_000
_REMARK = "模拟数据 SIMULATED"
_LONG_TERM = "2099/12/31"
_CITY = "110000"

_PARTY = "XDR_MC XDR_LB XDR_SHXYM XDR_GSZC XDR_ZZJG XDR_SWDJ XDR_SYDW XDR_SHZZ FRDB FR_ZJLX FR_ZJHM XDR_ZJLX XDR_ZJHM"
COLUMNS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("PEN", "current"): (
        *(f"CF_{name}" for name in _PARTY.split()),
        *(
            f"CF_{name}"
            for name in [
                "WSH",
                "WFXW",
                "SY",
                "YJ",
                "CFLB",
                "NR",
                "NR_FK",
                "NR_WFFF",
                "NR_ZKDX",
                "JDRQ",
                "YXQ",
                "GSJZQ",
            ]
        ),
        *("CF_CFJG", "CF_CFJGDM", "CF_SJLY", "CF_SJLYDM", "BZ"),
    ),
    ("LIC", "current"): (
        *(f"XK_{name}" for name in _PARTY.split()),
        *(f"XK_{name}" for name in ["XKWS", "WSH", "XKLB", "XKZS", "XKBH", "NR", "JDRQ", "YXQZ", "YXQZI"]),
        *("XK_XKJG", "XK_XKJGDM", "XK_ZT", "XK_LYDW", "XK_LYDWDM", "BZ"),
    ),
    ("PEN", "older"): (
        *(
            "CF_WSH",
            "CF_CFMC",
            "CF_CFLB1",
            "CF_CFLB2",
            "CF_SY",
            "CF_YJ",
            "CF_XDR_MC",
            "CF_XDR_SHXYM",
            "CF_XDR_ZDM",
        ),
        *(
            "CF_XDR_GSDJ",
            "CF_XDR_SWDJ",
            "CF_XDR_SFZ",
            "CF_FR",
            "CF_JG",
            "CF_JDRQ",
            "CF_XZJG",
            "CF_ZT",
        ),
        *("DFBM", "SJC", "BZ"),
    ),
    ("LIC", "older"): (
        *(
            "XK_WSH",
            "XK_XMMC",
            "XK_SPLB",
            "XK_NR",
            "XK_XDR",
            "XK_XDR_SHXYM",
            "XK_XDR_ZDM",
            "XK_XDR_GSDJ",
        ),
        *(
            "XK_XDR_SWDJ",
            "XK_XDR_SFZ",
            "XK_FR",
            "XK_JDRQ",
            "XK_JZQ",
            "XK_XZJG",
            "XK_ZT",
            "DFBM",
            "SJC",
            "BZ",
        ),
    ),
}

PENALTY_TYPES = {
    "WARNING": "警告",
    "CRITICISM": "通报批评",
    "FINE": "罚款",
    "CONFISCATION": "没收违法所得、没收非法财物",
    "LICENCE_SUSPENDED": "暂扣许可证件",
    "PRODUCTION_STOPPED": "责令停产停业",
    "OTHER": "法律、行政法规规定的其他行政处罚",
}


def latest(events: Iterable[Event]) -> list[Event]:
    """Returns the latest state of each penalty and licence, without the withdrawn."""
    current: dict[tuple[str, str], Event] = {}
    for event in events:
        if event["kind"] in ("PEN", "LIC") and event["subject"]["scheme"] == "USCC":
            current[event["source"], event["source_record_id"]] = event
    return [e for e in current.values() if e["op"] == "ASSERT" and e["payload"].get("status") != "REVOKED"]


def line(event: Event, layout: str) -> str:
    """Writes one record as a line of the table of its kind."""
    row = _WRITERS[event["kind"], layout](event)
    return _csv([row.get(column, "") for column in COLUMNS[event["kind"], layout]])


def header(kind: str, layout: str) -> str:
    """Writes the line of column codes."""
    return _csv(COLUMNS[kind, layout])


def wan(fen: int) -> str:
    """Writes an amount in ten thousand yuan with six decimals; one fen is the last decimal."""
    return f"{fen // _FEN_PER_WAN}.{fen % _FEN_PER_WAN:06d}"


def _csv(values: Iterable[str]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(values)
    return text.getvalue()


def _party(event: Event, prefix: str) -> Row:
    subject = event["subject"]
    is_trader = subject["kind"] == "SOLE_TRADER"
    return {
        f"{prefix}_XDR_MC": subject["name"],
        f"{prefix}_XDR_LB": "个体工商户" if is_trader else "法人及非法人组织",
        f"{prefix}_XDR_SHXYM": subject["code"],
        f"{prefix}_XDR_ZZJG": subject["code"][8:17],
        "BZ": _REMARK,
    }


def _penalty(event: Event) -> Row:
    payload = event["payload"]
    row = _party(event, "CF") | {
        "CF_WSH": event["document_no"],
        "CF_WFXW": f"违反{payload['articles'][0].split('/')[0]}规定的行为",
        "CF_SY": payload["facts"],
        "CF_YJ": event["legal_basis"],
        "CF_CFLB": _types(event),
        "CF_NR": _content(event),
        "CF_JDRQ": _date(event["occur_time"]),
        "CF_YXQ": _LONG_TERM,
        "CF_CFJG": payload["organ_name"],
        "CF_CFJGDM": payload["organ_code"],
        "CF_SJLY": payload["organ_name"],
        "CF_SJLYDM": payload["organ_code"],
    }
    amounts = {"CF_NR_FK": "fine_fen", "CF_NR_WFFF": "confiscated_fen"}
    row |= {column: wan(payload[name]) for column, name in amounts.items() if name in payload}
    if "LICENCE_SUSPENDED" in payload["penalty_types"]:
        row["CF_NR_ZKDX"] = "许可证件"
    if "publicity_end_date" in payload:
        row["CF_GSJZQ"] = _date(payload["publicity_end_date"])
    return row


def _penalty_older(event: Event) -> Row:
    payload = event["payload"]
    types = _types(event).split(";")
    return {
        "CF_WSH": event["document_no"],
        "CF_CFMC": f"{payload['facts']}案",
        "CF_CFLB1": types[0],
        "CF_CFLB2": ";".join(types[1:]),
        "CF_SY": payload["facts"],
        "CF_YJ": event["legal_basis"],
        "CF_XDR_MC": event["subject"]["name"],
        "CF_XDR_SHXYM": event["subject"]["code"],
        "CF_XDR_ZDM": event["subject"]["code"][8:17],
        "CF_JG": _content(event),
        "CF_JDRQ": _date(event["occur_time"]),
        "CF_XZJG": payload["organ_name"],
        "CF_ZT": "0",
        "DFBM": payload["organ_code"][2:8],
        "SJC": _date(event["source_publish_time"]),
        "BZ": _REMARK,
    }


def _licence(event: Event) -> Row:
    payload = event["payload"]
    return _party(event, "XK") | {
        "XK_XKWS": "准予行政许可决定书",
        "XK_WSH": event["document_no"],
        "XK_XKLB": "普通",
        "XK_XKZS": payload["licence_type"],
        "XK_XKBH": event["document_no"],
        "XK_NR": payload["licence_type"],
        "XK_JDRQ": _date(event["occur_time"]),
        "XK_YXQZ": _date(payload["from_date"]),
        "XK_YXQZI": _date(payload["to_date"]) if "to_date" in payload else _LONG_TERM,
        "XK_XKJG": _organ(event),
        "XK_XKJGDM": _organ_code(event),
        "XK_ZT": "1" if payload["status"] == "VALID" else "2",
        "XK_LYDW": _organ(event),
        "XK_LYDWDM": _organ_code(event),
    }


def _licence_older(event: Event) -> Row:
    payload = event["payload"]
    return {
        "XK_WSH": event["document_no"],
        "XK_XMMC": payload["licence_type"],
        "XK_SPLB": "普通",
        "XK_NR": payload["licence_type"],
        "XK_XDR": event["subject"]["name"],
        "XK_XDR_SHXYM": event["subject"]["code"],
        "XK_XDR_ZDM": event["subject"]["code"][8:17],
        "XK_JDRQ": _date(event["occur_time"]),
        "XK_JZQ": _date(payload["to_date"]) if "to_date" in payload else _LONG_TERM,
        "XK_XZJG": _organ(event),
        "XK_ZT": "0" if payload["status"] == "VALID" else "1",
        "DFBM": event["subject"]["code"][2:8],
        "SJC": _date(event["source_publish_time"]),
        "BZ": _REMARK,
    }


def _types(event: Event) -> str:
    return ";".join(PENALTY_TYPES[name] for name in event["payload"]["penalty_types"])


def _content(event: Event) -> str:
    payload = event["payload"]
    parts = [PENALTY_TYPES[name] for name in payload["penalty_types"] if name not in ("FINE", "CONFISCATION")]
    if "fine_fen" in payload:
        parts.append(f"罚款人民币{wan(payload['fine_fen'])}万元")
    if "confiscated_fen" in payload:
        parts.append(f"没收违法所得{wan(payload['confiscated_fen'])}万元")
    return "；".join(parts)


def _organ(event: Event) -> str:
    return "模拟市消防救援局" if event["domain"] == "FIRE" else "模拟市应急管理局"


def _organ_code(event: Event) -> str:
    domain = world().fire if event["domain"] == "FIRE" else world().work
    return organ_code(domain.organ_mark, _CITY)


def _date(text: str) -> str:
    return text[:10].replace("-", "/")


_WRITERS: Mapping[tuple[str, str], Callable[[Event], Row]] = {
    ("PEN", "current"): _penalty,
    ("PEN", "older"): _penalty_older,
    ("LIC", "current"): _licence,
    ("LIC", "older"): _licence_older,
}
