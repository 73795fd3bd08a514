"""The throw-away authority: one root per folder, an identity in every client, keys for the owner's eyes only."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from credit_service.api.identity import key_fingerprint
from credit_service.certificates import BACKDATE, VALID_DAYS, Holder, expiry, make_authority, write_profile
from credit_service.cli.throwaway import ENTERPRISE, HOLDERS, prepare
from credit_service.settings import Settings

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
URI = "urn:safety-credit:regulator:bureau/officer-1"


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_client_carries_its_identity_and_no_other_use(tmp_path: Path) -> None:
    made = certificate(make_authority(tmp_path, NOW).issue_client(Holder("one", URI))[0])
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [URI]
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_certificates_are_signed_by_the_root_of_their_folder_only(tmp_path: Path) -> None:
    roots = [make_authority(tmp_path / name, NOW) for name in ("one", "other")]
    made = certificate(roots[0].issue_client(Holder("one", URI))[0])
    made.verify_directly_issued_by(roots[0].certificate)
    with pytest.raises(InvalidSignature):
        made.verify_directly_issued_by(roots[1].certificate)


def test_server_certificate_is_for_loopback(tmp_path: Path) -> None:
    made = certificate(make_authority(tmp_path, NOW).issue_server()[0])
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert sorted(map(str, names.get_values_for_type(x509.IPAddress))) == ["127.0.0.1", "::1"]


def test_validity_is_short_and_begins_a_little_early(tmp_path: Path) -> None:
    path = make_authority(tmp_path, NOW).issue_client(Holder("one", URI))[0]
    assert expiry(path) == NOW + timedelta(days=VALID_DAYS)
    assert certificate(path).not_valid_before_utc == NOW - BACKDATE


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    authority = make_authority(tmp_path, NOW)
    for path in (authority.issue_client(Holder("one", URI))[1], authority.issue_server()[1]):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_key_of_the_root_is_never_written(tmp_path: Path) -> None:
    make_authority(tmp_path, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["ca.pem"]
    assert b"PRIVATE" not in (tmp_path / "ca.pem").read_bytes()


def test_fingerprint_is_of_the_key_and_not_of_the_certificate(tmp_path: Path) -> None:
    authority = make_authority(tmp_path, NOW)
    one, other = (authority.issue_client(Holder(name, URI))[0].read_bytes() for name in ("one", "other"))
    assert key_fingerprint(one) == key_fingerprint(one)
    assert key_fingerprint(one) != key_fingerprint(other)


def test_profile_names_what_a_client_needs(tmp_path: Path) -> None:
    path = write_profile(tmp_path, Holder("one", URI), "127.0.0.1:1", "核保")
    assert json.loads(path.read_text("utf-8")) == {
        "target": "127.0.0.1:1", "ca": f"{tmp_path}/ca.pem", "certificate": f"{tmp_path}/one.pem",
        "key": f"{tmp_path}/one.key", "purpose": "核保",
    }  # fmt: skip


def test_folder_is_prepared_with_every_caller_and_keeps_its_secrets(tmp_path: Path) -> None:
    made = prepare(Settings(), tmp_path, NOW)
    person_key = (tmp_path / "person.key").read_bytes()
    again = prepare(Settings(), tmp_path, NOW)
    assert {path.stem for path in tmp_path.glob("*.pem")} == {"ca", "server", *(h.name for h in HOLDERS)}
    assert made == again
    assert (tmp_path / "person.key").read_bytes() == person_key
    assert (tmp_path / "enterprise.txt").read_text("utf-8") == f"{ENTERPRISE}\n"
    assert made.database_url == f"sqlite:///{tmp_path / 'credit.db'}"
