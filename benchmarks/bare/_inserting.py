"""INSERTs of a hundred rows: on SQLite and libSQL quicker than a prepared one for each row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.data import Data

ROWS = 100


def inserts(table: str, data: Data) -> Iterator[tuple[str, list[Any]]]:
    """Yield the statements that store the data, with what is bound in each."""
    packed, width = data.vectors.tobytes(), 4 * data.dimensions
    ids, parts = data.ids, data.parts
    for start in range(0, len(ids), ROWS):
        stop = min(start + ROWS, len(ids))
        bound: list[Any] = []
        for row in range(start, stop):
            bound += (ids[row], parts[row], packed[width * row : width * (row + 1)])
        values = ", ".join(["(?, ?, ?)"] * (stop - start))
        yield f'INSERT INTO "{table}" (id, part, embedding) VALUES {values}', bound
