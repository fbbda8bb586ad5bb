"""Functions and aggregates that sqlite-vec lacks, registered on each connection."""

from __future__ import annotations

from typing import Any


def create(raw_connection: Any) -> None:
    """Register the functions on a raw ``sqlite3.Connection``; idempotent."""
    for name, function, arguments in _FUNCTIONS:
        raw_connection.create_function(name, arguments, function, deterministic=True)
    raw_connection.create_aggregate("dorm_vector_sum", 1, _Sum)
    raw_connection.create_aggregate("dorm_vector_avg", 1, _Average)


def _multiply(left: bytes, right: bytes) -> bytes:
    return _packed(_floats(left) * _floats(right))


def _halves(value: bytes) -> bytes:
    import numpy as np

    with np.errstate(over="ignore"):
        return _packed(_floats(value).astype("f2"))


def _binary_quantize(value: bytes) -> bytes:
    import numpy as np

    return np.packbits(_floats(value) > 0).tobytes()


_FUNCTIONS = (
    ("dorm_vector_multiply", _multiply, 2),
    ("dorm_vector_halves", _halves, 1),
    ("dorm_vector_binary_quantize", _binary_quantize, 1),
)


class _Sum:
    """Sum vectors in float64; NULL for no rows."""

    def __init__(self) -> None:
        self.total: Any = None
        self.count = 0

    def step(self, value: bytes | None) -> None:
        if value is None:
            return
        self.count += 1
        if self.total is None:
            self.total = _floats(value).copy()
        else:
            self.total += _floats(value)

    def finalize(self) -> bytes | None:
        return None if self.total is None else _packed(self._result())

    def _result(self) -> Any:
        return self.total


class _Average(_Sum):
    def _result(self) -> Any:
        return self.total / self.count


def _floats(data: bytes) -> Any:
    import numpy as np

    return np.frombuffer(data, dtype="<f4").astype("f8")


def _packed(values: Any) -> bytes:
    """Round to float32; like the columns, raise ValueError for values outside its range."""
    import numpy as np

    with np.errstate(over="ignore"):
        rounded = values.astype("<f4")
    if not np.isfinite(rounded).all():
        raise ValueError("the result is past float32.")
    return bytes(rounded.tobytes())
