"""``dorm-vector search``, ``explain`` and ``recall`` on every database."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Shop


def titles(shop: Shop, *arguments: str) -> list[str]:
    return [row["title"] for row in shop.json("search", *arguments)["rows"]]


def test_search_by_text_vector_and_row_with_filters(shop: Shop) -> None:
    found = shop.json("search", "Product", "new green hat", "--limit", "2")
    assert (found["model"], found["field"], found["count"]) == ("shop.Product", "embedding", 2)
    first = found["rows"][0]
    assert (first["title"], first["in_stock"]) == ("new green hat", first["price"] % 2 == 0)
    assert first["distance"] == pytest.approx(0, abs=1e-5)
    assert not {"embedding", "embedding_hash"} & set(first)
    assert titles(shop, "shop.product", "green hat", "title__contains=old", "--limit", "1") == ["old green hat"]
    assert all("coat" in title for title in titles(shop, "Product", "red", "title__endswith=coat"))
    assert len(titles(shop, "Product", "hat", "price__in=1,2,3")) == 3
    assert len(titles(shop, "Product", "hat", "in_stock=true", "price__lt=6")) == 3
    assert titles(shop, "Product", "--limit", "1", "green hat", "title__contains=old") == ["old green hat"]
    assert titles(shop, "Product", "--vector", "[1,1,10,10,1,1,10,1]", "--limit", "1") == ["old blue shoe"]
    like = titles(shop, "Product", "--like", str(first["pk"]), "title__contains=new", "--limit", "3")
    assert "new green hat" not in like
    assert len(like) == 3
    shown = shop.run("search", "Product", "old red coat", "--columns", "title", "--limit", "1", "--exact")
    assert shown.splitlines()[0].split() == ["pk", "distance", "title"]
    assert shown.splitlines()[2].endswith("old red coat")


def test_vectors_of_every_kind_are_searched_and_shown(shop: Shop) -> None:
    # The field picture has indexes for two distances, so a search must choose one.
    shown = ["--columns", "picture,small,words,bits", "--limit", "1", "--distance", "l2"]
    for field, query in (
        ("picture", "[2, 1, 2, 3]"),
        ("small", "[2, 0.5, 1, 2]"),
        ("words", '"{3:1.5}/2000"'),
        ("bits", '"10100000"'),
    ):
        if field == "bits":
            shown = shown[:-2]
            assert (
                "hamming"
                in shop.json("search", "Photo", "--field", field, "--vector", query, code=2)["error"]["message"]
            )
            shown += ["--distance", "hamming"]
        (row,) = shop.json("search", "Photo", "small__isnull=false", "--field", field, "--vector", query, *shown)[
            "rows"
        ]
        assert row["distance"] == 0, field
        assert row["bits"] == "10100000"
        if field != "bits":
            assert row["picture"] == [2, 1, 2, 3]
            assert row["small"] == [2, 0.5, 1, 2]
            assert row["words"] == "{3:1.5}/2000"


def test_what_cannot_be_searched_is_wrong_usage(shop: Shop) -> None:
    for arguments, said in (
        (["Nothing", "hat"], "There is no model 'Nothing'"),
        (["Photo", "hat"], "Give --field. It has picture, small, words, bits."),
        (["Photo", "hat", "--field", "picture"], "has no embedder for text"),
        (["Product"], "Give a text, --vector or --like."),
        (["Product", "hat", "colour=red"], "'colour=red' is no filter of Product"),
        (["Product", "hat", "price=cheap"], "'price=cheap' is no filter of Product"),
        (["Product", "hat", "in_stock=maybe"], "want true or false"),
        (["Product", "hat", "price"], "Write FIELD=VALUE"),
        (["Product", "hat", "--field", "picture"], "no vector field 'picture'"),
        (["Product", "hat", "--columns", "color"], "no field 'color'"),
        (["Product", "hat", "--distance", "far"], "want one of"),
        (["Product", "--vector", "[1"], "is no JSON"),
        (["Product", "--vector", "[1,2]"], "dimensions"),
        (["Product", "--like", "12345"], "no row with the primary key"),
    ):
        error = shop.json("search", *arguments, code=2)["error"]
        assert said in error["message"], arguments


def test_explain_says_which_index_serves_a_search(shop: Shop) -> None:
    plan = shop.json("explain", "Product", "red hat", "--approximate")
    assert plan["served"] == (plan["index"] is not None)
    assert plan["served"] or {reason["code"] for reason in plan["reasons"]} <= {"no-such-index", "small-table"}
    exact = shop.json("explain", "Product", "red hat", "--exact")
    assert exact["index"] is None
    wrong = shop.json("explain", "Product", "red hat", "--distance", "l1", "--approximate", code=int(shop.has_index))
    assert bool({"other-distance"} & {reason["code"] for reason in wrong["reasons"]}) == shop.has_index
    assert plan["plan"] in shop.run("explain", "Product", "red hat", "--approximate", "--plan")


def test_recall_recommends_options(shop: Shop) -> None:
    found = shop.json("recall", "Product", "price__lt=16", "--k", "3", "--sample", "4", "--target", "0.5")
    assert (found["model"], found["field"], found["now"]["k"], found["now"]["queries"]) == (
        "shop.Product",
        "embedding",
        3,
        4,
    )
    assert found["recommended"]["reached"]
    assert found["recommended"]["recall"] >= 0.5
    assert found["measured"][-1]["options"] == found["recommended"]["options"]
    assert "recall" in shop.run("recall", "Product", "--k", "3", "--sample", "2", "--target", "0.1")
    shop.json("recall", "Product", "price__lt=0", code=2)
