"""Editions over the wire, and their adoption by two officers who are two persons with two keys."""

import pytest

from credit_service.api.identity import Caller, identity_uri
from credit_service.cli import throwaway
from credit_service.rulebook.edition import SHIPPED, load_editions, read_draft
from credit_service.v1 import grades_pb2, listings_pb2
from credit_service.v1 import rulebook_pb2 as pb
from tests.api.street import NOW, Street, a_code, a_record, frame, major_accident, ref, registered

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
    assert edition.points_bases_document == stored.points_bases_document
    assert [(v.veto_id, v.cap) for v in edition.vetoes] == [(v.id, v.cap) for v in stored.grading.vetoes]
    assert all(veto.bases and veto.text_zh and veto.text_en for veto in edition.vetoes)
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


DRAFT = """
id = "draft"
extends = "cn-2026-04"
"""


def tried(street: Street, document: str, role: str = "regulator") -> tuple[dict[str, pb.TrialChange], pb.TrialSummary]:
    """Tries a draft; returns the named changes by code, and the counts."""
    request = pb.TryRulebookRequest(document=document)
    *pages, last = street.ask(role, "RulebookService/TryRulebook", request)
    assert last.HasField("summary")
    return {c.subject.code: c for page in pages for c in page.changes}, last.summary


def test_draft_without_a_difference_changes_nobody(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code), *major_accident(code))
    changes, summary = tried(street, DRAFT)
    assert (changes, summary.changing, summary.changing_grade, list(summary.rules)) == ({}, 0, 0, [])
    assert all(grade.before == grade.after for grade in summary.grades)
    assert sum(grade.subjects for grade in summary.grades) == summary.subjects > 0
    assert summary.digest.value.hex() == read_draft(DRAFT, list(EDITIONS.values())).digest


def test_draft_names_who_leaves_and_enters_with_the_proof(street: Street) -> None:
    """Without its rule the major accident opens no candidate; the trial itself opens and drops none."""
    code, calm = a_code(), a_code()
    ids = street.must_collect(registered(code), *major_accident(code), registered(calm))[1:3]
    changes, summary = tried(street, DRAFT + '[[rules]]\nid = "B-01"\ndrop = true\n')
    (gone,) = changes[code].leaving
    assert (gone.rule_id, gone.list, set(gone.event_ids)) == ("B-01", "BLACK", set(ids))
    assert not changes[code].entering
    assert calm not in changes
    (rule,) = summary.rules
    assert (rule.rule_id, rule.entering) == ("B-01", 0)
    assert rule.leaving == summary.changing == len(changes)
    found = street.ask(
        "regulator", "ListingService/SearchListings", listings_pb2.SearchListingsRequest(subject=ref(code))
    )
    assert [listing.rule_id for listing in found.listings] == ["B-01"]


def test_draft_moves_grades_as_its_bands_say(street: Street) -> None:
    """Every A becomes what the draft's bands give; the counts hold all moves."""
    code = a_code()
    street.must_collect(registered(code), a_record(code))
    document = DRAFT + "[grading.bands]\nA = 1000\nB = 999\nC = 998\n"
    changes, summary = tried(street, document)
    asked = street.ask("regulator", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)))
    before = grades_pb2.Grade.Name(asked.grade.grade).removeprefix("GRADE_")
    assert (changes[code].grade_before, changes[code].grade_after) == (before, "C")
    moved = {(g.before, g.after): g.subjects for g in summary.grades if g.before != g.after}
    assert moved[before, "C"] >= 1
    assert sum(moved.values()) == summary.changing_grade


def test_officer_of_a_district_is_told_the_counts_and_the_own_names(street: Street) -> None:
    """What lies in another district is counted, never named."""
    codes = {region: a_code() for region in ("110108", "110105")}
    for region, code in codes.items():
        street.must_collect(registered(code, region), *major_accident(code))
    document = DRAFT + '[[rules]]\nid = "B-01"\ndrop = true\n'
    named, summary = tried(street, document, "district")
    everywhere, whole = tried(street, document)
    assert summary.changing == whole.changing == len(everywhere)
    assert set(codes.values()) <= set(everywhere)
    assert len({*codes.values()} & set(named)) == 1


@pytest.mark.parametrize(
    ("document", "beginning"),
    [
        ("colour = 1", "draft.toml: "),
        ("not toml", "draft: got"),
        ('id = "d"\nextends = "moon"', "d.toml: extends: got moon"),
        (DRAFT + '[[rules]]\nid = "B-01"\nterm = "soon"\n', "draft.toml: rules[0] (B-01).term: got soon"),
    ],
)
def test_faulty_draft_is_refused_with_the_place_of_the_fault(street: Street, document: str, beginning: str) -> None:
    refused = street.refusal("regulator", "RulebookService/TryRulebook", pb.TryRulebookRequest(document=document))
    assert refused.reason == "EDITION_INVALID"
    assert refused.message.startswith(beginning)


def test_draft_with_a_model_that_is_not_installed_or_too_large_is_refused(street: Street) -> None:
    request = pb.TryRulebookRequest(document=DRAFT + '[grading]\nmodel = "moon"\n', time_frame=frame(NOW))
    assert street.refusal("regulator", "RulebookService/TryRulebook", request).reason == "MODEL_NOT_FOUND"
    request = pb.TryRulebookRequest(document=DRAFT + "#" * 1024 * 1024)
    assert street.refusal("regulator", "RulebookService/TryRulebook", request).reason == "FIELD_OUT_OF_RANGE"
    assert street.refused("agency", "RulebookService/TryRulebook", request)[1] == "ROLE_FORBIDDEN"
