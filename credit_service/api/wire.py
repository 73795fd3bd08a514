"""Between messages and plain values: events, times, pages, tokens. Field faults read "field: got, want"."""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from google.protobuf import timestamp_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from credit_service.database import from_microseconds, to_microseconds
from credit_service.errors import CreditError, Problem, Reason, shown
from credit_service.ledger.clocks import CLOCK_SKEW
from credit_service.ledger.drafts import ID_LIMIT
from credit_service.ledger.payloads import check_text
from credit_service.subjects.schemes import split, subject_id
from credit_service.v1 import digests_pb2, events_pb2, ledger_pb2, subjects_pb2

# Event code → (name in EventKind, field of Payload).
KINDS: Mapping[str, tuple[str, str]] = {
    "ACC": ("ACCIDENT", "accident"), "PEN": ("PENALTY", "penalty"), "LICV": ("UNLICENSED", "unlicensed"),
    "FRAUD": ("FRAUD", "fraud"), "NONEXEC": ("NONEXECUTION", "nonexecution"),
    "OBSTR": ("OBSTRUCTION", "obstruction"), "HAZ": ("HAZARD", "hazard"), "INS": ("INSPECTION", "inspection"),
    "STD": ("STANDARDIZATION", "standardization"), "POL": ("POLICY", "policy"),
    "COM": ("COMMITMENT", "commitment"), "HON": ("HONOUR", "honour"), "REP": ("REPAIR", "repair"),
    "BAN": ("BAN", "ban"), "REG": ("REGISTRATION", "registration"), "LIC": ("LICENCE", "licence"),
    "ORD": ("ORDER", "order"), "CRIM": ("CRIMINAL", "criminal"), "SVC": ("SERVICE", "service"),
    "CLM": ("CLAIM", "claim"),
}  # fmt: skip
_CODE_OF = {name: code for code, (name, _) in KINDS.items()}
PAGE_DEFAULT = 50
PAGE_LIMIT = 1000
TOP = 2**63
NANOSECONDS = 1_000_000_000
# The years that a time can hold, 1 to 9999.
EARLIEST_SECOND, LATEST_SECOND = -62_135_596_800, 253_402_300_799


def record_of(draft: ledger_pb2.EventDraft) -> tuple[dict[str, Any], list[Problem]]:
    """Returns a submitted event as a plain record, with the faults that only the message shows.

    Its times are microseconds since 1970 UTC: collection meets too many to make an object of each.
    """
    problems: list[Problem] = []
    kind = _KIND_OF.get(draft.kind) or _CODE_OF.get(_said(draft, "kind", problems), "")
    subject, payload = draft.subject, draft.payload
    record: dict[str, Any] = {
        "source": draft.source, "source_record_id": draft.source_record_id,
        "source_version": draft.source_version or 1, "op": _said(draft, "op", problems) or "ASSERT",
        "subject": {
            "scheme": subject.scheme, "code": subject.code, "name": draft.subject_name,
            "kind": _said(draft, "subject_kind", problems) or "ENTERPRISE",
        },
        "kind": kind, "domain": _said(draft, "domain", problems),
        "document_no": draft.document_no, "legal_basis": draft.legal_basis, "refers_to": draft.refers_to,
        "payload": {},
    }  # fmt: skip
    if draft.HasField("occur_time"):
        record["occur_time"] = _draft_instant("occur_time", draft.occur_time, problems)
    if draft.HasField("source_publish_time"):
        record["source_publish_time"] = _draft_instant("source_publish_time", draft.source_publish_time, problems)
    which = payload.WhichOneof("payload")
    if which is not None:
        expected = KINDS[kind][1] if kind else which
        if which != expected:
            problems.append(Problem("payload", which, expected, Reason.PAYLOAD_MISMATCH))
        record["payload"] = _plain(getattr(payload, which), problems)
    return record, problems


def draft_of(record: Mapping[str, Any]) -> ledger_pb2.EventDraft:
    """Returns a plain record as the message of the contract; fails with the fault of the first bad field."""
    subject, payload = _object("subject", record.get("subject")), _object("payload", record.get("payload"))
    scheme, code = (_text(f"subject.{name}", subject.get(name)) for name in ("scheme", "code"))
    source, record_id, document_no, basis, reference = (_text(name, record.get(name)) for name in _TEXTS)
    draft = ledger_pb2.EventDraft(
        source=source, source_record_id=record_id,
        source_version=_whole("source_version", record.get("source_version", 1)),
        subject=subjects_pb2.SubjectRef(scheme=scheme, code=code),
        subject_name=_text("subject.name", subject.get("name")), document_no=document_no, legal_basis=basis,
        refers_to=reference,
    )  # fmt: skip
    kind = _text("kind", record.get("kind"))
    if kind not in KINDS:
        raise CreditError(Reason.KIND_UNKNOWN, f"kind: got {shown(kind)}, want one of {', '.join(KINDS)}")
    draft.kind = events_pb2.EventKind.Value(f"EVENT_KIND_{KINDS[kind][0]}")
    _set_enum(draft, "op", record.get("op") or "ASSERT", "")
    _set_enum(draft, "domain", record.get("domain") or "", "")
    _set_enum(draft, "subject_kind", subject.get("kind") or "ENTERPRISE", "subject.")
    for name in ("occur_time", "source_publish_time"):
        if record.get(name):
            getattr(draft, name).CopyFrom(timestamp(_parsed_time(name, record[name])))
    if draft.op != events_pb2.EVENT_OPERATION_RETRACT:
        target = getattr(draft.payload, KINDS[kind][1])
        target.SetInParent()
        for name, value in payload.items():
            _set(target, name, value)
    return draft


_TEXTS = ("source", "source_record_id", "document_no", "legal_basis", "refers_to")


def _text(path: str, value: Any) -> str:
    """Returns a text, empty for none; a record from a file may hold anything in its place."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CreditError(Reason.FIELD_INVALID, f"{path}: got {shown(value)}, want a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise CreditError(Reason.TEXT_INVALID, f"{path}: got {shown(value)}, want whole characters") from None
    return value


def _object(path: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise CreditError(Reason.FIELD_INVALID, f"{path}: got {shown(value)}, want an object with its fields")
    return value


def _plain(message: Message, problems: list[Problem]) -> dict[str, Any]:
    """Returns the fields that are present, enums by their short names."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        name, shorts, is_list = _form(field)
        if shorts is None:
            found[name] = list(value) if is_list else value
        elif is_list:
            found[name] = [_value_name(field, number, problems) for number in value]
        elif value:
            found[name] = shorts.get(value) or _value_name(field, value, problems)
    return found


@cache
def _form(field: FieldDescriptor) -> tuple[str, Mapping[int, str] | None, bool]:
    """Returns the name of a field, the short names of its values if it is an enum, and whether it is a list."""
    is_enum = field.type == FieldDescriptor.TYPE_ENUM
    return field.name, _shorts(field.enum_type) if is_enum else None, field.is_repeated


def _value_name(field: Any, number: int, problems: list[Problem]) -> str:
    enum: EnumDescriptor = field.enum_type
    short = _shorts(enum).get(number, "")
    if not short:
        want = "one of " + ", ".join(v.name for v in enum.values[1:])
        problems.append(Problem(f"payload.{field.name}", str(number), want, Reason.ENUM_UNKNOWN))
    return short


def _prefix(enum: Any) -> str:
    return str(enum.values[0].name).removesuffix("UNSPECIFIED")


@cache
def _shorts(enum: EnumDescriptor) -> Mapping[int, str]:
    """Returns the short names of an enum by number; the unspecified value has an empty one."""
    prefix = _prefix(enum)
    return {v.number: "" if v.number == 0 else v.name.removeprefix(prefix) for v in enum.values}


@cache
def _shorts_of(descriptor: Descriptor, name: str) -> Mapping[int, str]:
    return _shorts(descriptor.fields_by_name[name].enum_type)


def _short(message: Message, name: str, problems: list[Problem]) -> str:
    number = getattr(message, name)
    short = _shorts_of(message.DESCRIPTOR, name).get(number)
    if short is None:
        enum: Any = message.DESCRIPTOR.fields_by_name[name].enum_type
        want = "one of " + ", ".join(v.name for v in enum.values[1:])
        problems.append(Problem(name, str(number), want, Reason.ENUM_UNKNOWN))
        return ""
    return short


# Looked up once: collection reads thousands of drafts a second.
_SAID = {name: _shorts_of(ledger_pb2.EventDraft.DESCRIPTOR, name) for name in ("kind", "op", "domain", "subject_kind")}


_KIND_OF = {number: _CODE_OF.get(short, "") for number, short in _SAID["kind"].items()}


def _said(draft: ledger_pb2.EventDraft, name: str, problems: list[Problem]) -> str:
    short = _SAID[name].get(getattr(draft, name))
    return _short(draft, name, problems) if short is None else short


def choice(message: Message, name: str) -> str:
    """Returns the short name of an enum in a question, empty when it is not stated; fails with ENUM_UNKNOWN."""
    problems: list[Problem] = []
    short = _short(message, name, problems)
    if problems:
        raise CreditError(problems[0].reason, str(problems[0]))
    return short


def _set_enum(message: Message, name: str, short: str, path: str) -> None:
    enum: Any = message.DESCRIPTOR.fields_by_name[name].enum_type
    value = enum.values_by_name.get(_prefix(enum) + short) if isinstance(short, str) else None
    if value is None or value.number == 0:
        names = ", ".join(str(v.name).removeprefix(_prefix(enum)) for v in enum.values[1:])
        raise CreditError(Reason.ENUM_UNKNOWN, f"{path}{name}: got {shown(short)}, want one of {names}")
    setattr(message, name, value.number)


def _set(message: Message, name: str, value: Any) -> None:
    field = message.DESCRIPTOR.fields_by_name.get(name)
    path = f"payload.{name}"
    if field is None:
        raise CreditError(Reason.FIELD_UNKNOWN, f"{path}: got {shown(value)}, want no such field")
    if field.is_repeated and not isinstance(value, list | tuple):
        # A text would be taken for a list of its characters.
        raise CreditError(Reason.FIELD_INVALID, f"{path}: got {shown(value)}, want a list")
    try:
        if field.type == FieldDescriptor.TYPE_ENUM and field.is_repeated:
            enum: Any = field.enum_type
            getattr(message, name).extend(enum.values_by_name[_prefix(enum) + str(v)].number for v in value)
        elif field.type == FieldDescriptor.TYPE_ENUM:
            _set_enum(message, name, value, "payload.")
        elif field.is_repeated:
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)
    except KeyError as unknown:
        raise CreditError(Reason.ENUM_UNKNOWN, f"{path}: got {shown(unknown.args[0])}, want a known value") from None
    except (TypeError, ValueError):
        raise CreditError(Reason.FIELD_INVALID, f"{path}: got {shown(value)}, want another form") from None


def _whole(path: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise CreditError(Reason.FIELD_OUT_OF_RANGE, f"{path}: got {shown(value)}, want a whole number, 1 or more")
    return value


def _parsed_time(path: str, value: Any) -> datetime:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        # Fails where the offset leads out of the years that a time can hold.
        time.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        time = None
    if time is None or time.tzinfo is None:
        want = "a time with an offset, such as 2026-03-01T08:00:00+08:00"
        raise CreditError(Reason.FIELD_INVALID, f"{path}: got {shown(value)}, want {want}")
    return time


def timestamp(time: datetime) -> timestamp_pb2.Timestamp:
    """Returns a time as a message."""
    seconds, rest = divmod(to_microseconds(time), 1_000_000)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=rest * 1000)


def _draft_time(name: str, message: timestamp_pb2.Timestamp, problems: list[Problem]) -> datetime | None:
    count = _draft_instant(name, message, problems)
    return None if count is None else from_microseconds(count)


def _draft_instant(name: str, message: timestamp_pb2.Timestamp, problems: list[Problem]) -> int | None:
    seconds, nanos = message.seconds, message.nanos
    if EARLIEST_SECOND <= seconds <= LATEST_SECOND and 0 <= nanos < NANOSECONDS:
        return seconds * 1_000_000 + nanos // 1000
    got = f"{seconds} s {nanos} ns"
    problems.append(Problem(name, got, "a time of the years 1949 to 9999", Reason.FIELD_OUT_OF_RANGE))
    return None


def time_frame(frame: subjects_pb2.TimeFrame, now: datetime) -> tuple[datetime, datetime]:
    """Returns (as of, known), by default now; the future is refused."""
    if not frame.ByteSize():
        return now, now
    times = []
    for name in ("as_of_time", "known_time"):
        time = now
        if frame.HasField(name):
            problems: list[Problem] = []
            time = _draft_time(f"time_frame.{name}", getattr(frame, name), problems) or now
            if problems:
                raise CreditError(problems[0].reason, str(problems[0]))
        if time > now + CLOCK_SKEW:
            got, want = time.isoformat(), f"not after now, {now.isoformat()}"
            raise CreditError(Reason.FIELD_OUT_OF_RANGE, f"time_frame.{name}: got {got}, want {want}")
        times.append(min(time, now) if frame.HasField(name) else now)
    return times[0], times[1]


def instant(name: str, message: timestamp_pb2.Timestamp, now: datetime) -> datetime:
    """Returns a time of a request that must be there and not after now."""
    problems: list[Problem] = []
    time = _draft_time(name, message, problems) if message.ByteSize() else None
    if time is None:
        fault = problems[0] if problems else Problem(name, "", "a time", Reason.FIELD_MISSING)
        raise CreditError(fault.reason, str(fault))
    if time > now + CLOCK_SKEW:
        raise CreditError(Reason.TIME_IN_FUTURE, f"{name}: got {time.isoformat()}, want not after {now.isoformat()}")
    return time


def id_of(subject: subjects_pb2.SubjectRef) -> str:
    """Returns the subject id of a reference."""
    if not subject.code:
        raise CreditError(Reason.FIELD_MISSING, "subject.code: got nothing, want a code of the scheme")
    return subject_id(subject.scheme, subject.code)


def ref_of(identifier: str) -> subjects_pb2.SubjectRef:
    """Returns the reference of a subject id."""
    scheme, code = split(identifier)
    return subjects_pb2.SubjectRef(scheme=scheme, code=code)


def problem_message(problem: Problem) -> subjects_pb2.Problem:
    """Returns a fault as a message."""
    return subjects_pb2.Problem(field=problem.field, got=problem.got, want=problem.want, reason=problem.reason)


def digest(value: bytes) -> digests_pb2.Digest:
    """Returns a SHA-256 digest as a message."""
    return digests_pb2.Digest(algorithm=digests_pb2.DIGEST_ALGORITHM_SHA256, value=value)


def plain_text(name: str, value: str, limit: int = ID_LIMIT) -> str:
    """Returns a text of a question; fails with FIELD_OUT_OF_RANGE or TEXT_INVALID."""
    if problem := check_text(name, value, limit):
        raise CreditError(problem.reason, str(problem))
    return value


def page_size(size: int) -> int:
    """Returns the wanted page size, the default for 0; fails with FIELD_OUT_OF_RANGE."""
    if not 0 <= size <= PAGE_LIMIT:
        raise CreditError(Reason.FIELD_OUT_OF_RANGE, f"page_size: got {size}, want 1 to {PAGE_LIMIT}")
    return size or PAGE_DEFAULT


def page_token(query: tuple[Any, ...], place: list[Any]) -> str:
    """Returns the token of the page after a place; it is bound to the query."""
    text = json.dumps([_bond(query), place], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def page_place(query: tuple[Any, ...], token: str, *kinds: type) -> list[Any] | None:
    """Returns the place that a token names, None for the first page; fails with PAGE_TOKEN_INVALID."""
    if not token:
        return None
    try:
        bond, place = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError, RecursionError):
        bond, place = "", []
    if bond != _bond(query) or not isinstance(place, list) or not _fits(place, kinds):
        raise CreditError(
            Reason.PAGE_TOKEN_INVALID, f"page_token: got {shown(token)}, want the token of this query's page"
        )
    return place


def _fits(place: list[Any], kinds: tuple[type, ...]) -> bool:
    """Says whether a place has the form that the database can compare with."""
    is_formed = [type(part) for part in place] == list(kinds)
    return is_formed and all(part.isprintable() if isinstance(part, str) else -TOP <= part < TOP for part in place)


def _bond(query: tuple[Any, ...]) -> str:
    return hashlib.sha256(repr(query).encode()).hexdigest()[:12]


def loads(text: str) -> Any:
    """Reads a stored JSON text."""
    return json.loads(text)


def microseconds(time: datetime) -> int:
    """Returns a time as a whole number for a token."""
    return to_microseconds(time)


def time_of(count: Any) -> datetime:
    """Returns the time of a token; fails with PAGE_TOKEN_INVALID."""
    try:
        return from_microseconds(count)
    except OverflowError:
        raise CreditError(Reason.PAGE_TOKEN_INVALID, f"page_token: got {shown(count)}, want a time") from None
