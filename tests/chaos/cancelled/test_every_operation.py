"""Cancellation at every await of every other public async function: it is done or it is not, and the next one works."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import dorm
import dorm.transaction
import pytest
from dorm.db.connection import reset_connections
from dorm.queryset import QuerySet
from dorm.related_managers import ManyRelatedManager, ReverseFKManager

import dorm_vector
from dorm_vector import VectorField, VectorQuerySet, acopy_database, acreate_tables, arebuild_index, atext_search
from dorm_vector import create_tables as create_tables_of
from dorm_vector.integrations import haystack, langchain, llama_index, tables
from tests.chaos.cancelled.async_operations import CHANGES, OLD, OTHER, READS, STOCK, Change, Cupboard, slugs, titles
from tests.chaos.cancelled.cancelling import each_await
from tests.chaos.faults import Faults
from tests.databases import Database, create_tables, drop_table
from tests.models import Article, Author, Document

# psycopg can close no cursor whose statement was cancelled.
pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")

OWNERS: dict[str, Any] = {
    "dorm_vector": dorm_vector,
    "QuerySet": VectorQuerySet,
    "Model": Document,
    "ManyRelatedManager": ManyRelatedManager,
    "ReverseFKManager": ReverseFKManager,
    "transaction": dorm.transaction,
    "tables": tables,
    "LangChain": langchain.DormVectorStore,
    "LlamaIndex": llama_index.DormVectorStore,
    "Haystack": haystack.DormDocumentStore,
}
ELSEWHERE = {
    **dict.fromkeys(("QuerySet.acreate", "QuerySet.aupdate_or_create", "QuerySet.abulk_create"), "the other module"),
    **dict.fromkeys(("QuerySet.aiterator", "dorm_vector.ato_matrix", "transaction.aatomic"), "the other module"),
    **dict.fromkeys(("dorm_vector.abulk_load", "dorm_vector.areembed"), "the other module"),
    **dict.fromkeys(("dorm_vector.acreate_tables", "dorm_vector.arebuild_index"), "a test below"),
    "dorm_vector.acopy_database": "a test below",
    "tables.acreate_table": "it awaits acreate_tables() alone",
    "tables.acreate_tables": "the same function",
    "dorm_vector.astale_count": "it has the awaits of QuerySet.acount()",
    **dict.fromkeys(("QuerySet.ato_pandas", "QuerySet.ato_polars"), "they await ato_arrow() alone"),
    "QuerySet.adatetimes": "it has the one await of adates()",
    "LangChain.ahybrid_search": "it has the awaits of dorm_vector.ahybrid_search()",
    "LangChain.ahybrid_search_with_score": "it has the awaits of dorm_vector.ahybrid_search()",
    "Haystack.hybrid_retrieval_async": "it has the awaits of dorm_vector.ahybrid_search()",
    "Haystack.keyword_retrieval_async": "it has the awaits of dorm_vector.atext_search()",
    **dict.fromkeys(
        (
            "Haystack.count_unique_metadata_by_filter_async",
            "Haystack.get_metadata_field_min_max_async",
            "Haystack.get_metadata_field_unique_values_async",
        ),
        "it has the awaits of Haystack.get_metadata_fields_info_async()",
    ),
    **dict.fromkeys(("transaction.aon_commit", "transaction.aon_rollback"), "it only keeps a function"),
    "transaction.aconnection_for": "it returns a connection, and awaits nothing",
}


class Late(dorm.Model):
    embedding = VectorField(3, null=True)

    class Meta:
        app_label = "tests"


def public_async_names(label: str, owner: Any) -> set[str]:
    """Return the functions that are async, or whose name is that of a function without its ``a``."""
    names = owner.__all__ if owner is dorm_vector else [name for name in dir(owner) if not name.startswith("_")]
    found = set()
    for name in names:
        value = getattr(owner, name, None)
        is_twin = name.startswith("a") and callable(value) and hasattr(owner, name[1:])
        if is_twin or inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value):
            found.add(f"{label}.{name}")
    return found


def test_every_async_function_is_cancelled() -> None:
    public = set().union(*(public_async_names(label, owner) for label, owner in OWNERS.items()))
    tried = {*CHANGES, *READS, *ELSEWHERE}
    assert public - tried == set(), "cancel them: tests/chaos/cancelled/async_operations.py"
    assert tried - public == set()


@pytest.fixture
def stocked(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Cupboard,))
    Author.objects.create(name="Ada")
    Cupboard.objects.create()
    Article.objects.create(headline="word", embedding=[1, 2, 3])
    yield db
    db.use()
    drop_table(db, Cupboard)


class Attempts:
    """What is stored before and after each attempt of an operation: all of it, or nothing."""

    def __init__(self, name: str, change: Change) -> None:
        self._name, self._change = name, change
        self._seen: list[str] = []
        self.promised: list[str] = []
        self.stored: list[str] = []

    async def before(self, title: str) -> None:
        await self._change.before(title)
        self._seen = await self._change.stored()

    async def after(self, title: str, has_ended: bool) -> None:
        now, wanted = await self._change.stored(), self._change.after(title)
        assert now == wanted or (now == self._seen and not has_ended), f"{self._name} at {title}: {now}"
        if has_ended:
            self.promised += wanted
            self.stored += now


@pytest.mark.parametrize("owner", sorted({name.partition(".")[0] for name in CHANGES}))
async def test_changes(stocked: Database, faults: Faults, owner: str) -> None:
    for name in [name for name in CHANGES if name.partition(".")[0] == owner]:
        attempts = Attempts(name, CHANGES[name])
        tried = await each_await(CHANGES[name].work, attempts.before, attempts.after)
        fault = f"cancellation at each await of every write of `{owner}`"
        faults.count(fault, times=tried.times, acknowledged=attempts.promised, stored=attempts.stored)


async def test_every_read(stocked: Database, faults: Faults) -> None:
    await STOCK.noted("")
    await STOCK.shelved("")
    times = 0
    for name, read in READS.items():
        tried = await each_await(lambda _title, read=read: read())  # type: ignore[misc]  # one at a time
        assert tried.ended, name
        times += tried.times
    assert await titles() == [*OLD, *OTHER]
    stored = [*await titles(), *await slugs()]
    wanted = [*OLD, *OTHER, "old", "old node"]
    faults.count("cancellation at each await of every other read", times=times, acknowledged=wanted, stored=stored)


async def test_create_tables(db: Database) -> None:
    """What a cancelled one left is no obstacle to the next."""

    async def after(_title: str, _has_ended: bool) -> None:
        await acreate_tables(Late)
        await Late.objects.acreate(embedding=[1, 2, 3])
        assert await Late.objects.acount() == 1
        drop_table(db, Late)

    await each_await(lambda _title: acreate_tables(Late), after=after)


async def test_rebuild_index(stocked: Database) -> None:
    async def after(_title: str, has_ended: bool) -> None:
        if not has_ended:
            await arebuild_index(Article, "article_words")
        assert [row.headline for row in await atext_search(Article, text="word")] == ["word"]

    await each_await(lambda _title: arebuild_index(Article, "article_words"), after=after)


async def test_copy_database(db: Database) -> None:
    """A cancelled copy is finished by the next."""
    settings = db.running.new_database()
    Author.objects.bulk_create([Author(name=str(number)) for number in range(2)])
    reset_connections()
    dorm.configure(DATABASES={"default": db.settings, "second": settings}, INSTALLED_APPS=[])
    create_tables_of(Author, using="second")

    async def copy(_title: str) -> None:
        await acopy_database("default", "second", [Author], overwrite=True, verify=False)

    async def after(title: str, has_ended: bool) -> None:
        if not has_ended:
            await copy(title)
        there = QuerySet(Author, "second")
        assert [row.name async for row in there.order_by("pk")] == ["0", "1"]

    await each_await(copy, after=after)
    reset_connections()
    db.running.drop_database(settings)
    db.use()
