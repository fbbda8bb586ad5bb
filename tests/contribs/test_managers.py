"""contrib.softdelete, contrib.tenants_row and contrib.asyncmodel: their managers search, and loads fill the tenant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.contrib.asyncmodel import AsyncModel, AsyncOnlyError
from dorm.contrib.softdelete import SoftDeleteModel
from dorm.contrib.tenants_row import NoActiveTenantError, TenantModel, current_tenant

from dorm_vector import EmbeddingField, VectorField, abulk_load, areembed, bulk_load, find_duplicates, to_matrix
from tests.databases import Database, create_tables, drop_table
from tests.helpers.memos import WORDS


class SoftDoc(SoftDeleteModel):
    title = dorm.CharField(max_length=50)
    embedding = VectorField(2)

    class Meta:
        app_label = "tests"


class TenantDoc(TenantModel):
    title = dorm.CharField(max_length=50)
    embedding = VectorField(2)

    class Meta:
        app_label = "tests"


class AsyncDoc(AsyncModel):
    title = dorm.CharField(max_length=50)
    embedding = EmbeddingField(WORDS.dimensions, source="title", embedder=WORDS, null=True)

    class Meta:
        app_label = "tests"


SOFT: Any = SoftDoc
TENANT: Any = TenantDoc
ASYNC: Any = AsyncDoc


@pytest.fixture
def tables(db: Database) -> Iterator[Database]:
    models = (SoftDoc, TenantDoc, AsyncDoc)
    create_tables(db.connection, models)
    yield db
    for model in models:
        drop_table(db, model)


async def test_deleted_rows_are_not_found(tables: Database) -> None:
    for number in range(3):
        SOFT.objects.create(title=str(number), embedding=[number, 0])
    SOFT.objects.get(title="0").delete()
    await (await SOFT.objects.aget(title="1")).adelete()
    assert [row.title for row in SOFT.objects.nearest("embedding", [0, 0])[:3]] == ["2"]
    assert [row.title async for row in SOFT.objects.nearest("embedding", [0, 0])[:3]] == ["2"]
    assert [row.title for row in SOFT.all_objects.nearest("embedding", [0, 0])[:3]] == ["0", "1", "2"]
    gone = SOFT.deleted_objects.nearest("embedding", [0, 0])[:3]
    assert [(row.title, list(row.embedding)) for row in gone] == [("0", [0, 0]), ("1", [1, 0])]
    SOFT.deleted_objects.get(title="0").restore()
    assert [row.title for row in SOFT.objects.nearest("embedding", [0, 0])[:1]] == ["0"]
    assert len(to_matrix(SOFT.objects, "embedding")[0]) == 2


async def test_a_tenant_finds_and_loads_its_own_rows(tables: Database) -> None:
    for tenant in ("one", "two"):
        with current_tenant(tenant):
            TENANT.objects.create(title=f"{tenant} created", embedding=[9, 9])
            bulk_load(TenantDoc, [{"title": f"{tenant} dict", "embedding": [1, 0]}])
            bulk_load(TenantDoc, [TenantDoc(title=f"{tenant} instance", embedding=[2, 0])])
            await abulk_load(TenantDoc, {"title": [f"{tenant} column"], "embedding": [[3, 0]]})
            found = [row.title for row in TENANT.objects.nearest("embedding", [0, 0])[:9]]
            assert found == [f"{tenant} {kind}" for kind in ("dict", "instance", "column", "created")]
            assert len(find_duplicates(TenantDoc, "embedding", max_distance=1)) == 2
    assert TENANT.unscoped.nearest("embedding", [0, 0]).count() == 8


def test_a_row_may_name_its_tenant(tables: Database) -> None:
    assert bulk_load(TenantDoc, [{"title": "a", "embedding": [1, 0], "tenant_id": "three"}]) == 1
    with current_tenant("three"):
        assert TENANT.objects.count() == 1


async def test_without_a_tenant_a_load_and_a_search_are_refused(tables: Database) -> None:
    rows = [{"title": "a", "embedding": [1, 0]}]
    with pytest.raises(NoActiveTenantError, match="current_tenant"):
        bulk_load(TenantDoc, rows)
    with pytest.raises(NoActiveTenantError, match="current_tenant"):
        await abulk_load(TenantDoc, rows)
    with pytest.raises(NoActiveTenantError, match="No active tenant"):
        TENANT.objects.nearest("embedding", [0, 0])
    assert TENANT.unscoped.count() == 0


async def test_async_models(tables: Database) -> None:
    await ASYNC.objects.acreate(title="a")
    await abulk_load(AsyncDoc, [{"title": "b"}])
    found = ASYNC.objects.nearest("embedding", WORDS.vector("b"))[:1]
    assert [row.title async for row in found] == ["b"]
    await ASYNC.objects.get_queryset().aupdate(embedding_hash=None)
    assert await areembed(AsyncDoc) == 2
    with pytest.raises(AsyncOnlyError):
        ASYNC.objects.count()


def test_a_model_without_vectors_has_no_searches() -> None:
    class PlainSoft(SoftDeleteModel):
        class Meta:
            app_label = "tests"

    managers: list[Any] = [PlainSoft.objects, SOFT.objects]
    for manager in managers:
        with pytest.raises(AttributeError, match="no attribute"):
            manager.nothing_of_the_kind  # noqa: B018  # the look-up raises
    with pytest.raises(AttributeError, match="no attribute 'nearest'"):
        PlainSoft.objects.nearest("embedding", [0, 0])  # type: ignore[attr-defined]  # that is the test
