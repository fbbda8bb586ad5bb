"""DiskAnnIndex: one declaration everywhere; migrate says what it builds, and filters by its labels answer the same."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import dorm
import pytest

from dorm_vector import DiskAnnIndex, IndexBuiltOtherwise, Metric, VectorField, VectorsUnavailable
from tests.databases import Database, create_tables, drop_table
from tests.helpers import oracle
from tests.helpers.project import Project

MISSING = "without the extension vectorscale: this server does not have it"
SAID = {
    "mariadb": "MariaDB builds its own MHNSW index for",
    "libsql": "libSQL builds its own DiskANN index for",
    "sqlite": "SQLite builds no index for",
    "turso": "Turso builds no index for",
    "mysql": "MySQL builds no index for",
}
STORED, QUERY = oracle.vectors(60, 4), [0.5, -0.25, 0.75, 0.125]


class Labelled(dorm.Model):
    number = dorm.IntegerField()
    kind = dorm.IntegerField(null=True)
    language = dorm.CharField(max_length=10)
    embedding = VectorField(dimensions=4)

    class Meta:
        app_label = "tests"
        indexes = [
            DiskAnnIndex(fields=["embedding"], name="labelled_ann", distance="l2", labels=["kind", "language"]),
        ]


@pytest.fixture
def labelled(db: Database) -> Iterator[Database]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IndexBuiltOtherwise)
        create_tables(db.connection, (Labelled,))
    Labelled.objects.bulk_create(
        [Labelled(number=n, kind=kind(n), language="de" if n % 3 else "en", embedding=v) for n, v in enumerate(STORED)]
    )
    yield db
    drop_table(db, Labelled)


def kind(n: int) -> int | None:
    return n % 4 if n % 7 else None


def expected(keep: Any, count: int = 5) -> list[int]:
    kept = [n for n in range(len(STORED)) if keep(n)]
    return sorted(kept, key=lambda n: oracle.distance(Metric.L2, STORED[n], QUERY) or 0)[:count]


@pytest.mark.not_on("postgresql", reason="its server here has no pgvectorscale; its own test has one")
async def test_filters_by_labels_find_the_nearest_rows(labelled: Database) -> None:
    def nearest(**filters: Any) -> Any:
        return Labelled.objects.filter(**filters).nearest("embedding", QUERY, distance="l2")[:5]

    assert [row.number for row in nearest(kind=2)] == expected(lambda n: kind(n) == 2)
    both = nearest(kind__in=[1, 3], language="en")
    assert [row.number async for row in both] == expected(lambda n: kind(n) in (1, 3) and not n % 3)
    assert [row.number for row in nearest(kind__isnull=True)] == expected(lambda n: kind(n) is None)


@pytest.mark.not_on("sqlite", "turso", "mysql", "postgresql", reason="they build no graph for it")
def test_it_is_the_graph_of_the_database(labelled: Database) -> None:
    plan = Labelled.objects.nearest("embedding", QUERY, distance="l2", exact=False)[:5].explain_search()
    # A database may find the table too small for it, but knows it.
    assert plan.index in (None, "labelled_ann")
    assert {"no-index", "not-built"}.isdisjoint(reason.code for reason in plan.reasons)
    found = [row.number for row in Labelled.objects.nearest("embedding", QUERY, distance="l2", exact=False)[:5]]
    assert len({*found} & {*expected(lambda _: True)}) >= 3


def test_migrate_says_what_is_built(project: Project, db: Database) -> None:
    source = (
        "from dorm_vector import DiskAnnIndex\n"
        "class Item(dorm.Model):\n    kind = dorm.IntegerField()\n    embedding = VectorField(dimensions=3)\n"
        "    class Meta:\n        indexes = [DiskAnnIndex(['embedding'], 'item_ann', distance='l2'{more})]\n"
    )
    search = (
        "Item.objects.create(kind=1, embedding=[1, 2, 3])\n"
        "print(len(list(Item.objects.filter(kind=1).nearest('embedding', [1, 2, 3], distance='l2')[:9])))"
    )
    project.models(source.format(more=", labels=['kind'], num_neighbors=40"))
    project.dorm("makemigrations", "shop", "--enable-pgvector")
    project.dorm("makemigrations", "shop")
    assert "name='item_ann', distance='l2', num_neighbors=40, search_list_size=100, labels=['kind']" in (
        project.source(2)
    )
    migrated = project.try_dorm("migrate", "shop")
    if db.name == "postgresql":
        assert migrated.returncode
        assert f"PostgreSQL cannot build item_ann {MISSING}" in migrated.stderr
        assert "Install pgvectorscale" in migrated.stderr
        return
    assert migrated.returncode == 0, migrated.stderr
    assert f"IndexBuiltOtherwise: {SAID[db.name]} item_ann" in migrated.stderr
    assert "; filters by kind are ordinary filters." in migrated.stderr
    assert project.python(search) == "1"
    project.models(source.format(more=", num_neighbors=40"))
    project.dorm("makemigrations", "shop")
    assert "RemoveIndex" in project.source(3)
    project.dorm("migrate", "shop")
    assert project.python(search) == "2"
    project.dorm("migrate", "shop", "zero")


@pytest.mark.not_on("sqlite", "libsql", "turso", "mariadb", "mysql", reason="they need no extension for it")
def test_an_extension_that_is_missing_is_named(db: Database) -> None:
    with pytest.raises(VectorsUnavailable, match=f"PostgreSQL cannot build labelled_ann {MISSING}"):
        create_tables(db.connection, (Labelled,))
    assert not db.connection.table_exists(Labelled._meta.db_table)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"labels": "kind"}, r"DiskAnnIndex\(labels='kind'\): want the names of fields"),
        ({"labels": ["a", "a"]}, "a field is listed twice"),
        ({"labels": ["a", "b", "c", "d"]}, "it has 4 fields, and the index takes 3"),
        ({"num_neighbors": 9}, r"\(num_neighbors=9\): want a whole number from 10 to 1000"),
        ({"search_list_size": 1001}, r"\(search_list_size=1001\): want a whole number from 10 to 1000"),
        ({"distance": "l1"}, r"\(distance='l1'\): want one of l2, cosine, inner_product"),
    ],
    ids=str,
)
def test_what_is_no_index_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiskAnnIndex(["embedding"], "ann", **options)


def test_labels_must_be_fields_that_can_be_labels() -> None:
    index, fields = DiskAnnIndex(["embedding"], "ann", labels=["price"]), {"price": dorm.FloatField()}
    with pytest.raises(ValueError, match=r"want fields of Item that hold whole numbers.*'price': it is a FloatField"):
        index.check_model("Item", fields)
    with pytest.raises(ValueError, match="'price': there is none"):
        index.check_model("Item", {})
    index.check_model("Item", {"price": dorm.IntegerField()})


def test_a_declaration_is_the_same_after_it_is_written() -> None:
    index = DiskAnnIndex(["embedding"], "ann", distance="cosine", labels=["kind"], num_neighbors=20)
    assert index == DiskAnnIndex(**index.deconstruct()[2])
    assert index != DiskAnnIndex(["embedding"], "ann", distance="cosine", num_neighbors=20)
