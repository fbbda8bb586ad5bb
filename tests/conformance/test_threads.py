"""Vectors in every thread of a process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from dorm_vector import L2Distance
from tests.databases import Database
from tests.models import Document


def test_every_thread_can_search(db: Database) -> None:
    Document.objects.create(title="a", embedding=[3, 4, 0])

    def search(_number: int) -> float:
        return float(Document.objects.annotate(distance=L2Distance("embedding", [0, 0, 0])).get().distance)

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert set(pool.map(search, range(40))) == {5.0}
