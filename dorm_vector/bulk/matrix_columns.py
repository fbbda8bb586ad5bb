"""Turn a column of vectors into one float32 array, so that a whole batch is checked and sent at once."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..models.fields import VectorField
from ..values.lengths import LONGEST, SHORTEST
from ..values.vector import Vector

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class MatrixColumn(Sequence["bytes | None"]):
    """An (n, d) float32 array whose rows are bound as packed vectors; rows that are not in ``held`` are NULL."""

    def __init__(self, array: npt.NDArray[np.float32], held: Sequence[bool] | None = None) -> None:
        self.array, self.held = array, held

    def __len__(self) -> int:
        return len(self.array if self.held is None else self.held)

    def __getitem__(self, row: Any) -> Any:
        if self.held is None:
            return Vector(self.array[row])
        return Vector(self.array[sum(self.held[:row])]) if self.held[row] else None

    def __iter__(self) -> Iterator[bytes | None]:
        # Plain bytes, because sqlite3 looks up an adapter for each value of any other class.
        data, width = self.array.tobytes(), 4 * self.array.shape[1]
        return self.spread(data[at : at + width] for at in range(0, len(data), width))

    def vectors(self) -> list[Vector | None]:
        """Return the values that psycopg knows as vectors; it sends plain bytes as ``bytea``."""
        return [None if value is None else bytes.__new__(Vector, value) for value in self]

    def spread(self, values: Iterator[Any], missing: Any = None) -> Iterator[Any]:
        """Return the values of the rows of the array, with ``missing`` between them for each NULL."""
        return values if self.held is None else (next(values) if held else missing for held in self.held)


class HeldRows(Sequence[Any]):
    """The rows of a column of vectors with NULLs: ``matrix`` has those that ``held`` marks."""

    def __init__(self, matrix: Any, held: Any) -> None:
        self.matrix, self.held = matrix, held

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.held), int(self.matrix.shape[1])

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, part: Any) -> Any:
        before = int(self.held[: part.start].sum())
        held = self.held[part]
        return HeldRows(self.matrix[before : before + int(held.sum())], held)

    def __iter__(self) -> Iterator[Any]:
        rows = iter(self.matrix)
        return (next(rows) if held else None for held in self.held.tolist())


def is_plain(field: Any) -> bool:
    """Return whether the field binds float32 values without converting them."""
    return isinstance(field, VectorField) and field.value_type is Vector and not field.normalize


def matrix_column(field: Any, values: Sequence[Any]) -> MatrixColumn | None:
    """Return the column of a plain vector field; None if its values have to be converted, or refused, one by one."""
    held = [value for value in values if value is not None]
    if len(held) < 2 or not is_plain(field):
        return None
    matrix = _stacked(held)
    if matrix is None or field.dimensions not in (None, matrix.shape[1]) or unmeasured(matrix):
        return None
    return MatrixColumn(matrix, None if len(held) == len(values) else [value is not None for value in values])


def _stacked(values: list[Any]) -> npt.NDArray[np.float32] | None:
    """Return vectors of one type and length as the rows of an array, or None."""
    import numpy as np

    kinds = set(map(type, values))
    if kinds == {np.ndarray}:
        if len({(value.shape, value.dtype) for value in values}) > 1:
            return None
        first = values[0]
        if first.ndim != 1 or not first.size or first.dtype.kind not in "fiu":
            return None
        with np.errstate(over="ignore"):
            return np.array(values).astype("<f4", copy=False)
    if len(set(map(len, values)) if kinds <= {list, tuple, Vector} else ()) != 1:
        return None
    try:
        packed = b"".join(values) if kinds == {Vector} else b"".join([_packed(value) for value in values])
    except (TypeError, OverflowError):
        return None  # the field says which number it refuses
    return np.frombuffer(packed, "<f4").reshape(len(values), -1) if packed else None


def _packed(value: Any) -> bytes:
    if isinstance(value, Vector):
        return value
    return array("f", value).tobytes()


def unmeasured(matrix: npt.NDArray[np.float32]) -> list[int]:
    """Return the positions of the rows that the field has to look at: not finite, or of an unusual length."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", matrix, matrix)
    # Written so that NaN and infinity count as unusual.
    unusual = np.flatnonzero(~((squares >= SHORTEST**2) & (squares < LONGEST**2))).tolist()
    return [position for position in unusual if matrix[position].any()]
