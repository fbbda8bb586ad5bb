"""psycopg with pgvector's adapter, binary both ways."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.data import Data, Floats

DRIVER = ("psycopg", "pgvector")


MEMORY = "512MB"
"""Enough for the index of the most rows; PostgreSQL's own 64 MB is not, and building takes several times as long."""


def configure(settings: dict[str, Any]) -> None:
    with connected(settings) as connection:
        connection.execute(f"ALTER DATABASE \"{settings['NAME']}\" SET maintenance_work_mem = '{MEMORY}'")


def connected(settings: dict[str, Any]) -> Any:
    import psycopg

    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return psycopg.connect(**{key: settings[name] for key, name in names.items()}, autocommit=True)


class Bare:
    """One connection in autocommit, kept open."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from pgvector.psycopg import register_vector

        self.connection = connected(settings)
        register_vector(self.connection)
        self.cursor: Any = self.connection.cursor(binary=True)

    def version(self) -> str:
        sql = "SELECT current_setting('server_version'), extversion FROM pg_extension WHERE extname = 'vector'"
        return "PostgreSQL {}, pgvector {}".format(*self.execute(sql)[0])

    def execute(self, sql: str, *params: Any) -> list[Any]:
        cursor = self.cursor.execute(sql, params or None)
        return list(cursor.fetchall()) if cursor.description else []

    def load(self, table: str, data: Data) -> None:
        """Run one binary COPY."""
        copy_sql = f'COPY "{table}" (id, part, embedding) FROM STDIN (FORMAT BINARY)'
        types = [*self._scalar_types(table), "vector"]
        with self.cursor.copy(copy_sql) as copy:
            copy.set_types(types)
            for row in zip(data.ids, data.parts, data.vectors, strict=True):
                copy.write_row(row)

    def insert(self, table: str, data: Data) -> None:
        """Run executemany with binary values: faster than one INSERT of many rows."""
        with self.connection.transaction():
            self.cursor.executemany(
                f'INSERT INTO "{table}" (id, part, embedding) VALUES (%b, %b, %b)',
                zip(data.ids, data.parts, data.vectors, strict=True),
            )

    def clear(self, table: str) -> None:
        self.execute(f'TRUNCATE "{table}"')

    def read(self, table: str) -> tuple[list[int], Floats]:
        rows = self.execute(f'SELECT id, vector_send(embedding) FROM "{table}"')
        raw = np.frombuffer(b"".join([row[1] for row in rows]), np.uint8).reshape(len(rows), -1)
        return [row[0] for row in rows], raw[:, 4:].copy().view(">f4").astype(np.float32)

    def nearest(self, table: str, query: Floats, count: int, below: int = 200) -> list[Any]:
        where = "" if below == 200 else f" WHERE part < {below}"
        return self.execute(
            f'SELECT id, embedding, embedding <=> %b AS d FROM "{table}"{where} ORDER BY d LIMIT {count}', query
        )

    def build(self, table: str, name: str) -> None:
        parameters = "(embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)"
        self.execute(f'CREATE INDEX "{name}" ON "{table}" USING hnsw {parameters}')

    def close(self) -> None:
        self.connection.close()

    def _scalar_types(self, table: str) -> list[str]:
        sql = "SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s"
        return [self.execute(sql, table, name)[0][0] for name in ("id", "part")]
