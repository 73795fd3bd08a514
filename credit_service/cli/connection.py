"""How the command line reaches the service: a profile, or target and certificate files."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer

from credit_service.errors import CreditError, Reason, shown
from credit_service.legal_days import SHANGHAI
from credit_service.v1 import subjects_pb2

EXIT_FAILED, EXIT_USAGE, EXIT_REFUSED, EXIT_UNREACHABLE = 1, 2, 3, 4
TIMEOUT_SECONDS = 60
MESSAGE_LIMIT = 64 * 1024 * 1024

ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile", envvar="CREDIT_SERVICE_PROFILE", help="Profile file of a caller, such as regulator.json."
    ),
]
PurposeOption = Annotated[str, typer.Option("--purpose", help="Why you ask; agencies and insurers must say.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout (one object a line for streams).")]
AsOfOption = Annotated[str, typer.Option("--as-of", help="Valid time: a date or a time with offset. Default: now.")]
KnownOption = Annotated[
    str, typer.Option("--known", help="Knowledge time: a date or a time with offset. Default: now.")
]


@dataclass(frozen=True, slots=True)
class Profile:
    """Holds where the service is and as whom to call it."""

    target: str
    ca: str
    certificate: str
    key: str
    purpose: str = ""


def read_profile(path: str) -> Profile:
    """Reads a profile file; fails with a sentence that names the missing part."""
    if not path:
        raise typer.BadParameter(
            "no profile: give --profile FILE or set CREDIT_SERVICE_PROFILE; `serve --demo DIR` writes profiles"
        )
    try:
        values = json.loads(Path(path).read_text("utf-8"))
        return Profile(**values)
    except (OSError, ValueError, TypeError) as fault:
        raise CreditError(
            Reason.FILE_INVALID, f"profile: got {shown(str(fault))}, want a profile file", file=path
        ) from fault


class Connection:
    """Calls methods of the contract under one profile."""

    def __init__(self, profile: Profile, purpose: str = "") -> None:
        """Prepares the channel; nothing is sent yet."""
        names = (profile.ca, profile.key, profile.certificate)
        missing = next((name for name in names if not Path(name).is_file()), None)
        if missing is not None:
            raise CreditError(
                Reason.FILE_INVALID, f"profile: got no file {missing}, want certificate files", file=missing
            )
        credentials = grpc.ssl_channel_credentials(*(Path(name).read_bytes() for name in names))
        options = [("grpc.max_receive_message_length", MESSAGE_LIMIT)]
        self.channel = grpc.secure_channel(profile.target, credentials, options=options)
        self.metadata = (("x-purpose-bin", (purpose or profile.purpose).encode()),)

    def call(
        self, stub: Callable[[grpc.Channel], Any], method: str, request: Any, timeout: float = TIMEOUT_SECONDS
    ) -> Any:
        """Calls one method that answers once, or returns the stream of its answers."""
        return getattr(stub(self.channel), method)(request, timeout=timeout, metadata=self.metadata)

    def converse(self, stub: Callable[[grpc.Channel], Any], method: str, requests: Any) -> Any:
        """Opens a conversation; the caller iterates and cancels."""
        return getattr(stub(self.channel), method)(requests, metadata=self.metadata)


def connect(profile: str, purpose: str = "") -> Connection:
    """Connects as the profile says."""
    return Connection(read_profile(profile or os.environ.get("CREDIT_SERVICE_PROFILE", "")), purpose)


def subject_of(code: str) -> subjects_pb2.SubjectRef:
    """Reads `CODE`, or `SCHEME:CODE`."""
    scheme, colon, rest = code.partition(":")
    return subjects_pb2.SubjectRef(scheme=scheme if colon else "", code=rest if colon else code)


def frame_of(as_of: str, known: str) -> subjects_pb2.TimeFrame:
    """Reads the two times of a question."""
    frame = subjects_pb2.TimeFrame()
    for name, text in (("as_of_time", as_of), ("known_time", known)):
        if text:
            getattr(frame, name).FromDatetime(parse_time(name, text))
    return frame


def parse_time(name: str, text: str) -> datetime:
    """Reads a time; a date alone means its end in Shanghai, as far as it is not in the future."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{name}: got {text}, want 2026-06-30 or 2026-06-30T12:00:00+08:00") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=SHANGHAI)
        is_date = len(text) == len("2026-06-30")
        time = min(time.replace(hour=23, minute=59, second=59), datetime.now(SHANGHAI)) if is_date else time
    return time


def explain_unreachable(text: str) -> str:
    """Says what usually hides behind UNAVAILABLE: no server, or a certificate that was refused."""
    lowered = text.lower()
    is_tls = any(
        word in lowered for word in ("handshake", "certificate", "ssl", "socket closed", "connection reset", "eof")
    )
    hint = (
        "the server may have refused the certificate: check the profile's ca, certificate and key"
        if is_tls
        else "is the server running, and is the target of the profile right?"
    )
    return f"UNREACHABLE: {text}; {hint}"


def joined(codes: Sequence[str], file: str) -> list[str]:
    """Returns codes from the command line and from a file, one a line."""
    lines = Path(file).read_text("utf-8").split() if file else []
    return [*codes, *lines]
