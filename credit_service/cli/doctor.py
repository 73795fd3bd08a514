"""Examines an installation: each finding is ok, warn or fail, with what to do."""

import ctypes.util
import platform
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

from credit_service import migrations
from credit_service.certificates import expiry
from credit_service.cli.databases import HINT, absent_file, check_ready
from credit_service.cli.ending import database_fault
from credit_service.database import Database
from credit_service.errors import CreditError
from credit_service.grades.artefact import load_champions, load_keys
from credit_service.ledger.tables import head
from credit_service.legal_days import civil_day
from credit_service.rulebook.edition import SHIPPED, load_editions
from credit_service.settings import Settings, mask_url

SOON = timedelta(days=14)
STALE = timedelta(minutes=2)
PACKAGES = ("grpcio", "protobuf", "sqlmodel", "SQLAlchemy", "structlog", "numpy", "cryptography")
CALENDAR_MONTH = 11
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
        _versions(), _libgomp(), _migrations(settings), _ledger(settings), _models(settings, moment),
        *_certificates(settings, moment), _person_key(settings), _calendar(moment), *_metrics(settings, moment),
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


def _models(settings: Settings, now: datetime) -> Result:
    try:
        folder = Path(settings.models_dir)
        cards = load_champions(folder, load_keys(folder / "keys"))
        wanted = {e.grading.model for e in load_editions(SHIPPED) if e.is_in_force(civil_day(now))}
    except CreditError as error:
        return Result("fail", "models", error.message, "restore models/ from a trusted release")
    missing = wanted - set(cards)
    if missing:
        return Result(
            "fail", "models", f"missing {', '.join(sorted(missing))}", "install the models that the editions name"
        )
    return Result(
        "ok", "models", "signed and trusted: " + ", ".join(sorted(card.scorecard.model_id for card in cards.values()))
    )


def _certificates(settings: Settings, now: datetime) -> list[Result]:
    results = []
    for name in ("certificate_file", "client_ca_file"):
        path = Path(getattr(settings, name) or "missing")
        if not path.is_file():
            results.append(Result("warn", name, "not set", "set it, or use `credit-service serve --demo DIR`"))
            continue
        until = expiry(path)
        state = "fail" if until <= now else "warn" if until - now < SOON else "ok"
        results.append(Result(state, name, f"valid until {until.isoformat()}", "" if state == "ok" else "renew it"))
    return results


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
    path = Path(settings.person_key_file or "missing")
    if not path.is_file():
        return Result(
            "warn", "person_key_file", "not set", "make one of 64 hexadecimal characters, mode 0600, and back it up"
        )
    is_open = bool(path.stat().st_mode & 0o077)
    remedy = "chmod 600" if is_open else ""
    return Result(
        "warn" if is_open else "ok", "person_key_file", "readable by others" if is_open else "private", remedy
    )


def _calendar(now: datetime) -> Result:
    """Working-day deadlines of next year are provisional until the State Council announces its holidays."""
    year = now.year + 1
    if now.month < CALENDAR_MONTH:
        return Result("ok", "calendar", f"year {now.year}")
    return Result(
        "warn", "calendar", f"holidays of {year} may not be announced yet", f"load the notice for {year} when it is out"
    )
