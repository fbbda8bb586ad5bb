"""PyMySQL with packed bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.data import Data, Floats

DRIVER = ("PyMySQL",)
ROWS = 1_000


class Bare:
    """One connection, kept open."""

    distance = "VEC_DISTANCE_COSINE(embedding, %s)"

    def __init__(self, settings: dict[str, Any]) -> None:
        import pymysql

        # PyMySQL reads MySQL's VECTOR columns as text, unless it is told.
        pymysql.connections.TEXT_TYPES.add(242)
        self.connection = pymysql.connect(
            host=settings["HOST"],
            port=int(settings["PORT"]),
            user=settings["USER"],
            password=settings["PASSWORD"],
            db=settings["NAME"],
            charset="utf8mb4",
            autocommit=True,
            **settings.get("OPTIONS", {}),
        )
        self.cursor = self.connection.cursor()
        self.cursor.execute("SET SESSION sql_mode='ANSI_QUOTES,STRICT_ALL_TABLES'")

    def version(self) -> str:
        return str(self.execute("SELECT version()")[0][0])

    def execute(self, sql: str, *params: Any) -> list[Any]:
        self.cursor.execute(sql, params or None)
        return list(self.cursor.fetchall())

    def load(self, table: str, data: Data) -> None:
        """Run INSERTs of 1,000 rows in one transaction."""
        packed, width = data.vectors.tobytes(), 4 * data.dimensions
        vectors = [packed[at : at + width] for at in range(0, len(packed), width)]
        rows = list(zip(data.ids, data.parts, vectors, strict=True))
        self.connection.begin()
        for at in range(0, len(rows), ROWS):
            part = rows[at : at + ROWS]
            values = ", ".join(["(%s, %s, %s)"] * len(part))
            sql = f'INSERT INTO "{table}" (id, part, embedding) VALUES {values}'
            self.cursor.execute(sql, [value for row in part for value in row])
        self.connection.commit()

    insert = load

    def clear(self, table: str) -> None:
        self.execute(f'TRUNCATE "{table}"')

    def read(self, table: str) -> tuple[list[int], Floats]:
        rows = self.execute(f'SELECT id, embedding FROM "{table}"')
        matrix = np.frombuffer(b"".join([row[1] for row in rows]), np.float32).reshape(len(rows), -1)
        return [row[0] for row in rows], matrix

    def nearest(self, table: str, query: Floats, count: int, below: int = 200) -> list[Any]:
        where = "" if below == 200 else f" WHERE part < {below}"
        sql = f'SELECT id, embedding, {self.distance} AS d FROM "{table}"{where} ORDER BY d LIMIT {count}'
        return [(row[0], np.frombuffer(row[1], np.float32), row[2]) for row in self.execute(sql, query.tobytes())]

    def build(self, table: str, name: str) -> None:
        self.execute(f'CREATE VECTOR INDEX "{name}" ON "{table}" (embedding) M=16 DISTANCE=cosine')

    def close(self) -> None:
        self.connection.close()
