"""Vectors on a plane, and in clusters."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from ...exceptions import required

Array = npt.NDArray[Any]

_EXACT = 2_048
"""The number of rows or columns up to which the principal axes are computed exactly."""

_ITERATIONS, _SPARE = 12, 14

# The threads of numba, which UMAP uses, end the process if two of ours use them at once.
_one_umap = threading.Lock()


def pca(matrix: Array, exact: int = _EXACT) -> tuple[Array, float]:
    """Return the coordinates on the two principal axes, and the share of the variance that they have.

    The axes of a matrix with more than ``exact`` rows and columns are found by iteration.
    """
    centered = matrix.astype(np.float64) - matrix.mean(axis=0, dtype=np.float64)
    total = float(np.einsum("ij,ij->", centered, centered))
    plane = np.zeros((len(matrix), 2))
    if total > 0:
        axes = _axes(centered, exact)
        plane[:, : axes.shape[1]] = centered @ axes
    return plane, float(np.square(plane).sum() / total) if total > 0 else 1.0


def _axes(centered: Array, exact: int) -> Array:
    """Return the first two principal axes as columns; the largest number of each is positive."""
    rows, columns = centered.shape
    if columns <= exact:
        axes = np.linalg.eigh(centered.T @ centered)[1][:, ::-1][:, :2]
    elif rows <= exact:
        values, left = np.linalg.eigh(centered @ centered.T)
        axes = centered.T @ left[:, ::-1][:, :2] / np.sqrt(np.maximum(values[::-1][:2], 1e-300))
    else:
        axes = _subspace(centered)
    largest = np.abs(axes).argmax(axis=0)
    return axes * np.where(axes[largest, range(axes.shape[1])] < 0, -1, 1)


def _subspace(centered: Array) -> Array:
    """Return the axes by iteration, in seconds where the exact way takes minutes."""
    axes = np.random.default_rng(0).normal(size=(centered.shape[1], 2 + _SPARE))
    for _ in range(_ITERATIONS):
        axes, _ = np.linalg.qr(centered.T @ (centered @ axes))
    _, _, turned = np.linalg.svd(centered @ axes, full_matrices=False)
    return (axes @ turned.T)[:, :2]  # type: ignore[no-any-return]  # an array


def umap(matrix: Array) -> Array:
    """Return the coordinates of UMAP, the same for the same vectors."""
    neighbors = max(2, min(15, len(matrix) - 1))
    # Few rows have no spectrum to begin with.
    begin = "spectral" if len(matrix) > 50 else "random"
    with _one_umap:
        with required("umap"):
            from umap.umap_ import UMAP
        made: Array = UMAP(n_neighbors=neighbors, init=begin, random_state=0, n_jobs=1).fit_transform(matrix)
    return made


def clusters(matrix: Array, count: int) -> list[int]:
    """Return the cluster of each row, by k-means; the largest cluster is the first."""
    with required("explorer"):
        from sklearn.cluster import KMeans
    if not len(matrix):
        return []
    distinct = len(set(map(bytes, matrix)))
    labels = KMeans(min(count, distinct), n_init=1, random_state=0).fit_predict(matrix)
    order = np.argsort(-np.bincount(labels), kind="stable")
    places: list[int] = np.argsort(order, kind="stable")[labels].tolist()
    return places


def directions(matrix: Array) -> Array:
    """Return the vectors scaled to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(matrix, axis=1)
    return matrix / np.where(lengths > 0, lengths, 1)[:, None]
