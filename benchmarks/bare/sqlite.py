"""sqlite3 with sqlite-vec, and nothing else."""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np

from benchmarks.bare._inserting import inserts
from benchmarks.data import Data, Floats
from dorm_vector import load_sqlite_vec_extension, sqlite_vec_tier

DRIVER = ("sqlite3", "sqlite-vec")


class Bare:
    """Packed bytes in, packed bytes out."""

    def __init__(self, settings: dict[str, Any]) -> None:
        sqlite_vec_tier()
        self.connection = sqlite3.connect(settings["NAME"], isolation_level=None)
        load_sqlite_vec_extension(self.connection)

    def version(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}, sqlite-vec {self.execute('SELECT vec_version()')[0][0]}"

    def execute(self, sql: str, *params: Any) -> list[Any]:
        return self.connection.execute(sql, params).fetchall()

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
        columns = "id, embedding, vec_distance_cosine(embedding, ?) AS d"
        sql = f'SELECT {columns} FROM "{table}"{where} ORDER BY d LIMIT {count}'
        rows = self.execute(sql, query.tobytes())
        return [(row[0], np.frombuffer(row[1], np.float32), row[2]) for row in rows]

    def close(self) -> None:
        self.connection.close()
