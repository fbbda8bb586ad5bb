"""A server of the Hrana protocol over WebSocket, version 2, for tests of the remote transport.

The suite runs against sqld itself. This server is there for what sqld does not do: it speaks TLS, serves a file as each
path, echoes a refused token, and knows no version 3 of the protocol, so that answers come as one message. The protocol
is written here, from its specification (https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_2_SPEC.md); the
SQL engine behind it is the real embedded libSQL, a connection for each stream.

    python -m tests.helpers.hrana_server FOLDER PORT [TOKEN [CERTIFICATE]]

serves each file of the folder as ``ws://127.0.0.1:PORT/NAME``, and as ``wss://`` with a certificate.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from dorm.exceptions import DatabaseError

from dorm_vector.engines.libsql.address import Address
from dorm_vector.engines.libsql.embedded import Embedded


class Stream:
    """One connection of the engine, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.opened = self.thread.submit(Embedded, Address(str(path), is_remote=False, timeout=5.0))

    def execute(self, statement: dict[str, Any]) -> dict[str, Any]:
        values = [decoded(value) for value in statement.get("args", [])]
        result = self.opened.result().execute(statement["sql"], values)
        return {
            "cols": [{"name": name} for name in result.columns],
            "rows": [[encoded(value) for value in row] for row in result.rows],
            "affected_row_count": max(result.changed, 0),
            "last_insert_rowid": str(result.last_id or 0),
        }

    def close(self) -> None:
        # It rolls back what is open.
        self.thread.submit(self.opened.result().close)
        self.thread.shutdown(wait=False)


KINDS: dict[str, Any] = {"null": lambda _: None, "integer": int, "float": float, "text": str}


def decoded(value: dict[str, Any]) -> Any:
    if value["type"] == "blob":
        return base64.b64decode(value["base64"])
    return KINDS[value["type"]](value.get("value"))


def encoded(value: Any) -> dict[str, Any]:
    if value is None:
        return {"type": "null"}
    if isinstance(value, bytes):
        # The specification leaves the padding out.
        return {"type": "blob", "base64": base64.b64encode(value).decode().rstrip("=")}
    if isinstance(value, int):
        return {"type": "integer", "value": str(value)}
    return {"type": "float", "value": value} if isinstance(value, float) else {"type": "text", "value": value}


class Session:
    """One WebSocket: its streams, and the requests that it answers in order."""

    def __init__(self, socket: web.WebSocketResponse, path: Path, token: str) -> None:
        self.socket, self.path, self.token = socket, path, token
        self.streams: dict[int, Stream] = {}
        self.may_speak = not token

    async def serve(self) -> None:
        async for message in self.socket:
            if message.type is WSMsgType.TEXT:
                await self.socket.send_str(json.dumps(await self.answer(json.loads(message.data))))
        for stream in self.streams.values():
            stream.close()

    async def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["type"] == "hello":
            self.may_speak = not self.token or message["jwt"] == self.token
            refused = {
                "type": "hello_error",
                "error": {"message": f"Bad JWT {message['jwt']}", "code": "AUTH_JWT_INVALID"},
            }
            return {"type": "hello_ok"} if self.may_speak else refused
        number = {"request_id": message["request_id"]}
        if not self.may_speak:
            refusal = {"message": "Not authenticated", "code": "AUTH_REJECTED"}
            return {"type": "response_error", **number, "error": refusal}
        try:
            response = {"type": message["request"]["type"], **await self.response(message["request"])}
        except DatabaseError as error:
            return {"type": "response_error", **number, "error": {"message": str(error), "code": "SQLITE_ERROR"}}
        return {"type": "response_ok", **number, "response": response}

    async def response(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["type"] == "open_stream":
            self.streams[request["stream_id"]] = Stream(self.path)
        elif request["type"] == "close_stream":
            self.streams.pop(request["stream_id"]).close()
        elif request["type"] == "execute":
            return {"result": await self.run(request["stream_id"], request["stmt"])}
        elif request["type"] == "batch":
            return {"result": await self.batch(request["stream_id"], request["batch"]["steps"])}
        return {}

    async def run(self, number: int, statement: dict[str, Any]) -> dict[str, Any]:
        stream = self.streams[number]
        return await asyncio.get_running_loop().run_in_executor(stream.thread, stream.execute, statement)

    async def batch(self, number: int, steps: list[dict[str, Any]]) -> dict[str, Any]:
        """Run each step whose condition, that another one was done, holds."""
        results: list[Any] = [None] * len(steps)
        errors: list[Any] = [None] * len(steps)
        for at, step in enumerate(steps):
            if step["condition"] is None or results[step["condition"]["step"]] is not None:
                try:
                    results[at] = await self.run(number, step["stmt"])
                except DatabaseError as error:
                    errors[at] = {"message": str(error), "code": "SQLITE_ERROR"}
        return {"step_results": results, "step_errors": errors}


def application(folder: Path, token: str) -> web.Application:
    async def connect(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["hrana2"], max_msg_size=0)
        await socket.prepare(request)
        name = request.match_info["name"] or "default"
        await Session(socket, folder / f"{name}.libsql", token).serve()
        return socket

    app = web.Application()
    app.router.add_get("/{name:\\w*}", connect)
    return app


if __name__ == "__main__":
    directory, port, *rest = sys.argv[1:]
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if rest[1:] else None
    if tls is not None:
        tls.load_cert_chain(rest[1])
    web.run_app(
        application(Path(directory), "".join(rest[:1])),
        ssl_context=tls,
        host="127.0.0.1",
        port=int(port),
        print=lambda _: None,
        handle_signals=True,
    )
