"""The databases that an operator's command means: looked at, never made by looking."""

from pathlib import Path

from credit_service import migrations
from credit_service.errors import CreditError, Reason
from credit_service.settings import Settings

HINT = "set CREDIT_SERVICE_DATABASE_URL to the database that is served"


def absent_file(url: str) -> str:
    """Returns the file that an SQLite address names and that is not there; empty when there is nothing to miss."""
    path = url.removeprefix("sqlite:///")
    return "" if path == url or Path(path).is_file() else path


def check_ready(settings: Settings) -> None:
    """Fails with FILE_INVALID, MIGRATION_NEEDED or DATABASE_NEWER unless both databases can be read."""
    path = absent_file(settings.database_url)
    if path:
        raise CreditError(
            Reason.FILE_INVALID, f"database_url: got {path}, which is not there, want a database; {HINT}, or give --url"
        )
    migrations.check(settings.database_url, settings.audit_database_url())
