"""Listings of any length: follows the pages up to a limit, and says when there is more."""

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import Message

from credit_service.cli.connection import Connection
from credit_service.cli.output import say

LARGEST_PAGE = 1000
LIMIT = 50


def collect(
    connection: Connection, stub: Callable[[grpc.Channel], Any], method: str, request: Message, limit: int | None
) -> Any:
    """Returns the pages of a listing as one answer; none of it is cut without a word on stderr."""
    field, found, wanted = "", None, limit
    asked: Any = request
    while True:
        asked.page_size = LARGEST_PAGE if wanted is None else min(wanted, LARGEST_PAGE)
        answer = connection.call(stub, method, asked)
        if found is None:
            found = answer
            field = next(f.name for f in answer.DESCRIPTOR.fields if f.is_repeated)
        else:
            getattr(found, field).extend(getattr(answer, field))
        found.next_page_token = asked.page_token = answer.next_page_token
        if wanted is not None:
            wanted -= len(getattr(answer, field))
        if not answer.next_page_token or wanted == 0:
            break
    if limit is not None and found.next_page_token:
        say(f"{limit} shown, more: --limit {2 * limit}, or --all")
    return found
