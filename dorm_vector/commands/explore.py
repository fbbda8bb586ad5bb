"""``dorm-vector explore``: a local web page that searches, explains and maps the vectors of a database."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from typing import Any

from ..exceptions import required
from .exit_codes import DONE, UsageError
from .output import Output
from .project import add_database_argument, checked_alias
from .rows import positive

HELP = "Serve a local web page that searches, explains and maps vectors. It only reads."

EXIT_1 = "The page could not be served."

LOCAL = "127.0.0.1"

_MOST_POINTS = 30_000
"""Databases limit the parameters of a statement; the lowest limit is 32,766."""


def add_arguments(parser: Any) -> None:
    parser.add_argument(
        "--host", default=LOCAL, metavar="ADDRESS", help="the address to listen on; only this machine by default"
    )
    parser.add_argument("--port", type=port, default=8765, help="the port; 8765 by default, and 0 for any free one")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further host name that browsers may use; repeat it for several",
    )
    parser.add_argument("--no-token", action="store_true", help="require no token; not with --host")
    parser.add_argument(
        "--points",
        type=positive,
        default=20_000,
        help="the most points of a map, up to 30,000; of a larger table, a random part; 20,000 by default",
    )
    add_database_argument(parser)


def port(text: str) -> int:
    """Return the number of a port, for argparse."""
    number = int(text)
    if not 0 <= number < 1 << 16:
        raise ValueError(text)
    return number


def run(options: Any, output: Output) -> int:
    """Print the address of the page and serve it until interrupted."""
    with required("explorer"):
        import fastapi  # noqa: F401
        import uvicorn
    from .explorer.app import application
    from .explorer.guard import Guard

    alias = checked_alias(options.database)
    if options.no_token and options.host != LOCAL:
        raise UsageError(f"--no-token would let everybody read who reaches {options.host}. Leave one of them out.")
    if options.points > _MOST_POINTS:
        raise UsageError(f"--points {options.points}: want at most {_MOST_POINTS:,}.")
    with _listening(options.host, options.port) as listening:
        number = listening.getsockname()[1]
        token = "" if options.no_token else secrets.token_urlsafe(32)
        app = Guard(application(alias, options.points), token, [options.host, *options.allow_host], number)
        _say(output, options.host, number, token)
        # An access log would have the token.
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none")
        with suppress(KeyboardInterrupt):  # Ctrl+C is how it ends
            uvicorn.Server(config).run(sockets=[listening])
    return DONE


def _listening(host: str, number: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, number), family=family)
    except OSError as error:
        raise UsageError(f"Cannot listen on {host} port {number}: {error.strerror}. Give another --port.") from error


def _say(output: Output, host: str, number: int, token: str) -> None:
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{number}/{f'?token={token}' if token else ''}"
    output.show({"url": url, "port": number, "token": token or None}, [f"Open {url}", "Stop it with Ctrl+C."])
