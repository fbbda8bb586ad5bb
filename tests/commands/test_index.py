"""``dorm-vector index`` on every database."""

from __future__ import annotations

import io
import re
import threading

import pytest

import backends
from dorm_vector.commands.progress import BuildProgress
from dorm_vector.indexes.build_progress import BuildReport
from tests.commands.conftest import MAIN, Shop, connected
from tests.databases import Database
from tests.helpers.project import in_a_new_python


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def states(shop: Shop) -> dict[str, str]:
    return {name: index["state"] for name, index in shop.indexes().items() if index["state"] != "unsupported"}


def test_indexes_are_dropped_built_rebuilt_and_optimized(shop: Shop) -> None:
    built = states(shop)
    assert set(built.values()) <= {"built"}
    dropped = shop.json("index", "drop", "Product")["results"]
    assert [each["index"] for each in dropped] == ["product_hnsw", "product_vec0", "product_words"]
    assert states(shop) == dict.fromkeys(built, "missing")
    shop.run("index", "drop", "Product")
    results = {each["index"]: each["result"] for each in shop.json("index", "build")["results"]}
    assert {name for name, result in results.items() if result == "built"} == set(built)
    assert states(shop) == built
    for name in built:
        (again,) = shop.json("index", "build", "Product", "--name", name)["results"]
        assert again["result"] == "is built already"
        (rebuilt,) = shop.json("index", "rebuild", "shop.Product", "--name", name)["results"]
        assert rebuilt["result"] == "rebuilt"
    assert states(shop) == built
    assert [each["table"] for each in shop.json("index", "optimize")["results"]] == ["shop_photo", "shop_product"]
    assert states(shop) == built
    assert (
        "has no vector or text index 'none'"
        in shop.json("index", "build", "Product", "--name", "none", code=2)["error"]["message"]
    )
    assert "give the model" in shop.json("index", "drop", code=2)["error"]["message"]


WAITING = {
    "postgresql": "waiting for writers before build",
    "mariadb": "Waiting for table metadata lock",
}


@pytest.mark.not_on("sqlite", "turso", "libsql", "mysql", reason="nobody else sees a vector index being built there")
def test_a_running_build_is_shown(shop: Shop, running: backends.Running) -> None:
    """A build waits for a transaction that writes, so that it is seen at work."""
    phase = WAITING[shop.dialect.name]
    shop.run("index", "drop", "Product")
    Database(running, shop.project.database).use()
    terminal = Terminal()
    with connected(shop.project.database) as writer:
        with writer.atomic():
            writer.execute_write("UPDATE shop_product SET price = price")
            builder = threading.Thread(target=build, args=(shop,))
            builder.start()
            with (
                BuildProgress("Building", terminal) as progress,
                BuildReport(progress, "default", shop.dialect, "shop_product"),
            ):
                while f"Building {phase}:" not in terminal.getvalue():
                    builder.join(0.1)
                    assert builder.is_alive()
            assert states(shop) == {"product_hnsw": "building", "product_words": "missing"}
            assert shop.findings().keys() == {"index-missing"}
        builder.join()
    assert states(shop) == {"product_hnsw": "built", "product_words": "built"}


def build(shop: Shop) -> None:
    # Not a copy of the Python that runs the other commands, which runs one at a time.
    built = in_a_new_python(MAIN, ["index", "build", "Product"], shop.project.directory)
    assert built.returncode == 0, built.stderr


def test_a_build_shows_its_phase_and_how_much_is_done(shop: Shop) -> None:
    terminal = Terminal()
    with BuildProgress("Building product_hnsw", terminal) as progress:
        progress(0, None)
        progress.note("loading")
        progress(0, 200)
        progress(50, 200)
    shown = re.sub(r"\d+", "9", terminal.getvalue())
    assert shown.startswith("\rBuilding product_hnsw: 9:9 elapsed")
    assert "\rBuilding product_hnsw loading: 9 of 9 units (9%), 9" in shown
    assert " units/s, 9:9 elapsed, 9:9 left" in shown
