"""Personal values are sealed per subject; erasing the key destroys them."""

import pytest

from credit_service.errors import CreditError
from credit_service.ledger.verify import verify
from credit_service.subjects.vault import Vault, erase
from tests.ledger.conftest import Desk, a_record, desk, steady_bytes

__all__ = ["desk"]
PERSON = {"scheme": "PERSON", "code": "ab" * 32, "kind": "PERSON", "name": "某甲"}
SUBJECT = "PERSON:" + "ab" * 32


def test_erased_key_destroys_the_name_and_leaves_the_chain(desk: Desk) -> None:  # the fixture
    """After erasure the chain still verifies."""
    desk.submit(a_record(subject=PERSON), a_record("R2", subject=PERSON))
    with desk.database.transaction() as session:
        erase(session, SUBJECT)
    with desk.database.reading() as session:
        assert desk.vault.open(session, SUBJECT, 1) is None
        assert verify(session).broken_position is None


def test_another_master_key_is_refused_by_name(desk: Desk) -> None:  # the fixture
    """A wrong key file is said to be wrong."""
    desk.submit(a_record(subject=PERSON))
    stranger = Vault(bytes([1]) * 32, steady_bytes())
    with desk.database.reading() as session, pytest.raises(CreditError, match="person_key_file"):
        stranger.open(session, SUBJECT, 1)


def test_hash_of_an_id_number_depends_on_the_key() -> None:
    """Equal numbers give equal hashes under one key only."""
    one, other = Vault(bytes(32), steady_bytes()), Vault(bytes([1]) * 32, steady_bytes())
    assert one.person_code("11010119000101000x") == one.person_code("11010119000101000X")
    assert one.person_code("11010119000101000X") != other.person_code("11010119000101000X")


def test_short_master_key_is_refused() -> None:
    """Thirty-two bytes."""
    with pytest.raises(CreditError, match="32 bytes"):
        Vault(b"short", steady_bytes())
