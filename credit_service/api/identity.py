"""Who calls: read from the verified client certificate, never from the request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from credit_service.errors import CreditError, Reason, shown

PREFIX = "urn:safety-credit:"
ROLES = frozenset({"regulator", "agency", "insurer", "enterprise", "operator"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Names an authenticated caller; `officer` is a person, `region` a division code without trailing zeros."""

    role: str
    agency: str
    key_fingerprint: str
    officer: str | None = None
    region: str = ""
    subject_id: str | None = None

    def officer_name(self) -> str:
        """Returns `agency/officer`; fails with OFFICER_REQUIRED when nobody stands behind the certificate."""
        if self.officer is None:
            raise CreditError(Reason.OFFICER_REQUIRED, "caller: got no officer, want a certificate of a named officer")
        return f"{self.agency}/{self.officer}"

    def covers(self, region: str | None) -> bool:
        """Says whether a division lies in the caller's jurisdiction; no region means everywhere."""
        return not self.region or (region or "").startswith(self.region)


def identity_uri(caller: Caller) -> str:
    """Writes a caller as the URI of a certificate's subject alternative name."""
    name = f"{caller.agency}/{caller.officer}" if caller.officer else caller.agency
    parts = [f"{PREFIX}{caller.role}:{name}"]
    parts += [f"region={caller.region}"] if caller.region else []
    parts += [f"subject={caller.subject_id}"] if caller.subject_id else []
    return ";".join(parts)


def read_caller(auth_context: Mapping[str, Sequence[bytes]]) -> Caller:
    """Returns the caller that a verified certificate names; fails with IDENTITY_MISSING."""
    names = auth_context.get("x509_subject_alternative_name", ())
    return _caller(tuple(names), b"".join(auth_context.get("x509_pem_cert", ())))


@lru_cache(maxsize=4096)
def _caller(names: Sequence[bytes], pem: bytes) -> Caller:
    uri = next((n.decode() for n in names if n.startswith(PREFIX.encode())), None)
    if uri is None:
        raise CreditError(Reason.IDENTITY_MISSING, "caller: got no identity, want a client certificate of this service")
    return parse_identity(uri, key_fingerprint(pem))


def key_fingerprint(pem: bytes) -> str:
    """Digests the public key of a certificate: a renewed certificate keeps it, a second name does not hide it."""
    key = x509.load_pem_x509_certificate(pem).public_key()
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def parse_identity(uri: str, fingerprint: str) -> Caller:
    """Reads the URI of a certificate; fails with IDENTITY_MISSING on any other form."""
    head, *parts = uri.removeprefix(PREFIX).split(";")
    role, _, name = head.partition(":")
    agency, _, officer = name.partition("/")
    values = dict(part.partition("=")[::2] for part in parts)
    is_bound = role != "enterprise" or "subject" in values
    if role not in ROLES or not agency or not is_bound or set(values) - {"region", "subject"}:
        raise CreditError(Reason.IDENTITY_MISSING, f"caller: got {shown(uri)}, want role, agency and what binds them")
    return Caller(role, agency, fingerprint, officer or None, values.get("region", ""), values.get("subject"))
