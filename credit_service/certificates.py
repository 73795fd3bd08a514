"""A throw-away certificate authority for demos and tests: mutual TLS from the first call."""

import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from credit_service.errors import CreditError, Reason

VALID_DAYS = 30
# Certificates are valid a little before they are made, so that a slow clock does not refuse them.
BACKDATE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """Names a client certificate to issue: a file name and the identity URI it carries."""

    name: str
    uri: str


@dataclass(frozen=True, slots=True)
class Authority:
    """Issues certificates under one root made for one folder."""

    folder: Path
    now: datetime
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def issue_server(self) -> tuple[Path, Path]:
        """Issues the server's certificate for loopback; returns (certificate, key) files."""
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
        ]
        return self._issue("server", names, ExtendedKeyUsageOID.SERVER_AUTH)

    def issue_client(self, holder: Holder) -> tuple[Path, Path]:
        """Issues a client's certificate that carries its identity; returns (certificate, key) files."""
        return self._issue(holder.name, [x509.UniformResourceIdentifier(holder.uri)], ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(self, name: str, names: Sequence[x509.GeneralName], usage: x509.ObjectIdentifier) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(name, self.certificate.subject, key, self.now)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_secret(paths[1], _key_bytes(key))
        return paths


def make_authority(folder: Path, now: datetime) -> Authority:
    """Makes a root in the folder; its private key is never written."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "safety-credit throw-away authority")])
    certificate = (
        _builder("safety-credit throw-away authority", name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(folder, now, key, certificate)


def write_profile(folder: Path, holder: Holder, target: str, purpose: str = "") -> Path:
    """Writes what a client needs to call as this holder, for `--profile`."""
    path = folder / f"{holder.name}.json"
    profile = {
        "target": target, "ca": str(folder / "ca.pem"), "certificate": str(folder / f"{holder.name}.pem"),
        "key": str(folder / f"{holder.name}.key"), "purpose": purpose,
    }  # fmt: skip
    path.write_text(json.dumps(profile, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return path


def write_secret(path: Path, content: bytes) -> None:
    """Writes a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def expiry(path: Path) -> datetime:
    """Returns when a certificate file ends."""
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc


def check_pair(certificate: Path, key: Path) -> None:
    """Fails with SETTING_INVALID, naming the file, unless both can be read and the key is the certificate's."""
    try:
        held = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    except (OSError, ValueError) as fault:
        raise _unfit("certificate_file", certificate, "a certificate in PEM") from fault
    try:
        own = serialization.load_pem_private_key(key.read_bytes(), password=None).public_key()
    except (OSError, ValueError, TypeError) as fault:
        raise _unfit("key_file", key, "a private key in PEM without a password") from fault
    if held != own:
        raise _unfit("key_file", key, f"the key of {certificate}")


def _unfit(name: str, path: Path, want: str) -> CreditError:
    return CreditError(Reason.SETTING_INVALID, f"{name}: got {path}, want {want}")


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=VALID_DAYS))
    )


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
