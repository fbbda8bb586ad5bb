"""Check a socket for pending data without reading it."""

from __future__ import annotations

import select


def has_news(socket: int) -> bool:
    """Return whether the server sent something unrequested: that it is shutting down, or has closed."""
    if not hasattr(select, "poll"):
        # On Windows and under gevent, only a query can find out.
        return True
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
