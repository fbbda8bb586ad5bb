"""``F()`` in every place of a query, over relations too, in models with and without vectors."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import dorm
import pytest
from dorm import Count, F, Q, Sum
from dorm.expressions import Value
from dorm.functions import Length, Upper

from dorm_vector import InvalidVector, L2Distance, VectorField
from tests.databases import Database, create_tables, drop_table


class RefOwner(dorm.Model):
    name = dorm.CharField(max_length=10)
    since = dorm.DateField()
    seen = dorm.DateTimeField()
    token = dorm.UUIDField()
    price = dorm.DecimalField(max_digits=6, decimal_places=2)
    length = dorm.DurationField()
    is_active = dorm.BooleanField()
    facts = dorm.JSONField()
    place = VectorField(2)

    class Meta:
        app_label = "tests"


class RefLabel(dorm.Model):
    name = dorm.CharField(max_length=10)
    weight = dorm.IntegerField()

    class Meta:
        app_label = "tests"


class RefTask(dorm.Model):
    title = dorm.CharField(max_length=10)
    hours = dorm.IntegerField(db_column="duration_hours")
    owner = dorm.ForeignKey(RefOwner, on_delete=dorm.CASCADE, null=True, related_name="tasks")
    labels = dorm.ManyToManyField(RefLabel, related_name="tasks")

    class Meta:
        app_label = "tests"


class RefDoc(dorm.Model):
    """A RefTask with a vector."""

    title = dorm.CharField(max_length=10)
    hours = dorm.IntegerField(db_column="duration_hours")
    owner = dorm.ForeignKey(RefOwner, on_delete=dorm.CASCADE, null=True, related_name="docs")
    labels = dorm.ManyToManyField(RefLabel, related_name="docs")
    place = VectorField(2)

    class Meta:
        app_label = "tests"


MODELS = (RefOwner, RefLabel, RefTask, RefDoc)
ROWS_OF: list[tuple[Any, str]] = [(RefTask.objects, "tasks"), (RefDoc.objects, "docs")]
WEIGHTS = {"new": 1, "old": 5}
# title, hours, owner, labels
ROWS: list[tuple[str, int, str | None, tuple[str, ...]]] = [
    ("a", 2, "ann", ("new", "old")),
    ("b", 3, "bob", ("old",)),
    ("c", 4, None, ()),
]
LABELED: list[tuple[str, Any]] = [(title, label) for title, _, _, labels in ROWS for label in labels or (None,)]
OWNED: list[tuple[str, Any]] = [(title, owner) for title, _, owner, _ in ROWS]
READ = ("since", "seen", "token", "price", "length", "is_active", "facts")


def _owner(name: str) -> RefOwner:
    return RefOwner.objects.create(
        name=name,
        since=dt.date(2020, 1, 2),
        seen=dt.datetime(2020, 1, 2, 3, 4, 5),  # noqa: DTZ001  # as databases without time zones return it
        token=uuid.UUID(int=7),
        price=Decimal("1.25"),
        length=dt.timedelta(hours=3, microseconds=7),
        is_active=True,
        facts={"a": [1]},
        place=[1, 2],
    )


@pytest.fixture
def tasks(db: Database) -> Iterator[Database]:
    create_tables(db.connection, MODELS)
    owners = {name: _owner(name) for name in ("ann", "bob")}
    labels = {name: RefLabel.objects.create(name=name, weight=weight) for name, weight in WEIGHTS.items()}
    for title, hours, owner, names in ROWS:
        task = RefTask.objects.create(title=title, hours=hours, owner=owners.get(owner or ""))
        doc = RefDoc.objects.create(title=title, hours=hours, owner=owners.get(owner or ""), place=[hours, 0])
        for row in (task, doc):
            row.labels.add(*(labels[name] for name in names))
    yield db
    for tagged in (RefTask, RefDoc):
        db.connection.execute_script(f'DROP TABLE "{tagged._meta.db_table}_labels"')
    for model in reversed(MODELS):
        drop_table(db, model)


def _sorted(pairs: Any) -> list[Any]:
    return sorted(pairs, key=repr)


async def _pairs(queryset: Any) -> list[Any]:
    """Return the titles and annotations of the rows, after a check that each way to read and count them agrees."""
    found = _sorted((row.title, row.found) for row in queryset)
    assert _sorted([(row.title, row.found) async for row in queryset._clone()]) == found
    assert _sorted(queryset.values_list("title", "found")) == found
    assert _sorted((row["title"], row["found"]) for row in queryset.values("title", "found")) == found
    assert queryset.count() == await queryset.acount() == len(found)
    assert queryset.exists() is await queryset.aexists() is bool(found)
    return found


async def _annotations() -> None:
    for rows, related in ROWS_OF:
        expected: list[tuple[Any, list[Any]]] = [
            (F("labels__name"), LABELED),
            (F("owner__name"), OWNED),
            (F("title"), [(title, title) for title, *_ in ROWS]),
            (F("hours"), [(title, hours) for title, hours, *_ in ROWS]),
            (Value(3), [(title, 3) for title, *_ in ROWS]),
            (Upper(F("labels__name")), [(title, label and label.upper()) for title, label in LABELED]),
            (F("labels__weight") + F("hours"), [(t, w and w + h) for t, h, _, ls in ROWS for w in _weights(ls)]),
        ]
        for expression, pairs in expected:
            assert await _pairs(rows.annotate(found=expression)) == _sorted(pairs), expression
        again = rows.annotate(first=F("labels__weight")).annotate(found=F("first"))
        assert await _pairs(again) == _sorted((t, w) for t, _, _, ls in ROWS for w in _weights(ls))
        of_owners: Any = RefOwner.objects.annotate(found=F(f"{related}__title"))
        assert _sorted((row.name, row.found) for row in of_owners) == [("ann", "a"), ("bob", "b")]
        filtered = rows.annotate(found=F("labels__name")).filter(found="old")
        assert await _pairs(filtered) == [("a", "old"), ("b", "old")]
        assert [row.title for row in rows.alias(x=F("owner__name")).filter(x__gt="ann")] == ["b"]
        ordered = rows.annotate(found=F("labels__name")).order_by("found", "-title").filter(found__isnull=False)
        assert [(row.title, row.found) for row in ordered[1:]] == [("b", "old"), ("a", "old")]
        assert rows.annotate(found=F("owner__name")).filter(found="bob").update(hours=3) == 1
        assert rows.annotate(found=F("labels__name")).filter(found="none").delete()[0] == 0


def _weights(labels: tuple[str, ...]) -> list[int | None]:
    return [WEIGHTS[label] for label in labels] or [None]


async def _values_are_read_as_instances_have_them() -> None:
    owner: Any = RefOwner.objects.get(name="ann")
    for rows, _related in ROWS_OF:
        whole: Any = rows.filter(title="a").annotate(**{f"x_{name}": F(f"owner__{name}") for name in READ})
        read = [whole.get(), await whole.aget()]
        for name in READ:
            assert [getattr(row, f"x_{name}") for row in read] == [getattr(owner, name)] * 2, name
            assert list(whole.values_list(f"x_{name}", flat=True)) == [getattr(owner, name)], name
        assert list(rows.filter(title="a").annotate(found=F("owner__place")).get().found) == [1, 2]


async def _selections_orders_and_aggregates() -> None:
    for rows, _related in ROWS_OF:
        labeled = rows.values("title", x=F("labels__name"))
        assert _sorted((row["title"], row["x"]) for row in labeled) == _sorted(LABELED)
        tuples = [row async for row in rows.values_list(F("title"), Upper(F("owner__name")))]
        assert _sorted(tuples) == _sorted((title, owner and owner.upper()) for title, owner in OWNED)
        with pytest.raises(TypeError, match=r"Give values\(name=expression\)"):
            rows.values(Length(F("title")))
        in_order = [row.title for row in rows.filter(labels__isnull=False).order_by(F("labels__weight"), "title")]
        assert in_order == ["a", "a", "b"]
        total = {"s": 11, "n": 3}
        sums = {"s": Sum(F("labels__weight")), "n": Count(F("labels__name"))}
        assert rows.aggregate(**sums) == await rows.aaggregate(**sums) == total
        counted = [("new", 1), ("old", 2)]
        for grouped in (rows.values_list("labels__name"), rows.annotate(x=F("labels__name")).values_list("x")):
            assert _sorted(grouped.annotate(n=Count("pk")).filter(labels__isnull=False)) == counted
        by_title = rows.values("title").annotate(n=Count("labels")).order_by("title")
        assert list(by_title.values_list("n", flat=True)) == [2, 1, 0]
        names = rows.annotate(x=F("labels__name")).values("x")
        assert _sorted(row.name for row in RefLabel.objects.filter(name__in=names)) == ["new", "old"]
        both = rows.annotate(x=F("owner__name")).values("x").union(rows.values("title"))
        assert _sorted(row["x"] for row in both) == _sorted([*"abc", "ann", "bob", None])


async def _filters() -> None:
    for rows, _related in ROWS_OF:
        expected: list[tuple[Any, str]] = [
            (Q(hours__gt=F("labels__weight")), "a"),
            (Q(hours__lt=F("labels__weight")), "ab"),
            (Q(hours__gt=F("labels__weight") + 1) | Q(title="c"), "c"),
            (Q(title__lt=F("owner__name")), "ab"),
            (Q(hours__in=[F("labels__weight"), 3]), "b"),
            (Q(hours__range=(1, F("labels__weight"))), "ab"),
            (Q(hours=F("hours")), "abc"),
        ]
        for condition, titles in expected:
            found = rows.filter(condition).distinct()
            assert sorted(row.title for row in found) == list(titles), condition
            assert sorted([row.title async for row in found._clone()]) == list(titles), condition
            assert found.count() == await found.acount() == len(titles)
        with pytest.raises(dorm.FieldDoesNotExist, match=r"one is across a relation. Give Subquery"):
            rows.update(title=F("owner__name"))
        with pytest.raises(dorm.FieldDoesNotExist, match="has no field 'nope'"):
            list(rows.annotate(found=F("nope__name")))


async def _searches() -> None:
    with pytest.raises(InvalidVector, match="is not a vector"):
        L2Distance("place", Value([0, 0]))
    nearest = RefDoc.objects.annotate(distance=L2Distance("place", [0, 0]), label=F("labels__name"))
    found = [(row.title, row.label) for row in nearest.order_by("distance", "label") if row.label]
    assert found == [("a", "new"), ("a", "old"), ("b", "old")]
    owned = RefDoc.objects.nearest("place", [9, 0]).annotate(found=F("owner__name"))
    assert [(row.title, row.found) async for row in owned] == OWNED[::-1]


async def test_references(tasks: Database) -> None:
    await _annotations()
    await _values_are_read_as_instances_have_them()
    await _selections_orders_and_aggregates()
    await _filters()
    await _searches()
