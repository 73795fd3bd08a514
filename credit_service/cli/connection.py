"""How the command line reaches the service: a profile, or target and certificate files."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
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
PurposeOption = Annotated[
    str,
    typer.Option(
        "--purpose",
        help="Why you ask, kept in the query record; agencies and insurers must say. Default: the profile's.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout (one object a line for streams).")]
AsOfOption = Annotated[str, typer.Option("--as-of", help="Valid time: a date or a time with offset. Default: now.")]
KnownOption = Annotated[
    str, typer.Option("--known", help="Knowledge time: a date or a time with offset. Default: now.")
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="At most this many.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every one, however many there are.")]


@dataclass(frozen=True, slots=True)
class Profile:
    """Holds where the service is and as whom to call it."""

    target: str
    ca: str
    certificate: str
    key: str
    purpose: str = ""


def read_profile(path: str) -> Profile:
    """Reads a profile file; fails with a sentence that names what is wrong with it."""
    if not path:
        raise CreditError(
            Reason.FIELD_MISSING,
            "profile: got nothing, want --profile FILE or CREDIT_SERVICE_PROFILE; `serve --demo DIR` writes profiles",
        )
    try:
        values = json.loads(read_text("profile", Path(path)))
    except ValueError:
        raise _no_profile(path, "a file that is not JSON") from None
    if not isinstance(values, dict):
        raise _no_profile(path, "JSON that is not an object")
    known = {field.name: field.default is MISSING for field in fields(Profile)}
    if missing := [name for name, is_needed in known.items() if is_needed and not values.get(name)]:
        raise _no_profile(path, f"no {', '.join(missing)}")
    if unknown := sorted(set(values) - set(known)):
        raise _no_profile(path, f"the unknown {shown(', '.join(unknown))}")
    if odd := [name for name, value in values.items() if not isinstance(value, str)]:
        raise _no_profile(path, f"a value that is not text for {', '.join(odd)}")
    return Profile(**values)


def _no_profile(path: str, got: str) -> CreditError:
    want = f"a JSON object with {', '.join(field.name for field in fields(Profile))}"
    return CreditError(Reason.FILE_INVALID, f"profile: got {got} in {path}, want {want}", file=path)


def read_text(name: str, path: Path) -> str:
    """Reads a small file of text that the caller named; fails with FILE_INVALID, in words."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        fault = f"{path}, which is not there"
    except IsADirectoryError:
        fault = f"the folder {path}"
    except UnicodeDecodeError:
        fault = f"{path}, which is not UTF-8 text"
    except OSError as error:
        fault = f"{path}, which cannot be read ({error.strerror})"
    raise CreditError(Reason.FILE_INVALID, f"{name}: got {fault}, want a file", file=str(path))


class Connection:
    """Calls methods of the contract under one profile."""

    def __init__(self, profile: Profile, purpose: str = "") -> None:
        """Prepares the channel; nothing is sent yet."""
        names = (profile.ca, profile.key, profile.certificate)
        missing = next((name for name in names if not Path(name).is_file()), None)
        if missing is not None:
            raise CreditError(
                Reason.FILE_INVALID, f"profile: got no file {missing}, want its ca, certificate and key", file=missing
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
    return Connection(find_profile(profile), purpose)


def find_profile(path: str) -> Profile:
    """Reads the profile that was named on the command line, else in the environment."""
    return read_profile(path or os.environ.get("CREDIT_SERVICE_PROFILE", ""))


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


def parse_time(name: str, text: str, now: datetime | None = None) -> datetime:
    """Reads a time; a date alone means its end in Shanghai, today's means now; the future is refused."""
    moment = now or datetime.now(SHANGHAI)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CreditError(
            Reason.FIELD_INVALID, f"{name}: got {shown(text)}, want 2026-06-30 or 2026-06-30T12:00:00+08:00"
        ) from None
    is_date = not {"T", " ", ":"} & set(text.upper())
    if time.tzinfo is None:
        time = time.replace(tzinfo=SHANGHAI)
    if is_date and time <= moment:
        return min(time.replace(hour=23, minute=59, second=59), moment)
    if time > moment:
        raise CreditError(Reason.TIME_IN_FUTURE, f"{name}: got {text}, want a time not after now: nothing is known yet")
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
    """Returns codes from the command line and from a file, separated by white space; `-` is standard input."""
    if not file:
        return list(codes)
    text = sys.stdin.read() if file == "-" else read_text("file", Path(file))
    return [*codes, *text.split()]
