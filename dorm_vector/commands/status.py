"""``dorm-vector status``: the databases, and what they hold of vectors."""

from __future__ import annotations

from typing import Any

from .exit_codes import DONE
from .output import Output, table
from .project import add_database_argument, aliases

HELP = "Show databases, versions, tables, rows, embedding models and indexes."


def add_arguments(parser: Any) -> None:
    add_database_argument(parser, several=True)


def run(options: Any, output: Output) -> int:
    from dorm.db.connection import get_connection

    from ..engines import dialect_for

    databases = []
    for alias in aliases(options.database):
        connection = get_connection(alias)
        connection.execute("SELECT 1 AS one")
        databases.append({"alias": alias, "database": dialect_for(connection).title})
    lines = table(["database", "server"], [[each["alias"], each["database"]] for each in databases])
    output.show({"databases": databases}, lines)
    return DONE
