"""sqlite-vec's distance functions in numpy, for SQLite builds that cannot load it."""

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


def vec_quantize_binary(value: bytes) -> bytes:
    return np.packbits(_floats(value) > 0, bitorder="little").tobytes()


def vec_length(value: bytes) -> int:
    return len(value) // 4


def vec_normalize(value: bytes) -> bytes:
    values = _floats(value)
    return _packed(values / np.linalg.norm(values))


def vec_slice(value: bytes, start: int, end: int) -> bytes:
    return value[4 * start : 4 * end]


def vec_add(left: bytes, right: bytes) -> bytes:
    return _packed(_floats(left) + _floats(right))


def vec_sub(left: bytes, right: bytes) -> bytes:
    return _packed(_floats(left) - _floats(right))


FUNCTIONS: dict[str, Any] = {
    function.__name__: function
    for function in (
        vec_version,
        vec_distance_l2,
        vec_distance_l1,
        vec_distance_cosine,
        vec_bit,
        vec_distance_hamming,
        vec_quantize_binary,
        vec_length,
        vec_normalize,
        vec_slice,
        vec_add,
        vec_sub,
    )
}


def _floats(data: bytes) -> npt.NDArray[np.float64]:
    return np.frombuffer(data, dtype="<f4").astype("f8")


def _packed(values: npt.NDArray[np.float64]) -> bytes:
    return values.astype("<f4").tobytes()
