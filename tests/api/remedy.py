"""Asks for remedies over the wire, as enterprises and officers."""

from itertools import count
from typing import Any

from credit_service.v1 import grades_pb2, ledger_pb2, subjects_pb2
from credit_service.v1 import remedies_pb2 as pb
from tests.api.life import DIGEST
from tests.api.street import (
    Street,
    a_code,
    a_record,
    ref,
    registered,
)

_REQUESTS = count(1)
COMMITMENT = "本企业承诺今后严格遵守安全生产法律法规"


def asked(name: str, **given: Any) -> Any:
    """Builds a request with an id of its own, and with every evidence where it decides."""
    kind = getattr(pb, f"{name}Request")
    defaults = {
        "request_id": f"remedy-{next(_REQUESTS)}", "document_no": "模拟修〔2026〕1号", "document_digest": DIGEST,
        "reason": "经核实", "is_penalty_performed": True, "is_conduct_corrected": True,
    }  # fmt: skip
    fields = set(kind.DESCRIPTOR.fields_by_name)
    return kind(**{k: v for k, v in {**defaults, **given}.items() if k in fields and v is not None})


def make(street: Street, name: str, role: str = "regulator", **given: Any) -> pb.Remedy:
    """Makes a move and returns the remedy."""
    remedy: pb.Remedy = street.ask(role, f"RemedyService/{name}", asked(name, **given)).remedy
    return remedy


def refusal(street: Street, name: str, role: str = "regulator", **given: Any) -> Any:
    """Returns how a move was refused."""
    return street.refusal(role, f"RemedyService/{name}", asked(name, **given))


def request_repair(street: Street, code: str, event_id: str, role: str = "regulator", **given: Any) -> pb.Remedy:
    return make(
        street, "RequestRepair", role, **{"subject": ref(code), "event_id": event_id, "commitment": COMMITMENT, **given}
    )


def explained(street: Street, code: str, when: subjects_pb2.TimeFrame | None = None) -> Any:
    request = grades_pb2.ExplainGradeRequest(subject=ref(code), time_frame=when)
    return street.ask("regulator", "GradeService/ExplainGrade", request)


def behind(answer: Any) -> set[str]:
    """Returns every event that an explanation rests on."""
    parts = [*answer.features, *answer.findings, *answer.grade.reasons, *answer.grade.vetoes]
    return {event_id for part in parts for event_id in part.event_ids}


def event(street: Street, event_id: str) -> Any:
    request = ledger_pb2.GetEventRequest(event_id=event_id)
    return street.ask("regulator", "LedgerService/GetEvent", request).event


def events_of(street: Street, code: str) -> list[Any]:
    request = ledger_pb2.ListEventsRequest(subject=ref(code))
    return list(street.ask("regulator", "LedgerService/ListEvents", request).events)


def penalty_of(street: Street, code: str) -> Any:
    return next(e for e in events_of(street, code) if e.draft.payload.WhichOneof("payload") == "penalty")


def a_firm(
    street: Street, *records: dict[str, Any], code: str | None = None, region: str = "110108"
) -> tuple[str, list[str]]:
    """Registers an enterprise with records about it; returns its code and their event ids."""
    code = code or a_code()
    return code, street.must_collect(
        registered(code, region), *({**r, "subject": {**r["subject"], "code": code}} for r in records)
    )[1:]


def a_firm_with_penalty(street: Street) -> tuple[str, str]:
    code, (penalty,) = a_firm(street, a_record(""))
    return code, penalty


def listed(street: Street, request: pb.ListRemediesRequest, role: str = "regulator") -> list[Any]:
    found: list[Any] = []
    while True:
        answer = street.ask(role, "RemedyService/ListRemedies", request)
        found += answer.remedies
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token
