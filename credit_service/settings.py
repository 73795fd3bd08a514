"""Every setting of the service, read once from the environment and passed down as values."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path

from credit_service.errors import CreditError, Reason

PREFIX = "CREDIT_SERVICE_"
# What the command line reads by itself.
OTHERS = frozenset({"PROFILE"})
# Orchestrators tell every process where a service of this name is reached, and one whose name only begins like it,
# such as the database beside it.
_TOLD_BY_OTHERS = re.compile(r"(?:\w+_)?(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_\d+_\w+)|PORT|NAME|ENV_\w+")
_REACHED = re.compile(r"(?:tcp|udp|sctp)://.*")
SECRETS = frozenset({"database_url", "audit_url"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Holds the settings; each field is `CREDIT_SERVICE_<FIELD>` in the environment."""

    database_url: str = "sqlite:///credit.db"
    audit_url: str = ""
    listen: str = "127.0.0.1:50051"
    certificate_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    person_key_file: str = ""
    models_dir: str = "models"
    trusted_model_keys: str = ""
    editions_dir: str = ""
    sources_dir: str = ""
    source_agencies: str = ""
    worker_threads: int = 4
    # Processes that check large batches beside the one that writes; 0 checks in the same process.
    checking_processes: int = 1
    reflection: bool = False
    log_level: str = "info"
    grace_seconds: int = 10
    # File for the metrics in the text form of Prometheus; empty: none are written.
    metrics_file: str = ""
    # Events a second that each agency may keep up; 0 means no limit.
    quota_events_per_second: int = 0

    def __post_init__(self) -> None:
        """Refuses values that cannot work."""
        if not 1 <= self.worker_threads <= 64:
            raise CreditError(Reason.SETTING_INVALID, f"worker_threads: got {self.worker_threads}, want 1 to 64")
        if not 0 <= self.checking_processes <= 64:
            want = "0 to 64"
            raise CreditError(Reason.SETTING_INVALID, f"checking_processes: got {self.checking_processes}, want {want}")
        if self.log_level not in {"debug", "info", "warning", "error"}:
            raise CreditError(
                Reason.SETTING_INVALID,
                f"log_level: got {self.log_level}, want debug, info, warning or error",
            )

    def audit_database_url(self) -> str:
        """Names the database of the query records: a file of its own beside an SQLite ledger."""
        if self.audit_url:
            return self.audit_url
        if self.database_url.startswith("sqlite:///"):
            path = Path(self.database_url.removeprefix("sqlite:///"))
            return f"sqlite:///{path.with_suffix('.audit' + (path.suffix or '.db'))}"
        return self.database_url

    def masked(self) -> dict[str, str]:
        """Shows the settings without passwords."""
        return {
            f.name: mask_url(str(getattr(self, f.name))) if f.name in SECRETS else str(getattr(self, f.name))
            for f in fields(self)
        }


def mask_url(url: str) -> str:
    """Hides the password of a database address."""
    head, at, tail = url.rpartition("@")
    if not at or "://" not in head:
        return url
    scheme, _, login = head.partition("://")
    return f"{scheme}://{login.split(':', 1)[0]}:***@{tail}"


def from_environment(environment: Mapping[str, str] | None = None, **given: object) -> Settings:
    """Reads the settings; given values win over the environment, the environment over the defaults."""
    found = os.environ if environment is None else environment
    _refuse_unknown(found)
    values: dict[str, object] = {}
    for field in fields(Settings):
        text = found.get(PREFIX + field.name.upper())
        if text is not None:
            values[field.name] = _parse(field.name, str(field.type), text)
    values.update({name: value for name, value in given.items() if value is not None})
    return Settings(**values)  # type: ignore[arg-type]  # values are parsed by each field's type


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    """Fails with SETTING_INVALID on a name of ours that means nothing: a mistyped setting would be its default."""
    known = [field.name.upper() for field in fields(Settings)]
    for name in sorted(environment):
        told = name.removeprefix(PREFIX)
        if told == name or told in known or told in OTHERS or _TOLD_BY_OTHERS.fullmatch(told):
            continue
        if told.endswith("_PORT") and _REACHED.fullmatch(environment[name]):
            continue
        nearest = get_close_matches(told, [*known, *sorted(OTHERS)], 1)
        want = f"{PREFIX}{nearest[0]}" if nearest else "one that README.md lists"
        raise CreditError(Reason.SETTING_INVALID, f"environment: got the unknown {name}, want {want}")


def _parse(name: str, kind: str, text: str) -> object:
    if "bool" in kind:
        lowered = text.lower()
        if lowered not in {"true", "false", "1", "0"}:
            raise CreditError(Reason.SETTING_INVALID, f"{name}: got {text}, want true or false")
        return lowered in {"true", "1"}
    if "int" in kind:
        if not text.isdecimal():
            raise CreditError(Reason.SETTING_INVALID, f"{name}: got {text}, want a whole number")
        return int(text)
    return text
