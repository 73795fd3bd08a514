"""How a command ends: the one place where a failure becomes a line for people and an exit code for scripts."""

from collections.abc import Mapping

import grpc
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, InterfaceError, OperationalError

from credit_service.api.status import reason_of
from credit_service.cli.connection import EXIT_FAILED, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE, explain_unreachable
from credit_service.errors import CreditError, Reason, shown

# What a command finds out by itself, before or without asking the service; all other reasons end with EXIT_FAILED.
EXIT_OF: Mapping[Reason, int] = {
    **dict.fromkeys(
        (
            Reason.FIELD_MISSING, Reason.FIELD_INVALID, Reason.FIELD_OUT_OF_RANGE, Reason.ENUM_UNKNOWN,
            Reason.TIME_IN_FUTURE, Reason.CODE_INVALID, Reason.CHECK_DIGIT, Reason.SCHEME_UNKNOWN,
            Reason.SOURCE_UNKNOWN, Reason.SETTING_INVALID, Reason.FILE_INVALID,
        ),
        EXIT_USAGE,
    ),
    Reason.STORAGE_UNAVAILABLE: EXIT_UNREACHABLE,
}  # fmt: skip
# How the service ended a call; all other statuses are refusals by a rule.
EXIT_OF_STATUS: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.UNAVAILABLE: EXIT_UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: EXIT_UNREACHABLE,
    grpc.StatusCode.INTERNAL: EXIT_FAILED,
    grpc.StatusCode.UNKNOWN: EXIT_FAILED,
}
LONGEST = 300
# What the command line can do about a refusal.
ADVICE: Mapping[str, str] = {
    Reason.MODEL_NOT_FOUND: "; `credit-service doctor` on the server tells whether a model is missing or damaged",
    Reason.PURPOSE_REQUIRED: "; say it with --purpose, or in the profile",
    **dict.fromkeys(
        (Reason.EPOCH_CHANGED, Reason.REVISION_AHEAD, Reason.REVISION_COMPACTED),
        "; remove the file of --token, and the next watch begins with one",
    ),
}


def ending_of(error: Exception) -> tuple[str, int]:
    """Returns the one line that explains a failure, and the exit code."""
    line, code = _ending(error)
    return " ".join(line.split()), code


def database_fault(error: Exception) -> str:
    """Says in one line what the database's driver said, without the statement and its values."""
    said = str(error.orig) if isinstance(error, DBAPIError) and error.orig else str(error)
    return shown(" ".join(said.split()), LONGEST) or type(error).__name__


def _ending(error: Exception) -> tuple[str, int]:
    if isinstance(error, CreditError):
        return f"{error.reason}: {error.message}", EXIT_OF.get(error.reason, EXIT_FAILED)
    if isinstance(error, grpc.RpcError):
        return _refused(error)
    if isinstance(error, OperationalError | InterfaceError):
        return f"UNREACHABLE: database: {database_fault(error)}; check its address and that it runs", EXIT_UNREACHABLE
    if isinstance(error, ArgumentError):
        return "SETTING_INVALID: database_url: want sqlite:///FILE or postgresql://…", EXIT_USAGE
    if isinstance(error, OSError) and error.filename:
        return f"FILE_INVALID: {error.filename}: {error.strerror}", EXIT_USAGE
    said = database_fault(error)
    if type(error) is DatabaseError:
        return (
            f"INTERNAL: database: got {said}, want one that can be read; check its address, or restore a backup",
            EXIT_FAILED,
        )
    return f"{type(error).__name__}: {said} (CREDIT_SERVICE_LOG_LEVEL=debug shows where)", EXIT_FAILED


def _refused(error: grpc.RpcError) -> tuple[str, int]:
    status, (reason, facts) = error.code(), reason_of(error)
    code = EXIT_OF_STATUS.get(status, EXIT_REFUSED)
    if status is grpc.StatusCode.UNAVAILABLE and not reason:
        return explain_unreachable(str(error.details())), code
    said = str(error.details())
    # What the sentence says already is not said twice.
    told = ", ".join(f"{key}={value}" for key, value in facts.items() if value not in said)
    advice = ADVICE.get(reason, "")
    return f"{reason or status.name}: {said}{f' ({told})' if told else ''}{advice}", code
