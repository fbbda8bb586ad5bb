"""Principal component analysis (PCA): the plane that keeps the most of the variance of vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Projection:
    """Points in two dimensions: `points` is (n, 2) float64; `variance` is the share of each axis, 0 to 1."""

    points: NDArray[np.float64]
    variance: tuple[float, float]


def project(matrix: NDArray[np.float32]) -> Projection:
    """Project the rows of an (n, d) matrix onto their first two principal components."""
    centered = matrix.astype(np.float64) - matrix.mean(axis=0, dtype=np.float64)
    # eigh sorts ascending. d is smaller than n, so this is cheaper than an SVD of all rows.
    values, axes = np.linalg.eigh(centered.T @ centered)
    plane = axes[:, [-1, -2]]
    # An axis may point either way. Fix it, so that the same rows give the same map.
    plane = plane * np.sign(plane[np.abs(plane).argmax(axis=0), [0, 1]])
    first, second = values[[-1, -2]] / values.sum()
    return Projection(centered @ plane, (float(first), float(second)))
