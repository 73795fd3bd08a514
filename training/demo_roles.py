"""What each role asks in the demo, and what it is refused."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import grpc

from credit_service.api.status import reason_of
from credit_service.api.wire import draft_of
from credit_service.cli.asking import letter, name_of
from credit_service.cli.connection import Connection
from credit_service.cli.watching import snapshot, subscribe
from credit_service.grades.artefact import load_champions, load_keys
from credit_service.legal_days import SHANGHAI
from credit_service.rulebook.edition import SHIPPED, load_editions
from credit_service.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    grades_pb2,
    grades_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    listings_pb2,
    listings_pb2_grpc,
    subjects_pb2,
    subjects_pb2_grpc,
    sync_pb2,
)
from training.demo_account import Account

WORST = 10
LIVE_SECONDS = 30
MODELS = Path("models")
ASK = 20_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Holds how to connect and as of which days to ask."""

    connect: Callable[[str], Connection]
    folder: Path
    tw_as_of: date
    city_as_of: date


def ask_everything(asked: Asked, account: Account) -> dict[str, Any]:
    """Lets every role ask; returns the figures."""
    report: dict[str, Any] = {}
    regulator = asked.connect("regulator")
    entries = [entry for part in snapshot(regulator, []) for entry in part.entries]
    graded = [entry.grade.subject for entry in entries if entry.HasField("grade")]
    city = [subject for subject in graded if subject.scheme == "USCC"]
    report |= _grades(asked, account, regulator, [*_real_subjects(regulator), *city])
    report |= _candidates(account, regulator, [e.listing for e in entries if e.HasField("listing")])
    report |= _partner(asked, account)
    report |= _insurer(asked, account)
    report |= _own(asked, account)
    report |= _stranger(asked, account)
    report |= {"model": _model("TW-OSH"), "model_simulated_city": _model("USCC")}
    return report


def _real_subjects(regulator: Connection) -> Iterator[subjects_pb2.SubjectRef]:
    """Lists every subject of the real records, natural persons among them."""
    request = subjects_pb2.SearchSubjectsRequest(query="tw", scheme="TW-OSH", page_size=1000)
    while True:
        page = regulator.call(subjects_pb2_grpc.SubjectServiceStub, "SearchSubjects", request)
        yield from (found.subject for found in page.subjects)
        request.page_token = page.next_page_token
        if not request.page_token:
            return


def _grades(
    asked: Asked, account: Account, regulator: Connection, subjects: list[subjects_pb2.SubjectRef]
) -> dict[str, Any]:
    """Grades every subject as of the last day of its records; prints the worst with reasons, real firms masked."""
    found: dict[str, Counter[str]] = {}
    persons = 0
    worst: dict[str, list[grades_pb2.GradeRecord]] = {}
    for scheme, title, day in (
        ("TW-OSH", "Taiwan, real records", asked.tw_as_of),
        ("USCC", "simulated city", asked.city_as_of),
    ):
        results = list(_batch(regulator, [s for s in subjects if s.scheme == scheme], day))
        counts = Counter(letter(r.grade) for r in results if r.HasField("grade"))
        persons += sum(r.problem.reason == "GRADE_NOT_FOUND" for r in results)
        found[scheme] = counts
        account.distribution(f"grades as of {day}, {title}", counts)
        scored = [r.grade for r in results if r.HasField("grade") and r.grade.HasField("score")]
        worst[scheme] = sorted(scored, key=lambda g: (g.score, name_of(g.subject)))[:WORST]
    rows = []
    for place, record in enumerate(worst["TW-OSH"], 1):
        reason = record.reasons[0] if record.reasons else None
        text = f"{reason.text_en} ({reason.points:+d})" if reason else ""
        rows.append(
            (f"firm {place} (name withheld)", letter(record), record.score, f"{100 * record.probability:.1f} %", text)
        )
    headers = ("worst ten, real records", "grade", "score", "probability", "first reason")
    account.table("", headers, rows)
    account.line(f"{persons:,} natural persons in the real records are never graded")
    masked = [
        {"grade": letter(g), "score": g.score, "reasons": [r.feature for r in g.reasons]} for g in worst["TW-OSH"]
    ]
    return {
        "subjects": len(subjects), "grades": {s: _full(c) for s, c in found.items()}, "worst": masked,
        "persons_not_graded": persons,
    }  # fmt: skip


def _full(counts: Counter[str]) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in ("A", "B", "C", "D", "PENDING")}


def _batch(
    connection: Connection, subjects: list[subjects_pb2.SubjectRef], day: date
) -> Iterator[grades_pb2.BatchGradeResult]:
    for start in range(0, len(subjects), ASK):
        request = grades_pb2.BatchGetGradesRequest(subjects=subjects[start : start + ASK])
        request.time_frame.as_of_time.FromDatetime(datetime.combine(day, time(23, 59, 59), SHANGHAI))
        for part in connection.call(grades_pb2_grpc.GradeServiceStub, "BatchGetGrades", request, timeout=600):
            yield from part.results


def _candidates(account: Account, regulator: Connection, listings: list[listings_pb2.Listing]) -> dict[str, Any]:
    """Shows one candidate with the events that prove it."""
    open_ones = [x for x in listings if x.state == listings_pb2.LISTING_STATE_CANDIDATE]
    foreign = [x for x in open_ones if x.subject.scheme not in {"USCC", "PERSON"}]
    rules = Counter(x.rule_id for x in open_ones)
    account.line(
        f"{len(open_ones)} candidates in the simulated city, none listed: people decide ({dict(sorted(rules.items()))})"
    )
    units = sorted((x for x in open_ones if x.subject.scheme == "USCC"), key=lambda x: (x.rule_id, x.listing_id))
    if units:
        request = listings_pb2.GetListingRequest(listing_id=units[0].listing_id)
        shown = regulator.call(listings_pb2_grpc.ListingServiceStub, "GetListing", request).listing
        basis = "; ".join(f"{b.instrument} {b.article}" for b in shown.bases)
        account.line(
            f"one of them: {shown.subject_name} (simulated), {shown.rule_id} {shown.text_zh} [{basis}]; proof:"
        )
        for event_id in shown.event_ids:
            event = regulator.call(
                ledger_pb2_grpc.LedgerServiceStub, "GetEvent", ledger_pb2.GetEventRequest(event_id=event_id)
            ).event
            what = event.draft.payload.WhichOneof("payload")
            account.line(
                f"  event {event_id}: {what} {event.draft.occur_time.ToJsonString()[:10]} {event.draft.document_no}"
            )
    return {
        "candidates": len(open_ones),
        "candidates_by_rule": dict(rules),
        "candidates_on_foreign_sources": len(foreign),
    }


def _partner(asked: Asked, account: Account) -> dict[str, Any]:
    """Takes a snapshot as a partner agency, then sees a change that was made after it."""
    partner = asked.connect("agency")
    count, end = 0, sync_pb2.SnapshotEnd()
    for part in snapshot(partner, ["grade"]):
        count += len(part.entries)
        end = part.end if part.HasField("end") else end
    seen: list[sync_pb2.Change] = []
    done = threading.Event()

    def follow() -> None:
        for answer in subscribe(asked.connect("agency"), end.token, ["grade"], heartbeat=1):
            if answer.HasField("batch"):
                seen.extend(answer.batch.changes)
            if seen:
                done.set()
                return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    record = _live_event(asked)
    request = ledger_pb2.SubmitEventsRequest(request_id="demo-live", events=[draft_of(record)])
    asked.connect("source").call(ledger_pb2_grpc.LedgerServiceStub, "SubmitEvents", request)
    if not done.wait(LIVE_SECONDS):
        raise RuntimeError("the partner did not see the live change")
    change = seen[0]
    account.line(
        f"partner agency: snapshot of {count:,} entries at revision {end.revision:,}, then live revision"
        f" {change.revision:,}: {name_of(change.entry.grade.subject)} (simulated) now {letter(change.entry.grade)}"
    )
    return {"snapshot_entries": count, "snapshot_revision": end.revision, "watch_revisions_seen": len(seen)}


def _live_event(asked: Asked) -> dict[str, Any]:
    """Builds one more event of the simulated city: a stop-work order, which caps the grade at once."""
    moment = datetime.combine(asked.city_as_of, time(12), SHANGHAI)
    return {
        "source": "sim-city-em", "source_record_id": "DEMO-LIVE-1", "source_version": 1, "op": "ASSERT",
        "subject": {"scheme": "USCC", "code": _enterprise(asked), "kind": "ENTERPRISE"}, "kind": "ORD",
        "domain": "WORK", "occur_time": moment.isoformat(), "document_no": "模拟停〔2026〕1号",
        "payload": {"order_kind": "STOP_WORK", "from_date": asked.city_as_of.isoformat()},
    }  # fmt: skip


def _enterprise(asked: Asked) -> str:
    """Returns the code to which the enterprise's certificate is bound."""
    text = (asked.folder / "enterprise.txt").read_text("utf-8").strip()
    return text.partition(":")[2]


def _insurer(asked: Asked, account: Account) -> dict[str, Any]:
    """Shows what an insurer sees, and what it is refused."""
    own = subjects_pb2.SubjectRef(scheme="USCC", code=_enterprise(asked))
    person = subjects_pb2.SubjectRef(scheme="PERSON", code="0" * 64)
    insurer, stub = asked.connect("insurer"), grades_pb2_grpc.GradeServiceStub
    seen = insurer.call(stub, "GetGrade", grades_pb2.GetGradeRequest(subject=own)).grade
    fields = sorted(field.name for field, _ in seen.ListFields())
    refused = {
        "insurer_asks_for_a_person": _refusal(insurer, stub, "GetGrade", grades_pb2.GetGradeRequest(subject=person)),
        "insurer_asks_why": _refusal(insurer, stub, "ExplainGrade", grades_pb2.ExplainGradeRequest(subject=own)),
    }
    account.line(f"insurer: sees grade {letter(seen)} ({', '.join(fields)})")
    account.line(f"  refused: {', '.join(f'{what} {reason}' for what, reason in refused.items())}")
    return {"insurer_fields": fields, "insurer_refusals": refused}


def _own(asked: Asked, account: Account) -> dict[str, Any]:
    """Shows an enterprise its own grade with every reason, and who asked about it."""
    own = subjects_pb2.SubjectRef(scheme="USCC", code=_enterprise(asked))
    enterprise, stub = asked.connect("enterprise"), grades_pb2_grpc.GradeServiceStub
    explained = enterprise.call(stub, "ExplainGrade", grades_pb2.ExplainGradeRequest(subject=own))
    grade = explained.grade
    account.line(f"enterprise (simulated): its own grade is {letter(grade)}")
    if grade.HasField("score"):
        total = explained.base_points + sum(f.points for f in explained.features)
        parts = f"{explained.base_points} and the points of {len(explained.features)} features"
        account.line(f"  score {grade.score} = {parts} ({total})")
    for reason in grade.reasons:
        account.line(f"  {reason.points:+d} {reason.text_zh}")
    for veto in grade.vetoes:
        account.line(f"  veto {veto.veto_id}: {veto.text_zh}")
    request = audit_pb2.ListQueriesRequest(subject=own)
    queries = enterprise.call(audit_pb2_grpc.AuditServiceStub, "ListQueries", request).queries
    counts = Counter(f"{q.role} {q.agency} {q.outcome}" for q in queries)
    account.line("  who asked about it: " + ", ".join(f"{who} {n}x" for who, n in sorted(counts.items())))
    other = subjects_pb2.SubjectRef(scheme="USCC", code="91350100M000100Y43")
    refusal = _refusal(enterprise, stub, "GetGrade", grades_pb2.GetGradeRequest(subject=other))
    account.line(f"  another enterprise: refused ({refusal})")
    return {"enterprise_refusal": refusal, "queries_seen_by_enterprise": len(queries)}


def _refusal(connection: Connection, stub: Callable[[grpc.Channel], Any], method: str, request: Any) -> str:
    try:
        connection.call(stub, method, request)
    except grpc.RpcError as error:
        return reason_of(error)[0]
    raise RuntimeError(f"{method} was answered and should have been refused")


def _stranger(asked: Asked, account: Account) -> dict[str, Any]:
    """Calls without a client certificate: the handshake itself refuses."""
    target = json.loads((asked.folder / "regulator.json").read_text("utf-8"))["target"]
    credentials = grpc.ssl_channel_credentials((asked.folder / "ca.pem").read_bytes())
    with grpc.secure_channel(target, credentials) as channel:
        try:
            grades_pb2_grpc.GradeServiceStub(channel).GetGrade(grades_pb2.GetGradeRequest(), timeout=10)
        except grpc.RpcError as error:
            account.line(f"a client without a certificate: refused ({error.code().name})")
            return {"without_certificate": error.code().name}
    raise RuntimeError("a client without a certificate was answered")


def _model(scheme: str) -> dict[str, Any]:
    """Returns the id and the out-of-time figures of the model that grades a scheme."""
    edition = max((e for e in load_editions(SHIPPED) if scheme in e.schemes), key=lambda e: e.valid_from)
    artefact = load_champions(MODELS, load_keys(MODELS / "keys"))[edition.grading.model]
    tasks = artefact.metrics.get("tasks", {})
    return {"id": artefact.scorecard.model_id, "tasks": tasks}
