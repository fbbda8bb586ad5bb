"""Set the options of a search on the other servers that have partitions of its table.

``set_config()`` stays in the session here. Each server has a table whose trigger calls it, and a foreign table of that
name is here: what is inserted into it applies to the transaction there, in which the search runs, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from ...dialects.base import Dialect
from ...dialects.shared.groups import Partitions
from ...exceptions import UnsupportedByDatabase
from ...steps import Execute, Steps

_known: WeakKeyDictionary[Any, Sequence[Any]] = WeakKeyDictionary()


def learn_servers(connection: Any, dialect: Dialect) -> Steps[None]:
    """Read which tables have partitions on which servers, once per connection."""
    if isinstance(dialect.partitions, Partitions) and _raw(connection) not in _known:
        _known[_raw(connection)] = yield Execute(dialect.partitions.sessions)


def is_on_several(table: str, connection: Any) -> bool:
    """Return whether the table is known to have partitions on other servers."""
    return any(row["table"] == table for row in _known.get(_raw(connection), ()))


def _raw(connection: Any) -> Any:
    return getattr(connection, "_connection", connection)


def forget_servers() -> None:
    _known.clear()


def sessions_of(sql: str, connection: Any, asked: bool) -> list[str]:
    """Return the foreign tables through which the options of a statement reach the servers of its tables.

    Raises:
        UnsupportedByDatabase: The caller asked for options, and a server has no such table.
    """
    found: dict[str, None] = {}
    for row in _known.get(_raw(connection), ()):
        if f'"{row["table"]}"' not in sql:
            continue
        if row["session"] is not None:
            found[str(row["session"])] = None
        elif asked:
            raise UnsupportedByDatabase(
                f"PostgreSQL: search options do not reach the server {row['server']!r} of {row['table']!r}, which no"
                " CreateForeignServer has added. Set them for all searches there: ALTER SERVER"
                f" \"{row['server']}\" OPTIONS (ADD options '-c hnsw.ef_search=100')."
            )
    return list(found)


def sent_along(statement: str, sessions: Sequence[str], rows: Sequence[str], dialect: Dialect) -> str:
    """Return the statement that sets options here, setting those of the rows in each session as well."""
    if not sessions or not isinstance(dialect.partitions, Partitions):
        return statement
    values = ", ".join(rows)
    parts = [
        f'"session_{number}" AS ({dialect.partitions.set_there.format(session=session, rows=values)})'
        for number, session in enumerate(sessions)
    ]
    return f"WITH {', '.join(parts)} {statement}"


def assigned(assignments: Mapping[str, str], raised: Mapping[str, int]) -> list[str]:
    """Return the rows that set variables, each to a value, or to at least one."""
    return [
        f"('{name}', '{raised[name]}', true)" if name in raised else f"('{name}', {value}, false)"
        for name, value in assignments.items()
    ]


def reset(assignments: Mapping[str, str]) -> list[str]:
    """Return the rows that set variables back to what the session began with."""
    return [f"('{name}', NULL, false)" for name in assignments]
