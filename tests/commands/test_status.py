"""``dorm-vector status`` on every database."""

from __future__ import annotations

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
    printed = shop.run("status")
    assert shop.dialect.title in printed
    assert "shop.Product" in printed
    assert "product_hnsw" in printed
    assert "words-1: 18" in printed
