"""contrib.sharding and contrib.lag_router: rows go where the routers say, also after a bulk_load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.contrib.lag_router import LagAwareReadRouter
from dorm.contrib.sharding import HashShardRouter, with_shard_key
from dorm.db.connection import clear_read_after_write_window, get_connection, reset_connections

import backends
from dorm_vector import VectorField, abulk_load, bulk_load
from dorm_vector.patching.registry import switched_off
from tests.databases import create_tables


class ShardedDoc(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = VectorField(3)

    class Meta:
        app_label = "tests"


class ShardedNote(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = dorm.JSONField()

    class Meta:
        app_label = "tests"


ALIASES = ("default", "shard_0", "shard_1")
SHARDED = HashShardRouter(num_shards=2, shard_models={ShardedDoc, ShardedNote})
LAGGING = LagAwareReadRouter(primary="shard_0", replicas=["shard_1"])
# Their keys are those of shard_1 and shard_0.
OF_SHARD = {"shard_1": "t1", "shard_0": "t2"}


@pytest.fixture
def shards(running: backends.Running) -> Iterator[None]:
    databases = {alias: running.new_database() for alias in ALIASES}
    reset_connections()
    dorm.configure(DATABASES=databases, INSTALLED_APPS=[])
    for alias in ALIASES:
        create_tables(get_connection(alias), (ShardedDoc, ShardedNote))
    clear_read_after_write_window()
    yield
    dorm.configure(DATABASE_ROUTERS=[])
    clear_read_after_write_window()
    reset_connections()
    for settings in databases.values():
        running.drop_database(settings)


def titles(model: Any) -> dict[str, list[str]]:
    rows = {alias: model.objects.using(alias).order_by("id").values_list("title", flat=True) for alias in ALIASES}
    return {alias: list(found) for alias, found in rows.items() if found}


def write(model: Any, *, load: bool) -> None:
    for key in OF_SHARD.values():
        with with_shard_key(key):
            model.objects.create(title=f"before {key}", embedding=[1, 1, 1])
            if load:
                bulk_load(model, [{"title": f"loaded {key}", "embedding": [1, 1, 1]}])
            model.objects.create(title=f"after {key}", embedding=[1, 1, 1])


def test_the_shards_of_a_model_without_vectors(shards: None) -> None:
    dorm.configure(DATABASE_ROUTERS=[SHARDED])
    write(ShardedNote, load=False)
    assert titles(ShardedNote) == {alias: [f"before {key}", f"after {key}"] for alias, key in OF_SHARD.items()}


@pytest.mark.parametrize("model", [ShardedDoc, ShardedNote])
def test_reads_after_a_write(shards: None, model: Any) -> None:
    dorm.configure(DATABASE_ROUTERS=[SHARDED])
    write(model, load=True)
    expected = {alias: [f"before {key}", f"loaded {key}", f"after {key}"] for alias, key in OF_SHARD.items()}
    assert titles(model) == expected
    with with_shard_key("t1"):
        assert model.objects.count() == 3
    with switched_off("reads_after_a_write"), with_shard_key("t1"):
        model.objects.create(title="astray", embedding=[1, 1, 1])
    assert titles(model)["default"] == ["astray"]


async def test_async_loads_and_searches_in_shards(shards: None) -> None:
    dorm.configure(DATABASE_ROUTERS=[SHARDED])
    documents: Any = ShardedDoc.objects
    for alias, key in OF_SHARD.items():
        with with_shard_key(key):
            await ShardedDoc.objects.acreate(title="before", embedding=[9, 9, 9])
            await abulk_load(ShardedDoc, [{"title": alias, "embedding": [1, 1, 1]}])
            await ShardedDoc.objects.acreate(title="after", embedding=[9, 9, 9])
            assert [row.title async for row in documents.nearest("embedding", [1, 1, 1])[:1]] == [alias]
    assert titles(ShardedDoc) == {alias: ["before", alias, "after"] for alias in OF_SHARD}


async def test_rows_that_were_loaded_are_read_from_the_primary(shards: None) -> None:
    dorm.configure(DATABASE_ROUTERS=[LAGGING])
    # The stand-in for a replica never gets the primary's rows.
    assert ShardedDoc.objects.count() == 0
    bulk_load(ShardedDoc, [{"title": "a", "embedding": [1, 1, 1]}])
    await abulk_load(ShardedDoc, [{"title": "b", "embedding": [2, 2, 2]}])
    assert ShardedDoc.objects.count() == await ShardedDoc.objects.acount() == 2
    ShardedDoc.objects.create(title="c", embedding=[3, 3, 3])
    assert titles(ShardedDoc) == {"shard_0": ["a", "b", "c"]}
    clear_read_after_write_window()
    assert ShardedDoc.objects.count() == 0
