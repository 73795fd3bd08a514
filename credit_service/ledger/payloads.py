"""What each event kind must and may say: one table, the twin of events.proto."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from credit_service.errors import CreditError, Problem, Reason, shown
from credit_service.subjects import uscc

TEXT_LIMIT = 4000
ARTICLE_LIMIT = 50
MONEY_LIMIT = 10**16


@dataclass(frozen=True, slots=True)
class Field:
    """Describes one payload field: its form, whether it must be there, its values or range."""

    form: str
    is_required: bool = False
    values: frozenset[str] = frozenset()
    least: float = 0
    most: float = MONEY_LIMIT
    # What it means when a required field is not there.
    missing: Reason = Reason.FIELD_MISSING


def _enum(values: str, *, required: bool = False) -> Field:
    return Field("enum", required, frozenset(values.split()))


def _enums(values: str) -> Field:
    return Field("enums", False, frozenset(values.split()))


TEXT = Field("text")
TEXT_REQUIRED = Field("text", is_required=True)
DATE = Field("date")
DATE_REQUIRED = Field("date", is_required=True)
MONEY = Field("int")
COUNT = Field("int", most=10_000_000)
BOOL = Field("bool")
REGION = Field("region")
HOURS = Field("number", least=0.01, most=10_000)

PAYLOADS: Mapping[str, Mapping[str, Field]] = {
    "ACC": {
        "accident_kind": _enum("WORK FIRE ROAD", required=True),
        "level": _enum("EXTRA MAJOR LARGER GENERAL"),
        "deaths": COUNT,
        "serious_injuries": COUNT,
        "victims": COUNT,
        "direct_loss_fen": MONEY,
        "liability": _enum("UNKNOWN LIABLE NOT_LIABLE"),
        "concealment": _enum("NONE CONCEALED MISREPORTED LATE OMITTED"),
        "fine_multiplier": Field("number", least=2, most=5),
        "industry": TEXT,
        "cause": TEXT,
        "counts_date": DATE,
    },
    "PEN": {
        "articles": Field("texts", is_required=True, missing=Reason.CLAUSE_MISSING),
        "penalty_types": _enums(
            "WARNING CRITICISM FINE CONFISCATION LICENCE_SUSPENDED QUALIFICATION_LOWERED "
            "LICENCE_REVOKED BUSINESS_RESTRICTED PRODUCTION_STOPPED CLOSURE "
            "EMPLOYMENT_RESTRICTED DETENTION OTHER"
        ),
        "fine_fen": MONEY,
        "confiscated_fen": MONEY,
        "severity": _enum("MINOR GENERAL SERIOUS"),
        "organ_name": TEXT,
        "organ_code": TEXT,
        "organ_kind": _enum("EMERGENCY_MANAGEMENT FIRE_RESCUE OTHER"),
        "procedure": _enum("SUMMARY GENERAL"),
        "performed_date": DATE,
        "publicity_end_date": DATE,
        "status": _enum("IN_FORCE REVOKED STAYED"),
        "conduct": _enum("NO_RESCUE LEFT_POST ABSCONDED"),
        "fire_matter": _enum(
            "HAZARD_NOT_RECTIFIED OPENED_WITHOUT_INSPECTION FALSE_COMMITMENT_WITH_HAZARD "
            "REFUSED_CORRECTION DECISION_NOT_EXECUTED"
        ),
        "is_accident_related": BOOL,
        "facts": TEXT,
    },
    "LICV": {
        "licence_type": TEXT_REQUIRED,
        "violation": _enum("UNLICENSED DURING_SUSPENSION AFTER_REVOCATION", required=True),
    },
    "FRAUD": {
        "fraud_kind": _enum(
            "FALSE_REPORT FALSE_CERTIFICATE QUALIFICATION_LENT AFFILIATION FALSE_COMMITMENT",
            required=True,
        )
    },
    "NONEXEC": {"is_able_to_perform": Field("bool", is_required=True), "court_reference": TEXT},
    "OBSTR": {"facts": TEXT},
    "HAZ": {
        "hazard_level": _enum("GENERAL MAJOR", required=True),
        "found_by": _enum("SELF AUTHORITY", required=True),
        "order_date": DATE,
        "due_date": DATE,
        "extended_due_date": DATE,
        "supervision_date": DATE,
        "rectified_date": DATE,
        "accepted_date": DATE,
        "closed_date": DATE,
        "is_supervised": BOOL,
        "facts": TEXT,
    },
    "INS": {
        "result": _enum("CLEAN VIOLATION MAJOR_VIOLATION", required=True),
        "mode": _enum("RANDOM PLANNED TARGETED"),
        "visit_hours": HOURS,
        "draw_reference": TEXT,
        "plan_reference": TEXT,
    },
    "STD": {
        "level": Field("int", is_required=True, least=1, most=3),
        "from_date": DATE_REQUIRED,
        "to_date": DATE_REQUIRED,
        "revoked_date": DATE,
    },
    "POL": {
        "from_date": DATE_REQUIRED,
        "to_date": DATE_REQUIRED,
        "per_person_limit_fen": MONEY,
        "covered_headcount": COUNT,
    },
    "COM": {"status": _enum("MADE KEPT BROKEN", required=True), "text": TEXT},
    "HON": {"level": _enum("NATIONAL PROVINCE CITY COUNTY", required=True), "organ_name": TEXT},
    "REP": {"decision_date": DATE_REQUIRED},
    "BAN": {"person_reference": TEXT, "until_date": DATE, "is_lifetime": BOOL},
    "REG": {
        "name": TEXT,
        "industry_code": Field("industry"),
        "registered_region": REGION,
        "operating_region": REGION,
        "supervising_region": REGION,
        "headcount": COUNT,
        "founded_date": DATE,
        "status": _enum("ACTIVE SUSPENDED CLOSED"),
        "sectors": _enums(
            "MINING CHEMICAL MEDICINE HAZARDOUS_CHEMICALS FIREWORKS OIL METALLURGY NONFERROUS "
            "BUILDING_MATERIALS MACHINERY LIGHT_INDUSTRY TEXTILE TOBACCO COMMERCE SAFETY_SERVICE "
            "CONSTRUCTION TRANSPORT FISHERY CIVIL_EXPLOSIVES METAL_SMELTING CROWDED_PLACE OTHER"
        ),
        "predecessor_codes": Field("codes"),
        "succession": _enum("RENUMBERED MERGED SPLIT"),
        "branch_of_code": Field("code"),
    },
    "LIC": {
        "licence_type": TEXT_REQUIRED,
        "is_mandatory": BOOL,
        "from_date": DATE_REQUIRED,
        "to_date": DATE,
        "status": _enum("VALID SUSPENDED REVOKED"),
    },
    "ORD": {
        "order_kind": _enum("STOP_WORK RECTIFY CLOSE", required=True),
        "from_date": DATE_REQUIRED,
        "due_date": DATE,
        "lifted_date": DATE,
    },
    "CRIM": {"stage": _enum("REFERRED ACCEPTED JUDGED", required=True), "outcome": TEXT},
    "SVC": {"service_type": TEXT_REQUIRED, "hours": HOURS},
    "CLM": {"loss_fen": Field("int", is_required=True), "paid_fen": MONEY},
}
_REQUIRED = {kind: tuple(n for n, f in table.items() if f.is_required) for kind, table in PAYLOADS.items()}
_EMPTY: tuple[Any, ...] = (None, "", [])

# Kinds that mean nothing without the record they refer to.
NEEDS_REFERENCE = frozenset({"REP"})
# Pairs of dates that must not stand in the wrong order.
DATE_ORDER = (
    ("from_date", "to_date"),
    ("from_date", "due_date"),
    ("from_date", "lifted_date"),
    ("order_date", "due_date"),
    ("order_date", "closed_date"),
    ("due_date", "extended_due_date"),
    ("supervision_date", "due_date"),
    ("order_date", "rectified_date"),
    ("rectified_date", "accepted_date"),
    ("accepted_date", "closed_date"),
)
# Fields that mean nothing without each other.
TOGETHER: Mapping[str, tuple[tuple[str, str], ...]] = {"REG": (("predecessor_codes", "succession"),)}
_ORDERED = {k: tuple(p for p in DATE_ORDER if p[0] in t and p[1] in t) for k, t in PAYLOADS.items()}
# Kinds of which one field may speak against another.
_JOINED = frozenset({*TOGETHER, *(kind for kind, pairs in _ORDERED.items() if pairs)})


def check_payload(kind: str, payload: Mapping[str, Any]) -> list[Problem]:
    """Returns every fault of a payload of a known kind; an empty list means it is well formed."""
    table = PAYLOADS[kind]
    problems = [
        Problem(f"payload.{name}", "", f"a value ({table[name].form})", table[name].missing)
        for name in _REQUIRED[kind]
        if payload.get(name) in _EMPTY
    ]
    for name, value in payload.items():
        field = table.get(name)
        if field is None:
            problems.append(Problem(f"payload.{name}", shown(value), f"no such field in {kind}", Reason.FIELD_UNKNOWN))
        elif (problem := _CHECKS[field.form](name, field, value)) and not (field.is_required and value in _EMPTY):
            problems.append(problem)
    if problems or kind not in _JOINED:
        return problems
    return [*_check_together(kind, payload), *_check_order(kind, payload)]


def _check_together(kind: str, payload: Mapping[str, Any]) -> list[Problem]:
    return [
        Problem(f"payload.{one}", "", f"a value, because {other} is given", Reason.FIELD_MISSING)
        for pair in TOGETHER.get(kind, ())
        for one, other in (pair, pair[::-1])
        if not payload.get(one) and payload.get(other)
    ]


def _check_order(kind: str, payload: Mapping[str, Any]) -> list[Problem]:
    return [
        Problem(f"payload.{later}", payload[later], f"not before {first} {payload[first]}", Reason.TIME_ORDER)
        for first, later in _ORDERED[kind]
        if first in payload and later in payload and payload[later] < payload[first]
    ]


def _fault(name: str, value: Any, want: str, reason: Reason = Reason.FIELD_INVALID) -> Problem:
    return Problem(f"payload.{name}", shown(value), want, reason)


def _number(name: str, field: Field, value: Any) -> Problem | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or (field.form == "int" and not isinstance(value, int)):
        return _fault(name, value, "a number")
    if value < 0:
        return _fault(name, value, f"{field.least:g} or more", Reason.AMOUNT_NEGATIVE)
    if not field.least <= value <= field.most:
        return _fault(name, value, f"{field.least:g} to {field.most:g}", Reason.FIELD_OUT_OF_RANGE)
    return None


def check_text(path: str, value: Any, limit: int = TEXT_LIMIT) -> Problem | None:
    """Returns the fault of a text: not a text, too long, or with control characters."""
    if isinstance(value, str) and len(value) <= limit and value.isprintable():
        return None
    if not isinstance(value, str):
        return Problem(path, shown(value), "a text", Reason.FIELD_INVALID)
    if len(value) > limit:
        return Problem(path, f"{len(value)} characters", f"at most {limit}", Reason.FIELD_OUT_OF_RANGE)
    if any((ord(c) < 32 and c not in "\t\n\r") or "\ud800" <= c <= "\udfff" for c in value):
        return Problem(path, shown(value), "text without control characters", Reason.TEXT_INVALID)
    return None


def _text(name: str, _field: Field, value: Any) -> Problem | None:
    return check_text(f"payload.{name}", value)


def _texts(name: str, _field: Field, value: Any) -> Problem | None:
    if not isinstance(value, list) or not 1 <= len(value) <= ARTICLE_LIMIT:
        return _fault(name, value, f"1 to {ARTICLE_LIMIT} texts", Reason.FIELD_OUT_OF_RANGE)
    return next((p for p in (check_text(f"payload.{name}", v, 200) for v in value) if p), None)


def _date(name: str, _field: Field, value: Any) -> Problem | None:
    if isinstance(value, str) and _is_date(value):
        return None
    return _fault(name, value, "a date YYYY-MM-DD")


@lru_cache(maxsize=65536)
def _is_date(text: str) -> bool:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return False
    # fromisoformat also reads week dates; only the written form of the day itself is accepted.
    return day.isoformat() == text and 1949 <= day.year <= 2200


def _enum_value(name: str, field: Field, value: Any) -> Problem | None:
    if isinstance(value, str) and value in field.values:
        return None
    return _fault(name, value, "one of " + ", ".join(sorted(field.values)), Reason.ENUM_UNKNOWN)


def _enum_values(name: str, field: Field, value: Any) -> Problem | None:
    if not isinstance(value, list):
        return _fault(name, value, "a list")
    return next((p for p in (_enum_value(name, field, v) for v in value) if p), None)


def _bool(name: str, _field: Field, value: Any) -> Problem | None:
    if isinstance(value, bool):
        return None
    return _fault(name, value, "true or false")


def _region(name: str, _field: Field, value: Any) -> Problem | None:
    if isinstance(value, str) and len(value) == 6 and value.isascii() and value.isdecimal():
        return None
    return _fault(name, value, "6 digits (GB/T 2260)")


def _industry(name: str, _field: Field, value: Any) -> Problem | None:
    well_formed = isinstance(value, str) and 1 <= len(value) <= 5 and "A" <= value[0] <= "T"
    if well_formed and (len(value) == 1 or (value[1:].isascii() and value[1:].isdecimal())):
        return None
    return _fault(name, value, "a GB/T 4754 code such as C2611")


def _code(name: str, _field: Field, value: Any) -> Problem | None:
    try:
        is_canonical = isinstance(value, str) and uscc.canonical(value) == value
    except CreditError:
        is_canonical = False
    return (
        None if is_canonical else _fault(name, value, "a social credit code in its canonical form", Reason.CODE_INVALID)
    )


def _codes(name: str, field: Field, value: Any) -> Problem | None:
    if not isinstance(value, list) or not 1 <= len(value) <= ARTICLE_LIMIT:
        return _fault(name, value, f"1 to {ARTICLE_LIMIT} codes", Reason.FIELD_OUT_OF_RANGE)
    return next((p for p in (_code(name, field, v) for v in value) if p), None)


_CHECKS = {
    "code": _code, "codes": _codes,
    "text": _text, "texts": _texts, "date": _date, "enum": _enum_value, "enums": _enum_values,
    "bool": _bool, "int": _number, "number": _number, "region": _region, "industry": _industry,
}  # fmt: skip
