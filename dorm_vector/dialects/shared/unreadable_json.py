"""Recognize the database's error for stored JSON that it cannot read, which another program has written."""

from __future__ import annotations

import re

from .. import DIALECTS, dialect_named

_BEGINNING = "The database cannot read the JSON that another program wrote to"


def unreadable_json(message: str, sql: str) -> str | None:
    """Return what to tell of such an error in a statement that reads a JSON column by a path, else None."""
    if message.startswith(_BEGINNING):
        return None
    for name in DIALECTS:
        rules = dialect_named(name).json
        if not rules.cannot_read or not re.search(rules.cannot_read, message):
            continue
        columns = list(dict.fromkeys(re.findall(rules.reads, sql)))
        if columns:
            where = " OR ".join(rules.unread.replace("{column}", column) for column in columns)
            return (
                f"{_BEGINNING} {' or '.join(columns)}, and every"
                " filter by a path into the column fails until the row is fixed. Find such rows with the SQL condition"
                f" {where} and rewrite or delete them. The database says: {message}"
            )
    return None
