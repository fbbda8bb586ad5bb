"""A shell for a database in this process: read a statement, print its rows."""

from __future__ import annotations

from typing import Any


def converse(connection: Any, title: str) -> int:
    """Run the statements that are typed, one per line, on a DB-API connection until end of input."""
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
        except Exception as refused:  # noqa: BLE001 - a prompt shows any error and continues
            print(f"{type(refused).__name__}: {refused}")
