"""A line that can fall silent, as that of a laptop whose lid is closed."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit


class Relay:
    """Passes bytes on to a server, both ways, unless it is asleep; then they wait."""

    def __init__(self, url: str) -> None:
        server = urlsplit(url)
        self._server = server.hostname or "", server.port or 80
        self._awake = threading.Event()
        self._awake.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.wake()
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def sleep(self) -> None:
        """Nothing passes from now on."""
        self._awake.clear()

    def wake(self) -> None:
        """What has waited passes, and so does what comes."""
        self._awake.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(self._server)
                self._sockets += [here, there]
                for ends in ((here, there), (there, here)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._awake.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
