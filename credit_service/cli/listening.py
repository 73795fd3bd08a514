"""The address to listen on: read and tried before anything is touched."""

import errno
import socket

from credit_service.errors import CreditError, Reason, shown

HIGHEST_PORT = 65535


def check_free(listen: str) -> None:
    """Fails with SETTING_INVALID unless somebody could listen there now; sockets of a file are not tried."""
    if listen.startswith(("unix:", "unix-abstract:")):
        return
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > HIGHEST_PORT:
        raise _refused(listen, "want HOST:PORT, such as 127.0.0.1:50051")
    try:
        places = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as fault:
        raise _refused(listen, "want the name or address of this machine") from fault
    faults = [found for family, *_, place in places if (found := _fault(family, place)) is not None]
    if any(found.errno == errno.EADDRINUSE for found in faults):
        raise _refused(listen, "which is taken, want a free address")
    if len(faults) == len(places):
        raise _refused(listen, f"want an address to listen on ({faults[0].strerror})")


def _fault(family: int, place: tuple[object, ...]) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without it, connections that ended a moment ago would make a free port look taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as fault:
        return fault
    return None


def _refused(listen: str, want: str) -> CreditError:
    return CreditError(Reason.SETTING_INVALID, f"listen: got {shown(listen) or 'nothing'}, {want}")
