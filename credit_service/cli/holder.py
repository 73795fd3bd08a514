"""As whom a profile calls: read from its certificate, as the service will read it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from credit_service.api.identity import PREFIX, Caller, parse_identity
from credit_service.cli.connection import Profile
from credit_service.errors import CreditError, Reason


@dataclass(frozen=True, slots=True)
class Identity:
    """Holds what a certificate says of its holder."""

    uri: str
    caller: Caller
    until: datetime


def read_identity(profile: Profile) -> Identity:
    """Returns the identity in a profile's certificate; fails with FILE_INVALID, in words."""
    path = profile.certificate
    try:
        certificate = x509.load_pem_x509_certificate(Path(path).read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        uri = next(str(uri) for uri in uris if str(uri).startswith(PREFIX))
    except OSError:
        raise _refused(f"no file {path}") from None
    except ValueError:
        raise _refused(f"{path}, which is not PEM") from None
    except (x509.ExtensionNotFound, StopIteration):
        raise _refused(f"{path} without an identity of this service") from None
    return Identity(uri, parse_identity(uri, ""), certificate.not_valid_after_utc)


def _refused(got: str) -> CreditError:
    return CreditError(Reason.FILE_INVALID, f"certificate: got {got}, want a client certificate with {PREFIX}…")
