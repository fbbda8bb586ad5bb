"""The shell of a database that lives in this process: read a statement, print its rows."""

from __future__ import annotations

from typing import Any


def converse(connection: Any, title: str) -> int:
    """Run what is typed on a DB-API connection, statement by line, until end of input."""
    print(f"{title}. One statement per line; Ctrl-D ends.")
    while True:
        try:
            statement = input("> ")
        except (EOFError, KeyboardInterrupt):
            return 0
        try:
            for row in connection.execute(statement).fetchall():
                print(*row, sep=" | ")
            connection.commit()
        except Exception as refused:  # noqa: BLE001 - the point of a prompt: show any error, go on
            print(f"{type(refused).__name__}: {refused}")
