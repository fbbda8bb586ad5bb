"""The package libsql, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.bare._inserting import inserts
from benchmarks.data import Data, Floats

DRIVER = ("libsql",)


class Bare:
    """Packed bytes in, packed bytes out."""

    def __init__(self, settings: dict[str, Any]) -> None:
        import libsql

        self.connection = libsql.connect(settings["URL"], isolation_level=None)

    def version(self) -> str:
        return f"libSQL, SQLite {self.execute('SELECT sqlite_version()')[0][0]}"

    def execute(self, sql: str, *params: Any) -> list[Any]:
        # What returns no rows has none to fetch.
        return self.connection.execute(sql, params).fetchall() or []

    def load(self, table: str, data: Data) -> None:
        """Run INSERTs of a hundred rows in one transaction."""
        self.execute("BEGIN")
        for sql, bound in inserts(table, data):
            self.connection.execute(sql, bound)
        self.execute("COMMIT")

    insert = load

    def clear(self, table: str) -> None:
        self.execute(f'DELETE FROM "{table}"')

    def read(self, table: str) -> tuple[list[int], Floats]:
        rows = self.execute(f'SELECT id, embedding FROM "{table}"')
        matrix = np.frombuffer(b"".join([row[1] for row in rows]), np.float32).reshape(len(rows), -1)
        return [row[0] for row in rows], matrix

    def nearest(self, table: str, query: Floats, count: int, below: int = 200) -> list[Any]:
        where = "" if below == 200 else f" WHERE part < {below}"
        columns = "id, embedding, vector_distance_cos(embedding, ?) AS d"
        sql = f'SELECT {columns} FROM "{table}"{where} ORDER BY d LIMIT {count}'
        return [(row[0], np.frombuffer(row[1], np.float32), row[2]) for row in self.execute(sql, query.tobytes())]

    def asked(self, table: str, index: str, query: Floats, count: int, below: int = 200) -> list[Any]:
        """Rank what the index finds: 200 rows, which take no longer than ten."""
        where = f"rowid IN (SELECT id FROM vector_top_k('{index}', ?, 200))"
        where += "" if below == 200 else f" AND part < {below}"
        columns = "id, embedding, vector_distance_cos(embedding, ?) AS d"
        sql = f'SELECT {columns} FROM "{table}" WHERE {where} ORDER BY d LIMIT {count}'
        packed = query.tobytes()
        return [(row[0], np.frombuffer(row[1], np.float32), row[2]) for row in self.execute(sql, packed, packed)]

    def close(self) -> None:
        self.connection.close()
