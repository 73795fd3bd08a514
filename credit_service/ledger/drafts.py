"""Checks a submitted record whole: every fault is named, mendable ones lead to quarantine."""

import hashlib
import json
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from credit_service.database import from_microseconds
from credit_service.errors import CreditError, Problem, Reason, problem_of, shown
from credit_service.ledger.clocks import check_times, instant_text, shown_time, time_text
from credit_service.ledger.payloads import NEEDS_REFERENCE, PAYLOADS, check_payload, check_text
from credit_service.legal_days import civil_day_at, day_text, parse_day
from credit_service.subjects.schemes import compact_id_number, is_id_number, resembles_id_number, split, subject_id

OPERATIONS = frozenset({"ASSERT", "RETRACT"})
DOMAINS = frozenset({"WORK", "FIRE"})
SUBJECT_KINDS = frozenset({"ENTERPRISE", "SOLE_TRADER", "INSTITUTION", "PERSON"})
RECORD_LIMIT = 256 * 1024
ID_LIMIT = 200
VERSION_LIMIT = 2**31
# Faults that a source can mend without losing the record: they are kept aside, not refused.
MENDABLE = frozenset(
    {Reason.CHECK_DIGIT, Reason.TIME_ORDER, Reason.LEVEL_DISAGREES, Reason.REFERENCE_MISSING, Reason.CLAUSE_MISSING}
)

# Stands in the id of a person's record where the source's own would hold the ID number.
PERSON_MARK = "{person}"
PERSON_MARK_LENGTH = 16

# Deaths, serious injuries, direct loss in fen (None: unknown) to the level of State Council Order 493.
LevelOf = Callable[[int | None, int | None, int | None], str | None]
# Kind of accident and its civil day to the last day whose casualties count.
LastCountedDay = Callable[[str, int], int]
SEVERITY_ORDER = ("GENERAL", "LARGER", "MAJOR", "EXTRA")


class Draft(NamedTuple):
    """Holds a well-formed record as the row it will be, because collection makes thousands a second.

    Times are microseconds since 1970 UTC, the day is a civil ordinal. A person's name stands apart: it is sealed.
    """

    subject_id: str
    source: str
    record_id: str
    version: int
    op: str
    subject_name: str
    subject_kind: str
    kind: str
    domain: str
    occur_time: int
    occur_day: int
    publish_time: int | None
    document_no: str
    legal_basis: str
    refers_to: str | None
    payload: str
    content_hash: bytes
    person_name: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """Names the version for ever."""
        return (self.source, self.record_id, self.version)


def content_hash(parts: tuple[str, ...]) -> bytes:
    """Digests what the source said, joined by U+001F: without the name of a person and without our clocks.

    No part can hold that character: checked texts refuse it and JSON escapes it. So no two records share a text.
    """
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


def payload_json(payload: Mapping[str, Any]) -> str:
    """Writes a payload the same way whatever the order of its fields."""
    return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS).decode()


def record_of(draft: Draft) -> dict[str, Any]:
    """Returns a draft as a record in the form of the contract; a person's without code and name."""
    scheme, code = split(draft.subject_id)
    is_person = draft.subject_kind == "PERSON"
    subject = {"scheme": scheme, "code": "" if is_person else code, "name": draft.subject_name}
    times = {"occur_time": draft.occur_time, "source_publish_time": draft.publish_time}
    return {
        "source": draft.source, "source_record_id": draft.record_id, "source_version": draft.version, "op": draft.op,
        "subject": {**subject, "kind": draft.subject_kind}, "kind": draft.kind, "domain": draft.domain,
        "document_no": draft.document_no, "legal_basis": draft.legal_basis, "refers_to": draft.refers_to or "",
        "payload": json.loads(draft.payload),
        **{name: time_text(from_microseconds(time)) for name, time in times.items() if time is not None},
    }  # fmt: skip


class CheckedDraft(NamedTuple):
    """Holds what came of checking one record: a draft, or its problems and the record without a person's name."""

    draft: Draft | None
    problems: Sequence[Problem] = ()
    record: Mapping[str, Any] = {}

    @property
    def is_mendable(self) -> bool:
        """Says whether the record goes to quarantine instead of being rejected."""
        return bool(self.problems) and all(p.reason in MENDABLE for p in self.problems)

    @property
    def mended_key(self) -> tuple[str, str, int]:
        """Names the version that a mendable record will be."""
        return self.record["source"], self.record["source_record_id"], self.record.get("source_version") or 1


class Checker:
    """Checks records against the registered sources and the accident levels of the law."""

    def __init__(
        self,
        schemes: Mapping[str, str],
        level_of: LevelOf,
        person_code: Callable[[str], str],
        last_counted_day: LastCountedDay | None = None,
    ) -> None:
        """Takes each source's scheme, the level table, the keyed hash, and until when casualties count."""
        self._schemes = schemes
        self._level_of = level_of
        self._person_code = person_code
        self._last_counted_day = last_counted_day

    def check(self, record: Mapping[str, Any], now: datetime) -> CheckedDraft:
        """Returns the draft of a record in the form of the contract, or every fault found in it."""
        problems: list[Problem] = []
        try:
            if PERSON_MARK in (record.get("source_record_id") or ""):
                record = self._marked(record)
            draft = self._draft(record, now, problems)
        except CreditError as error:
            problems.append(problem_of(error))
            draft = None
        if not problems:
            return CheckedDraft(draft)
        return CheckedDraft(None, problems, _kept(record))

    def _marked(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """Puts a keyed hash into the id of a person's record, another in each document, so that ids link nobody.

        It hangs on nothing but whom the record speaks of: not on its place in a file.
        """
        subject, ignored = record.get("subject") or {}, list[Problem]()
        if subject.get("scheme") != "PERSON" or not (identifier := self._subject(record, ignored)[1]):
            return record
        record_id = record["source_record_id"]
        mark = hashlib.sha256(f"{identifier}\x1f{record_id}".encode()).hexdigest()[:PERSON_MARK_LENGTH]
        return {**record, "source_record_id": record_id.replace(PERSON_MARK, mark)}

    def _draft(self, record: Mapping[str, Any], now: datetime, problems: list[Problem]) -> Draft | None:
        if not is_plain_header(record):
            check_header(record, problems)
        subject, identifier = self._subject(record, problems)
        occur, publish = check_times(record, now, problems)
        op = record.get("op") or "ASSERT"
        payload = self._payload(record, op, occur, problems)
        if problems or occur is None:
            return None
        text = payload_json(payload)
        if len(text) > RECORD_LIMIT or (not text.isascii() and len(text.encode()) > RECORD_LIMIT):
            got = f"{len(text.encode())} bytes"
            problems.append(Problem("payload", got, f"at most {RECORD_LIMIT} bytes", Reason.RECORD_TOO_LARGE))
            return None
        name, subject_kind = subject.get("name") or "", subject.get("kind") or "ENTERPRISE"
        is_person = subject_kind == "PERSON"
        shown_name, person_name = ("", name) if is_person else (name, "")
        source, record_id, version = record["source"], record["source_record_id"], record.get("source_version") or 1
        kind, domain = record["kind"], record["domain"]
        document_no, basis = record.get("document_no") or "", record.get("legal_basis") or ""
        refers_to = qualified(source, record.get("refers_to"), self._schemes)
        content = content_hash(
            (
                source, record_id, str(version), op, identifier, shown_name, subject_kind, kind, domain, str(occur),
                instant_text(publish), document_no, basis, refers_to or "", text,
            )
        )  # fmt: skip
        return Draft(
            identifier, source, record_id, version, op, shown_name, subject_kind, kind, domain, occur,
            civil_day_at(occur), publish, document_no, basis, refers_to, text, content, person_name,
        )  # fmt: skip

    def _subject(self, record: Mapping[str, Any], problems: list[Problem]) -> tuple[Mapping[str, Any], str]:
        subject = record.get("subject") or {}
        if not subject.get("code"):
            problems.append(Problem("subject.code", "", "a code of the scheme", Reason.FIELD_MISSING))
            return subject, ""
        kind, name = subject.get("kind") or "ENTERPRISE", subject.get("name") or ""
        if kind not in SUBJECT_KINDS:
            want = "one of " + ", ".join(sorted(SUBJECT_KINDS))
            problems.append(Problem("subject.kind", shown(kind), want, Reason.ENUM_UNKNOWN))
        if problem := check_text("subject.name", name, ID_LIMIT):
            problems.append(problem)
        scheme, code = subject.get("scheme") or "USCC", subject["code"]
        self._check_source(record, scheme, kind, problems)
        try:
            return subject, _subject_id(scheme, code)
        except CreditError as error:
            # A number mistyped by one character is somebody's all the same.
            is_somebody = error.reason is Reason.CHECK_DIGIT and resembles_id_number(code)
            if not (is_id_number(code) or is_somebody):
                problems.append(problem_of(error))
            elif scheme == "PERSON":
                return subject, subject_id(scheme, self._person_code(compact_id_number(code)))
            else:
                # The likeliest slip of a clerk: it must be kept nowhere and shown to nobody.
                want = f"a code of {shown(scheme)}; a person goes under scheme PERSON"
                problems.append(Problem("subject.code", "a resident ID number", want, Reason.CODE_INVALID))
        return subject, ""

    def _check_source(self, record: Mapping[str, Any], scheme: str, kind: str, problems: list[Problem]) -> None:
        expected = self._schemes.get(record.get("source") or "")
        if expected and scheme not in {expected, "PERSON"}:
            problems.append(Problem("subject.scheme", shown(scheme), expected, Reason.SCHEME_UNKNOWN))
        elif (scheme == "PERSON") != (kind == "PERSON") and scheme in {"PERSON", "USCC"}:
            problems.append(Problem("subject.kind", kind, f"a kind that fits scheme {scheme}", Reason.FIELD_INVALID))
        if expected is None:
            problems.append(
                Problem("source", shown(record.get("source") or ""), "a registered source", Reason.SOURCE_UNKNOWN)
            )

    def _payload(
        self, record: Mapping[str, Any], op: str, occur: int | None, problems: list[Problem]
    ) -> Mapping[str, Any]:
        payload, kind = record.get("payload") or {}, record.get("kind") or ""
        if kind not in PAYLOADS:
            want = "one of " + ", ".join(PAYLOADS)
            problems.append(Problem("kind", shown(kind), want, Reason.KIND_UNKNOWN if kind else Reason.FIELD_MISSING))
            return payload
        if op == "RETRACT":
            if payload:
                problems.append(Problem("payload", shown(payload), "nothing in a retraction", Reason.PAYLOAD_MISMATCH))
            if (record.get("source_version") or 1) < 2:
                problems.append(Problem("source_version", "1", "2 or more in a retraction", Reason.FIELD_OUT_OF_RANGE))
            return {}
        problems.extend(check_payload(kind, payload))
        if kind in NEEDS_REFERENCE and not record.get("refers_to"):
            problems.append(Problem("refers_to", "", "the record that is repaired", Reason.REFERENCE_MISSING))
        if kind == "ACC" and not problems:
            return self._settled_level(payload, self._counts_after(payload, occur), problems)
        return payload

    def _counts_after(self, payload: Mapping[str, Any], occur: int | None) -> int | None:
        """Returns the last day whose casualties count when the counts are of a later one."""
        if self._last_counted_day is None or occur is None or "counts_date" not in payload:
            return None
        last = self._last_counted_day(payload["accident_kind"], civil_day_at(occur))
        return last if parse_day(payload["counts_date"]) > last else None

    def _settled_level(
        self, payload: Mapping[str, Any], last_day: int | None, problems: list[Problem]
    ) -> Mapping[str, Any]:
        """Derives the level from the counts; missing counts make it a lower bound for a stated level.

        Counts of after the last day that counts say nothing of the level: it must be stated.
        """
        if last_day is not None:
            if "level" not in payload:
                want = f"the level by the counts of {day_text(last_day)}, the last day that counts"
                problems.append(Problem("payload.level", "", want, Reason.LEVEL_DISAGREES))
            return payload
        counts = (payload.get("deaths"), payload.get("serious_injuries"), payload.get("direct_loss_fen"))
        if all(count is None for count in counts):
            return payload
        derived, stated = self._level_of(*counts), payload.get("level")
        if derived is None:
            return payload
        if stated is None:
            return {**payload, "level": derived}
        if stated != derived:
            is_higher = SEVERITY_ORDER.index(stated) > SEVERITY_ORDER.index(derived)
            if not (is_higher and None in counts):
                problems.append(Problem("payload.level", stated, f"{derived} by the counts", Reason.LEVEL_DISAGREES))
        return payload


@lru_cache(maxsize=100_000)
def _subject_id(scheme: str, code: str) -> str:
    """Returns a subject id; most events speak of a subject met before. Refusals, and so ID numbers, are never kept."""
    if scheme != "PERSON" and is_id_number(code):
        raise CreditError(Reason.CODE_INVALID, "subject.code: got a resident ID number")
    return subject_id(scheme, code)


def qualified(source: str, reference: str | None, sources: Container[str]) -> str | None:
    """Returns a reference as `source/record id`; a record id may hold slashes of its own."""
    if not reference:
        return None
    head, slash, _ = reference.partition("/")
    return reference if slash and head in sources else f"{source}/{reference}"


_HEADER_LIMITS = (
    ("source_record_id", ID_LIMIT), ("document_no", ID_LIMIT), ("legal_basis", 4000), ("refers_to", 2 * ID_LIMIT)
)  # fmt: skip

_TIMES = ("occur_time", "source_publish_time")


def is_plain_header(record: Mapping[str, Any]) -> bool:
    """Says whether the header has nothing to be looked at one by one; nearly all have not."""
    try:
        text = record["source_record_id"] + record["document_no"] + record["legal_basis"] + record["refers_to"]
        return (
            text.isprintable() and len(text) <= ID_LIMIT and record["source_record_id"] != ""
            and record["op"] in OPERATIONS and record["domain"] in DOMAINS
            and type(record["source_version"]) is int and 0 <= record["source_version"] < VERSION_LIMIT
            and not (record["domain"] == "WORK" and record["payload"].get("fire_matter"))
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError):
        return False


def check_header(record: Mapping[str, Any], problems: list[Problem]) -> None:
    """Adds every fault of the fields beside subject, times and payload."""
    if not record.get("source_record_id"):
        problems.append(Problem("source_record_id", "", "the id of the record at the source", Reason.FIELD_MISSING))
    for name, limit in _HEADER_LIMITS:
        if (value := record.get(name)) and (problem := check_text(name, value, limit)):
            problems.append(problem)
    version = record.get("source_version", 1)
    if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version < VERSION_LIMIT:
        problems.append(Problem("source_version", shown(version), "1 or more", Reason.FIELD_OUT_OF_RANGE))
    if (op := record.get("op") or "ASSERT") not in OPERATIONS:
        problems.append(Problem("op", shown(op), "ASSERT or RETRACT", Reason.ENUM_UNKNOWN))
    if (domain := record.get("domain") or "") not in DOMAINS:
        problems.append(Problem("domain", shown(domain), "WORK or FIRE", Reason.DOMAIN_INVALID))
    fire_only = (record.get("payload") or {}).get("fire_matter")
    if fire_only and domain == "WORK":
        problems.append(Problem("domain", "WORK", "FIRE for a fire matter", Reason.DOMAIN_INVALID))


def _kept(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what may be kept of a faulty record: its times for people, a person without code and name."""
    times = {name: shown_time(record[name]) for name in _TIMES if type(record.get(name)) is int}
    return {**record, **times, "subject": _shielded(record.get("subject"))}


def _shielded(subject: Any) -> Any:
    """Leaves a person's code and name out of what quarantine keeps."""
    if isinstance(subject, Mapping) and (subject.get("scheme") == "PERSON" or subject.get("kind") == "PERSON"):
        return {**subject, "code": "", "name": ""}
    return subject
