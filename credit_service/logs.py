"""Structured logs: one canonical line per call, one audit line per decision; secrets never pass."""

import logging
import sys
from typing import Any, cast

import structlog

from credit_service.errors import without_id_numbers


def redact(_logger: object, _name: str, line: Any) -> str:
    """Masks ID numbers in the written line, however deep in it they stood."""
    return without_id_numbers(line if isinstance(line, str) else line.decode())


_least = logging.NOTSET


def are_told(level: int) -> bool:
    """Says whether lines of a level are written; asking costs less than making a line that nobody writes."""
    return level >= _least


def configure(level: str = "info") -> None:
    """Sets the chain up once per process; lines go to stderr as JSON."""
    global _least  # one chain a process
    _least = cast("int", getattr(logging, level.upper()))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
            redact,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_least),
        # Looked up per line: stderr may be replaced or closed during the life of the process.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get() -> structlog.typing.FilteringBoundLogger:
    """Returns the logger."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())
