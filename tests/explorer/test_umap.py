"""A map by UMAP, in the process that serves the page: its threads are not the main one."""

from __future__ import annotations

import math
from itertools import combinations
from statistics import median

from tests.explorer.running import Explorer


def test_umap_keeps_equal_rows_together_and_is_repeatable(explorer: Explorer) -> None:
    question = {"model": "shop.Product", "field": "embedding", "method": "umap", "clusters": 2}
    drawn = explorer.get("map", **question)
    places = list(zip(drawn["x"], drawn["y"], strict=True))
    assert (len(places), drawn["variance"]) == (21, None)
    apart = [math.dist(one, other) for one, other in combinations(places, 2)]
    # The last two rows have the same text.
    assert math.dist(places[-2], places[-1]) < median(apart)
    assert explorer.get("map", **question) == drawn
