"""A loopback TCP proxy that misbehaves on request: it cuts, delays and swallows what passes through it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from types import TracebackType
from typing import Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST


class Proxy:
    """Forwards 127.0.0.1:``port`` to a server on this machine: a port of it, or the path of a Unix socket.

    Use it as a context manager, and give ``port`` to a client::

        with Proxy(server_port) as proxy:
            connect(port=proxy.port)
            proxy.cut()
    """

    def __init__(self, target: int | str) -> None:
        self.target = target
        self.delay = 0.0
        """Seconds that each piece of data waits before it is forwarded."""
        self.swallows = False
        """Whether data disappears while connections stay open, as in a network that drops packets."""
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._guard = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def cut(self) -> int:
        """Reset every open connection, both ways, and return how many there were; new ones are accepted."""
        with self._guard:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _reset(end)
        return len(pairs)

    def close(self) -> None:
        """Stop listening, and cut."""
        if self._listener.fileno() >= 0:
            # Else the thread that waits in accept() would still take the next one.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            try:
                pair = client, self._connect()
            except OSError:
                # Nobody listens there: the server has been stopped.
                _reset(client)
                continue
            with self._guard:
                # What arrives while the proxy closes would stay open.
                is_open = self._listener.fileno() >= 0
                if is_open:
                    self._pairs.append(pair)
            if not is_open:
                _reset(pair[0])
                _reset(pair[1])
                return
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self.target, int):
            return socket.create_connection(("127.0.0.1", self.target))
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.target)
        except OSError:
            server.close()
            raise
        return server

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                time.sleep(self.delay)
                if not self.swallows:
                    sink.sendall(data)
        except OSError:
            _reset(source)
            _reset(sink)
        else:
            _finish(sink)


def _reset(end: socket.socket) -> None:
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        # Closed already, or its peer has gone.
        pass
    finally:
        end.close()


def _finish(sink: socket.socket) -> None:
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # The other way was cut meanwhile.
        sink.close()
