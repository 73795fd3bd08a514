"""Settings: read once, checked at once, shown without secrets."""

import pytest

from credit_service.errors import CreditError, Reason
from credit_service.settings import Settings, from_environment, mask_url


def test_nothing_given_means_the_defaults() -> None:
    assert from_environment({}) == Settings()


def test_environment_is_read_in_the_type_of_each_field() -> None:
    found = from_environment(
        {"CREDIT_SERVICE_WORKER_THREADS": "8", "CREDIT_SERVICE_REFLECTION": "TRUE", "CREDIT_SERVICE_LISTEN": "x:1"}
    )
    assert (found.worker_threads, found.reflection, found.listen) == (8, True, "x:1")


def test_given_values_win_over_the_environment() -> None:
    environment = {"CREDIT_SERVICE_LISTEN": "x:1", "CREDIT_SERVICE_LOG_LEVEL": "error", "OTHER": "y"}
    found = from_environment(environment, listen="z:2", log_level=None)
    assert (found.listen, found.log_level) == ("z:2", "error")


@pytest.mark.parametrize(
    ("name", "text", "want"),
    [
        ("worker_threads", "many", "a whole number"),
        ("worker_threads", "-1", "a whole number"),
        ("worker_threads", "0", "1 to 64"),
        ("worker_threads", "65", "1 to 64"),
        ("reflection", "yes", "true or false"),
        ("log_level", "loud", "debug, info, warning or error"),
    ],
)
def test_value_that_cannot_work_is_refused_by_name(name: str, text: str, want: str) -> None:
    with pytest.raises(CreditError) as caught:
        from_environment({f"CREDIT_SERVICE_{name.upper()}": text})
    assert caught.value.reason is Reason.SETTING_INVALID
    assert caught.value.message == f"{name}: got {text}, want {want}"


@pytest.mark.parametrize(
    ("name", "want"),
    [("LISTEM", "CREDIT_SERVICE_LISTEN"), ("CLIENT_CA", "CREDIT_SERVICE_CLIENT_CA_FILE"),
     ("DATABASE", "CREDIT_SERVICE_DATABASE_URL"), ("PROFIL", "CREDIT_SERVICE_PROFILE"),
     ("worker_threads", "one that README.md lists"), ("X", "one that README.md lists")],
)  # fmt: skip
def test_mistyped_name_is_refused_with_the_nearest_known_one(name: str, want: str) -> None:
    with pytest.raises(CreditError) as caught:
        from_environment({f"CREDIT_SERVICE_{name}": "1"})
    assert caught.value.reason is Reason.SETTING_INVALID
    assert caught.value.message == f"environment: got the unknown CREDIT_SERVICE_{name}, want {want}"


@pytest.mark.parametrize("name", ["PROFILE", "SERVICE_HOST", "SERVICE_PORT", "PORT", "PORT_50051_TCP_ADDR"])
def test_what_clients_and_orchestrators_set_is_no_mistake(name: str) -> None:
    assert from_environment({f"CREDIT_SERVICE_{name}": "tcp://10.0.0.1"}) == Settings()


@pytest.mark.parametrize("name", ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_SQL", "PORT", "PORT_5432_TCP_ADDR"])
def test_what_orchestrators_say_of_a_service_named_alike_is_no_mistake(name: str) -> None:
    """A database that is called credit-service-postgresql must not keep the service from starting."""
    assert from_environment({f"CREDIT_SERVICE_POSTGRESQL_{name}": "tcp://10.0.0.1:5432"}) == Settings()


def test_mistyped_port_is_refused() -> None:
    with pytest.raises(CreditError):
        from_environment({"CREDIT_SERVICE_LISTEN_PORT": "50051"})


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("False", False), ("0", False)])
def test_flags_are_read_in_either_form(text: str, value: bool) -> None:
    assert from_environment({"CREDIT_SERVICE_REFLECTION": text}).reflection is value


@pytest.mark.parametrize(
    ("given", "audit"),
    [
        ({"database_url": "sqlite:////data/credit.db"}, "sqlite:////data/credit.audit.db"),
        ({"database_url": "sqlite:////data/credit"}, "sqlite:////data/credit.audit.db"),
        ({"database_url": "postgresql://host/credit"}, "postgresql://host/credit"),
        ({"database_url": "postgresql://host/credit", "audit_url": "sqlite:///a.db"}, "sqlite:///a.db"),
    ],
)
def test_query_records_have_a_place(given: dict[str, str], audit: str) -> None:
    assert from_environment({}, **given).audit_database_url() == audit


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:p@ss:w@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user@host/db", "postgresql://user:***@host/db"),
        ("postgresql://host/db", "postgresql://host/db"),
        ("sqlite:///credit.db", "sqlite:///credit.db"),
    ],
)
def test_password_of_an_address_is_never_shown(url: str, shown: str) -> None:
    assert mask_url(url) == shown
    masked = Settings(database_url=url, audit_url=url).masked()
    assert (masked["database_url"], masked["audit_url"]) == (shown, shown)
