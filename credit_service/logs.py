"""Structured logs: one canonical line per call, one audit line per decision; secrets never pass."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

import structlog

# Resident ID numbers (GB 11643) must never reach a log, whatever field they were put in.
_ID_NUMBER = re.compile(r"(?<!\d)\d{6}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])\d{5}[\dXx](?![\dA-Za-z])")


def redact(_logger: object, _name: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Masks ID numbers in every value of a line."""
    for key, value in line.items():
        if isinstance(value, str):
            line[key] = _ID_NUMBER.sub("[ID]", value)
    return line


def configure(level: str = "info") -> None:
    """Sets the chain up once per process; lines go to stderr as JSON."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(cast("int", getattr(logging, level.upper()))),
        # Looked up per line: stderr may be replaced or closed during the life of the process.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get() -> structlog.typing.FilteringBoundLogger:
    """Returns the logger."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())
