"""From machine reasons to statuses: one table, equal to the contract's enum; and how a status is sent."""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from credit_service.errors import CreditError, Reason
from credit_service.v1 import errors_pb2

DOMAIN = "credit-service"
RETRY_SECONDS = 1
DETAILS_KEY = "grpc-status-details-bin"

_CODES: Mapping[Reason, grpc.StatusCode] = {
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
    Reason.NOT_IMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    Reason.FIELD_MISSING: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.FIELD_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.FIELD_OUT_OF_RANGE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.FIELD_UNKNOWN: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.ENUM_UNKNOWN: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.TEXT_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.KIND_UNKNOWN: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.PAYLOAD_MISMATCH: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.DOMAIN_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.TIME_IN_FUTURE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.TIME_ORDER: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.AMOUNT_NEGATIVE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.CODE_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.CHECK_DIGIT: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.SCHEME_UNKNOWN: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.LEVEL_DISAGREES: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.REFERENCE_MISSING: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.RECORD_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.BATCH_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.BATCH_EMPTY: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.KEY_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    Reason.SOURCE_UNKNOWN: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.SOURCE_FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Reason.OFFSET_GAP: grpc.StatusCode.OUT_OF_RANGE,
    Reason.SUBJECT_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.EVENT_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.LISTING_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.REMEDY_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.MODEL_EXPIRED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.OVERRIDE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.REVIEW_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.GRADE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.EDITION_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.NO_EDITION: grpc.StatusCode.NOT_FOUND,
    Reason.EDITION_INVALID: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.BAD_PERIOD: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.PERSON_NOT_VISIBLE: grpc.StatusCode.PERMISSION_DENIED,
    Reason.ROLE_FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Reason.OUT_OF_JURISDICTION: grpc.StatusCode.PERMISSION_DENIED,
    Reason.NOT_OWN_SUBJECT: grpc.StatusCode.PERMISSION_DENIED,
    Reason.IDENTITY_MISSING: grpc.StatusCode.UNAUTHENTICATED,
    Reason.OFFICER_REQUIRED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.SECOND_OFFICER_SAME: grpc.StatusCode.PERMISSION_DENIED,
    Reason.PURPOSE_REQUIRED: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.PAGE_TOKEN_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.RESUME_TOKEN_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.EPOCH_CHANGED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.REVISION_AHEAD: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.REVISION_COMPACTED: grpc.StatusCode.OUT_OF_RANGE,
    Reason.SLOW_CONSUMER: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.DEADLINE_TOO_SHORT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.OVERLOADED: grpc.StatusCode.UNAVAILABLE,
    Reason.MOVE_ILLEGAL: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.REQUEST_ID_REUSED: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.ALREADY_ADOPTED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CHAIN_BROKEN: grpc.StatusCode.INTERNAL,
    Reason.MODEL_INVALID: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.MODEL_TAMPERED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.MODEL_UNSIGNED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.MODEL_UNTRUSTED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.MODEL_NOT_FOUND: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SETTING_INVALID: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.MIGRATION_NEEDED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.DATABASE_NEWER: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.FILE_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.BATCH_REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.QUOTA_EXCEEDED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.RECEIPT_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.QUARANTINE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.WATERMARK_BACK: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SUBJECT_UNKNOWN: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.NAME_DISAGREES: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.STORAGE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.CLAUSE_MISSING: grpc.StatusCode.INVALID_ARGUMENT,
}
STATUS: Mapping[Reason, tuple[grpc.StatusCode, int]] = {
    reason: (code, errors_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")) for reason, code in _CODES.items()
}


def details(error: CreditError) -> bytes:
    """Encodes reason and facts as google.rpc.Status; overload carries when to try again."""
    code = STATUS[error.reason][0]
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.facts)
    status = status_pb2.Status(code=code.value[0], message=error.message, details=[_packed(info)])
    if error.reason is Reason.QUOTA_EXCEEDED:
        violation = error_details_pb2.QuotaFailure.Violation(
            subject=f"agency:{error.facts['agency']}", description=error.message
        )
        status.details.append(_packed(error_details_pb2.QuotaFailure(violations=[violation])))
    if code is grpc.StatusCode.UNAVAILABLE or "retry_seconds" in error.facts:
        delay = duration_pb2.Duration(seconds=int(error.facts.get("retry_seconds", RETRY_SECONDS)))
        status.details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    return bytes(status.SerializeToString())


def reason_of(error: grpc.RpcError) -> tuple[str, dict[str, str]]:
    """Reads reason and facts of a refused call; an empty reason when the service did not send one."""
    trailing: Any = error.trailing_metadata()
    for key, value in trailing or ():
        if key == DETAILS_KEY:
            status = status_pb2.Status.FromString(value)
            info = error_details_pb2.ErrorInfo()
            for detail in status.details:
                if detail.Unpack(info):
                    return info.reason, dict(info.metadata)
    return "", {}


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
