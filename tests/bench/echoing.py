"""The service with one method more: it answers as many bytes as it is asked for, and does nothing else."""

from typing import Any

import grpc

from credit_service import server
from credit_service.api import services
from credit_service.cli import main

METHOD = "/bench.Echo/Echo"


class _Echo(grpc.GenericRpcHandler):
    def service(self, call: Any) -> Any:
        if call.method != METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(_echo)


async def _echo(request: bytes, _context: Any) -> bytes:
    """Answers with what the size in the first four bytes asks for."""
    return bytes(int.from_bytes(request[:4]))


def _with_echo(*given: Any) -> list[grpc.GenericRpcHandler]:
    return [*services.handlers(*given), _Echo()]


if __name__ == "__main__":
    setattr(server, "handlers", _with_echo)  # noqa: B010  # mypy knows what the service exports
    main()
