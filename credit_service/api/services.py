"""Which door answers which service; what no door has yet answers UNIMPLEMENTED."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError

from credit_service.api.audit import AuditDoor
from credit_service.api.calls import Around, Call
from credit_service.api.grades import GradeDoor
from credit_service.api.house import House
from credit_service.api.ledger import LedgerDoor
from credit_service.api.listings import ListingDoor
from credit_service.api.models import ModelDoor
from credit_service.api.remedies import RemedyDoor
from credit_service.api.rulebook import RulebookDoor
from credit_service.api.subjects import SubjectDoor
from credit_service.api.sync import SyncDoor
from credit_service.errors import CreditError, Reason
from credit_service.v1 import (
    audit_pb2,
    disclosure_pb2,
    grades_pb2,
    ledger_pb2,
    listings_pb2,
    models_pb2,
    remedies_pb2,
    rulebook_pb2,
    subjects_pb2,
    supervision_pb2,
    sync_pb2,
    underwriting_pb2,
)

DOORS: dict[str, Callable[[House], Any]] = {
    "SubjectService": SubjectDoor,
    "LedgerService": LedgerDoor,
    "RulebookService": RulebookDoor,
    "ListingService": ListingDoor,
    "GradeService": GradeDoor,
    "ModelService": ModelDoor,
    "RemedyService": RemedyDoor,
    "SyncService": SyncDoor,
    "AuditService": AuditDoor,
}
FILES = (
    subjects_pb2, ledger_pb2, rulebook_pb2, models_pb2, listings_pb2, remedies_pb2, grades_pb2, supervision_pb2,
    underwriting_pb2, sync_pb2, audit_pb2, disclosure_pb2,
)  # fmt: skip


def services() -> list[ServiceDescriptor]:
    """Returns every service of the contract."""
    return [s for file in FILES for s in file.DESCRIPTOR.services_by_name.values()]


def handlers(house: House, around: Around) -> Sequence[grpc.GenericRpcHandler]:
    """Builds the handlers of every method of every service."""
    built = []
    for service in services():
        door = DOORS[service.name](house) if service.name in DOORS else None
        methods = {m.name: _handler(service, m, door, around) for m in service.methods}
        built.append(grpc.method_handlers_generic_handler(service.full_name, methods))
    return built


def is_built(service: ServiceDescriptor, method: str) -> bool:
    """Says whether a door answers a method."""
    return service.name in DOORS and hasattr(DOORS[service.name], method)


def _handler(
    service: ServiceDescriptor, method: MethodDescriptor, door: Any, around: Around
) -> "grpc.RpcMethodHandler[Any, Any]":
    name = f"{service.name}/{method.name}"
    act = getattr(door, method.name, None)
    parse = _reader(message_factory.GetMessageClass(method.input_type).FromString)
    encode = message_factory.GetMessageClass(method.output_type).SerializeToString
    if act is None:
        act = _later(name)
    elif method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(around.bidi_stream(name, act), parse, encode)
    elif inspect.isgeneratorfunction(act):
        return grpc.unary_stream_rpc_method_handler(around.server_stream(name, act), parse, encode)
    make = _MAKERS[method.client_streaming, method.server_streaming]
    wrap = around.unary if not (method.client_streaming or method.server_streaming) else around.server_stream
    return make(wrap(name, act), parse, encode)


def _reader(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Reads a message; what cannot be read is handed on as its refusal, so that the call ends like any other."""

    def read(content: bytes) -> Any:
        try:
            return parse(content)
        except DecodeError:
            want = "a message of the contract with texts in UTF-8"
            return CreditError(Reason.TEXT_INVALID, f"request: got {len(content)} bytes, want {want}")

    return read


_MAKERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


def _later(name: str) -> Callable[[Any, Call], Any]:
    def refuse(_request: Any, _call: Call) -> Any:
        raise CreditError(
            Reason.NOT_IMPLEMENTED, f"method: got {name}, want one that is built; it ships later", method=name
        )

    return refuse
