"""The part of the demo that leads one listing through its whole legal life, over years, as officers and firm."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from credit_service.api.wire import draft_of
from credit_service.cli.asking import letter
from credit_service.cli.connection import Connection
from credit_service.cli.throwaway import ENTERPRISE
from credit_service.cli.watching import snapshot
from credit_service.v1 import (
    digests_pb2,
    grades_pb2,
    grades_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    listings_pb2,
    listings_pb2_grpc,
    remedies_pb2,
    remedies_pb2_grpc,
    subjects_pb2,
    sync_pb2,
    sync_pb2_grpc,
)
from training.demo_account import Account

FIRST_DAY = "2026-08-03T10:00:00+08:00"
SCHEME, CODE = ENTERPRISE.split(":")
STATES = listings_pb2.ListingState
# (day, method, who, what the request says beside number, digest and reason)
WAY: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("2026-08-03", "NotifyListing", "regulator", {}),
    ("2026-08-04", "RecordService", "regulator", {"document": "SERVED_DOCUMENT_NOTICE", "service_method": "当场交付"}),
    ("2026-08-12", "DecideListing", "regulator", {}),
    ("2026-08-13", "ConfirmListing", "regulator-2", {}),
    ("2026-08-14", "RecordService", "regulator", {"document": "SERVED_DOCUMENT_DECISION", "service_method": "邮寄"}),
    ("2026-08-17", "PublishListing", "regulator", {}),
    ("2027-08-16", "RequestEarlyRemoval", "enterprise", {"statement": "罚款已缴清，隐患已消除"}),
    ("2027-08-18", "AcceptEarlyRemoval", "regulator", {}),
    ("2027-09-10", "DecideEarlyRemoval", "regulator",
     {"is_granted": True, "is_penalty_performed": True, "is_harm_removed": True}),
    ("2027-11-15", "Reinstate", "regulator", {"reason": "缴款凭证系伪造"}),
    ("2027-11-16", "Reinstate", "regulator-2", {"reason": "缴款凭证系伪造"}),
    ("2027-11-17", "RecordService", "regulator", {"document": "SERVED_DOCUMENT_DECISION", "service_method": "邮寄"}),
    ("2027-11-18", "PublishListing", "regulator", {}),
)  # fmt: skip
LAST_DAY, DAY_AFTER = "2030-11-16", "2030-11-17"
PENALISED, ASKED = "2030-12-20", "2030-12-23"


@dataclass(slots=True)
class _Life:
    """Holds how the listing went so far."""

    connect: Callable[[str], Connection]
    clock: Path
    listing_id: str = ""
    remedy_id: str = ""
    states: list[dict[str, str]] = field(default_factory=list)
    requests: Any = field(default_factory=lambda: count(1))

    def turn(self, day: str, time: str = "10:00:00") -> None:
        """Lets the service believe it is a day."""
        self.clock.write_text(f"{day}T{time}+08:00", "utf-8")

    def note(self, day: str) -> listings_pb2.Listing:
        """Reads the listing and notes a state that is new."""
        request = listings_pb2.GetListingRequest(listing_id=self.listing_id)
        stub = listings_pb2_grpc.ListingServiceStub
        listing: listings_pb2.Listing = self.connect("regulator").call(stub, "GetListing", request).listing
        state = STATES.Name(listing.state).removeprefix("LISTING_STATE_")
        if not self.states or self.states[-1]["state"] != state:
            self.states.append({"state": state, "date": day})
        return listing

    def make(self, method: str, who: str, given: dict[str, Any]) -> None:
        """Makes one move as somebody."""
        is_remedy = "EarlyRemoval" in method or "Repair" in method
        kind = getattr(remedies_pb2 if is_remedy else listings_pb2, f"{method}Request")
        number = next(self.requests)
        values = {
            "request_id": f"demo-{number}", "listing_id": self.listing_id, "remedy_id": self.remedy_id,
            "document_no": f"模拟文〔2026〕{number}号", "reason": "依法办理",
            "document_digest": digests_pb2.Digest(
                algorithm=digests_pb2.DIGEST_ALGORITHM_SHA256, value=sha256(f"document {number}".encode()).digest()
            ),
            **given,
        }  # fmt: skip
        fields = kind.DESCRIPTOR.fields_by_name
        request = kind(**{name: value for name, value in values.items() if name in fields})
        stub = remedies_pb2_grpc.RemedyServiceStub if is_remedy else listings_pb2_grpc.ListingServiceStub
        answer = self.connect(who).call(stub, method, request)
        if is_remedy:
            self.remedy_id = answer.remedy.remedy_id

    def grade(self) -> dict[str, Any]:
        """Returns the grade as it stands, and the vetoes that make it so."""
        request = grades_pb2.GetGradeRequest(subject=subjects_pb2.SubjectRef(scheme=SCHEME, code=CODE))
        grade = self.connect("regulator").call(grades_pb2_grpc.GradeServiceStub, "GetGrade", request).grade
        return {"grade": letter(grade), "score": grade.score, "vetoes": [veto.veto_id for veto in grade.vetoes]}

    def answer_obligations(self) -> tuple[int, int]:
        """Lets the demo's agency report on all that is open; returns how many were opened, and closed by it."""
        agency, stub = self.connect("agency"), sync_pb2_grpc.SyncServiceStub
        own = agency.call(stub, "ListObligations", sync_pb2.ListObligationsRequest(is_closed_included=True))
        reports = [
            sync_pb2.ReportMeasuresRequest(
                report_id=f"demo-{number}", entry_key=o.entry_key, measure_code=o.measure_code, evidence_no="模拟01",
                action=sync_pb2.MEASURE_ACTION_LIFTED
                if o.kind == sync_pb2.OBLIGATION_KIND_LIFT
                else sync_pb2.MEASURE_ACTION_APPLIED,
            )
            for number, o in enumerate(own.obligations)
            if o.is_open
        ]  # fmt: skip
        answers = list(agency.converse(stub, "ReportMeasures", iter(reports)))
        every = sync_pb2.ListObligationsRequest(is_closed_included=True, page_size=1000)
        opened = self.connect("regulator").call(stub, "ListObligations", every).obligations
        return len(opened), sum(a.status == sync_pb2.REPORT_STATUS_ACCEPTED for a in answers)

    def is_shared(self) -> bool:
        """Says whether a partner's snapshot holds the listing."""
        return any(e.HasField("listing") for part in snapshot(self.connect("agency"), []) for e in part.entries)


def lead_a_listing(connect: Callable[[str], Connection], clock: Path, account: Account) -> dict[str, Any]:
    """Leads a candidate to its removal, its restoration and the end of its term; returns the states with their days."""
    life = _Life(connect, clock)
    request = ledger_pb2.SubmitEventsRequest(request_id="demo-life", events=map(draft_of, _records()))
    connect("source").call(ledger_pb2_grpc.LedgerServiceStub, "SubmitEvents", request)
    found = listings_pb2.SearchListingsRequest(subject=subjects_pb2.SubjectRef(scheme=SCHEME, code=CODE))
    listed = connect("regulator").call(listings_pb2_grpc.ListingServiceStub, "SearchListings", found)
    life.listing_id = listed.listings[0].listing_id
    life.note("2026-08-03")
    before = life.grade()
    shared: list[str] = []
    for day, method, who, given in WAY:
        life.turn(day)
        life.make(method, who, given)
        life.note(day)
        if method == "ConfirmListing":
            after = life.grade()
        if life.is_shared():
            shared.append(day)
    opened, closed = life.answer_obligations()
    life.turn(LAST_DAY, "23:59:00")
    is_last = life.note(LAST_DAY).is_displayed and life.is_shared()
    life.turn(DAY_AFTER, "00:00:00")
    is_over = not life.note(DAY_AFTER).is_in_force and not life.is_shared()
    for step in life.states:
        account.line(f"{step['date']}  {step['state']}")
    account.line(f"{opened} obligations of agencies opened, {closed} closed by the one agency of the demo")
    for when, seen in (("before the confirmation", before), ("from it on", after)):
        account.line(f"grade {when}: {seen['grade']} by {', '.join(seen['vetoes'])}")
    account.line(f"partners held it to the last minute of {LAST_DAY} and not a minute longer: {is_last and is_over}")
    return {
        "repair_effects": _repair(life, account),
        "listing_life": life.states,
        "listing_effects": {"before": before, "after": after},
        "listing_shared_on": shared,
        "obligations_opened": opened,
        "obligations_closed": closed,
        "listing_ended_by_itself": is_last and is_over,
    }


def _repair(life: _Life, account: Account) -> dict[str, Any]:
    """Penalises the firm anew, lets it ask for its shortest way to a better grade and go it; returns what changed."""
    life.turn(ASKED)
    request = ledger_pb2.SubmitEventsRequest(request_id="demo-repair", events=map(draft_of, _later_records()))
    life.connect("source").call(ledger_pb2_grpc.LedgerServiceStub, "SubmitEvents", request)
    before, subject = life.grade(), subjects_pb2.SubjectRef(scheme=SCHEME, code=CODE)
    own, stub = life.connect("enterprise"), remedies_pb2_grpc.RemedyServiceStub
    path = own.call(stub, "PlanRepair", remedies_pb2.PlanRepairRequest(subject=subject)).paths[0]
    step = path.steps[0]
    life.turn(step.from_date)
    event_id = step.target.removeprefix("event/")
    for method, who, given in (
        ("RequestRepair", "enterprise", {"subject": subject, "event_id": event_id, "commitment": "承诺守法生产"}),
        ("DecideRepair", "regulator",
         {"is_granted": True, "is_penalty_performed": True, "is_conduct_corrected": True}),
    ):  # fmt: skip
        life.make(method, who, given)
    after = life.grade()
    account.line(
        f"a penalty of {PENALISED}: grade {before['grade']}; planned and repaired on {step.from_date}: {after['grade']}"
    )
    return {
        "grade_before": before["grade"], "grade_after": after["grade"], "score_before": before["score"],
        "score_after": after["score"], "repair_date": step.from_date, "planned_date": path.reach_date,
        "planned_grade": grades_pb2.Grade.Name(path.grade).removeprefix("GRADE_"),
    }  # fmt: skip


def _common() -> dict[str, Any]:
    subject = {"scheme": SCHEME, "code": CODE, "name": "北京模拟盛源邦涂料有限公司", "kind": "ENTERPRISE"}
    return {"source": "sim-city-em", "source_version": 1, "op": "ASSERT", "subject": subject, "domain": "WORK"}


def _later_records() -> list[dict[str, Any]]:
    """Returns a larger accident and its general penalty: too little for a list, enough for a cap of the grade."""
    return [
        {
            **_common(), "source_record_id": "LIFE-4", "kind": "ACC", "occur_time": "2030-12-02T09:00:00+08:00",
            "payload": {"accident_kind": "WORK", "deaths": 4, "liability": "LIABLE"},
        },
        {
            **_common(), "source_record_id": "LIFE-5", "kind": "PEN", "occur_time": f"{PENALISED}T00:00:00+08:00",
            "refers_to": "LIFE-4", "document_no": "模拟罚〔2030〕21号",
            "payload": {
                "articles": ["安全生产法/114"], "organ_kind": "EMERGENCY_MANAGEMENT", "severity": "GENERAL",
                "penalty_types": ["FINE"], "fine_fen": 100_000_000,
            },
        },
    ]  # fmt: skip


def _records() -> list[dict[str, Any]]:
    """Returns a firm in scope, its major accident, and the penalty: enough for a candidate."""
    common = _common()
    return [
        {
            **common, "source_record_id": "LIFE-1", "kind": "REG", "occur_time": "2015-01-01T00:00:00+08:00",
            "payload": {
                "industry_code": "C2641", "supervising_region": "110107", "headcount": 80, "status": "ACTIVE",
                "founded_date": "2010-05-04", "sectors": ["CHEMICAL"],
            },
        },
        {
            **common, "source_record_id": "LIFE-2", "kind": "ACC", "occur_time": "2026-05-10T09:00:00+08:00",
            "payload": {"accident_kind": "WORK", "deaths": 11, "liability": "LIABLE"},
        },
        {
            **common, "source_record_id": "LIFE-3", "kind": "PEN", "occur_time": "2026-08-01T00:00:00+08:00",
            "refers_to": "LIFE-2", "document_no": "模拟罚〔2026〕9号",
            "payload": {
                "articles": ["安全生产法/114"], "organ_kind": "EMERGENCY_MANAGEMENT", "severity": "SERIOUS",
                "penalty_types": ["FINE"], "fine_fen": 1_000_000_000,
            },
        },
    ]  # fmt: skip
