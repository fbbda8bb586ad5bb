"""Start a real database for a command or a person: python -m backends {list, run NAME -- COMMAND, shell NAME}."""

from __future__ import annotations

import argparse
import os
import sys

from backends import BackendUnavailable, get, names
from backends.servers.foreground import run_in_foreground
from backends.servers.url import url_from


def table() -> int:
    rows = [(backend.name, backend.title, backend.how()) for backend in map(get, names())]
    for name, title, how in [("name", "database", "from"), *rows]:
        print(f"{name:<12}{title:<12}{how}")
    return 0


def run(name: str, command: list[str]) -> int:
    """Run a command whose own `get(name).start()` reaches the server started here; return its exit code."""
    with get(name).start() as running:
        print(f"{running.title} {running.version}: {running.how}", file=sys.stderr)
        environment = {**os.environ, running.backend.variable: url_from(running.settings)}
        return run_in_foreground(command, environment)


def shell(name: str) -> int:
    with get(name).start() as running:
        return running.backend.shell(running.settings)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m backends", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="list the databases, and where each comes from")
    run_parser = verbs.add_parser("run", help="start one for a command: run mariadb -- pytest -q")
    run_parser.add_argument("name", choices=names())
    run_parser.add_argument("command", nargs="+")
    verbs.add_parser("shell", help="start one and its own client").add_argument("name", choices=names())
    arguments = parser.parse_args()
    try:
        if arguments.verb == "run":
            return run(arguments.name, arguments.command)
        return shell(arguments.name) if arguments.verb == "shell" else table()
    except BackendUnavailable as missing:
        print(missing, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
