"""Ask a socket whether it has news, without reading."""

from __future__ import annotations

import select


def has_news(socket: int) -> bool:
    """Tell whether the server said something unasked: that it goes away, or has gone."""
    if not hasattr(select, "poll"):
        # Windows, and gevent: nothing tells without asking.
        return True
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
