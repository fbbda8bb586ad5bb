"""Tables and columns whose names are words of SQL, and fields that are not called as their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm import Avg, Case, Count, F, Max, OuterRef, Q, Subquery, Sum, Value, When
from dorm.functions import Lag, RowNumber, Upper, Window
from dorm.models import _model_registry

from dorm_vector import HnswIndex, L2Distance, TextIndex, Vec0Index, VectorField, bulk_load, hybrid_search, text_search
from tests.databases import Database, create_tables, drop_table


class Keeper(dorm.Model):
    """Without vectors, and nothing is called as its column."""

    name = dorm.CharField(max_length=20, db_column="select")

    class Meta:
        db_table = "user"


class Drawer(dorm.Model):
    label = dorm.CharField(max_length=20, db_column="order", unique=True)
    number = dorm.IntegerField(db_column="group")
    keeper = dorm.ForeignKey(Keeper, on_delete=dorm.CASCADE, null=True, db_column="from", related_name="drawers")

    class Meta:
        db_table = "table"


class Letter(dorm.Model):
    """With vectors and both kinds of index; Turso's index of words refuses some that are reserved in SQLite."""

    text = dorm.CharField(max_length=40, db_column="match")
    year = dorm.IntegerField(db_column="limit")
    embedding = VectorField(dimensions=3, db_column="values")

    class Meta:
        db_table = "key"
        indexes = [
            HnswIndex(fields=["embedding"], name="primary_key", distance="l2"),
            TextIndex(fields=["text"], name="explain"),
        ]


@pytest.fixture
def drawers(db: Database) -> Iterator[list[Any]]:
    create_tables(db.connection, (Keeper, Drawer))
    ada, bob = Keeper.objects.create(name="Ada"), Keeper.objects.create(name="Bob")
    rows = [Drawer(label=f"d{n}", number=n * n, keeper=(ada, bob, None)[n % 3]) for n in range(6)]
    yield Drawer.objects.bulk_create(rows)
    drop_table(db, Drawer)
    drop_table(db, Keeper)


async def test_fields_are_read_by_name(drawers: list[Any]) -> None:
    everything = Drawer.objects.order_by("-number")
    assert list(everything.values("label", "number")) == [
        {"label": f"d{n}", "number": n * n} for n in reversed(range(6))
    ]
    assert await everything.values_list("number", flat=True) == [25, 16, 9, 4, 1, 0]
    assert [row.label for row in everything.values_list("label", named=True)] == ["d5", "d4", "d3", "d2", "d1", "d0"]
    assert list(everything.values("keeper__name")[:2]) == [{"keeper__name": None}, {"keeper__name": "Bob"}]
    assert [row.number for row in everything.only("number")] == [25, 16, 9, 4, 1, 0]
    assert [row.label for row in everything.defer("number")[:2]] == ["d5", "d4"]
    assert [(row.keeper and row.keeper.name) for row in everything.select_related("keeper")[:3]] == [None, "Bob", "Ada"]
    assert Drawer.objects.in_bulk(["d3"], field_name="label")["d3"].number == 9
    assert Keeper.objects.filter(pk__in=Drawer.objects.filter(number=16).values("keeper")).get().name == "Bob"
    assert Drawer.objects.filter(keeper__pk=Keeper.objects.get(name="Bob").pk, number__gt=1).get().label == "d4"
    halves = Drawer.objects.filter(number__lt=4).union(Drawer.objects.filter(number__gt=9)).order_by("number")
    assert [row.label for row in halves] == ["d0", "d1", "d4", "d5"]
    page = Drawer.objects.cursor_paginate(order_by="number", page_size=2)
    after = await Drawer.objects.acursor_paginate(order_by="number", page_size=2, after=page.next_cursor)
    assert [row.label for row in [*page.items, *after.items]] == ["d0", "d1", "d2", "d3"]


async def test_expressions_read_fields_by_name(drawers: list[Any]) -> None:
    rows = Drawer.objects.annotate(
        more=F("number") + 1,
        shout=Upper(F("label")),
        kind=Case(When(number__gt=8, keeper__isnull=False, then=F("label")), default=Value("-")),
        place=Window(RowNumber(), partition_by=["keeper"], order_by="-number"),
        before=Window(Lag(F("number")), order_by="number"),
    ).order_by("number")
    assert [(row.more, row.shout, row.kind, row.place, row.before) for row in rows] == [
        (1, "D0", "-", 2, None),
        (2, "D1", "-", 2, 0),
        (5, "D2", "-", 2, 1),
        (10, "D3", "d3", 1, 4),
        (17, "D4", "d4", 1, 9),
        (26, "D5", "-", 1, 16),
    ]
    chosen = Count("pk", filter=Q(number__gt=8))
    assert await Drawer.objects.aaggregate(total=Sum("number"), most=Max("number"), chosen=chosen) == {
        "total": 55,
        "most": 25,
        "chosen": 3,
    }
    last = Drawer.objects.filter(keeper=OuterRef("pk")).order_by("-number").values("label")[:1]
    keepers = Keeper.objects.annotate(last=Subquery(last), drawer_count=Count("drawers")).order_by("name")
    assert [(row.name, row.last, row.drawer_count) for row in keepers] == [("Ada", "d3", 2), ("Bob", "d4", 2)]


async def test_fields_are_written_by_name(drawers: list[Any]) -> None:
    ada = Keeper.objects.get(name="Ada")
    assert Drawer.objects.filter(label="d5").update(number=F("number") + 1, keeper=ada) == 1
    cases = Case(When(number__lt=2, then=Value(2)), default=F("number"))
    assert await Drawer.objects.aupdate(number=cases) == 6
    row, created = await Drawer.objects.aupdate_or_create(label="d2", defaults={"number": 5})
    assert (row.number, created) == (5, False)
    row.number, row.label = 6, "not saved"
    row.save(update_fields=["number"])
    Drawer.objects.upsert([Drawer(label="d3", number=10), Drawer(label="d6", number=36)], ["label"])
    stored = dict(Drawer.objects.values_list("label", "number"))
    assert stored == {"d0": 2, "d1": 2, "d2": 6, "d3": 10, "d4": 16, "d5": 26, "d6": 36}
    assert Drawer.objects.get(label="d5").keeper_id == ada.pk
    drawers[0].refresh_from_db(fields=["number"])
    assert drawers[0].number == 2


LETTERS = [("the red fox", 1901, [1, 0, 0]), ("a red hen", 1902, [0, 1, 0]), ("the blue sea", 1903, [0, 0, 2])]


@pytest.fixture
def letters(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Letter,))
    bulk_load(Letter, [{"text": text, "year": year, "embedding": vector} for text, year, vector in LETTERS])
    yield db
    drop_table(db, Letter)


async def test_a_search_of_columns_named_by_words_of_sql(letters: Database) -> None:
    near = Letter.objects.filter(year__gt=1900).nearest("embedding", [0, 0, 1])
    assert [(row.text, row.distance) for row in near[:1]] == [("the blue sea", 1)]
    assert [row.year async for row in near.exclude(year=1903).filter(text__contains="fox")[:2]] == [1901]
    assert {row.year for row in text_search(Letter, text="red")} == {1901, 1902}
    assert {row.year for row in hybrid_search(Letter, text="red", vector=[0, 1, 0], limit=2)} == {1901, 1902}
    assert list(Letter.objects.values_list("text", "embedding").order_by("-year")[:1]) == [("the blue sea", [0, 0, 2])]
    Letter.objects.filter(year=1903).update(text="the red sea", embedding=[0, 0, 1])
    assert {row.year for row in text_search(Letter, text="red")} == {1901, 1902, 1903}
    assert Letter.objects.aggregate(mean=Avg("year"))["mean"] == 1902
    measured = Letter.objects.annotate(distance=L2Distance("embedding", [0, 0, 1])).values("year", "distance")
    assert list(measured.order_by("distance")[:1]) == [{"year": 1903, "distance": 0}]


class Stamp(dorm.Model):
    year = dorm.IntegerField(db_column="limit")
    embedding = VectorField(dimensions=3, db_column="match")

    class Meta:
        db_table = "group"
        indexes = [Vec0Index(fields=["embedding"], name="select", distance="l2", metadata=["year"])]


@pytest.mark.not_on("postgresql", "turso", "libsql", "mariadb", "mysql")
def test_a_companion_of_columns_named_by_words_of_sql(db: Database) -> None:
    create_tables(db.connection, (Stamp,))
    Stamp.objects.bulk_create([Stamp(year=1900 + n, embedding=[n, 0, 0]) for n in range(9)])
    Stamp.objects.filter(year=1903).update(embedding=[9, 0, 0])
    assert [row.year for row in Stamp.objects.nearest("embedding", [9, 0, 0])[:2]] == [1903, 1908]
    near = Stamp.objects.filter(year__lt=1903).nearest("embedding", [9, 0, 0])
    assert [row.year for row in near[:1]] == [1902]
    drop_table(db, Stamp)


# declarations

DECLARED: dict[str, Callable[[str], Any]] = {
    "an index": lambda name: {"indexes": [dorm.Index(fields=[name])]},
    "an index, descending": lambda name: {"indexes": [dorm.Index(fields=["-" + name])]},
    "an index of words": lambda name: {"indexes": [TextIndex(fields=["text", name], name="x")]},
    "an index of vectors": lambda name: {"indexes": [HnswIndex(fields=[name], name="x")]},
    "a condition": lambda name: {"indexes": [dorm.Index(fields=["text"], condition=Q(**{f"{name}__gt": 1}))]},
    "unique": lambda name: {"constraints": [dorm.UniqueConstraint(fields=["text", name], name="x")]},
    "a check": lambda name: {"constraints": [dorm.CheckConstraint(check=Q(text="a") | ~Q(**{name: 1}), name="x")]},
    "a check of two": lambda name: {"constraints": [dorm.CheckConstraint(check=Q(text=F(name)), name="x")]},
    "unique_together": lambda name: {"unique_together": [("text", name)]},
    "db_table": lambda name: {"db_table": name},
}
HOSTILE = ('x" (id); --', "x'y", "x`y", "x\0y", "x%sy", "{x}", "x;y", "x\ny")


def declared(options: dict[str, Any], **fields: Any) -> Any:
    body = {"__module__": __name__, "text": dorm.CharField(max_length=9), "Meta": type("Meta", (), options), **fields}
    return type("Declared", (dorm.Model,), body)


@pytest.mark.parametrize("option", DECLARED)
def test_a_model_declares_nothing_over_names_that_it_lacks(option: str) -> None:
    before = dict(_model_registry)
    for name in HOSTILE if option == "db_table" else ("headline", *HOSTILE):
        with pytest.raises((ValueError, dorm.ImproperlyConfigured), match=r"no field|Invalid|not in"):
            declared(DECLARED[option](name))
    assert _model_registry == before


@pytest.mark.parametrize("index", [dorm.Index, TextIndex, HnswIndex, Vec0Index])
def test_names_of_indexes_and_columns_are_ones_that_can_be_quoted(index: Any) -> None:
    for name in HOSTILE:
        with pytest.raises(dorm.ImproperlyConfigured, match="name="):
            index(fields=["text"], name=name)
        with pytest.raises(dorm.ImproperlyConfigured, match="Invalid"):
            declared({}, other=dorm.IntegerField(db_column=name))
        with pytest.raises(dorm.ImproperlyConfigured, match="Invalid"):
            declared({}, other=VectorField(dimensions=3, db_column=name))


class Postcard(dorm.Model):
    text = dorm.TextField()
    year = dorm.IntegerField()
    embedding = VectorField(dimensions=3)

    class Meta:
        indexes = [
            dorm.Index(fields=["-year"], name="größe of-year"),
            HnswIndex(fields=["embedding"], name="nächste_karten", distance="l2"),
            TextIndex(fields=["text"], name="wörter_der_karte"),
        ]


def test_an_index_is_called_in_other_letters(db: Database) -> None:
    create_tables(db.connection, (Postcard,))
    Postcard.objects.create(text="a red hen", year=1, embedding=[1, 0, 0])
    Postcard.objects.filter(year=1).update(text="a blue hen", embedding=[0, 1, 0])
    assert [row.year for row in text_search(Postcard, text="blue")] == [1]
    assert [row.distance for row in Postcard.objects.nearest("embedding", [0, 1, 0])[:1]] == [0]
    drop_table(db, Postcard)
    assert db.connection.table_exists(Postcard._meta.db_table) is False
