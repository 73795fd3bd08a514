"""The composition root: what it refuses to serve with, how it stops, and what it does when a part is missing."""

import asyncio
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from credit_service import server
from credit_service.api import wire
from credit_service.cli.throwaway import prepare
from credit_service.database import Database
from credit_service.errors import CreditError, Reason
from credit_service.rulebook.edition import SHIPPED
from credit_service.settings import Settings
from credit_service.subjects.vault import Vault, read_master_key
from credit_service.v1 import grades_pb2, ledger_pb2, listings_pb2, rulebook_pb2, subjects_pb2, sync_pb2
from tests.api.street import (
    NOW,
    Clock,
    Street,
    a_code,
    a_record,
    major_accident,
    ref,
    registered,
    running,
    serving,
    status,
)  # fmt: skip
from tests.grades.conftest import champion

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def prepared(tmp_path: Path) -> Settings:
    """Makes a folder that can be served from."""
    return prepare(Settings(listen="127.0.0.1:0", log_level="error"), tmp_path, datetime.now(UTC))


def seal_somebody(settings: Settings) -> None:
    """Keeps personal data under the key of the settings."""
    vault, database = Vault(read_master_key(settings.person_key_file), os.urandom), Database(settings.database_url)
    with database.transaction() as session:
        vault.seal(session, "PERSON:" + "ab" * 32, "某甲")
    database.close()


def refusal(settings: Settings) -> CreditError:
    """Starts a server that must not start."""
    with pytest.raises(CreditError) as caught:
        asyncio.run(server.start(settings, Clock()))
    return caught.value


@pytest.mark.parametrize("name", ["certificate_file", "key_file", "client_ca_file"])
@pytest.mark.parametrize("value", ["", "no-such-file.pem"])
def test_nothing_is_served_without_mutual_tls(prepared: Settings, name: str, value: str) -> None:
    change: dict[str, Any] = {name: value}
    error = refusal(replace(prepared, **change))
    assert error.reason is Reason.SETTING_INVALID
    assert error.message.startswith(f"{name}: got {value or 'nothing'}, want a file")


WRONG: dict[str, tuple[dict[str, Any], Reason, str]] = {
    "no key for persons": ({"person_key_file": ""}, Reason.SETTING_INVALID, "person_key_file: got nothing"),
    "unknown source": ({"source_agencies": "bureau=moon"}, Reason.SETTING_INVALID, "source_agencies: got bureau=moon"),
    "no agency": ({"source_agencies": "=sim-city-em"}, Reason.SETTING_INVALID, "source_agencies: got =sim"),
    "no source": ({"source_agencies": "bureau="}, Reason.SETTING_INVALID, "source_agencies: got bureau="),
    "no models": ({"models_dir": "nowhere"}, Reason.MODEL_NOT_FOUND, "registry.json: got none"),
    "untrusted models": ({"trusted_model_keys": "ed25519-0"}, Reason.MODEL_UNTRUSTED, "key_id: got"),
    "another database": ({"database_url": "mysql://x/y"}, Reason.SETTING_INVALID, "database_url: want"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_at_the_start(prepared: Settings, name: str) -> None:
    change, reason, beginning = WRONG[name]
    error = refusal(replace(prepared, **change))
    assert error.reason is reason
    assert error.message.startswith(beginning)


def test_key_for_persons_of_another_form_is_refused(prepared: Settings, tmp_path: Path) -> None:
    (tmp_path / "person.key").write_text("not hexadecimal", "ascii")
    assert refusal(prepared).message.endswith("want a file with 64 hexadecimal characters")


def test_another_key_for_persons_than_the_ledgers_is_refused(prepared: Settings, tmp_path: Path) -> None:
    seal_somebody(prepared)
    (tmp_path / "person.key").write_text("ab" * 32, "ascii")
    error = refusal(prepared)
    assert error.reason is Reason.SETTING_INVALID
    assert error.message.startswith("person_key_file: got another key, want the one that sealed")


def test_key_of_another_certificate_is_named_and_not_the_address(prepared: Settings, tmp_path: Path) -> None:
    other = str(tmp_path / "regulator.key")
    assert refusal(replace(prepared, key_file=other)).message.startswith(f"key_file: got {other}, want the key of")
    (tmp_path / "text.pem").write_text("no certificate", "ascii")
    error = refusal(replace(prepared, certificate_file=str(tmp_path / "text.pem")))
    assert error.message.endswith("text.pem, want a certificate in PEM")


def test_database_without_tables_is_refused_with_the_remedy(prepared: Settings, tmp_path: Path) -> None:
    error = refusal(replace(prepared, database_url=f"sqlite:///{tmp_path / 'empty.db'}"))
    assert error.reason is Reason.MIGRATION_NEEDED
    assert "credit-service migrate" in error.message


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    """Runs a server of the test's own, that may be stopped."""
    with serving(tmp_path, Clock(), database_url=f"sqlite:///{tmp_path / 'credit.db'}") as street:
        yield street


def test_second_server_on_the_same_port_is_refused(street: Street) -> None:
    settings = replace(street.settings, listen=street.target)
    with pytest.raises(CreditError, match="want a free address"):
        asyncio.run(server.start(settings, Clock()))
    street.ask("operator", "SyncService/GetFeedInfo", sync_pb2.GetFeedInfoRequest())


def test_health_says_serving_for_the_whole_and_for_each_service(street: Street) -> None:
    stub = health_pb2_grpc.HealthStub(street.channel("operator"))
    for name in ("", "credit_service.v1.GradeService", "credit_service.v1.DisclosureService"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10).status == SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="moon"), timeout=10)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_health_needs_a_certificate_too(street: Street) -> None:
    with grpc.insecure_channel(street.target) as channel, pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_stopping_says_so_and_lets_a_running_call_finish(street: Street) -> None:
    watch = health_pb2_grpc.HealthStub(street.channel("operator")).Watch(health_pb2.HealthCheckRequest(), timeout=20)
    assert next(watch).status == SERVING
    frames: Queue[ledger_pb2.StreamEventsRequest | None] = Queue()
    stream = street.open("source", "LedgerService/StreamEvents", iter(frames.get, None))
    draft = [wire.draft_of(a_record(a_code())) for _ in range(2)]
    frames.put(ledger_pb2.StreamEventsRequest(offset=0, events=draft[:1]))
    assert next(stream).next_offset == 1
    stopping = threading.Thread(target=street.stop, args=(15,))
    stopping.start()
    assert next(watch).status == NOT_SERVING
    watch.cancel()
    frames.put(ledger_pb2.StreamEventsRequest(offset=1, events=draft[1:]))
    assert [status(r) for r in next(stream).results] == ["ACCEPTED"]
    frames.put(None)
    assert list(stream) == []
    stopping.join(20)
    assert not stopping.is_alive()
    street.stop = lambda _grace: None


def test_subscriber_does_not_hold_the_stop_beyond_the_grace(street: Street) -> None:
    opening = sync_pb2.SubscribeRequest(start=sync_pb2.SubscribeStart(heartbeat_seconds=1))
    hold: Queue[sync_pb2.SubscribeRequest] = Queue()
    hold.put(opening)
    stream = street.open("regulator", "SyncService/Subscribe", iter(hold.get, None))
    next(stream)
    begun = time.monotonic()
    street.stop(0.5)
    street.stop = lambda _grace: None
    assert time.monotonic() - begun < 5
    with pytest.raises(grpc.RpcError):
        list(stream)
    hold.put(None)  # type: ignore[arg-type]  # ends the thread that feeds the stream


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_serving(prepared: Settings, number: signal.Signals) -> None:
    ports: list[int] = []

    def ready(port: int) -> None:
        ports.append(port)
        os.kill(os.getpid(), number)

    asyncio.run(asyncio.wait_for(server.serve(replace(prepared, grace_seconds=1), ready, Clock()), 30))
    assert ports[0] > 0


def services_by_reflection(street: Street) -> set[str]:
    """Asks a server for its services by reflection."""
    stub = reflection_pb2_grpc.ServerReflectionStub(street.channel("operator"))
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(stub.ServerReflectionInfo(iter([request]), timeout=10))
    return {service.name for service in answer.list_services_response.service}


def test_reflection_names_every_service_where_it_is_switched_on(street: Street) -> None:
    found = services_by_reflection(street)
    assert {"credit_service.v1.LedgerService", "credit_service.v1.RemedyService", "grpc.health.v1.Health"} <= found


def test_reflection_is_off_where_it_is_not_asked_for(prepared: Settings, tmp_path: Path) -> None:
    silent = replace(prepared, reflection=False)
    with running(silent, tmp_path, Clock()) as street, pytest.raises(grpc.RpcError) as caught:
        services_by_reflection(street)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def one_model(folder: Path) -> Path:
    """Installs a single model, so that the others are missing."""
    shipped = Path(Settings().models_dir)
    folder.mkdir()
    (folder / "registry.json").write_text('{"aliases": {"tw_osh_pd": {"champion": "2026.11.0"}}}', "utf-8")
    for name in ("keys", "tw_osh_pd"):
        (folder / name).symlink_to(shipped.resolve() / name)
    return folder


def test_missing_model_refuses_grades_and_keeps_candidates(tmp_path: Path) -> None:
    url, models = f"sqlite:///{tmp_path / 'credit.db'}", str(one_model(tmp_path / "models"))
    with serving(tmp_path, Clock(), database_url=url, models_dir=models) as street:
        code = a_code()
        street.must_collect(registered(code), *major_accident(code))
        refused = street.refusal("regulator", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)))
        request = listings_pb2.SearchListingsRequest(subject=ref(code))
        found = street.ask("regulator", "ListingService/SearchListings", request).listings
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "MODEL_NOT_FOUND")
    assert [listing.rule_id for listing in found] == ["B-01"]


def test_nothing_is_answered_when_its_query_record_cannot_be_kept(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code))
    with street.running.house.audit.transaction() as session:
        session.connection().exec_driver_sql("DROP TABLE query_record")
    refused = street.refusal("regulator", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)))
    assert refused.code == "UNAVAILABLE"
    assert "query_record" not in refused.message
    assert status(street.collect(a_record(code))[0]) == "ACCEPTED"


def overlay(folder: Path) -> Path:
    """Writes an edition of a city beside the shipped ones."""
    folder.mkdir()
    text = (SHIPPED / "cn-2026-04.toml").read_text("utf-8")
    made = text.replace('id = "cn-2026-04"', 'id = "bj-2026-04"', 1)
    (folder / "bj-2026-04.toml").write_text(made, "utf-8")
    return folder


def test_edition_of_a_city_counts_from_its_adoption_by_two_officers(tmp_path: Path) -> None:
    url, editions = f"sqlite:///{tmp_path / 'credit.db'}", str(overlay(tmp_path / "editions"))
    with serving(tmp_path, Clock(), database_url=url, editions_dir=editions) as street:
        code, seen = a_code(), []
        street.must_collect(registered(code))
        named = rulebook_pb2.GetRulebookRequest(edition_id="bj-2026-04")
        digest = street.ask("regulator", "RulebookService/GetRulebook", named).edition.digest
        adopt = rulebook_pb2.AdoptRulebookRequest(edition_id="bj-2026-04", digest=digest)
        for role in ("regulator", "regulator-2", None):
            request = grades_pb2.GetGradeRequest(subject=ref(code))
            seen.append(street.ask("regulator", "GradeService/GetGrade", request).grade.edition_id)
            if role:
                street.ask(role, "RulebookService/AdoptRulebook", adopt)
    assert seen == ["cn-2026-04", "cn-2026-04", "bj-2026-04"]


def test_clock_of_the_machine_is_aware() -> None:
    clock: Callable[[], datetime] = server.system_clock
    assert clock().tzinfo is UTC
    assert clock() > NOW.replace(year=2025)


def test_damaged_model_takes_neither_the_server_nor_the_other_models_down(tmp_path: Path) -> None:
    models = Path(shutil.copytree(Settings().models_dir, tmp_path / "models"))
    table = models / "cn_sim_pd" / champion("cn_sim_pd") / "table.json"
    table.write_bytes(table.read_bytes()[:-40])
    with serving(
        tmp_path, Clock(), database_url=f"sqlite:///{tmp_path / 'credit.db'}", models_dir=str(models)
    ) as street:
        assert list(street.running.house.assessor.scorecards) == ["tw_osh_pd"]
        code = a_code()
        street.must_collect(registered(code), *major_accident(code))
        refused = street.refusal("regulator", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)))
        screen = subjects_pb2.ScreenSubjectsRequest(subjects=[ref(code)])
        screened = street.ask("regulator", "SubjectService/ScreenSubjects", screen).results[0]
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "MODEL_NOT_FOUND")
    assert (screened.HasField("grade"), screened.grade_problem.reason) == (False, "MODEL_NOT_FOUND")
    assert (screened.grade_problem.want, list(screened.problems)) == ("cn_sim_pd", [])


DAMAGED: dict[str, tuple[str, ...]] = {
    "registry": ("registry.json",),
    "keys": tuple(f"keys/{path.name}" for path in sorted((Path(Settings().models_dir) / "keys").glob("*.pub"))),
    "every champion": tuple(f"{name}/{champion(name)}/table.json" for name in ("cn_sim_pd", "tw_osh_pd")),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_to_everything_that_grades_stops_no_collection(tmp_path: Path, name: str) -> None:
    models = Path(shutil.copytree(Settings().models_dir, tmp_path / "models"))
    for file in DAMAGED[name]:
        (models / file).write_bytes((models / file).read_bytes()[:-40])
    with serving(
        tmp_path, Clock(), database_url=f"sqlite:///{tmp_path / 'credit.db'}", models_dir=str(models)
    ) as street:
        assert street.running.house.assessor.scorecards == {}
        code = a_code()
        street.must_collect(registered(code), *major_accident(code))
        refused = street.refusal("regulator", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "MODEL_NOT_FOUND")
