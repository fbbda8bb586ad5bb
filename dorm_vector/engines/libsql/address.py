"""Parse a database address from a DATABASES entry: ``URL`` or ``NAME``, ``AUTH_TOKEN`` and ``OPTIONS``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dorm.exceptions import ImproperlyConfigured

from ..limits.setting import statement_timeout
from ..timeouts import SECONDS, connect_timeout

# Turso's URL scheme: a WebSocket, encrypted unless the URL has tls=0.
_TURSO = "libsql://"

_EXAMPLES = '"file:app.db", ":memory:", "libsql://NAME.turso.io", "wss://HOST" or "ws://HOST:PORT"'

# At least two letters, because a single letter is a Windows drive.
_SCHEME = re.compile(r"([A-Za-z][\w+.-]+):")

HIDDEN = "***"


@dataclass(frozen=True)
class Address:
    """A libSQL file name or the WebSocket URL of a server; the repr omits the token."""

    target: str
    is_remote: bool
    token: str = field(default="", repr=False)
    timeout: float | None = None
    """Seconds to wait for a lock on a file, or for a response of a server."""
    connect_timeout: float = SECONDS
    """Seconds in which a server must accept the connection and send its greeting."""
    statement_timeout: float | None = None
    """Seconds that a statement may take; None for no limit."""

    def without_secrets(self, text: str) -> str:
        return text.replace(self.token, HIDDEN) if self.token else text


def address_of(settings: Mapping[str, Any]) -> Address:
    """Parse a DATABASES entry.

    Raises:
        ImproperlyConfigured: The entry is invalid; the message never includes a possible token.
    """
    url = str(settings.get("URL") or settings.get("NAME") or "")
    if not url:
        raise ImproperlyConfigured(f"ENGINE 'hrana' needs a URL: {_EXAMPLES}.")
    timeout = settings.get("OPTIONS", {}).get("timeout")
    scheme = found[1].lower() if (found := _SCHEME.match(url)) else ""
    if scheme in ("", "file"):
        if "authToken=" in url:
            raise ImproperlyConfigured(f"ENGINE 'hrana' takes an authToken to a server. Write {_EXAMPLES}.")
        return Address(url, is_remote=False, timeout=5.0 if timeout is None else float(timeout))
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    protocol = ("ws" if query.get("tls") == "0" else "wss") if url.lower().startswith(_TURSO) else scheme
    if protocol not in ("ws", "wss") or not parts.hostname:
        raise ImproperlyConfigured(f"ENGINE 'hrana' has no transport for the URL {scheme}://…. Write {_EXAMPLES}.")
    if unknown := query.keys() - {"authToken", "tls"}:
        raise ImproperlyConfigured(
            f"URL has unknown parameters: {', '.join(sorted(unknown))}. It takes authToken, tls."
        )
    user, _, host = parts.netloc.rpartition("@")
    if user:
        raise ImproperlyConfigured("ENGINE 'hrana' takes no user and password in its URL: set AUTH_TOKEN instead.")
    token = str(settings.get("AUTH_TOKEN") or query.get("authToken", ""))
    return Address(
        f"{protocol}://{host}{parts.path}",
        True,
        token,
        None if timeout is None else float(timeout),
        connect_timeout(settings),
        statement_timeout(settings),
    )
