"""`serve --demo`: a folder with authority, one certificate per role, two officers, keys and an empty database."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from credit_service import migrations
from credit_service.api.identity import Caller, identity_uri
from credit_service.certificates import Holder, make_authority, write_profile, write_secret
from credit_service.errors import CreditError, Reason, shown
from credit_service.ledger.sources import load_sources
from credit_service.settings import Settings, mask_url
from credit_service.subjects.schemes import split, subject_id

# Certificates that end sooner than this are made anew.
LEAST_LEFT = timedelta(days=1)
BUREAU = "bj-emergency-management"
# A firm of the simulated city, with an accident and a penalty: the enterprise of the demo has something to see.
ENTERPRISE = "USCC:91110107MNR8W0D16A"


def _holder(name: str, role: str, agency: str, **bound: str) -> Holder:
    return Holder(name, identity_uri(Caller(role, agency, "", **bound)))


HOLDERS = (
    _holder("regulator", "regulator", BUREAU, officer="officer-1"),
    _holder("regulator-2", "regulator", BUREAU, officer="officer-2"),
    _holder("district", "regulator", "haidian-emergency-management", officer="officer-3", region="110108"),
    _holder("agency", "agency", "market-supervision"),
    _holder("insurer", "insurer", "example-insurance"),
    _holder("enterprise", "enterprise", "enterprise", subject_id=ENTERPRISE),
    _holder("operator", "operator", "operations"),
    _holder("source", "agency", "data-center"),
)


def prepare(settings: Settings, folder: Path, now: datetime, enterprise: str = "") -> Settings:
    """Makes the folder ready and returns the settings that serve from it.

    What is there and good stays: the database, the person key, and certificates that have not run out, so that
    clients of a server that already runs on the folder go on.
    """
    chosen = _identified(enterprise) if enterprise else ""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    holders = [_bound(holder, _enterprise(folder, chosen)) for holder in HOLDERS]
    if not _are_good(folder, holders, now):
        authority = make_authority(folder, now)
        authority.issue_server()
        for holder in holders:
            authority.issue_client(holder)
    certificate, key = folder / "server.pem", folder / "server.key"
    person_key = folder / "person.key"
    if not person_key.is_file():
        write_secret(person_key, secrets.token_hex(32).encode())
    own = settings.database_url == Settings().database_url
    made = replace(
        settings,
        database_url=f"sqlite:///{folder / 'credit.db'}" if own else settings.database_url,
        certificate_file=str(certificate), key_file=str(key), client_ca_file=str(folder / "ca.pem"),
        person_key_file=str(person_key), reflection=True,
        source_agencies="data-center=" + ",".join(load_sources()),
    )  # fmt: skip
    migrations.upgrade(made.database_url, made.audit_database_url())
    return made


def _identified(enterprise: str) -> str:
    scheme, code = split(enterprise) if ":" in enterprise else ("USCC", enterprise)
    return subject_id(scheme, code)


def _enterprise(folder: Path, chosen: str) -> str:
    """Returns to whom the enterprise's certificate is bound: as chosen now, else as before, else the default."""
    bound = folder / "enterprise.txt"
    if chosen or not bound.is_file():
        bound.write_text(f"{chosen or ENTERPRISE}\n", "utf-8")
    return bound.read_text("utf-8").strip()


def _bound(holder: Holder, subject: str) -> Holder:
    if holder.name != "enterprise":
        return holder
    return replace(holder, uri=identity_uri(Caller("enterprise", "enterprise", "", subject_id=subject)))


def _are_good(folder: Path, holders: list[Holder], now: datetime) -> bool:
    """Says whether every certificate is there, has its key, is of one authority, in force and for whom it should be."""
    try:
        root = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        wanted = [("server", ""), *((holder.name, holder.uri) for holder in holders)]
        return all(_is_good(folder, name, uri, root, now) for name, uri in wanted)
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False


def _is_good(folder: Path, name: str, uri: str, root: x509.Certificate, now: datetime) -> bool:
    found = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
    key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    found.verify_directly_issued_by(root)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    is_named = not uri or names.get_values_for_type(x509.UniformResourceIdentifier) == [uri]
    is_in_force = found.not_valid_before_utc <= now < found.not_valid_after_utc - LEAST_LEFT
    return is_named and is_in_force and key.public_key() == found.public_key()


def write_profiles(folder: Path, target: str) -> None:
    """Writes a profile for every holder; the last one written says that the server is ready."""
    for holder in HOLDERS:
        purpose = "demonstration" if holder.name in {"agency", "insurer"} else ""
        write_profile(folder.resolve(), holder, target, purpose)
    (folder / "ready").write_text(target + "\n", "utf-8")


def welcome(settings: Settings, folder: Path, target: str) -> str:
    """Says where the service is and what to try."""
    names = ", ".join(f"{holder.name}.json" for holder in HOLDERS)
    return (
        f"serving on {target} with mutual TLS and a throw-away authority; profiles in {folder}: {names}\n"
        f"try:  export CREDIT_SERVICE_DATABASE_URL={mask_url(settings.database_url)}\n"
        f"      credit-service whoami --profile {folder}/regulator.json\n"
        f"      credit-service import FILE --profile {folder}/source.json\n"
        f"      credit-service listing list --profile {folder}/regulator.json\n"
        f"      credit-service explain {_enterprise(folder, '').partition(':')[2]} --profile {folder}/enterprise.json"
    )


def clock_of(file: Path) -> Callable[[], datetime]:
    """Returns a clock that tells the time written in a file, so that throw-away listings can be led through years."""

    def tell() -> datetime:
        text = file.read_text("utf-8").strip()
        with suppress(ValueError):
            time = datetime.fromisoformat(text)
            if time.tzinfo is not None:
                return time.astimezone(UTC)
        raise CreditError(Reason.SETTING_INVALID, f"clock: got {shown(text)}, want a time with its offset")

    return tell
