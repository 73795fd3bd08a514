"""What the contract names and no door answers yet says so, the same way everywhere."""

import re

import pytest

from credit_service.api.access import EVERYONE
from credit_service.api.services import is_built, services
from tests.api.street import Street
from tests.house.tree import ROOT

LATER = {f"{s.full_name}/{m.name}": m for s in services() for m in s.methods if not is_built(s, m.name)}


@pytest.mark.parametrize("path", LATER)
def test_method_without_a_door_answers_unimplemented_with_its_name(street: Street, path: str) -> None:
    refused = street.raw("regulator", LATER[path], b"")
    assert refused is not None
    assert (refused.code, refused.reason) == ("UNIMPLEMENTED", "NOT_IMPLEMENTED")
    assert refused.domain == "credit-service"
    assert refused.facts == {"method": path.removeprefix("credit_service.v1.")}


@pytest.mark.parametrize("role", sorted(EVERYONE - {"regulator"}))
def test_every_role_is_told_the_same(street: Street, role: str) -> None:
    refused = street.raw(role, LATER["credit_service.v1.ModelService/PromoteModel"], b"", purpose="")
    assert refused is not None
    assert refused.reason == "NOT_IMPLEMENTED"


def test_contract_calls_experimental_exactly_what_has_no_door() -> None:
    found = {}
    for service in services():
        text = (ROOT / "proto" / service.file.name).read_text("utf-8").split(f"service {service.name} {{")[1]
        for comment, name in re.findall(r"((?: *//.*\n)+) *rpc (\w+)\(", text.split("\n}")[0]):
            found[f"{service.full_name}/{name}"] = "Experimental" in comment
    assert {path for path, is_experimental in found.items() if is_experimental} == set(LATER)
    assert len(found) == sum(len(service.methods) for service in services())
