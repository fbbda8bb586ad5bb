"""sqlite-vec's distance functions in numpy, for a SQLite that cannot load it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def vec_version() -> str:
    return "v0.1.6-numpy"


def vec_distance_l2(left: bytes, right: bytes) -> float:
    return float(np.linalg.norm(_floats(left) - _floats(right)))


def vec_distance_l1(left: bytes, right: bytes) -> float:
    return float(np.abs(_floats(left) - _floats(right)).sum())


def vec_distance_cosine(left: bytes, right: bytes) -> float | None:
    a, b = _floats(left), _floats(right)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return 1 - float(a @ b) / norms if norms else None


def vec_bit(value: bytes) -> bytes:
    return value


def vec_distance_hamming(left: bytes, right: bytes) -> int:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).bit_count()


FUNCTIONS: dict[str, Any] = {
    function.__name__: function
    for function in (
        vec_version,
        vec_distance_l2,
        vec_distance_l1,
        vec_distance_cosine,
        vec_bit,
        vec_distance_hamming,
    )
}


def _floats(data: bytes) -> npt.NDArray[np.float64]:
    return np.frombuffer(data, dtype="<f4").astype("f8")
