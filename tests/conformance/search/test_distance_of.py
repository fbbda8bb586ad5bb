"""distance_of(): the distance of a row, with a type."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dorm_vector import L2Distance, distance_of
from tests.databases import Database
from tests.models import Document


async def test_each_kind_of_row_has_its_distance(db: Database) -> None:
    far, near = [
        await Document.objects.acreate(title=title, embedding=v) for title, v in (("a", [3, 4, 0]), ("b", [0, 0, 1]))
    ]
    query, by = [0.0, 0.0, 0.0], Document.objects.nearest("embedding", [0, 0, 0])
    away = Document.objects.nearest("embedding", query, as_="away")
    assert [distance_of(row) for row in by] == [1.0, 5.0]
    assert [distance_of(row) async for row in by[:1]] == [1.0]
    assert [distance_of(row, "away") async for row in away] == [1.0, 5.0]
    assert [distance_of(row) for row in by.values("title", "distance")] == [1.0, 5.0]
    assert [distance_of(row) for row in by.values_list("title", "distance", named=True)] == [1.0, 5.0]
    far.embedding = None
    await far.asave()
    (missing,) = Document.objects.annotate(distance=L2Distance("embedding", query)).filter(embedding__isnull=True)
    tuples: list[Any] = list(by.values_list("title", "distance"))
    for row, name, said in [
        (near, "distance", "no such distance"),
        (await by.afirst(), "vector_distance", "no such distance"),
        (near, "title", "'title' is a field of Document"),
        (missing, "distance", "got None"),
        (tuples[0], "distance", "no such distance"),
        ({"distance": True}, "distance", "got True"),
    ]:
        with pytest.raises(ValueError, match=said):
            distance_of(row, name)
    assert math.isclose(distance_of({"vector_distance": 0.5}, "vector_distance"), 0.5)
