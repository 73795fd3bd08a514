"""Examines an installation: each finding is ok, warn or fail, with what to do."""

import ctypes.util
import platform
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

from credit_service import migrations
from credit_service.certificates import check_pair, expiry
from credit_service.cli.databases import HINT, absent_file, check_ready
from credit_service.cli.ending import database_fault
from credit_service.database import Database
from credit_service.errors import CreditError, Reason
from credit_service.grades.artefact import sound_champions, sound_keys
from credit_service.ledger.tables import head
from credit_service.legal_days import civil_day
from credit_service.rulebook.edition import SHIPPED, load_editions
from credit_service.settings import Settings, mask_url
from credit_service.subjects.vault import Vault, read_master_key

SOON = timedelta(days=14)
STALE = timedelta(minutes=2)
PACKAGES = ("grpcio", "protobuf", "sqlmodel", "SQLAlchemy", "structlog", "numpy", "cryptography")
CALENDAR_MONTH = 11
MEGABYTE = 1 << 20
# Below the first nothing can be written soon; below the second it is time to make room.
FULL_MEGABYTES, TIGHT_MEGABYTES = 64, 1024
REMEDY = "mend the database first, then `credit-service verify-ledger`"


@dataclass(frozen=True, slots=True)
class Result:
    """Holds one finding."""

    state: str
    what: str
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Returns the finding as JSON values."""
        return {"state": self.state, "what": self.what, "found": self.found, "remedy": self.remedy}


def examine(settings: Settings, now: datetime | None = None) -> list[Result]:
    """Returns every finding; never raises."""
    moment = now or datetime.now(UTC)
    return [
        _versions(), _libgomp(), _migrations(settings), _ledger(settings), *_room(settings),
        *_models(settings, moment), *_certificates(settings, moment), *_key(settings), _person_key(settings),
        _calendar(moment), *_metrics(settings, moment),
    ]  # fmt: skip


def _versions() -> Result:
    found = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return Result("ok", "versions", f"Python {platform.python_version()}, {found}")


def _libgomp() -> Result:
    if ctypes.util.find_library("gomp"):
        return Result("ok", "libgomp", "present (training needs it)")
    return Result("warn", "libgomp", "missing", "install libgomp1 before training; serving does not need it")


def _migrations(settings: Settings) -> Result:
    url = mask_url(settings.database_url)
    if absent_file(settings.database_url):
        remedy = f"{HINT}; a new one is made by `credit-service migrate`"
        return Result("fail", "migrations", f"{url}: there is no such file", remedy)
    try:
        migrations.check(settings.database_url, settings.audit_database_url())
    except CreditError as error:
        return Result("fail", "migrations", error.message, "run `credit-service migrate`")
    except Exception as error:  # noqa: BLE001  # whatever the driver says is the finding
        found = f"{url}: {database_fault(error)}"
        return Result("fail", "database", found, "check database_url and that the server runs")
    return Result("ok", "migrations", f"newest, {url}")


def _ledger(settings: Settings) -> Result:
    try:
        check_ready(settings)
        database = Database(settings.database_url)
        with database.reading() as session:
            row = head(session)
        database.close()
    except CreditError as error:
        return Result("fail", "ledger", f"not read: {error.message}", REMEDY)
    except Exception as error:  # noqa: BLE001  # as above
        return Result("fail", "ledger", f"not read: {database_fault(error)}", REMEDY)
    return Result("ok", "ledger", f"{row.position} events, head {row.chain_hash.hex()[:16]}, epoch {row.epoch[:8]}")


def _room(settings: Settings) -> list[Result]:
    """Looks at the disk below the files of SQLite; PostgreSQL keeps its own."""
    urls = (settings.database_url, settings.audit_database_url())
    folders = {Path(url.removeprefix("sqlite:///")).absolute().parent for url in urls if url.startswith("sqlite:///")}
    results = []
    for folder in sorted(filter(Path.is_dir, folders)):
        free = shutil.disk_usage(folder).free // MEGABYTE
        state = "fail" if free < FULL_MEGABYTES else "warn" if free < TIGHT_MEGABYTES else "ok"
        remedy = "" if state == "ok" else "make room: what finds none is refused with STORAGE_UNAVAILABLE, never lost"
        results.append(Result(state, "disk", f"{free} MB free in {folder}", remedy))
    return results


def _models(settings: Settings, now: datetime) -> list[Result]:
    folder, remedy = Path(settings.models_dir), "put back from a trusted release, then start the server again"
    trusted = frozenset(filter(None, settings.trusted_model_keys.split(","))) or None
    try:
        keys, broken = sound_keys(folder / "keys", trusted)
        sound, faults = sound_champions(folder, keys)
        wanted = {e.grading.model for e in load_editions(SHIPPED) if e.is_in_force(civil_day(now))}
    except CreditError as error:
        return [Result("fail", "models", error.message, f"{folder}: {remedy}")]
    places = {**{folder / "keys" / n: e for n, e in broken.items()}, **{folder / n: e for n, e in faults.items()}}
    results = [Result("fail", "models", f"{p.name}: {e.message}", f"{p}: {remedy}") for p, e in places.items()]
    missing = ", ".join(sorted(wanted - set(sound) - set(faults)))
    if missing:
        results.append(Result("fail", "models", f"missing {missing}", "install the models that the editions name"))
    names = ", ".join(sorted(card.scorecard.model_id for card in sound.values()))
    return [*results, Result("ok", "models", f"signed and trusted: {names}")] if sound else results


def _certificates(settings: Settings, now: datetime) -> list[Result]:
    results = []
    for name in ("certificate_file", "client_ca_file"):
        path = Path(getattr(settings, name) or "missing")
        if not path.is_file():
            results.append(Result("warn", name, "not set", "set it, or use `credit-service serve --demo DIR`"))
            continue
        try:
            until = expiry(path)
        except (OSError, ValueError):
            results.append(Result("fail", name, f"{path}: no certificate in PEM", "put back the certificate"))
            continue
        state = "fail" if until <= now else "warn" if until - now < SOON else "ok"
        results.append(Result(state, name, f"valid until {until.isoformat()}", "" if state == "ok" else "renew it"))
    return results


def _key(settings: Settings) -> list[Result]:
    """Compares the server's key with its certificate, where both are set."""
    if not settings.certificate_file or not settings.key_file:
        return []
    try:
        check_pair(Path(settings.certificate_file), Path(settings.key_file))
    except CreditError as error:
        return [Result("fail", "key_file", error.message, "set the key and the certificate that were made together")]
    return [Result("ok", "key_file", "the certificate's own")]


def _metrics(settings: Settings, now: datetime) -> list[Result]:
    """Looks at the file of the metrics where one is wanted: a server that stopped leaves an old one."""
    if not settings.metrics_file:
        return []
    path = Path(settings.metrics_file)
    if not path.is_file():
        return [Result("warn", "metrics", f"not there: {path}", "start the server, or mend the folder's permissions")]
    age = now - datetime.fromtimestamp(path.stat().st_mtime, UTC)
    if age > STALE:
        return [Result("warn", "metrics", f"written {age.total_seconds():.0f} seconds ago", "is the server running?")]
    return [Result("ok", "metrics", f"fresh: {path}")]


def _person_key(settings: Settings) -> Result:
    name, path = "person_key_file", Path(settings.person_key_file or "missing")
    if not path.is_file():
        return Result("warn", name, "not set", "make one of 64 hexadecimal characters, mode 0600, and back it up")
    try:
        _check_master_key(settings)
    except CreditError as error:
        return Result("fail", name, error.message, "put back the key that was kept with the backups of its time")
    if path.stat().st_mode & 0o077:
        return Result("warn", name, "readable by others", "chmod 600")
    return Result("ok", name, "private")


def _check_master_key(settings: Settings) -> None:
    """Fails unless the key is one, and the ledger's where a ledger can be asked."""
    vault = Vault(read_master_key(settings.person_key_file), bytes)
    try:
        check_ready(settings)
        database = Database(settings.database_url)
        with database.reading() as session:
            vault.check(session)
        database.close()
    except CreditError as error:
        if error.reason is Reason.SETTING_INVALID:
            raise
    except Exception:  # noqa: BLE001  # what is wrong with the database is another finding
        return


def _calendar(now: datetime) -> Result:
    """Working-day deadlines of next year are provisional until the State Council announces its holidays."""
    year = now.year + 1
    if now.month < CALENDAR_MONTH:
        return Result("ok", "calendar", f"year {now.year}")
    return Result(
        "warn", "calendar", f"holidays of {year} may not be announced yet", f"load the notice for {year} when it is out"
    )
