"""A person's entry over the wire: a list entry of its own with its own clock, seen by regulators alone, by a hash."""

from typing import Any

import pytest

from credit_service.v1 import grades_pb2, sync_pb2
from credit_service.v1 import listings_pb2 as pb
from tests.api.life import a_candidate, move, published
from tests.api.remedy import refusal
from tests.api.street import DAY, NOW, OWN, Street, a_record, ref

PERSON = "c4" * 32
LAW_110 = {
    "articles": ["安全生产法/110"], "organ_kind": "EMERGENCY_MANAGEMENT", "severity": "SERIOUS", "conduct": "NO_RESCUE",
}  # fmt: skip


def a_principal(street: Street) -> str:
    """Collects the penalty of a principal who did not rescue; returns the listing id of the candidate."""
    subject = {"scheme": "PERSON", "code": PERSON, "kind": "PERSON", "name": "某甲"}
    street.must_collect(a_record("", "PEN", LAW_110, subject=subject))
    request = pb.SearchListingsRequest(subject=ref(PERSON, "PERSON"))
    found: Any = street.ask("regulator", "ListingService/SearchListings", request).listings
    assert [(one.rule_id, one.subject_name) for one in found] == [("B-05", "")]
    return str(found[0].listing_id)


def seen(street: Street, role: str, listing_id: str) -> bool:
    """Says whether any way of reading shows the entry to a role."""
    found = street.ask(role, "ListingService/SearchListings", pb.SearchListingsRequest(page_size=1000)).listings
    if role == "insurer":
        return listing_id in {one.listing_id for one in found}
    parts = street.ask(role, "SyncService/GetSnapshot", sync_pb2.GetSnapshotRequest())
    entries = {entry.entry_key for part in parts for entry in part.entries}
    return listing_id in {one.listing_id for one in found} or f"listing/{listing_id}" in entries


@pytest.mark.moves_clock
def test_person_is_led_through_the_same_life_and_leaves_the_regulators_never(street: Street) -> None:
    """Unit and person are listed separately; the person's entry obliges nobody, and is never drawn from a model."""
    _, unit = a_candidate(street, OWN)
    published(street, unit)
    street.clock.now = NOW + 2 * DAY
    person = a_principal(street)
    assert person != unit
    published(street, person)
    listing = street.ask("regulator", "ListingService/GetListing", pb.GetListingRequest(listing_id=person)).listing
    assert (listing.state, listing.is_in_force, listing.term_last_date) == (
        pb.LISTING_STATE_PUBLISHED, True, "2029-11-25",
    )  # fmt: skip
    assert "某甲" not in str(listing)
    assert seen(street, "regulator", person)
    for role in ("agency", "insurer", "enterprise"):
        assert not seen(street, role, person)
        hidden = street.refusal(role, "ListingService/GetListing", pb.GetListingRequest(listing_id=person))
        assert hidden.code == "NOT_FOUND"
        assert PERSON not in hidden.message
    obliged = street.ask(
        "regulator", "SyncService/ListObligations", sync_pb2.ListObligationsRequest(page_size=1000)
    ).obligations
    assert {o.entry_key for o in obliged} == {f"listing/{unit}"}
    graded = street.refusal(
        "regulator", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(PERSON, "PERSON"))
    )
    assert graded.reason == "GRADE_NOT_FOUND"
    # The unit's entry ends on its own day, two days before the person's.
    street.clock.now = NOW.replace(year=2029, hour=16)
    request = pb.GetListingRequest(listing_id=person)
    assert street.ask("regulator", "ListingService/GetListing", request).listing.is_in_force
    ended = street.ask("regulator", "ListingService/GetListing", pb.GetListingRequest(listing_id=unit)).listing
    assert not ended.is_in_force


def test_nobody_but_an_officer_asks_a_remedy_for_a_person(street: Street) -> None:
    person = a_principal(street)
    move(street, "NotifyListing", person)
    given = {"subject": ref(PERSON, "PERSON"), "target": f"listing/{person}", "statement": "异议"}
    assert refusal(street, "FileObjection", "enterprise", **given).reason == "PERSON_NOT_VISIBLE"
