"""The JSON API of ``dorm-vector explore`` on every database, with values from plain Python."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

from tests.commands.conftest import Shop
from tests.explorer.running import Explorer, exploring

WORDS = ["red", "green", "blue", "shoe", "hat", "coat", "old", "new"]
TITLES = [" ".join(words) for words in product(["old", "new"], ["red", "green", "blue"], ["shoe", "hat", "coat"])]
PRODUCT = {"model": "shop.Product", "field": "embedding"}
PICTURE = {"model": "shop.Photo", "field": "picture", "distance": "l2"}
POINTS = 12
TABLES = ("shop_product", "shop_photo")


def embedded(text: str) -> list[float]:
    return [1.0 + 9 * (word in text.split()) for word in WORDS]


def cosine(left: list[float], right: list[float]) -> float:
    product_ = sum(a * b for a, b in zip(left, right, strict=True))
    return 1 - product_ / math.hypot(*left) / math.hypot(*right)


def test_the_explorer_searches_maps_and_measures_and_changes_nothing(shop: Shop) -> None:
    held = [shop.read(f"SELECT COUNT(*) AS n, MAX(id) AS m FROM {table}")[0] for table in TABLES]
    # The map of the products is a part of them, that of the pictures has them all.
    with exploring(shop.project.directory, "--points", str(POINTS)) as explorer:
        _catalog(explorer, shop)
        _searches(explorer)
        _plans(explorer)
        _map(explorer)
        _colors(explorer)
        _marks(explorer)
        _other_elements(explorer)
        _recall(explorer)
        _refusals(explorer)
    assert [shop.read(f"SELECT COUNT(*) AS n, MAX(id) AS m FROM {table}")[0] for table in TABLES] == held


def _catalog(explorer: Explorer, shop: Shop) -> None:
    found = explorer.get("models")
    assert (found["database"], found["title"]) == ("default", shop.dialect.title)
    models = {model["label"]: model for model in found["models"]}
    assert list(models) == ["shop.Photo", "shop.Product"]
    assert (models["shop.Product"]["rows"], models["shop.Photo"]["rows"]) == (18, 6)
    assert models["shop.Product"]["columns"] == ["title", "price", "in_stock"]
    (field,) = models["shop.Product"]["fields"]
    assert (field["dimensions"], field["reads_text"], field["distance"]) == (8, True, "cosine")
    bits = models["shop.Photo"]["fields"][-1]
    assert (bits["name"], bits["distances"], bits["distance"]) == ("bits", ["hamming", "jaccard"], "hamming")


def _searches(explorer: Explorer) -> None:
    found = explorer.post("search", **PRODUCT, by="text", query="new green hat", limit=3)
    assert found["columns"] == ["id", "title", "price", "in_stock"]
    assert found["milliseconds"] > 0
    near = sorted(cosine(embedded(title), embedded("new green hat")) for title in TITLES)[:3]
    assert [row["distance"] for row in found["rows"]] == pytest.approx(near, abs=1e-5)
    first = found["rows"][0]["values"]
    assert (first["title"], first["price"]) == ("new green hat", TITLES.index("new green hat"))
    filters = ["title__contains=old", "price__lt=6"]
    found = explorer.post("search", **PRODUCT, by="text", query="green hat", filters=filters, limit=20)
    assert {row["values"]["title"] for row in found["rows"]} == set(TITLES[:6])
    vector = str(embedded("old blue shoe"))
    found = explorer.post("search", **PRODUCT, by="vector", query=vector, limit=1, mode="exact")
    assert found["rows"][0]["values"]["title"] == "old blue shoe"
    like = explorer.post("search", **PRODUCT, by="row", query=found["rows"][0]["key"], limit=17, distance="l2")
    far = sorted(math.dist(embedded(title), embedded("old blue shoe")) for title in TITLES)[1:]
    assert [row["distance"] for row in like["rows"]] == pytest.approx(far, abs=1e-4)
    bits = {"model": "Photo", "field": "bits", "distance": "hamming", "by": "vector", "query": '"10100000"'}
    (row,) = explorer.post("search", **bits, limit=1)["rows"]
    assert row["distance"] == 0


def _plans(explorer: Explorer) -> None:
    exact = explorer.post("plan", **PRODUCT, by="text", query="red hat", mode="exact")
    assert exact["index"] is None
    plan = explorer.post("plan", **PRODUCT, by="text", query="red hat", mode="approximate")
    assert plan["index"] is not None or plan["reasons"][0]["problem"] in plan["text"]
    assert plan["plan"]


def _drawn(explorer: Explorer, **question: Any) -> tuple[Any, list[str]]:
    """Return a map of the products, and the title of each point."""
    rows = explorer.post("search", **PRODUCT, by="text", query="hat", limit=20)["rows"]
    titles = {row["key"]: row["values"]["title"] for row in rows}
    drawn = explorer.get("map", **PRODUCT, **question)
    return drawn, [titles[key] for key in drawn["keys"]]


def _map(explorer: Explorer) -> None:
    drawn, titles = _drawn(explorer, clusters=3)
    assert (len(set(titles)), len(drawn["x"]), drawn["total"]) == (POINTS, POINTS, 18)
    vectors = np.array([embedded(title) for title in titles])
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    squares = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False) ** 2
    assert drawn["variance"] == pytest.approx(squares[:2].sum() / squares.sum(), abs=1e-5)
    spread = sum(x * x + y * y for x, y in zip(drawn["x"], drawn["y"], strict=True))
    assert spread == pytest.approx(squares[:2].sum(), abs=1e-3)
    sizes = Counter(drawn["clusters"])
    assert sizes.keys() == {0, 1, 2}
    assert sizes[0] >= sizes[1] >= sizes[2]
    few = explorer.get("map", **PRODUCT, filter=["price__lt=4", "title__contains=red"], clusters=10)
    assert (few["total"], len(set(few["clusters"]))) == (3, 3)
    assert explorer.get("map", **PRODUCT, filter="price__lt=0")["keys"] == []


def _colors(explorer: Explorer) -> None:
    _, titles = _drawn(explorer)
    stocked = explorer.get("colors", **PRODUCT, column="in_stock")
    expected = [str(TITLES.index(title) % 2 == 0) for title in titles]
    assert [stocked["labels"][group] for group in stocked["groups"]] == expected
    priced = explorer.get("colors", **PRODUCT, column="price")
    for title, group in zip(titles, priced["groups"], strict=True):
        low, _, high = priced["labels"][group].partition(" to ")
        assert int(low) <= TITLES.index(title) <= int(high or low)
    assert explorer.get("colors", **PICTURE, column="product") == {"labels": ["no value"], "groups": [0] * 5}


def _marks(explorer: Explorer) -> None:
    rows = {number: [number, 1.0, 2.0, 3.0] for number in range(1, 6)}
    places = explorer.get("map", **PICTURE)["keys"]
    apart = {pair: math.dist(rows[pair[0]], rows[pair[1]]) for pair in combinations(rows, 2)}
    found = explorer.get("marks", **PICTURE, max_distance=1)
    # Keys rise with the number of a picture.
    number = {key: place for place, key in enumerate(places, 1)}
    pairs = {(number[each["first"]], number[each["second"]]) for each in found["duplicates"]}
    assert pairs == {pair for pair, distance in apart.items() if distance <= 1}
    assert (found["distance"], found["max_distance"], found["pairs"]) == ("l2", 1, len(pairs))
    means = {one: sum(d for pair, d in apart.items() if one in pair) / 4 for one in rows}
    (far,) = found["outliers"]
    assert far["distance"] == pytest.approx(max(means.values()))
    assert means[number[far["key"]]] == max(means.values())
    assert explorer.get("marks", **PRODUCT)["pairs"] == 0


def _other_elements(explorer: Explorer) -> None:
    for field, metric in (("small", "l2"), ("words", "l2"), ("bits", "hamming")):
        question = {"model": "Photo", "field": field}
        assert len(explorer.get("map", **question)["keys"]) == 3, field
        assert explorer.get("marks", **question)["distance"] == metric, field


def _recall(explorer: Explorer) -> None:
    found = explorer.get("recall", **PRODUCT, k=3, sample=4)
    assert (found["now"]["k"], found["now"]["queries"]) == (3, 4)
    assert found["measured"][-1]["recall"] == max(each["recall"] for each in found["measured"])
    assert all(each["milliseconds"] > 0 for each in (found["now"], *found["measured"]))


def _refusals(explorer: Explorer) -> None:
    text: dict[str, Any] = {**PRODUCT, "by": "text", "query": "hat"}
    for path, body, said in (
        ("search", {**text, "model": "Nothing"}, "no model 'Nothing'"),
        ("search", {**text, "field": "title"}, "no vector field 'title'"),
        ("search", {**text, "filters": ["colour=red"]}, "no filter of Product"),
        ("search", {**text, "distance": "far"}, "want one of"),
        ("search", {**text, "by": "row", "query": "12345"}, "no row with the primary key"),
        ("search", {**text, "by": "vector", "query": "[1,2]"}, "dimensions"),
        ("search", {**text, "limit": 0}, "limit"),
        ("plan", {**text, "by": "vector", "query": "[1"}, "no JSON"),
    ):
        answer = explorer.ask(f"api/{path}", body)
        assert (answer.status, said in answer.json["error"]["message"]) == (400, True), answer.body
    for path, said in (
        ("colors?model=Product&field=embedding&column=embedding", "no field 'embedding' to color by"),
        ("row?model=Product&key=12345", "no row with the primary key '12345'"),
        ("map?model=Product&field=embedding&method=tsne", "method"),
        ("recall?model=Product&field=embedding&filter=price__lt=0", "no rows to search"),
    ):
        answer = explorer.ask(f"api/{path}")
        assert (answer.status, said in answer.json["error"]["message"]) == (400, True), answer.body
