"""`serve --demo`: a folder with authority, one certificate per role, two officers, keys and an empty database."""

import secrets
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from credit_service import migrations
from credit_service.api.identity import Caller, identity_uri
from credit_service.certificates import Holder, make_authority, write_profile, write_secret
from credit_service.ledger.sources import load_sources
from credit_service.settings import Settings

BUREAU = "bj-emergency-management"
ENTERPRISE = "USCC:91110108MA00000070"


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


def prepare(settings: Settings, folder: Path, now: datetime, enterprise: str = ENTERPRISE) -> Settings:
    """Makes the folder ready and returns the settings that serve from it; an existing database is kept."""
    folder = folder.resolve()
    authority = make_authority(folder, now)
    certificate, key = authority.issue_server()
    bound = folder / "enterprise.txt"
    if not bound.is_file():
        bound.write_text(enterprise + "\n", "utf-8")
    subject = bound.read_text("utf-8").strip()
    for holder in HOLDERS:
        uri = identity_uri(Caller("enterprise", "enterprise", "", subject_id=subject))
        authority.issue_client(replace(holder, uri=uri) if holder.name == "enterprise" else holder)
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


def write_profiles(folder: Path, target: str) -> None:
    """Writes a profile for every holder; the last one written says that the server is ready."""
    for holder in HOLDERS:
        purpose = "demonstration" if holder.name in {"agency", "insurer"} else ""
        write_profile(folder.resolve(), holder, target, purpose)
    (folder / "ready").write_text(target + "\n", "utf-8")


def welcome(folder: Path, target: str) -> str:
    """Says where the service is and what to try."""
    names = ", ".join(f"{holder.name}.json" for holder in HOLDERS)
    return (
        f"serving on {target} with mutual TLS and a throw-away authority; profiles in {folder}: {names}\n"
        f"try:  credit-service whoami --profile {folder}/regulator.json\n"
        f"      credit-service import FILE --source SOURCE --profile {folder}/source.json\n"
        f"      credit-service listing list --profile {folder}/regulator.json"
    )
