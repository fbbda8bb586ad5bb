"""``dorm-vector status`` on every database."""

from __future__ import annotations

from typing import Any

import pytest

from dorm_vector.commands.output import size_of
from tests.commands.conftest import Shop


def test_status_shows_what_each_database_holds(shop: Shop) -> None:
    (found,) = shop.json("status")["databases"]
    assert (found["alias"], found["dialect"], found["missing_tables"]) == ("default", shop.dialect.name, [])
    assert found["version"]
    assert found["extension"]["error"] is None
    photo, product = found["tables"]
    assert (photo["model"], photo["rows"]) == ("shop.Photo", 6)
    assert [(f["name"], f["dimensions"], f["without_vector"]) for f in photo["fields"]] == [
        ("picture", 4, 1),
        ("small", 4, 3),
        ("words", 2000, 3),
        ("bits", 8, 3),
    ]
    assert (product["model"], product["table"], product["rows"]) == ("shop.Product", "shop_product", 18)
    assert [(f["name"], f["kind"], f["without_vector"]) for f in product["fields"]] == [
        ("embedding", "EmbeddingField", 0)
    ]
    assert product["fields"][0]["embedding_models"] == [{"model": "words-1", "rows": 18}]
    assert photo["fields"][0]["embedding_models"] is None
    indexes = {index["name"]: index for index in product["indexes"]}
    assert indexes.keys() == {"product_hnsw", "product_vec0", "product_words"}
    assert {index["kind"]: index["distance"] for index in indexes.values()} == {
        "hnsw": "cosine",
        "vec0": "cosine",
        "text": None,
    }
    assert (indexes["product_words"]["state"], indexes["product_words"]["field"]) == ("built", "title")
    companions = [index["companion"] for index in indexes.values() if index["kind"] in shop.dialect.companions]
    assert companions == [{"rows": 18, "missing": 0, "extra": 0, "in_sync": True}] * len(companions)
    for index in indexes.values():
        _is_explained(shop, index)
    printed = shop.run("status")
    assert shop.dialect.title in printed
    assert "shop.Product" in printed
    assert "product_hnsw" in printed
    assert "words-1: 18" in printed
    for index in indexes.values():
        assert str(index["note"] or size_of(index["bytes"])) in printed


def _is_explained(shop: Shop, index: dict[str, Any]) -> None:
    """Each index has a size of at least its vectors, or a note that says why not."""
    if index["state"] == "unsupported":
        other = {"sqlite": "product_vec0", "postgresql": "product_hnsw", "mariadb": "product_hnsw"}
        other |= {"libsql": "product_hnsw"}
        name = other.get(shop.dialect.name)
        said = f"can use {name}." if name else "are exact: they read every row."
        assert index["note"] == f"{shop.dialect.title} builds no such index. Searches of embedding by cosine {said}"
    elif shop.dialect.name == "turso":
        assert index["bytes"] is None
        assert index["note"].startswith("Its size is not known: Turso has no statistics")
    else:
        assert index["bytes"] >= (18 * 8 * 4 if index["kind"] != "text" else 18)
        assert index["note"] is None


@pytest.mark.not_on("sqlite", "turso", "libsql", "postgresql", reason="every account may read sizes there")
def test_an_account_that_may_not_read_sizes_is_told_so(shop: Shop) -> None:
    own = shop.project.database
    shop.write(
        "CREATE USER reader@'%' IDENTIFIED BY 'reader-password'",
        f"GRANT SELECT, SHOW VIEW ON {own['NAME']}.* TO reader@'%'",
    )
    try:
        with shop.settings({**own, "USER": "reader", "PASSWORD": "reader-password"}):
            (found,) = shop.json("status")["databases"]
    finally:
        shop.write("DROP USER reader@'%'")
    sizes = {i["name"]: (i["bytes"], i["note"]) for t in found["tables"] for i in t["indexes"] if i["state"] == "built"}
    assert "product_words" in sizes
    for size, note in sizes.values():
        assert size is None
        assert "only with the privilege PROCESS." in note
