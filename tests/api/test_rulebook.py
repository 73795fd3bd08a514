"""Editions over the wire, and their adoption by two officers who are two persons with two keys."""

import pytest

from credit_service.api.identity import Caller, identity_uri
from credit_service.cli import throwaway
from credit_service.rulebook.edition import SHIPPED, load_editions
from credit_service.v1 import rulebook_pb2 as pb
from tests.api.street import NOW, Street

EDITIONS = {edition.id: edition for edition in load_editions(SHIPPED)}


def rulebook(street: Street, edition_id: str = "", scheme: str = "", role: str = "agency") -> pb.Edition:
    request = pb.GetRulebookRequest(edition_id=edition_id, scheme=scheme)
    edition: pb.Edition = street.ask(role, "RulebookService/GetRulebook", request).edition
    return edition


def adoption(street: Street, edition_id: str) -> pb.AdoptRulebookRequest:
    return pb.AdoptRulebookRequest(edition_id=edition_id, digest=rulebook(street, edition_id).digest)


def test_edition_in_force_answers_by_default(street: Street) -> None:
    edition = rulebook(street)
    assert (edition.edition_id, edition.valid_from, edition.HasField("valid_to")) == ("cn-2026-04", "2026-04-01", False)
    assert dict(edition.bands) == {"A": 900, "B": 750, "C": 600}
    assert edition.model == "cn_sim_pd"


@pytest.mark.moves_clock
def test_edition_follows_the_day_and_the_scheme(street: Street) -> None:
    street.clock.now = NOW.replace(month=3, day=31, hour=15)
    assert rulebook(street).edition_id == "cn-2023-10"
    street.clock.now = NOW.replace(month=3, day=31, hour=16)
    assert rulebook(street).edition_id == "cn-2026-04"
    assert rulebook(street, scheme="TW-OSH").edition_id == "tw-osh"


@pytest.mark.parametrize("edition_id", EDITIONS)
def test_edition_is_shown_whole(street: Street, edition_id: str) -> None:
    edition, stored = rulebook(street, edition_id), EDITIONS[edition_id]
    assert edition.digest.value.hex() == stored.digest
    assert edition.document == stored.document
    assert [rule.rule_id for rule in edition.rules] == [rule.id for rule in stored.rules]
    assert all(rule.bases and rule.text_zh and rule.text_en for rule in edition.rules)


def test_every_edition_is_named(street: Street) -> None:
    answer = street.ask("operator", "RulebookService/GetRulebook", pb.GetRulebookRequest())
    assert sorted(answer.edition_ids) == sorted(EDITIONS)


def test_unknown_edition_and_unknown_scheme_are_not_found(street: Street) -> None:
    unknown = street.refusal("agency", "RulebookService/GetRulebook", pb.GetRulebookRequest(edition_id="x"))
    assert (unknown.code, unknown.reason) == ("NOT_FOUND", "EDITION_NOT_FOUND")
    nowhere = street.refusal("agency", "RulebookService/GetRulebook", pb.GetRulebookRequest(scheme="LEI"))
    assert (nowhere.code, nowhere.reason) == ("NOT_FOUND", "NO_EDITION")


@pytest.mark.parametrize("role", ["agency", "insurer", "enterprise", "operator", "source"])
def test_only_regulators_adopt(street: Street, role: str) -> None:
    refused = street.refusal(role, "RulebookService/AdoptRulebook", adoption(street, "cn-2026-04"))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "ROLE_FORBIDDEN")


def test_adoption_is_proposed_by_one_officer_and_confirmed_by_another(street: Street) -> None:
    request = adoption(street, "cn-2026-04")
    first = street.ask("regulator", "RulebookService/AdoptRulebook", request).adoption
    assert (first.first_officer, first.second_officer) == ("bj-emergency-management/officer-1", "")
    same = street.refusal("regulator", "RulebookService/AdoptRulebook", request)
    assert (same.code, same.reason) == ("PERMISSION_DENIED", "SECOND_OFFICER_SAME")
    second = street.ask("regulator-2", "RulebookService/AdoptRulebook", request).adoption
    assert second.second_officer == "bj-emergency-management/officer-2"
    done = street.refusal("district", "RulebookService/AdoptRulebook", request)
    assert (done.code, done.reason) == ("FAILED_PRECONDITION", "ALREADY_ADOPTED")
    assert list(rulebook(street, "cn-2026-04").adoptions) == [second]


def test_key_of_the_first_officer_confirms_under_no_other_name(street: Street) -> None:
    street.issue("alias", identity_uri(Caller("regulator", "elsewhere", "", officer="officer-9")), "regulator")
    request = adoption(street, "tw-osh")
    street.ask("regulator", "RulebookService/AdoptRulebook", request)
    refused = street.refusal("alias", "RulebookService/AdoptRulebook", request)
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "SECOND_OFFICER_SAME")


def test_name_of_the_first_officer_confirms_with_no_other_key(street: Street) -> None:
    street.issue("renewed", identity_uri(Caller("regulator", throwaway.BUREAU, "", officer="officer-1")))
    request = adoption(street, "cn-2023-10")
    street.ask("regulator", "RulebookService/AdoptRulebook", request)
    refused = street.refusal("renewed", "RulebookService/AdoptRulebook", request)
    assert refused.reason == "SECOND_OFFICER_SAME"


def test_certificate_without_an_officer_adopts_nothing(street: Street) -> None:
    street.issue("desk", identity_uri(Caller("regulator", throwaway.BUREAU, "")))
    refused = street.refusal("desk", "RulebookService/AdoptRulebook", adoption(street, "cn-2026-04"))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "OFFICER_REQUIRED")


def test_officer_adopts_only_what_was_read(street: Street) -> None:
    request = adoption(street, "cn-2026-04")
    request.digest.value = rulebook(street, "tw-osh").digest.value
    refused = street.refusal("regulator-2", "RulebookService/AdoptRulebook", request)
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
    request = pb.AdoptRulebookRequest(edition_id="moon")
    assert street.refusal("regulator", "RulebookService/AdoptRulebook", request).reason == "EDITION_NOT_FOUND"


@pytest.mark.parametrize(
    "uri", ["urn:safety-credit:king:bureau", "urn:safety-credit:enterprise:firm", "https://example.org/officer"]
)
def test_certificate_without_an_identity_of_the_service_is_nobody(street: Street, uri: str) -> None:
    name = f"nobody-{len(uri)}"
    street.issue(name, uri)
    refused = street.refusal(name, "RulebookService/GetRulebook", pb.GetRulebookRequest())
    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "IDENTITY_MISSING")
