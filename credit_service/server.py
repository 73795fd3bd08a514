"""The composition root: settings → databases, editions, models → doors → a gRPC server with mutual TLS."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from credit_service import logs, migrations
from credit_service.api.calls import Around
from credit_service.api.checking import Checking
from credit_service.api.house import House
from credit_service.api.meter import Meter
from credit_service.api.metrics import keep_writing
from credit_service.api.quota import Quota
from credit_service.api.rulebook import ADOPT
from credit_service.api.services import handlers, services
from credit_service.assessment import Assessor
from credit_service.audit.approvals import is_approved
from credit_service.audit.queries import QueryLog
from credit_service.certificates import check_pair
from credit_service.changes import Feed
from credit_service.collecting import Writer
from credit_service.database import AUDIT_LOCK, Database
from credit_service.errors import CreditError, Reason
from credit_service.grades.artefact import Artefact, sound_champions, sound_keys
from credit_service.grades.scorecard import Scorecard
from credit_service.ledger.append import Reception
from credit_service.ledger.drafts import Checker
from credit_service.ledger.sources import SHIPPED as SHIPPED_SOURCES
from credit_service.ledger.sources import Source, load_sources
from credit_service.legal_days import civil_day
from credit_service.memory import bound_heaps, spare_collections
from credit_service.rulebook.accidents import accident_level, last_casualty_day
from credit_service.rulebook.edition import SHIPPED, edition_for, load_editions
from credit_service.rulebook.law import Edition
from credit_service.settings import Settings
from credit_service.subjects.vault import Vault, read_master_key

OPTIONS = (
    # Two servers must never share a port unnoticed.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
)


# The writer lets the interpreter go at every wait for the database, and would wait ten times as long to have it back.
TURN_SECONDS = 0.0005


def system_clock() -> datetime:
    """Reads the clock; doors call it once per call."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Running:
    """Holds a started server and what must be closed with it."""

    server: grpc.aio.Server
    port: int
    house: House
    queries: QueryLog
    executor: ThreadPoolExecutor
    health: HealthServicer
    meter: Meter
    metrics: "asyncio.Task[None] | None" = None

    async def stop(self, grace: float) -> None:
        """Says not serving, lets calls end within the grace, then closes everything."""
        await self.health.enter_graceful_shutdown()
        await self.server.stop(grace)
        loop = asyncio.get_running_loop()
        if self.metrics is not None:
            self.metrics.cancel()
            await asyncio.gather(self.metrics, return_exceptions=True)
        await loop.run_in_executor(None, self.house.writer.close)
        await loop.run_in_executor(None, self.house.checking.close)
        await self.queries.close()
        self.executor.shutdown(wait=True)
        self.house.database.close()
        self.house.audit.close()


def build_house(settings: Settings, clock: Callable[[], datetime]) -> House:
    """Opens the databases and loads editions, sources and models; refuses what does not fit, and closes again."""
    migrations.check(settings.database_url, settings.audit_database_url())
    with ExitStack() as opened:
        database = Database(settings.database_url)
        opened.callback(database.close)
        audit = Database(settings.audit_database_url(), AUDIT_LOCK)
        opened.callback(audit.close)
        house = _furnished(settings, clock, database, audit)
        opened.pop_all()
    return house


def open_judgement(settings: Settings, *, is_quiet: bool = False) -> tuple[Database, Assessor]:
    """Opens the database with the editions and models that judge; for work beside the server.

    `is_quiet` leaves unsaid what a process that opened the same before has said.
    """
    database = Database(settings.database_url)
    return database, _assessor(settings, database, is_quiet=is_quiet)[0]


def _assessor(
    settings: Settings, database: Database, *, is_quiet: bool = False
) -> tuple[Assessor, Sequence[Edition], tuple[Artefact, ...]]:
    """Returns what judges, every edition that is installed, and the models."""
    shipped = load_editions(SHIPPED)
    overlays = load_editions(Path(settings.editions_dir)) if settings.editions_dir else ()

    def in_force() -> Sequence[Edition]:
        # An overlay of a city counts from its adoption by two officers on; shipped editions count at once.
        with database.reading() as session:
            adopted = [e for e in overlays if is_approved(session, ADOPT, e.digest)]
        return (*adopted, *shipped) if adopted else shipped

    models = load_models(settings, is_quiet=is_quiet)
    scorecards = {name: artefact.scorecard for name, artefact in models.items()}
    if not is_quiet:
        _check_models(shipped, scorecards)
    assessor = Assessor(in_force if overlays else lambda: shipped, scorecards)
    return assessor, (*overlays, *shipped), tuple(models.values())


def _furnished(settings: Settings, clock: Callable[[], datetime], database: Database, audit: Database) -> House:
    assessor, installed, models = _assessor(settings, database)
    sources = load_sources(Path(settings.sources_dir) if settings.sources_dir else SHIPPED_SOURCES)
    vault = Vault(read_master_key(settings.person_key_file), os.urandom)
    with database.reading() as session:
        vault.check(session)
    levels = edition_for(load_editions(SHIPPED), "USCC", civil_day(clock())).accidents
    schemes = {name: source.scheme for name, source in sources.items()}
    last_day = partial(last_casualty_day, levels)
    checker = Checker(schemes, partial(accident_level, levels), vault.person_code, last_day)
    strict = frozenset(name for name, source in sources.items() if source.needs_registration)
    feed = Feed()
    return House(
        database=database, audit=audit, assessor=assessor, models=models,
        writer=Writer(database, Reception(vault, strict), assessor, feed, clock),
        quota=Quota(settings.quota_events_per_second), checking=Checking(checker, settings.checking_processes),
        vault=vault, feed=feed, sources=sources, source_agencies=_source_agencies(settings, sources),
        editions=assessor.editions, all_editions=installed, clock=clock,
    )  # fmt: skip


async def start(settings: Settings, clock: Callable[[], datetime] = system_clock) -> Running:
    """Starts the server and returns it with its port; what was opened is closed when it cannot start."""
    credentials = _credentials(settings)
    house = build_house(settings, clock)
    executor = ThreadPoolExecutor(settings.worker_threads, thread_name_prefix="door")
    server = grpc.aio.server(options=OPTIONS)
    running = Running(server, 0, house, QueryLog(house.audit), executor, HealthServicer(), Meter())
    try:
        around = Around(clock, executor, running.queries, running.meter)
        server.add_generic_rpc_handlers(tuple(handlers(house, around)))
        await _serve_health(running, settings)
        running.port = _listen(server, settings.listen, credentials)
        house.writer.start()
        house.checking.start()
        await server.start()
        if settings.metrics_file:
            running.metrics = asyncio.create_task(keep_writing(Path(settings.metrics_file), house, running.meter))
        logs.get().info("serving", listen=settings.listen, port=running.port, models=sorted(house.assessor.scorecards))
    except BaseException:
        await running.stop(0)
        raise
    return running


def _listen(server: grpc.aio.Server, listen: str, credentials: Any) -> int:
    try:
        return server.add_secure_port(listen, credentials)
    except RuntimeError as fault:
        raise CreditError(Reason.SETTING_INVALID, f"listen: got {listen}, want a free address") from fault


async def _serve_health(running: Running, settings: Settings) -> None:
    """Adds health, overall and per service, and reflection where it is wanted."""
    health_pb2_grpc.add_HealthServicer_to_server(running.health, running.server)
    names = [service.full_name for service in services()]
    for name in ("", *names):
        await running.health.set(name, health_pb2.HealthCheckResponse.SERVING)
    if settings.reflection:
        health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        reflection.enable_server_reflection([*names, health], running.server)


async def serve(settings: Settings, ready: Callable[[int], None], clock: Callable[[], datetime] = system_clock) -> None:
    """Serves until SIGTERM or SIGINT, then stops gracefully; `ready` is told the port."""
    bound_heaps()
    running = await start(settings, clock)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    spare_collections()
    sys.setswitchinterval(TURN_SECONDS)
    ready(running.port)
    await stopping.wait()
    logs.get().info("stopping", grace_seconds=settings.grace_seconds)
    await running.stop(settings.grace_seconds)


def load_scorecards(settings: Settings) -> dict[str, Scorecard]:
    """Loads the points tables of the champions; see `load_models`."""
    return {name: artefact.scorecard for name, artefact in load_models(settings).items()}


def load_models(settings: Settings, *, is_quiet: bool = False) -> dict[str, Artefact]:
    """Loads every champion whose signature a trusted key made; one that does not hold is left out, and said so.

    Its subjects stay ungraded, and keep the grades that were recorded. A damaged file stops no server; settings under
    which there is no model at all, or none by a trusted key, do.
    """
    folder = Path(settings.models_dir)
    trusted = frozenset(filter(None, settings.trusted_model_keys.split(","))) or None
    keys, broken = sound_keys(folder / "keys", trusted)
    champions, faults = sound_champions(folder, keys)
    for name, fault in (broken | faults).items():
        if not champions and not broken and fault.reason in {Reason.MODEL_NOT_FOUND, Reason.MODEL_UNTRUSTED}:
            raise fault
        if not is_quiet:
            logs.get().error("model refused", model=name, reason=fault.reason.name, message=fault.message)
    return champions


def _credentials(settings: Settings) -> Any:
    """Builds mutual TLS; there is no way to serve without it."""
    files = {}
    for name in ("certificate_file", "key_file", "client_ca_file"):
        path = getattr(settings, name)
        if not path or not Path(path).is_file():
            raise CreditError(
                Reason.SETTING_INVALID, f"{name}: got {path or 'nothing'}, want a file; see `serve --demo`"
            )
        files[name] = Path(path).read_bytes()
    check_pair(Path(settings.certificate_file), Path(settings.key_file))
    return grpc.ssl_server_credentials(
        [(files["key_file"], files["certificate_file"])],
        root_certificates=files["client_ca_file"],
        require_client_auth=True,
    )


def _source_agencies(settings: Settings, sources: Mapping[str, Source]) -> dict[str, frozenset[str]]:
    """Reads `agency=source,source;agency=source`."""
    found: dict[str, frozenset[str]] = {}
    for part in filter(None, settings.source_agencies.split(";")):
        agency, _, names = part.partition("=")
        chosen = frozenset(filter(None, names.split(",")))
        unknown = chosen - set(sources)
        if not agency or not chosen or unknown:
            raise CreditError(
                Reason.SETTING_INVALID, f"source_agencies: got {part}, want agency=source,… of {', '.join(sources)}"
            )
        found[agency] = chosen
    return found


def _check_models(editions: Sequence[Edition], scorecards: Mapping[str, Scorecard]) -> None:
    """Warns at the start when an edition names a model that is not there; its grades answer MODEL_NOT_FOUND."""
    for edition in editions:
        if edition.grading.model not in scorecards:
            logs.get().warning("model missing", edition=edition.id, model=edition.grading.model)
