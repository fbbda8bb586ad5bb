"""``dorm-vector reembed`` on every database."""

from __future__ import annotations

from tests.commands.conftest import MODELS, Shop


def test_stale_rows_are_counted_and_embedded(shop: Shop) -> None:
    assert shop.json("reembed", "Product", "--dry-run") == {
        "model": "shop.Product",
        "field": "embedding",
        "rows": 0,
        "dry_run": True,
    }
    shop.write("UPDATE shop_product SET title = 'old old hat' WHERE title = 'old red hat'")
    assert shop.json("reembed", "Product", "price__gt=100", "--dry-run")["rows"] == 0
    assert shop.json("reembed", "Product", "--dry-run", "--batch-size", "7", code=1)["rows"] == 1
    assert "1 rows embedded" in shop.run("reembed", "shop.Product")
    (found,) = shop.json("search", "Product", "old hat", "--limit", "1")["rows"]
    assert found["title"] == "old old hat"
    shop.write("UPDATE shop_product SET title = 'old red hat' WHERE title = 'old old hat'")
    assert shop.json("reembed", "Product", "--batch-size", "1")["rows"] == 1
    assert shop.json("reembed", "Product")["rows"] == 0
    # Another model has made every vector.
    shop.project.models(MODELS.replace("words-1", "words-2"))
    assert shop.json("reembed", "Product", "--dry-run", code=1)["rows"] == 18
    found = shop.findings()
    assert found.keys() == {"embedding-model"}
    assert found["embedding-model"]["problem"].startswith("18 vectors are of the model words-1")
    (warning,) = shop.json("search", "Product", "hat", "--limit", "1")["warnings"]
    assert warning.startswith("OtherEmbeddingModel: ")
    shop.fix(found["embedding-model"])
    assert shop.findings() == {}
    shop.project.models(MODELS)
    shop.run("reembed", "Product")
    assert shop.json("reembed", "Photo", code=2)["error"]["type"] == "UsageError"
