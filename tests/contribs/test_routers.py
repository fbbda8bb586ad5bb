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
from dorm_vector import VectorField, abulk_load, afederated_nearest, bulk_load, federated_nearest
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


class RoutedTag(dorm.Model):
    title = dorm.CharField(max_length=50)

    class Meta:
        app_label = "tests"


class RoutedDoc(dorm.Model):
    title = dorm.CharField(max_length=50)
    parent = dorm.ForeignKey("RoutedDoc", on_delete=dorm.CASCADE, null=True, related_name="parts")
    tags = dorm.ManyToManyField(RoutedTag, related_name="docs")
    embedding = VectorField(3)

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
    with switched_off("reads_after_a_write", "writes_where_routers_say"), with_shard_key("t1"):
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
    search: Any = (ShardedDoc, "embedding", [1, 1, 1])
    with with_shard_key("t1"):
        found = federated_nearest(*search, databases=[*OF_SHARD], limit=3)
        again = await afederated_nearest(*search, databases=[*OF_SHARD], limit=3)
    both: list[Any] = [found, again]
    for rows in both:
        assert [(row._state.db, row.title) for row in rows[:2]] == [(alias, alias) for alias in OF_SHARD]
        assert rows[2].title in ("before", "after")


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


class WritesToShard0:
    """A router that says nothing about reads."""

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "shard_0"


NEW = {"embedding": [1, 1, 1]}


@pytest.fixture
def routed(shards: None) -> None:
    for alias in ALIASES:
        create_tables(get_connection(alias), (RoutedTag, RoutedDoc))


def copied_to_the_replica() -> Any:
    """Put rows into the stand-in for a replica under the keys that they have on the primary; return one read there."""
    for alias in ("shard_0", "shard_1"):
        for number, title in enumerate(("root", "leaf"), 1):
            RoutedDoc.objects.using(alias).create(id=number, title=title, **NEW)
        RoutedTag.objects.using(alias).create(id=1, title="new")
    clear_read_after_write_window()
    root: Any = RoutedDoc.objects.get(title="root")
    assert root._state.db == "shard_1"
    return root


def on_the_primary(condition: Any = None) -> list[str]:
    clear_read_after_write_window()
    assert list(RoutedDoc.objects.using("default")) == []
    # Nothing was written to the replica.
    assert sorted(RoutedDoc.objects.values_list("title", flat=True)) == ["leaf", "root"]
    assert RoutedDoc.objects.filter(parent__isnull=False).count() == RoutedDoc.objects.get(id=1).tags.count() == 0
    rows = RoutedDoc.objects.using("shard_0").filter(**condition or {})
    return sorted(rows.values_list("title", flat=True))


def test_writes_go_where_the_routers_say(routed: None) -> None:
    dorm.configure(DATABASE_ROUTERS=[LAGGING])
    root = copied_to_the_replica()
    rows = RoutedDoc.objects
    (made,) = rows.bulk_create([RoutedDoc(title="b", **NEW)])
    made.title = "bulk"
    made.save()
    assert rows.all().get_or_create(title="c", defaults=NEW)[1]
    assert not rows.update_or_create(title="c", defaults={"title": "got"})[1]
    created = rows.create(title="d", **NEW)
    created.title = "created"
    assert rows.bulk_update([created], ["title"]) == 1
    saved = RoutedDoc(title="saved", **NEW)
    saved.save()
    assert on_the_primary() == ["bulk", "created", "got", "leaf", "root", "saved"]
    assert RoutedDoc.objects.filter(title="saved").update(title="gone") == 1
    assert RoutedDoc.objects.filter(title__in=["gone", "got"]).delete()[0] == 2
    clear_read_after_write_window()
    root.parts.create(title="part", **NEW)
    root.parts.filter(title="part").update(title="changed")
    root.tags.add(RoutedTag.objects.get())
    assert on_the_primary() == ["bulk", "changed", "created", "leaf", "root"]
    assert on_the_primary({"parent": root}) == ["changed"]
    assert on_the_primary({"tags__title": "new"}) == ["root"]
    root.tags.clear()
    assert on_the_primary({"tags__title": "new"}) == []
    assert RoutedDoc.objects.using("shard_1").filter(title="leaf").update(title="told") == 1  # named, so obeyed
    clear_read_after_write_window()
    with switched_off("writes_where_routers_say"):
        RoutedDoc.objects.create(title="astray", **NEW)
    assert sorted(RoutedDoc.objects.values_list("title", flat=True)) == ["astray", "root", "told"]


async def test_async_writes_go_where_the_routers_say(routed: None) -> None:
    dorm.configure(DATABASE_ROUTERS=[LAGGING])
    root = copied_to_the_replica()
    (made,) = await RoutedDoc.objects.abulk_create([RoutedDoc(title="b", **NEW)])
    made.title = "bulk"
    await made.asave()
    assert (await RoutedDoc.objects.aget_or_create(title="c", defaults=NEW))[1]
    assert not (await RoutedDoc.objects.aupdate_or_create(title="c", defaults={"title": "got"}))[1]
    created = await RoutedDoc.objects.acreate(title="d", **NEW)
    created.title = "created"
    assert await RoutedDoc.objects.abulk_update([created], ["title"]) == 1
    await RoutedDoc(title="saved", **NEW).asave()
    assert on_the_primary() == ["bulk", "created", "got", "leaf", "root", "saved"]
    assert await RoutedDoc.objects.filter(title="saved").aupdate(title="gone") == 1
    assert (await RoutedDoc.objects.filter(title__in=["gone", "got"]).adelete())[0] == 2
    clear_read_after_write_window()
    await root.parts.aget_or_create(title="part", defaults=NEW)
    await root.tags.aadd(await RoutedTag.objects.aget())
    assert on_the_primary() == ["bulk", "created", "leaf", "part", "root"]
    assert on_the_primary({"parent": root}) == ["part"]
    assert on_the_primary({"tags__title": "new"}) == ["root"]


async def test_a_router_that_says_nothing_about_reads(shards: None) -> None:
    dorm.configure(DATABASE_ROUTERS=[WritesToShard0()])
    ShardedDoc.objects.create(title="a", **NEW)
    await ShardedDoc.objects.acreate(title="b", **NEW)
    ShardedDoc(title="c", **NEW).save()
    ShardedDoc.objects.using("default").create(title="here", **NEW)
    assert titles(ShardedDoc) == {"default": ["here"], "shard_0": ["a", "b", "c"]}
    locked: Any = ShardedDoc.objects.select_for_update().get(title="a")
    assert locked._state.db == "shard_0"
