"""PyMySQL with packed bytes. The community server measures no distances: numpy ranks what is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.bare import mariadb
from benchmarks.data import Floats

DRIVER = mariadb.DRIVER


class Bare(mariadb.Bare):
    """One connection, kept open."""

    def nearest(self, table: str, query: Floats, count: int, below: int = 200) -> list[Any]:
        where = "" if below == 200 else f" WHERE part < {below}"
        rows = self.execute(f'SELECT id, embedding FROM "{table}"{where}')
        matrix = np.frombuffer(b"".join([row[1] for row in rows]), np.float32).reshape(len(rows), -1)
        distances = 1 - (matrix @ query) / (np.linalg.norm(matrix, axis=1) * np.linalg.norm(query))
        return [(rows[row][0], matrix[row], distances[row]) for row in np.argsort(distances)[:count]]
