"""Malformed records over the wire: each is named with its fault, and its neighbours in the batch are kept."""

from typing import Any

import grpc
import pytest

from credit_service.api import wire
from credit_service.errors import Reason
from credit_service.ledger.drafts import MENDABLE
from credit_service.v1 import audit_pb2, grades_pb2, listings_pb2, rulebook_pb2, subjects_pb2
from credit_service.v1 import ledger_pb2 as pb
from tests.api.street import SOURCE, Street, a_code, a_record, ref, refusal_of, status

PERIOD = {"from_date": "2026-01-01", "to_date": "2026-12-31"}
PAYLOADS: dict[str, dict[str, Any]] = {
    "ACC": {"accident_kind": "WORK"},
    "STD": {"level": 1, **PERIOD},
    "POL": PERIOD,
    "HAZ": {"hazard_level": "MAJOR", "found_by": "SELF"},
    "INS": {"result": "CLEAN"},
    "REG": {"headcount": 10},
    "REP": {"decision_date": "2026-06-01"},
    "CLM": {"loss_fen": 100},
    "LIC": {"licence_type": "安全生产许可证", "from_date": "2026-01-01"},
    "NONEXEC": {"is_able_to_perform": True},
    "ORD": {"order_kind": "RECTIFY", "from_date": "2026-01-01"},
    "SVC": {"service_type": "培训"},
}
FULL_ID = "1" * 201
# kind of a good record, what is put into its message (None clears), field at fault, what is shown of it, reason.
Case = tuple[str, dict[str, Any], str, str, str]
CASES: dict[str, Case] = {
    "check character": (
        "PEN", {"subject.code": "91350100M000100Y44"}, "subject.code", "91350100M000100Y44", "CHECK_DIGIT",
    ),
    "letter O": ("PEN", {"subject.code": "9135O100M000100Y43"}, "subject.code", "9135O100M000100Y43", "CODE_INVALID"),
    "short code": ("PEN", {"subject.code": "91350100M000100Y4"}, "subject.code", "91350100M000100Y4", "CODE_INVALID"),
    "long code": ("PEN", {"subject.code": "9" * 500}, "subject.code", "9" * 79 + "…", "CODE_INVALID"),
    "no code": ("PEN", {"subject.code": ""}, "subject.code", "", "FIELD_MISSING"),
    "no subject": ("PEN", {"subject": None}, "subject.code", "", "FIELD_MISSING"),
    "unknown scheme": ("PEN", {"subject.scheme": "LEI"}, "subject.scheme", "LEI", "SCHEME_UNKNOWN"),
    "foreign scheme": (
        "PEN", {"subject.scheme": "TW-OSH", "subject.code": "tw0123456789ab"}, "subject.scheme", "TW-OSH",
        "SCHEME_UNKNOWN",
    ),
    "person's scheme, enterprise's kind": (
        "PEN", {"subject.scheme": "PERSON", "subject.code": "a" * 64}, "subject.kind", "ENTERPRISE", "FIELD_INVALID",
    ),
    "enterprise's scheme, person's kind": ("PEN", {"subject_kind": 4}, "subject.kind", "PERSON", "FIELD_INVALID"),
    "person's code in clear": (
        "PEN", {"subject.scheme": "PERSON", "subject.code": "Zhang", "subject_kind": 4}, "subject.code",
        "a withheld value", "CODE_INVALID",
    ),
    "ID number as a code of an enterprise": (
        "PEN", {"subject.code": " 11010519491231002x"}, "subject.code", "a resident ID number", "CODE_INVALID",
    ),
    "version beyond the column": (
        "PEN", {"source_version": 2**31}, "source_version", str(2**31), "FIELD_OUT_OF_RANGE",
    ),
    "retraction without a kind": (
        "PEN", {"op": 2, "source_version": 2, "payload": None, "kind": 0}, "kind", "", "FIELD_MISSING",
    ),
    "unknown kind of subject": ("PEN", {"subject_kind": 99}, "subject_kind", "99", "ENUM_UNKNOWN"),
    "long name": ("PEN", {"subject_name": "模" * 201}, "subject.name", "201 characters", "FIELD_OUT_OF_RANGE"),
    "kind not stated": ("PEN", {"kind": 0}, "kind", "", "FIELD_MISSING"),
    "unknown kind": ("PEN", {"kind": 999}, "kind", "999", "ENUM_UNKNOWN"),
    "negative kind": ("PEN", {"kind": -1}, "kind", "-1", "ENUM_UNKNOWN"),
    "payload of another kind": ("PEN", {"kind": 1}, "payload", "penalty", "PAYLOAD_MISMATCH"),
    "no payload": ("PEN", {"payload": None}, "payload.articles", "", "CLAUSE_MISSING"),
    "no required enum": ("ACC", {"payload.accident.accident_kind": 0}, "payload.accident_kind", "", "FIELD_MISSING"),
    "no required date": ("STD", {"payload.standardization.to_date": None}, "payload.to_date", "", "FIELD_MISSING"),
    "no required amount": ("CLM", {"payload.claim.loss_fen": None}, "payload.loss_fen", "", "FIELD_MISSING"),
    "no required flag": (
        "NONEXEC", {"payload.nonexecution.is_able_to_perform": None}, "payload.is_able_to_perform", "", "FIELD_MISSING",
    ),
    "unknown severity": ("PEN", {"payload.penalty.severity": 77}, "payload.severity", "77", "ENUM_UNKNOWN"),
    "unknown types": ("PEN", {"payload.penalty.penalty_types": [3, 99]}, "payload.penalty_types", "99", "ENUM_UNKNOWN"),
    "type not stated": ("PEN", {"payload.penalty.penalty_types": [0]}, "payload.penalty_types", "0", "ENUM_UNKNOWN"),
    "no source": ("PEN", {"source": ""}, "source", "", "SOURCE_UNKNOWN"),
    "unknown source": ("PEN", {"source": "moon"}, "source", "moon", "SOURCE_UNKNOWN"),
    "no record id": ("PEN", {"source_record_id": ""}, "source_record_id", "", "FIELD_MISSING"),
    "oversize id": ("PEN", {"source_record_id": FULL_ID}, "source_record_id", "201 characters", "FIELD_OUT_OF_RANGE"),
    "control in the id": ("PEN", {"source_record_id": "a\x00b"}, "source_record_id", "a�b", "TEXT_INVALID"),
    "control in a text": ("PEN", {"payload.penalty.facts": "a\x1bb"}, "payload.facts", "a�b", "TEXT_INVALID"),
    "control in the name": ("PEN", {"subject_name": "\x07"}, "subject.name", "�", "TEXT_INVALID"),
    "long document number": ("PEN", {"document_no": FULL_ID}, "document_no", "201 characters", "FIELD_OUT_OF_RANGE"),
    "long basis": ("PEN", {"legal_basis": "x" * 4001}, "legal_basis", "4001 characters", "FIELD_OUT_OF_RANGE"),
    "long reference": ("PEN", {"refers_to": "x" * 401}, "refers_to", "401 characters", "FIELD_OUT_OF_RANGE"),
    "oversize text": (
        "PEN", {"payload.penalty.facts": "x" * 4001}, "payload.facts", "4001 characters", "FIELD_OUT_OF_RANGE",
    ),
    "oversize article": (
        "PEN", {"payload.penalty.articles": [FULL_ID]}, "payload.articles", "201 characters", "FIELD_OUT_OF_RANGE",
    ),
    "record over 256 KiB": (
        "PEN", {"payload.penalty.penalty_types": [5] * 20_000}, "payload", " bytes", "RECORD_TOO_LARGE",
    ),
    "negative version": ("PEN", {"source_version": -1}, "source_version", "-1", "FIELD_OUT_OF_RANGE"),
    "giant version": ("PEN", {"source_version": 2**62}, "source_version", str(2**62), "FIELD_OUT_OF_RANGE"),
    "unknown operation": ("PEN", {"op": 9}, "op", "9", "ENUM_UNKNOWN"),
    "retraction with a payload": ("PEN", {"op": 2, "source_version": 2}, "payload", "{", "PAYLOAD_MISMATCH"),
    "retraction of the first version": ("PEN", {"op": 2, "payload": None}, "source_version", "1", "FIELD_OUT_OF_RANGE"),
    "no domain": ("PEN", {"domain": 0}, "domain", "", "DOMAIN_INVALID"),
    "unknown domain": ("PEN", {"domain": 7}, "domain", "7", "ENUM_UNKNOWN"),
    "fire matter at work": ("PEN", {"payload.penalty.fire_matter": 1}, "domain", "WORK", "DOMAIN_INVALID"),
    "no time": ("PEN", {"occur_time": None}, "occur_time", "", "FIELD_MISSING"),
    "future": ("PEN", {"occur_time.seconds": 1_800_000_000}, "occur_time", "2027-01-15", "TIME_IN_FUTURE"),
    "future publication": (
        "PEN", {"source_publish_time.seconds": 1_800_000_000}, "source_publish_time", "2027-01-15", "TIME_IN_FUTURE",
    ),
    "published before the fact": (
        "PEN", {"source_publish_time.seconds": 1_577_836_800}, "source_publish_time", "2020-01-01", "TIME_ORDER",
    ),
    "before 1949": ("PEN", {"occur_time.seconds": -1_000_000_000}, "occur_time", "1938-04-24", "FIELD_OUT_OF_RANGE"),
    "time out of range": ("PEN", {"occur_time.seconds": 2**60}, "occur_time", f"{2**60} s", "FIELD_OUT_OF_RANGE"),
    "nanoseconds out of range": ("PEN", {"occur_time.nanos": -5}, "occur_time", "-5 ns", "FIELD_OUT_OF_RANGE"),
    "negative deaths": ("ACC", {"payload.accident.deaths": -1}, "payload.deaths", "-1", "AMOUNT_NEGATIVE"),
    "negative fine": ("PEN", {"payload.penalty.fine_fen": -100}, "payload.fine_fen", "-100", "AMOUNT_NEGATIVE"),
    "negative headcount": ("REG", {"payload.registration.headcount": -3}, "payload.headcount", "-3", "AMOUNT_NEGATIVE"),
    "giant fine": (
        "PEN", {"payload.penalty.fine_fen": 2**63 - 1}, "payload.fine_fen", str(2**63 - 1), "FIELD_OUT_OF_RANGE",
    ),
    "giant count": ("ACC", {"payload.accident.deaths": 10**9}, "payload.deaths", "1000000000", "FIELD_OUT_OF_RANGE"),
    "multiple below two": (
        "ACC", {"payload.accident.fine_multiplier": 1.5}, "payload.fine_multiplier", "1.5", "FIELD_OUT_OF_RANGE",
    ),
    "multiple above five": (
        "ACC", {"payload.accident.fine_multiplier": 6}, "payload.fine_multiplier", "6.0", "FIELD_OUT_OF_RANGE",
    ),
    "no number": (
        "ACC", {"payload.accident.fine_multiplier": float("nan")}, "payload.fine_multiplier", "nan",
        "FIELD_OUT_OF_RANGE",
    ),
    "endless hours": ("SVC", {"payload.service.hours": float("inf")}, "payload.hours", "inf", "FIELD_OUT_OF_RANGE"),
    "level outside 1 to 3": ("STD", {"payload.standardization.level": 4}, "payload.level", "4", "FIELD_OUT_OF_RANGE"),
    "no such day": (
        "HAZ", {"payload.hazard.due_date": "2026-02-30"}, "payload.due_date", "2026-02-30", "FIELD_INVALID",
    ),
    "compact day": ("HAZ", {"payload.hazard.due_date": "20260228"}, "payload.due_date", "20260228", "FIELD_INVALID"),
    "slashes": ("HAZ", {"payload.hazard.due_date": "2026/02/28"}, "payload.due_date", "2026/02/28", "FIELD_INVALID"),
    "week day": ("HAZ", {"payload.hazard.due_date": "2026-W09-6"}, "payload.due_date", "2026-W09-6", "FIELD_INVALID"),
    "empty day": ("HAZ", {"payload.hazard.due_date": ""}, "payload.due_date", "", "FIELD_INVALID"),
    "from after to": ("POL", {"payload.policy.from_date": "2027-01-01"}, "payload.to_date", "2026-12-31", "TIME_ORDER"),
    "due before ordered": (
        "ORD", {"payload.order.due_date": "2025-12-31"}, "payload.due_date", "2025-12-31", "TIME_ORDER",
    ),
    "wrong industry": (
        "REG", {"payload.registration.industry_code": "Z9"}, "payload.industry_code", "Z9", "FIELD_INVALID",
    ),
    "wrong division": (
        "REG", {"payload.registration.supervising_region": "海淀区"}, "payload.supervising_region", "海淀区",
        "FIELD_INVALID",
    ),
    "unknown sector": ("REG", {"payload.registration.sectors": [2, 99]}, "payload.sectors", "99", "ENUM_UNKNOWN"),
    "level against the counts": (
        "ACC", {"payload.accident.deaths": 12, "payload.accident.level": 4}, "payload.level", "GENERAL",
        "LEVEL_DISAGREES",
    ),
    "repair of nothing": ("REP", {}, "refers_to", "", "REFERENCE_MISSING"),
}  # fmt: skip


def spoiled(code: str, kind: str, changes: dict[str, Any]) -> Any:
    """Builds a good message and puts the changes into it."""
    draft: Any = wire.draft_of(a_record(code, kind, PAYLOADS.get(kind)))
    for path, value in changes.items():
        *parents, name = path.split(".")
        target: Any = draft
        for parent in parents:
            target = getattr(target, parent)
        if value is None:
            target.ClearField(name)
        elif isinstance(value, list):
            target.ClearField(name)
            getattr(target, name).extend(value)
        else:
            setattr(target, name, value)
    return draft


def held(street: Street) -> int:
    """Counts the events of the ledger."""
    with street.running.house.database.reading() as session:
        return int(session.connection().exec_driver_sql("SELECT count(*) FROM ledger_event").scalar_one())


@pytest.mark.parametrize("kind", PAYLOADS)
def test_unspoiled_record_is_accepted(street: Street, kind: str) -> None:
    draft = spoiled(a_code(), kind, {"refers_to": "PEN-1"})
    assert status(street.send(draft)[0]) == "ACCEPTED"


@pytest.mark.parametrize("name", CASES)
def test_bad_record_is_named_and_its_neighbours_are_kept(street: Street, name: str) -> None:
    kind, changes, field, got, reason = CASES[name]
    before, after = (wire.draft_of(a_record(a_code())) for _ in range(2))
    count = held(street)
    results = street.send(before, spoiled(a_code(), kind, changes), after)
    bad = results[1]
    assert [status(results[0]), status(results[2])] == ["ACCEPTED", "ACCEPTED"]
    assert status(bad) == ("QUARANTINED" if Reason(reason) in MENDABLE else "REJECTED")
    fault = next((p for p in bad.problems if (p.field, p.reason) == (field, reason)), None)
    assert fault is not None, bad.problems
    assert got in fault.got
    assert bool(got) == bool(fault.got)
    assert fault.want
    assert not bad.HasField("event_id")
    assert held(street) == count + 2


def test_every_fault_of_a_record_is_named_at_once(street: Street) -> None:
    changes = {"subject.code": "x", "domain": 0, "payload.penalty.fine_fen": -1, "source_record_id": ""}
    problems = street.send(spoiled(a_code(), "PEN", changes))[0].problems
    assert {p.field for p in problems} == {"subject.code", "domain", "payload.fine_fen", "source_record_id"}


def test_quarantined_record_is_released_by_its_mended_form(street: Street) -> None:
    code = a_code()
    draft = spoiled(code, "ACC", {"payload.accident.deaths": 12, "payload.accident.level": 4})
    assert status(street.send(draft)[0]) == "QUARANTINED"
    draft.payload.accident.level = 2
    assert status(street.send(draft)[0]) == "ACCEPTED"
    with street.running.house.database.reading() as session:
        statement = "SELECT release_time FROM quarantined_record WHERE record_id = '" + draft.source_record_id + "'"
        assert session.connection().exec_driver_sql(statement).scalar_one() is not None


BATCHES: dict[str, tuple[int, int, str]] = {
    "no record": (0, 0, "BATCH_EMPTY"),
    "1,001 records": (1001, 0, "BATCH_TOO_LARGE"),
    "more than 4 MiB": (17, 300_000, "BATCH_TOO_LARGE"),
}


@pytest.mark.parametrize("name", BATCHES)
def test_batch_of_a_wrong_size_is_refused_whole(street: Street, name: str) -> None:
    records, filling, reason = BATCHES[name]
    drafts = [wire.draft_of(a_record(a_code(), document_no="x" * filling)) for _ in range(records)]
    count = held(street)
    request = pb.SubmitEventsRequest(events=drafts)
    refused = street.refusal("source", "LedgerService/SubmitEvents", request)
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", reason)
    assert refused.message.startswith("events: got ")
    assert held(street) == count


def test_message_beyond_what_the_server_reads_is_refused(street: Street) -> None:
    draft = wire.draft_of(a_record(a_code(), document_no="x" * (17 * 1024 * 1024)))
    refused = street.refusal("source", "LedgerService/SubmitEvents", pb.SubmitEventsRequest(events=[draft]))
    assert refused.code == "RESOURCE_EXHAUSTED"


def test_full_batch_of_a_thousand_is_accepted(street: Street) -> None:
    code = a_code()
    assert {status(r) for r in street.collect(*(a_record(code) for _ in range(1000)))} == {"ACCEPTED"}


def test_source_of_another_agency_refuses_the_whole_call(street: Street) -> None:
    count = held(street)
    request = pb.SubmitEventsRequest(events=[wire.draft_of(a_record(a_code()))])
    for role in ("agency", "regulator"):
        refused = street.refusal(role, "LedgerService/SubmitEvents", request)
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "SOURCE_FORBIDDEN")
        assert SOURCE in refused.message
    assert held(street) == count


UNREADABLE = [b"\x12\x04\x0a\x02\xff\xfe", b"\x12\xff", b"\xff" * 8]
DOORS = ("SubmitEvents", "StreamEvents", "ListEvents")


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("content", UNREADABLE)
def test_bytes_that_are_no_message_are_refused_and_the_server_goes_on(
    street: Street, name: str, content: bytes
) -> None:
    method = pb.DESCRIPTOR.services_by_name["LedgerService"].methods_by_name[name]
    refused = street.raw("regulator" if name == "ListEvents" else "source", method, content)
    assert refused is not None
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "TEXT_INVALID")
    assert status(street.collect(a_record(a_code()))[0]) == "ACCEPTED"


def test_fields_that_the_contract_does_not_know_are_ignored(street: Street) -> None:
    draft = wire.draft_of(a_record(a_code()))
    later = draft.SerializeToString() + b"\xa2\x3e\x03new"
    assert status(street.send(pb.EventDraft.FromString(later))[0]) == "ACCEPTED"


TEXTS = ["\x00", "a\x00b", "%%", "__", "\\\\", "'; DROP TABLE subject; --", "🙂🙂", "x" * 100_000]


@pytest.mark.parametrize("text", TEXTS)
def test_strange_texts_in_questions_are_answered_without_failing(street: Street, text: str) -> None:
    asked = [
        ("SubjectService/SearchSubjects", subjects_pb2.SearchSubjectsRequest(query=f"{text}..", scheme=text)),
        ("SubjectService/GetSubject", subjects_pb2.GetSubjectRequest(subject=ref(text))),
        ("ListingService/GetListing", listings_pb2.GetListingRequest(listing_id=text)),
        ("RulebookService/GetRulebook", rulebook_pb2.GetRulebookRequest(edition_id=text, scheme=text)),
        ("LedgerService/GetEvent", pb.GetEventRequest(event_id=text)),
    ]
    found = {}
    for method, request in asked:
        try:
            street.ask("regulator", method, request)
        except grpc.RpcError as error:
            found[method] = refusal_of(error).code
    assert set(found.values()) <= {"NOT_FOUND", "INVALID_ARGUMENT"}, found


@pytest.mark.parametrize(
    ("key", "reason"),
    [({"source_record_id": text}, "TEXT_INVALID") for text in TEXTS[:2]]
    + [({"source_record_id": TEXTS[-1]}, "FIELD_OUT_OF_RANGE")]
    + [({"source_record_id": "R", "source_version": version}, "FIELD_OUT_OF_RANGE") for version in (2**31, 2**62, -1)],
    ids=range(6),
)
def test_key_that_no_record_can_have_is_refused_and_waits_for_nothing(
    street: Street, key: dict[str, Any], reason: str
) -> None:
    receipt = pb.GetReceiptRequest(source=SOURCE, **key)
    assert street.refused("source", "LedgerService/GetReceipt", receipt) == ("INVALID_ARGUMENT", reason)
    release = pb.ReleaseQuarantinedRequest(events=[pb.EventDraft(source=SOURCE, **key)])
    answer = street.ask("source", "LedgerService/ReleaseQuarantined", release)
    assert [p.reason for p in answer.results[0].problems] == ["QUARANTINE_NOT_FOUND"]


def test_release_of_more_than_a_batch_is_refused_before_it_is_looked_up(street: Street) -> None:
    events = [pb.EventDraft(source=SOURCE, source_record_id=str(n)) for n in range(1001)]
    release = pb.ReleaseQuarantinedRequest(events=events)
    refused = street.refused("source", "LedgerService/ReleaseQuarantined", release)
    assert refused == ("INVALID_ARGUMENT", "BATCH_TOO_LARGE")


@pytest.mark.parametrize("purpose", ["核保\x00", "x" * 5000, "line\nbreak", "模拟\U0001f642"])
def test_strange_purpose_is_recorded_in_a_plain_form(street: Street, purpose: str) -> None:
    code = a_code()
    street.must_collect(a_record(code))
    street.ask("insurer", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)), purpose)
    request = audit_pb2.ListQueriesRequest(subject=ref(code))
    record = street.ask("regulator", "AuditService/ListQueries", request).queries[0]
    assert record.purpose[:2] == purpose[:2]
    assert record.purpose.isprintable()
    assert len(record.purpose) <= 200
