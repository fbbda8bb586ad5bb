"""Who may use the explorer: those who have its token, through its own names, from its own page."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "::1")

# No request to any other host, no inline code, and no page that shows this one in a frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_FOREIGN = frozenset({"cross-site", "same-site"})


class Guard:
    """An ASGI application that lets requests through to another one; ``token`` is empty to require none."""

    def __init__(self, app: App, token: str, hosts: Iterable[str], port: int) -> None:
        self._app, self._token = app, token
        self._hosts = frozenset(host.lower() for host in (*LOOPBACK, *hosts))
        # Browsers send cookies to every port of a host.
        self._cookie = f"dorm_vector_explorer_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0] if scope["path"] == "/" else ""
        refusal = self._refusal(scope, headers, given)
        if refusal is not None:
            await _refuse(with_headers(send, HEADERS), *refusal)
            return
        own = dict(HEADERS)
        if given and self._token:
            own["set-cookie"] = f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/"
        await self._app(scope, receive, with_headers(send, own))

    def _refusal(self, scope: Scope, headers: dict[str, str], given: str) -> tuple[int, str] | None:
        """Return the status and the text of a refusal."""
        if scope["type"] != "http":
            return 403, "The explorer speaks HTTP only."
        if _name_of(headers.get("host", "")) not in self._hosts:
            return 403, "The explorer does not serve this Host. Name it with --allow-host."
        if scope["path"].startswith("/api/") and _is_foreign(headers):
            return 403, "The explorer answers its own page only."
        if self._token and not self._is_known(headers, given):
            return 401, "The token is missing or wrong. Open the address that dorm-vector explore printed."
        return None

    def _is_known(self, headers: dict[str, str], given: str) -> bool:
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        offered = [given, _cookie(headers.get("cookie", ""), self._cookie), bearer]
        matches = [hmac.compare_digest(each.encode(), self._token.encode()) for each in offered]
        return any(matches)


def _is_foreign(headers: dict[str, str]) -> bool:
    """Return whether a page of another site sends the request."""
    origin = headers.get("origin")
    is_other = origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    return is_other or headers.get("sec-fetch-site") in _FOREIGN


def _name_of(host: str) -> str:
    """Return the name or the address in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


async def _refuse(send: Send, status: int, text: str) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"text/plain; charset=utf-8")],
        }
    )
    await send({"type": "http.response.body", "body": text.encode()})


def with_headers(send: Send, added: dict[str, str]) -> Send:
    """Return a ``send`` that adds headers to each response."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name.encode(), value.encode()) for name, value in added.items()]
            rest = [pair for pair in message.get("headers", []) if pair[0].decode("latin-1").lower() not in added]
            message = {**message, "headers": [*rest, *own]}
        await send(message)

    return sent
