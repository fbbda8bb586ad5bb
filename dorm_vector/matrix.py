"""Read the vectors of a queryset as one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

from .djanorm import matrix as seam
from .fields import VectorField
from .steps import arun, run
from .vector import Vector

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = tuple[list[Any], npt.NDArray[np.float32]]


def to_matrix(queryset: Any, field: str) -> Matrix:
    """Return the primary keys and the vectors of the queryset: a list, and an (n, d) float32 array of the same order.

    ``field`` may cross relations. Rows whose vector is NULL are left out. Everything is held in memory at once.
    """
    reading = seam.Reading(queryset, field)
    return _assembled(reading, run(reading.columns(), reading.connection))


async def ato_matrix(queryset: Any, field: str) -> Matrix:
    """Do what ``to_matrix`` does, on an async connection."""
    reading = seam.Reading(queryset, field, is_async=True)
    return _assembled(reading, await arun(reading.columns(), reading.connection))


def _assembled(reading: seam.Reading, columns: tuple[Sequence[Any], Sequence[Any]]) -> Matrix:
    keys, stored = columns
    if None in stored:
        there = [value is not None for value in stored]
        keys, stored = list(compress(keys, there)), list(compress(stored, there))
    return list(map(reading.key.from_db_value, keys)), _stacked(reading.field, stored)


def _stacked(field: VectorField, stored: Sequence[Any]) -> npt.NDArray[np.float32]:
    import numpy as np

    if field.value_type is Vector and len(sizes := set(map(len, stored))) < 2:
        for form in (np.dtype(("<f4", field.dimensions)), _with_header(field.dimensions)):
            if sizes <= {form.itemsize}:
                # Into memory of numpy's own, which asks for large pages: a join takes three times as long.
                values = np.fromiter(stored, np.dtype((np.void, form.itemsize)), len(stored)).view(form)
                return values if form.fields is None else values["values"].astype("<f4")
    # Of another type, or not of one length: the field knows what to do, or to say.
    return np.array([field.from_db_value(value) for value in stored], np.float32).reshape(-1, field.dimensions)


def _with_header(dimensions: int) -> Any:
    """Return the type of what ``vector_send`` writes."""
    import numpy as np

    return np.dtype([("header", "V4"), ("values", ">f4", (dimensions,))])
