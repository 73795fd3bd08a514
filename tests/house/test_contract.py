"""One noun, one name: the contract, the code generated from it, the doors and the tables agree."""

import importlib
import re
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from credit_service.api import access, services, status, wire
from credit_service.errors import Reason
from credit_service.ledger.payloads import PAYLOADS
from credit_service.v1 import errors_pb2, events_pb2
from tests.house.tree import ROOT, files, run

METHODS = [(service, method) for service in services.services() for method in service.methods]
BUILT = {f"{s.name}/{m.name}" for s, m in METHODS if services.is_built(s, m.name)}
SERVICE, METHOD = 6, 2  # field numbers on the path to a method's comment


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileDescriptorProto]:
    """Compiles the contract, comments included."""
    image = tmp_path_factory.mktemp("contract") / "image.binpb"
    built = run("buf", "build", "proto", "--as-file-descriptor-set", "-o", image)
    assert built.returncode == 0, built.stdout
    found = FileDescriptorSet.FromString(image.read_bytes())
    return {f.name: f for f in found.file if f.name.startswith("credit_service/")}


def test_every_reason_has_a_status_and_an_error_reason() -> None:
    numbers = {f"ERROR_REASON_{reason}": status.STATUS[reason][1] for reason in Reason}
    assert numbers == {v.name: v.number for v in errors_pb2.ErrorReason.DESCRIPTOR.values[1:]}
    assert set(status.STATUS) == set(Reason)
    assert grpc.StatusCode.OK not in {code for code, _ in status.STATUS.values()}


def test_every_reason_is_its_own_value() -> None:
    assert {reason.name for reason in Reason} == {reason.value for reason in Reason}


def test_generated_code_is_what_the_contract_says(contract: dict[str, FileDescriptorProto]) -> None:
    for name, declared in contract.items():
        module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        generated = FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        assert _bare(generated) == _bare(declared), f"{name}: run make proto"


def _bare(file: FileDescriptorProto) -> FileDescriptorProto:
    """Leaves out what only one of the two compilers writes: comments and JSON names."""
    bare = FileDescriptorProto()
    bare.CopyFrom(file)
    bare.ClearField("source_code_info")
    messages = list(bare.message_type)
    while messages:
        message = messages.pop()
        messages.extend(message.nested_type)
        for field in message.field:
            field.ClearField("json_name")
    return bare


def test_every_contract_file_is_served_or_holds_no_service(
    contract: dict[str, FileDescriptorProto],
) -> None:
    declared = {s.name for file in contract.values() for s in file.service}
    assert declared == {service.name for service in services.services()}
    assert set(services.DOORS) <= declared


def test_every_method_has_a_door_or_is_marked_experimental(
    contract: dict[str, FileDescriptorProto],
) -> None:
    for file in contract.values():
        comments = {tuple(c.path): c.leading_comments for c in file.source_code_info.location}
        for i, service in enumerate(file.service):
            for j, method in enumerate(service.method):
                name = f"{service.name}/{method.name}"
                is_marked = "xperimental" in comments[SERVICE, i, METHOD, j]
                assert is_marked != (name in BUILT), name


def test_every_door_method_is_in_the_contract() -> None:
    for name, door in services.DOORS.items():
        opened = {member for member in vars(door) if member[0].isupper()}
        assert opened <= {m.name for s, m in METHODS if s.name == name}


def test_access_is_said_for_exactly_the_built_methods() -> None:
    assert set(access.METHODS) == BUILT


def test_every_built_method_is_called_in_a_test() -> None:
    tests = "\n".join(p.read_text("utf-8") for p in files(".py") if _is_test(p))
    missing = {name for name in BUILT if not re.search(rf"\b{name.split('/')[1]}\b", tests)}
    assert not missing


def _is_test(path: Path) -> bool:
    place = path.relative_to(ROOT).parts
    return place[0] == "tests" and place[1] != "house"


def test_every_event_kind_has_a_payload_in_contract_and_ledger() -> None:
    assert set(wire.KINDS) == set(PAYLOADS)
    kinds = {name for name, _ in wire.KINDS.values()}
    assert {f"EVENT_KIND_{k}" for k in kinds} == set(events_pb2.EventKind.keys()[1:])
    fields = {field for _, field in wire.KINDS.values()}
    assert fields == set(events_pb2.Payload.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
def test_payload_table_equals_its_message(kind: str) -> None:
    message = events_pb2.Payload.DESCRIPTOR.fields_by_name[wire.KINDS[kind][1]].message_type
    assert message is not None
    assert set(PAYLOADS[kind]) == set(message.fields_by_name)
    for name, field in PAYLOADS[kind].items():
        declared: FieldDescriptor = message.fields_by_name[name]
        assert field.values == _short_names(declared), name
        assert declared.is_repeated == field.form.endswith("s"), name


def _short_names(field: FieldDescriptor) -> set[str]:
    values = field.enum_type.values if field.enum_type else []
    prefix = values[0].name.removesuffix("UNSPECIFIED") if values else ""
    return {value.name.removeprefix(prefix) for value in values[1:]}
