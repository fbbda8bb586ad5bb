"""Split scripts into statements, as SQLite does."""

from __future__ import annotations

from collections.abc import Iterator


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; a semicolon inside a string or a trigger ends none."""
    import sqlite3

    sql = ""
    for part in script.split(";"):
        sql += part
        if sqlite3.complete_statement(f"{sql};"):
            if sql.strip():
                yield sql.strip()
            sql = ""
        else:
            sql += ";"
    if rest := sql.strip().rstrip(";"):
        yield rest
