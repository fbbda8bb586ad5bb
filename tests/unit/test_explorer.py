"""The numbers of the explorer's maps, and the files that it ships."""

from __future__ import annotations

import json
import math
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

import dorm_vector
from backends.servers import npm
from dorm_vector.commands.explorer.coloring import groups_of
from dorm_vector.commands.explorer.json_values import as_json
from dorm_vector.commands.explorer.projection import clusters, directions, pca

VENDOR = Path(dorm_vector.__file__).parent / "commands/explorer/static/vendor"


@pytest.mark.parametrize("shape,exact", [((40, 6), 50), ((6, 40), 20), ((60, 40), 20)])
def test_pca_finds_the_axes_of_the_largest_variance(shape: tuple[int, int], exact: int) -> None:
    chance = np.random.default_rng(1)
    # Two axes that stand out, so that both are unique.
    scales = np.ones(min(shape))
    scales[:2] = 30, 20
    axes, _ = np.linalg.qr(chance.normal(size=(shape[1], len(scales))))
    matrix = (chance.normal(size=(shape[0], len(scales))) * scales @ axes.T + 3).astype(np.float32)
    plane, share = pca(matrix, exact)
    centered = matrix.astype(np.float64) - matrix.mean(axis=0, dtype=np.float64)
    left, values, _ = np.linalg.svd(centered, full_matrices=False)
    expected = left[:, :2] * values[:2]
    signs = np.sign((plane * expected).sum(axis=0))
    assert plane == pytest.approx(expected * signs, abs=1e-3)
    assert share == pytest.approx(np.square(values[:2]).sum() / np.square(values).sum(), rel=1e-6)


def test_a_plane_of_few_or_equal_rows() -> None:
    for matrix in (np.ones((1, 3)), np.ones((4, 3)), np.zeros((2, 1))):
        plane, share = pca(matrix.astype(np.float32))
        assert (plane.tolist(), share) == ([[0, 0]] * len(matrix), 1)
    plane, share = pca(np.array([[1], [3]], np.float32))
    assert (sorted(plane.tolist()), share) == ([[-1, 0], [1, 0]], 1)


def test_clusters_keep_together_what_is_near() -> None:
    chance = np.random.default_rng(2)
    kinds = [0] * 30 + [1] * 20 + [2] * 10
    centers = np.eye(3, 8) * 50
    matrix = (centers[kinds] + chance.normal(size=(60, 8))).astype(np.float32)
    assert clusters(matrix, 3) == kinds
    assert clusters(np.ones((5, 2), np.float32), 3) == [0] * 5
    assert clusters(np.empty((0, 2), np.float32), 3) == []
    assert np.array_equal(
        directions(np.array([[3, 4], [0, 0]], np.float32)), np.array([[0.6, 0.8], [0, 0]], np.float32)
    )


def test_values_are_grouped_for_colors() -> None:
    labels, groups = groups_of([n / 10 for n in range(80)] + [None])
    assert labels[0] == "0 to 0.9"
    assert labels[-2:] == ["7 to 7.9", "no value"]
    assert groups == [n // 10 for n in range(80)] + [8]
    assert groups_of([True, False, True]) == (["True", "False"], [0, 1, 0])
    assert groups_of([3, 1, 3, None]) == (["3", "1", "no value"], [0, 1, 0, 2])
    assert groups_of([Decimal(1)] * 30 + list(map(Decimal, range(2, 13))))[0][0] == "1"
    names = [letter * 50 for letter in "abcdefghijkl"]
    labels, groups = groups_of([names[0], *names])
    assert labels == [f"{letter * 39}…" for letter in "abcdefghi"] + ["others"]
    assert groups == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9]
    assert groups_of([]) == ([], [])


def test_values_keep_their_meaning_in_a_browser() -> None:
    key = UUID(int=1)
    assert as_json([2**53 - 1, 2**53, -(2**60), math.inf, Decimal("1.50"), date(2026, 1, 2), key]) == (
        [2**53 - 1, "9007199254740992", str(-(2**60)), "inf", "1.50", "2026-01-02", str(key)]
    )
    assert as_json({1: (b"abc", None, True)}) == {"1": ["3 bytes", None, True]}
    assert as_json(["x" * 20, "y"], most=5) == ["xxxx…", "y"]


def test_the_plotting_library_is_that_of_npm() -> None:
    (name, pinned), *others = json.loads((VENDOR / "versions.json").read_text()).items()
    assert others == []
    package = npm.unpacked(name, pinned["version"])
    assert json.loads((package / "package.json").read_text())["version"] == pinned["version"]
    for own, theirs in pinned["files"].items():
        assert (VENDOR / own).read_bytes() == (package / theirs).read_bytes(), own
    assert {path.name for path in VENDOR.iterdir()} == {"versions.json", *pinned["files"]}
