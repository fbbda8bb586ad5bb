"""End a cancelled async statement of psycopg soon, even if the server cannot be reached."""

from __future__ import annotations

import os
import socket
from time import monotonic
from typing import Any

from ...patching.registry import hook
from ..uncancelled import PATIENCE


@hook("psycopg.connection_async:AsyncConnection", "_try_cancel")
async def soon_cancelled(original: Any, connection: Any, *, timeout: float = PATIENCE) -> None:  # noqa: ASYNC109
    """Wait one second instead of five for the server to cancel; if it does not answer, give up the connection.

    psycopg would wait another five seconds for the statement then.
    """
    began = monotonic()
    await original(connection, timeout=min(timeout, PATIENCE))
    if monotonic() - began >= PATIENCE and not connection.closed:
        # The waiting reader sees its end at once; psycopg closes the rest.
        with socket.socket(fileno=os.dup(connection.fileno())) as copied:
            copied.shutdown(socket.SHUT_RDWR)
