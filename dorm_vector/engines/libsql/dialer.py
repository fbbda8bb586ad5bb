"""The connector of libsql-client, without its 4 MB response limit and with a heartbeat that detects silent servers."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

_HEARTBEAT_SECONDS = 30.0

_PROTOCOLS = ("hrana3", "hrana2")


class Dialer:
    """An aiohttp session, the protocol that the server chose, and its reason for refusing the token."""

    protocol: str | None = None
    refusal = ""
    _raw: Any = None

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=_Resolver()))

    async def ws_connect(self, url: str, **options: Any) -> Any:
        # libsql-client requests hrana2; hrana3 is a superset.
        options = {**options, "protocols": _PROTOCOLS, "max_msg_size": 0, "heartbeat": _HEARTBEAT_SECONDS}
        socket = await self._session.ws_connect(url, **options)
        self.protocol, self._raw = socket.protocol, socket.get_extra_info("socket")
        return _Socket(socket, self)

    @property
    def descriptor(self) -> int:
        """Return the descriptor of the socket, or -1 if there is none."""
        return -1 if self._raw is None else int(self._raw.fileno())

    async def close(self) -> None:
        await self._session.close()


class _Socket:
    """A WebSocket that keeps the server's reason for refusing the token, which libsql-client loses on close."""

    def __init__(self, socket: Any, dialer: Dialer) -> None:
        self._socket, self._dialer = socket, dialer

    async def receive(self) -> Any:
        message = await self._socket.receive()
        if isinstance(message.data, str) and '"hello_error"' in message.data[:100]:
            self._dialer.refusal = json.loads(message.data)["error"]["message"]
        return message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class _Resolver(aiohttp.ThreadedResolver):
    """The system's resolver, with NAME.localhost (a namespace of a local server) resolved to this machine."""

    async def resolve(self, host: str, *rest: Any, **options: Any) -> Any:
        # https://www.rfc-editor.org/rfc/rfc6761#section-6.3
        is_here = host.rstrip(".").lower().endswith(".localhost")
        return await super().resolve("localhost" if is_here else host, *rest, **options)
