"""Read SQL as SQLite does: the statements of a script, and what is quoted in one."""

from __future__ import annotations

import re
from collections.abc import Iterator

_QUOTED = re.compile(r"('[^']*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/)", re.DOTALL)


def parts(sql: str) -> list[str]:
    """Split a statement at its quotes and comments, which are every second part."""
    return _QUOTED.split(sql)


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
