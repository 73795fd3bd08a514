"""A real server on loopback with a clock that tests set, and the callers that hold its certificates."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2
from stdnum.cn import uscc

from credit_service import server
from credit_service.api import wire
from credit_service.api.status import DETAILS_KEY, reason_of
from credit_service.certificates import Holder, write_profile
from credit_service.cli.connection import Connection, read_profile
from credit_service.cli.throwaway import ENTERPRISE, prepare
from credit_service.settings import Settings
from credit_service.v1 import (
    audit_pb2_grpc,
    disclosure_pb2_grpc,
    grades_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    listings_pb2_grpc,
    models_pb2_grpc,
    remedies_pb2_grpc,
    rulebook_pb2_grpc,
    subjects_pb2,
    subjects_pb2_grpc,
    supervision_pb2_grpc,
    sync_pb2_grpc,
    underwriting_pb2_grpc,
)

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)
OWN = ENTERPRISE.removeprefix("USCC:")
SOURCE = "sim-city-em"
ROLES = ("regulator", "regulator-2", "district", "agency", "insurer", "enterprise", "operator", "source")
STUBS = (
    audit_pb2_grpc, disclosure_pb2_grpc, grades_pb2_grpc, ledger_pb2_grpc, listings_pb2_grpc, models_pb2_grpc,
    remedies_pb2_grpc, rulebook_pb2_grpc, subjects_pb2_grpc, supervision_pb2_grpc, sync_pb2_grpc,
    underwriting_pb2_grpc,
)  # fmt: skip
_FIRMS = count(1)
_RECORDS = count(1)


@dataclass
class Clock:
    """Tells the time that a test last set."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Refusal:
    """Holds how a call was refused."""

    code: str
    reason: str
    message: str
    facts: dict[str, str]
    domain: str


class Root:
    """Signs more clients: the key of the folder's own root is never written, so that one cannot."""

    def __init__(self) -> None:
        """Makes a root of another name."""
        self.key, self.now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        self.pem = self.sign("other root", None, self.key)

    def sign(self, name: str, identity: x509.GeneralName | None, key: ec.EllipticCurvePrivateKey) -> bytes:
        """Signs a client's certificate; the root's own when it has no identity."""
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, "other root")]
        made = (
            x509.CertificateBuilder(names[1], names[0], key.public_key(), x509.random_serial_number())
            .not_valid_before(self.now - DAY)
            .not_valid_after(self.now + DAY)
            .add_extension(x509.BasicConstraints(ca=identity is None, path_length=None), critical=True)
        )
        if identity is not None:
            made = made.add_extension(x509.SubjectAlternativeName([identity]), critical=False)
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@dataclass
class Street:
    """Calls the doors of one running server as any of its callers."""

    settings: Settings
    folder: Path
    clock: Clock
    running: server.Running
    stop: Callable[[float], None]
    root: "Root"
    channels: dict[str, grpc.Channel] = field(default_factory=dict)
    opened: list[grpc.Channel] = field(default_factory=list)

    def channel(self, role: str, folder: Path | None = None) -> grpc.Channel:
        """Opens a channel with the certificate of a caller, or returns the open one."""
        if role not in self.channels:
            names = ("ca.pem", f"{role}.key", f"{role}.pem")
            files = [((folder or self.folder) / name).read_bytes() for name in names]
            self.channels[role] = grpc.secure_channel(self.target, grpc.ssl_channel_credentials(*files))
        return self.channels[role]

    def issue(self, name: str, uri: str, key_of: str | None = None) -> None:
        """Issues one more client certificate with an identity, for the key of another caller if one is named."""
        key = ec.generate_private_key(ec.SECP256R1())
        if key_of:
            read = serialization.load_pem_private_key((self.folder / f"{key_of}.key").read_bytes(), None)
            assert isinstance(read, ec.EllipticCurvePrivateKey)
            key = read
        (self.folder / f"{name}.pem").write_bytes(self.root.sign(name, x509.UniformResourceIdentifier(uri), key))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.folder / f"{name}.key").write_bytes(key.private_bytes(*form))

    @property
    def target(self) -> str:
        """Names where the server listens."""
        return f"127.0.0.1:{self.running.port}"

    def open(self, role: str, method: str, request: Any, purpose: str | None = None, timeout: float = 60) -> Any:
        """Begins a call and returns what the stub returns."""
        service, _, name = method.partition("/")
        stub = next(getattr(m, f"{service}Stub") for m in STUBS if hasattr(m, f"{service}Stub"))
        stated = ("tests" if role in {"agency", "insurer"} else "") if purpose is None else purpose
        metadata = (("x-purpose-bin", stated.encode()),) if stated else ()
        return getattr(stub(self.channel(role)), name)(request, timeout=timeout, metadata=metadata)

    def ask(self, role: str, method: str, request: Any, purpose: str | None = None) -> Any:
        """Calls a method: the answer, or the list of answers of a stream."""
        opened = self.open(role, method, request, purpose)
        return list(opened) if isinstance(opened, Iterator) else opened

    def refusal(self, role: str, method: str, request: Any, purpose: str | None = None) -> Refusal:
        """Calls a method that must refuse, and tells how it did."""
        try:
            answer = self.ask(role, method, request, purpose)
        except grpc.RpcError as error:
            return refusal_of(error)
        raise AssertionError(f"{method} answered {role}: {answer}")

    def refused(self, role: str, method: str, request: Any) -> tuple[str, str]:
        """Calls a method that must refuse; returns status and reason."""
        refusal = self.refusal(role, method, request)
        return refusal.code, refusal.reason

    def raw(self, role: str, method: MethodDescriptor, content: bytes, purpose: str = "tests") -> Refusal | None:
        """Calls a method with bytes as they are; returns how it refused, None when it answered."""
        kinds = ("stream" if streams else "unary" for streams in (method.client_streaming, method.server_streaming))
        call: Any = getattr(self.channel(role), "_".join(kinds))(
            f"/{method.containing_service.full_name}/{method.name}"
        )
        metadata = (("x-purpose", purpose),) if purpose else ()
        try:
            answer = call(iter([content]) if method.client_streaming else content, timeout=10, metadata=metadata)
            if method.server_streaming:
                next(answer, None)
                answer.cancel()
        except grpc.RpcError as error:
            return refusal_of(error)
        return None

    def connect(self, role: str) -> Connection:
        """Connects as the command line does, with the profile of a caller."""
        path = write_profile(self.folder, Holder(role, ""), self.target, "tests")
        connection = Connection(read_profile(str(path)))
        self.opened.append(connection.channel)
        return connection

    def collect(self, *records: dict[str, Any], role: str = "source") -> list[Any]:
        """Submits records in one batch and returns the results."""
        return self.send(*map(wire.draft_of, records), role=role)

    def send(self, *drafts: ledger_pb2.EventDraft, role: str = "source") -> list[Any]:
        """Submits drafts in one batch and returns the results."""
        request = ledger_pb2.SubmitEventsRequest(request_id="test", events=drafts)
        return list(self.ask(role, "LedgerService/SubmitEvents", request).results)

    def refusal_or_results(self, records: Sequence[dict[str, Any]]) -> Refusal | list[Any]:
        """Submits records in one batch; returns the results, or how the batch was refused."""
        try:
            return self.collect(*records)
        except grpc.RpcError as error:
            return refusal_of(error)

    def must_collect(self, *records: dict[str, Any]) -> list[str]:
        """Submits records that must be accepted and returns their event ids."""
        results = self.collect(*records)
        assert [status(r) for r in results] == ["ACCEPTED"] * len(records), results
        return [r.event_id for r in results]


def refusal_of(error: Any) -> Refusal:
    """Reads how a call was refused."""
    reason, facts = reason_of(error)
    packed = dict(error.trailing_metadata() or ()).get(DETAILS_KEY, b"")
    info = error_details_pb2.ErrorInfo()
    for detail in status_pb2.Status.FromString(packed).details:
        detail.Unpack(info)
    return Refusal(error.code().name, reason, error.details(), facts, info.domain)


def status(result: Any) -> str:
    """Names the status of a submitted record."""
    return ledger_pb2.SubmitStatus.Name(result.status).removeprefix("SUBMIT_STATUS_")


def a_code(region: str = "350100") -> str:
    """Makes a well-formed code that no other test uses."""
    body = f"91{region}{next(_FIRMS):09d}"
    return body + str(uscc.calc_check_digit(body))


def ref(code: str, scheme: str = "") -> subjects_pb2.SubjectRef:
    """Names a subject."""
    return subjects_pb2.SubjectRef(scheme=scheme, code=code)


def frame(as_of: datetime | None = None, known: datetime | None = None) -> subjects_pb2.TimeFrame:
    """Names a time frame."""
    made = subjects_pb2.TimeFrame()
    for name, time in (("as_of_time", as_of), ("known_time", known)):
        if time is not None:
            getattr(made, name).FromDatetime(time)
    return made


def a_record(code: str, kind: str = "PEN", payload: dict[str, Any] | None = None, **named: Any) -> dict[str, Any]:
    """Builds a valid record, by default a penalty; name only what the test is about."""
    default = {"articles": ["安全生产法/102"], "organ_kind": "EMERGENCY_MANAGEMENT", "severity": "GENERAL"}
    subject = {"code": code, "name": "模拟化工有限公司", **named.pop("subject", {})}
    return {
        "source": SOURCE,
        "source_record_id": f"{kind}-{next(_RECORDS):06d}",
        "source_version": 1,
        "subject": subject,
        "kind": kind,
        "domain": "WORK",
        "occur_time": "2026-06-01T00:00:00+08:00",
        "payload": default if payload is None and kind == "PEN" else payload or {},
        **named,
    }


def registered(
    code: str, region: str = "110108", occur_time: str = "2020-01-01T00:00:00+08:00", **payload: Any
) -> dict[str, Any]:
    """Builds the registration of a chemical enterprise that has operated for years."""
    payload = {
        "industry_code": "C2611", "supervising_region": region, "headcount": 120, "founded_date": "2010-05-04",
        "status": "ACTIVE", "sectors": ["CHEMICAL"], **payload,
    }  # fmt: skip
    return a_record(code, "REG", payload, occur_time=occur_time)


def major_accident(code: str) -> list[dict[str, Any]]:
    """Builds a penalised major accident: rule B-01 finds it once the enterprise is in scope."""
    payload = {"accident_kind": "WORK", "deaths": 12, "liability": "LIABLE"}
    accident = a_record(code, "ACC", payload, occur_time="2026-03-01T00:00:00+08:00")
    return [accident, a_record(code, refers_to=accident["source_record_id"])]


def stop_work(code: str, **payload: Any) -> dict[str, Any]:
    """Builds an order to stop work: it caps the grade at C until it is lifted."""
    return a_record(code, "ORD", {"order_kind": "STOP_WORK", "from_date": "2026-06-01", **payload})


def retraction(record: dict[str, Any]) -> dict[str, Any]:
    """Builds the withdrawal of a record."""
    return {**record, "source_version": record["source_version"] + 1, "op": "RETRACT", "payload": {}}


@contextmanager
def serving(folder: Path, clock: Clock, **settings: Any) -> Iterator[Street]:
    """Prepares a folder, runs the server in a thread with a loop of its own, and stops it at the end."""
    given = replace(Settings(listen="127.0.0.1:0", log_level="error", checking_processes=0), **settings)
    # Certificates are checked against the machine's clock, whatever the service believes.
    made = prepare(given, folder, datetime.now(UTC))
    root, trusted = Root(), folder / "roots.pem"
    trusted.write_bytes((folder / "ca.pem").read_bytes() + root.pem)
    with running(replace(made, client_ca_file=str(trusted)), folder, clock, root) as street:
        yield street


@contextmanager
def running(settings: Settings, folder: Path, clock: Clock, root: Root | None = None) -> Iterator[Street]:
    """Runs a prepared server."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server")
    thread.start()
    try:
        started = asyncio.run_coroutine_threadsafe(server.start(settings, clock), loop).result(60)

        def stop(grace: float) -> None:
            asyncio.run_coroutine_threadsafe(started.stop(grace), loop).result(60)

        street = Street(settings, folder, clock, started, stop, root or Root())
        try:
            yield street
        finally:
            for channel in [*street.channels.values(), *street.opened]:
                channel.close()
            street.stop(1)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
