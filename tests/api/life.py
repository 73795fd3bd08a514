"""Leads a listing through its life over the wire, as the officers of one bureau."""

from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from credit_service.v1 import digests_pb2
from credit_service.v1 import listings_pb2 as pb
from tests.api.street import Street, a_code, major_accident, ref, registered

_REQUESTS = count(1)
DIGEST = digests_pb2.Digest(algorithm=digests_pb2.DIGEST_ALGORITHM_SHA256, value=sha256(b"document").digest())
NOTICE, DECISION = pb.SERVED_DOCUMENT_NOTICE, pb.SERVED_DOCUMENT_DECISION
STATED, WAIVED, ANSWERED = pb.STATEMENT_KIND_STATED, pb.STATEMENT_KIND_WAIVED, pb.STATEMENT_KIND_ANSWERED


def request_for(name: str, listing_id: str, **given: Any) -> Any:
    """Builds the request of a move with every evidence it may carry."""
    kind = getattr(pb, f"{name}Request")
    fields = {f.name for f in kind.DESCRIPTOR.fields}
    values = {
        "request_id": f"request-{next(_REQUESTS)}", "listing_id": listing_id, "document_no": "模拟文〔2026〕1号",
        "document_digest": DIGEST, "reason": "依法办理", "proposal": "建议变更", "service_method": "当场交付",
        "to_agency": "another-bureau", **given,
    }  # fmt: skip
    chosen = {k: v for k, v in values.items() if k in fields and v is not None and not isinstance(v, datetime)}
    request = kind(**chosen)
    if isinstance(legal := values.get("legal_time"), datetime):
        stamp = Timestamp()
        stamp.FromDatetime(legal)
        request.legal_time.CopyFrom(stamp)
    return request


def move(street: Street, name: str, listing_id: str, role: str = "regulator", **given: Any) -> Any:
    """Makes a move and returns the listing."""
    return street.ask(role, f"ListingService/{name}", request_for(name, listing_id, **given)).listing


def refusal(street: Street, name: str, listing_id: str, role: str = "regulator", **given: Any) -> Any:
    """Returns how a move was refused."""
    return street.refusal(role, f"ListingService/{name}", request_for(name, listing_id, **given))


def a_candidate(street: Street, code: str | None = None, region: str = "110108") -> tuple[str, str]:
    """Collects a major accident; returns (code, listing id) of the candidate."""
    code = code or a_code()
    street.must_collect(registered(code, region), *major_accident(code))
    request = pb.SearchListingsRequest(subject=ref(code))
    return code, street.ask("regulator", "ListingService/SearchListings", request).listings[0].listing_id


def decided(street: Street, listing_id: str) -> None:
    """Leads a candidate to its decision, with a waived reply."""
    move(street, "NotifyListing", listing_id)
    move(street, "RecordService", listing_id, document=NOTICE)
    move(street, "RecordStatement", listing_id, kind=WAIVED)
    move(street, "DecideListing", listing_id)


def confirmed(street: Street, listing_id: str) -> None:
    """Leads a candidate into force."""
    decided(street, listing_id)
    move(street, "ConfirmListing", listing_id, "regulator-2")


def published(street: Street, listing_id: str) -> None:
    """Leads a candidate to its publication."""
    confirmed(street, listing_id)
    move(street, "RecordService", listing_id, document=DECISION)
    move(street, "PublishListing", listing_id)
