"""A TCP proxy on loopback that drops a connection at a chosen byte, or between a commit and its answer."""

import selectors
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

BLOCK = 16 * 1024
# Closing with this option sends a reset, as a host that vanished would cause.
RESET = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Forwards one connection after another to a port of loopback, and cuts them as it is told."""

    def __init__(self, port: int) -> None:
        """Takes the port to forward to; listens from here on, until it is left."""
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._left: int | None = None
        self._word = b""
        self._threads: list[threading.Thread] = []
        self._is_closing = False

    def __enter__(self) -> "CuttingProxy":
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._is_closing = True
        # Closing alone would not wake a thread that waits in accept.
        socket.create_connection(("127.0.0.1", self.port)).close()
        while self._threads:
            self._threads.pop().join()
        self._listener.close()

    def cut_after(self, count: int | None) -> None:
        """Cuts when that many bytes went either way from now on; None lets everything through."""
        self._left = count

    def cut_answer_of(self, word: bytes) -> None:
        """Cuts once, when the next answer to a request that contains the word is due: it was done, unheard."""
        self._word = word

    def _start(self, work: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=work, args=given, name="proxy")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self._is_closing:
                near.close()
                return
            self._start(self._forward, near)

    def _forward(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far, selectors.DefaultSelector() as ready:
            other, is_due = {near: far, far: near}, False
            for each in other:
                ready.register(each, selectors.EVENT_READ)
            while not self._is_closing:
                for key, _ in ready.select(0.2):
                    end: socket.socket = key.fileobj  # type: ignore[assignment]  # sockets were registered
                    content = _received(end)
                    if not content or (is_due and end is far) or not self._pass(content, other[end]):
                        for each in other:
                            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                        return
                    if self._word and end is near and self._word in content:
                        self._word, is_due = b"", True
                        self.cuts += 1

    def _pass(self, content: bytes, to: socket.socket) -> bool:
        """Passes on what may still pass; says whether the connection goes on."""
        left = self._left
        if left is not None:
            content, self._left = content[:left], max(0, left - len(content))
        try:
            to.sendall(content)
        except OSError:
            return False
        if left is not None and self._left == 0:
            self.cuts += left > 0
            return False
        return True


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(BLOCK)
    except OSError:
        return b""
