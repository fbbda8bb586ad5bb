"""A name that is no field's is refused wherever it would become an SQL identifier, and nothing is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import dorm
import pytest
from dorm import Case, Count, Exists, F, OuterRef, Prefetch, Q, Subquery, Sum, Value, When
from dorm.aggregates import Mode, StringAgg
from dorm.expressions import FilteredRelation
from dorm.functions import Lag, RowNumber, Upper, Window
from dorm.search import SearchQuery, SearchRank, SearchVector, TrigramSimilarity

from tests.databases import Database
from tests.models import Author, Chunk, Document

UNKNOWN = ("nickname", 'x" = (SELECT "name" FROM "tests_secret"), "y', "x\0y", "", "1=1; --", "größe", "select")
PLAIN, VECTORS = (Author, "name"), (Document, "title")

WRITES: dict[str, Callable[[Any, Any, str, str], Any]] = {
    "update": lambda rows, row, known, name: rows.update(**{name: 5}),
    "update an expression": lambda rows, row, known, name: rows.update(**{name: Value(5)}),
    "update two": lambda rows, row, known, name: rows.update(**{known: "new", name: 5}),
    "update a slice": lambda rows, row, known, name: rows.order_by("pk")[:1].update(**{name: 5}),
    "update no rows": lambda rows, row, known, name: rows.filter(pk=-1)[:1].update(**{name: 5}),
    "bulk_update_when": lambda rows, row, known, name: rows.bulk_update_when([(Q(pk=row.pk), {name: 5})]),
    "bulk_update_when, else": lambda rows, row, known, name: rows.bulk_update_when(
        [(Q(pk=row.pk), {known: "new"})], default={name: 5}
    ),
    "update_or_create": lambda rows, row, known, name: rows.update_or_create(pk=row.pk, defaults={name: 5}),
    "update_or_create a new one": lambda rows, row, known, name: rows.update_or_create(
        pk=-1, defaults={known: "new"}, create_defaults={name: 5}
    ),
    "get_or_create": lambda rows, row, known, name: rows.get_or_create(pk=row.pk, defaults={name: 5}),
    "bulk_create, update_fields": lambda rows, row, known, name: rows.bulk_create(
        [row], update_conflicts=True, unique_fields=["pk"], update_fields=[known, name]
    ),
    "bulk_create, unique_fields": lambda rows, row, known, name: rows.bulk_create(
        [row], update_conflicts=True, unique_fields=[name], update_fields=[known]
    ),
    "bulk_create, fields of no use": lambda rows, row, known, name: rows.bulk_create(
        [type(row)(**{known: "new"})], update_fields=[name]
    ),
    "bulk_create, returning": lambda rows, row, known, name: rows.bulk_create(
        [type(row)(**{known: "new"})], returning=[name]
    ),
    "upsert": lambda rows, row, known, name: rows.upsert([row], ["pk"], update_fields=[name]),
    "upsert, unique_fields": lambda rows, row, known, name: rows.upsert([row], [name]),
    "bulk_update": lambda rows, row, known, name: rows.bulk_update([row], [known, name]),
    "bulk_update of none": lambda rows, row, known, name: rows.bulk_update([], [name]),
    "save": lambda rows, row, known, name: row.save(update_fields=[known, name]),
    "refresh_from_db": lambda rows, row, known, name: row.refresh_from_db(fields=[known, name]),
}
OF_A_ROW = ("save", "refresh_from_db")
IN_BATCHES = {"update_batched": lambda rows, row, known, name: rows.update_batched(1, **{name: 5})}


@pytest.mark.parametrize("model", [PLAIN, VECTORS], ids=["plain", "vectors"])
@pytest.mark.parametrize("call", [*WRITES, *IN_BATCHES])
async def test_a_write_refuses_an_unknown_name(db: Database, model: Any, call: str) -> None:
    model, known = model
    row = model.objects.create(**{known: "old"})
    for name in UNKNOWN:
        with pytest.raises(dorm.FieldDoesNotExist, match=f"{model.__name__} has no field .* It has id, {known}"):
            {**WRITES, **IN_BATCHES}[call](model.objects, row, known, name)
        if call in WRITES:
            with pytest.raises(dorm.FieldDoesNotExist, match=f"{model.__name__} has no field .* It has id, {known}"):
                await WRITES[call](InAsync(model.objects), InAsync(row) if call in OF_A_ROW else row, known, name)
    assert [getattr(row, known) for row in model.objects.all()] == ["old"]


class InAsync:
    """A manager, queryset or row whose writing methods are the asynchronous ones."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        lazy = name in ("filter", "order_by", "all")
        found = getattr(self._wrapped, name if lazy or not hasattr(self._wrapped, f"a{name}") else f"a{name}")
        return (lambda *args, **kwargs: InAsync(found(*args, **kwargs))) if lazy else found

    def __getitem__(self, key: slice) -> InAsync:
        return InAsync(self._wrapped[key])


def test_a_secret_is_not_read_into_another_table(db: Database) -> None:
    author, document = Author.objects.create(name="secret"), Document.objects.create(title="old")
    stolen = 'title" = (SELECT "name" FROM "tests_author" LIMIT 1), "pages'
    with pytest.raises(dorm.FieldDoesNotExist, match="Document has no field"):
        Document.objects.filter(pk=document.pk).update(**{stolen: 5})
    with pytest.raises(dorm.FieldDoesNotExist, match="Author has no field"):
        Author.objects.filter(pk=author.pk).update(**{'name" = (SELECT "title" FROM "tests_document"), "id': 5})
    assert (Document.objects.get().title, Author.objects.get().name) == ("old", "secret")


async def test_fields_go_by_name_by_column_and_by_pk(db: Database) -> None:
    author, document = Author.objects.create(name="Ada"), Document.objects.create(title="old")
    assert Document.objects.update(author=author) == Document.objects.update(author_id=author.pk) == 1
    assert await Document.objects.aupdate(other_vector=[1, 0, 0], pages=F("pages") + 1) == 1
    assert await Document.objects.aupdate(pk=document.pk + 7) == 1
    row, created = await Document.objects.aupdate_or_create(pk=document.pk + 7, defaults={"author": author})
    assert (row.title, row.author_id, row.pages, row.other, created) == ("old", author.pk, 2, [1, 0, 0], False)
    assert Author.objects.update_or_create(pk=author.pk, defaults={"pk": author.pk, "name": "Bob"})[0].name == "Bob"


# reading

RELATED = {Author: "documents", Document: "author"}
READS: dict[str, Callable[[Any, str, str], Any]] = {
    "filter": lambda rows, known, name: rows.filter(**{name: 1}),
    "exclude": lambda rows, known, name: rows.exclude(**{name: 1}),
    "a condition": lambda rows, known, name: rows.filter(Q(pk=1) | ~Q(**{name: 1})),
    "a lookup": lambda rows, known, name: rows.filter(**{f"{known}__{name}": 1}),
    "a path": lambda rows, known, name: rows.filter(**{f"{RELATED[rows.model]}__{name}": 1}),
    "a value": lambda rows, known, name: rows.filter(**{known: F(name)}),
    "order_by": lambda rows, known, name: rows.order_by(known, name),
    "order_by, descending": lambda rows, known, name: rows.order_by(f"-{name}"),
    "order_by a path": lambda rows, known, name: rows.order_by(f"{RELATED[rows.model]}__{name}"),
    "values": lambda rows, known, name: rows.values(known, name),
    "values of a path": lambda rows, known, name: rows.values(f"{RELATED[rows.model]}__{name}"),
    "values_list": lambda rows, known, name: rows.values_list(name),
    "values_list, flat": lambda rows, known, name: rows.values_list(name, flat=True),
    "values_list, named": lambda rows, known, name: rows.values_list(known, name, named=True),
    "a subquery of values": lambda rows, known, name: rows.filter(pk__in=rows.values(name)),
    "only": lambda rows, known, name: rows.only(known, name),
    "only a path": lambda rows, known, name: rows.only(f"{RELATED[rows.model]}__{name}"),
    "defer": lambda rows, known, name: rows.defer(name),
    "select_related": lambda rows, known, name: rows.select_related(name),
    "prefetch_related": lambda rows, known, name: rows.prefetch_related(name),
    "Prefetch": lambda rows, known, name: rows.prefetch_related(Prefetch(name)),
    "F": lambda rows, known, name: rows.annotate(more=F(name) + 1),
    "a function": lambda rows, known, name: rows.annotate(more=Upper(F(name))),
    "an aggregate": lambda rows, known, name: rows.annotate(more=Count(name)),
    "an aggregate with a dot": lambda rows, known, name: rows.annotate(more=Count(f"{known}.{name}")),
    "an aggregate's filter": lambda rows, known, name: rows.annotate(more=Count("pk", filter=Q(**{name: 1}))),
    "a case": lambda rows, known, name: rows.annotate(more=Case(When(**{name: 1}, then=Value(1)), default=Value(0))),
    "a case's value": lambda rows, known, name: rows.annotate(more=Case(When(pk=1, then=F(name)), default=Value(0))),
    "a partition": lambda rows, known, name: rows.annotate(
        more=Window(RowNumber(), partition_by=[name], order_by="id")
    ),
    "a window's order": lambda rows, known, name: rows.annotate(more=Window(RowNumber(), order_by=f"-{name}")),
    "an aggregate in a window": lambda rows, known, name: rows.annotate(more=Window(Sum(name), order_by="id")),
    "a function of a window": lambda rows, known, name: rows.annotate(more=Window(Lag(F(name)), order_by="id")),
    "OuterRef": lambda rows, known, name: rows.annotate(
        more=Subquery(Chunk.objects.filter(document_id=OuterRef(name)).values("id")[:1])
    ),
    "a subquery": lambda rows, known, name: rows.annotate(more=Subquery(rows.values(name)[:1])),
    "a subquery's filter": lambda rows, known, name: rows.annotate(more=Subquery(rows.filter(**{name: 1})[:1])),
    "a subquery's order": lambda rows, known, name: rows.annotate(more=Subquery(rows.order_by(name).values("id")[:1])),
    "a subquery's annotation": lambda rows, known, name: rows.annotate(
        more=Subquery(rows.annotate(inner=Upper(F(name))).values("id")[:1])
    ),
    "Exists": lambda rows, known, name: rows.filter(Exists(rows.filter(**{name: OuterRef("pk")}))),
    "FilteredRelation": lambda rows, known, name: rows.annotate(z=FilteredRelation(name, condition=Q(pk=1))),
    "FilteredRelation's condition": lambda rows, known, name: rows.annotate(
        near=FilteredRelation(RELATED[rows.model], condition=Q(**{name: 1}))
    ).filter(near__pk=1),
    "union, sorted": lambda rows, known, name: rows.filter(pk=1).union(rows.filter(pk=2)).order_by(name),
}
ANSWERS: dict[str, Callable[[Any, str, str], Any]] = {
    "dates": lambda rows, known, name: rows.dates(name, "year"),
    "datetimes": lambda rows, known, name: rows.datetimes(name, "hour"),
    "update from F": lambda rows, known, name: rows.update(**{known: F(name)}),
    "update from F + 1": lambda rows, known, name: rows.update(**{known: F(name) + 1}),
    "update from a path": lambda rows, known, name: rows.update(**{known: F(f"{RELATED[rows.model]}__{name}")}),
    "update from a function": lambda rows, known, name: rows.update(**{known: Upper(F(name))}),
    "update from a case": lambda rows, known, name: rows.update(**{known: Case(When(**{name: 1}, then=Value("a")))}),
    "delete": lambda rows, known, name: rows.filter(**{name: name}).delete(),
    "aggregate": lambda rows, known, name: rows.aggregate(more=Count(name)),
    "aggregate of F": lambda rows, known, name: rows.aggregate(more=Sum(F(name) + 1)),
    "aggregate, filtered": lambda rows, known, name: rows.aggregate(more=Count("pk", filter=Q(**{name: 1}))),
    "count": lambda rows, known, name: rows.filter(**{name: 1}).count(),
    "exists": lambda rows, known, name: rows.filter(**{name: 1}).exists(),
    "get": lambda rows, known, name: rows.get(**{name: 1}),
    "in_bulk": lambda rows, known, name: rows.in_bulk([1], field_name=name),
    "in_bulk of none": lambda rows, known, name: rows.in_bulk([], field_name=name),
    "cursor_paginate": lambda rows, known, name: rows.cursor_paginate(order_by=f"-{name}"),
    "cursor_paginate, after": lambda rows, known, name: rows.cursor_paginate(after={name: 1}),
}
REFUSALS = (dorm.FieldDoesNotExist, ValueError)


@pytest.mark.parametrize("model", [PLAIN, VECTORS], ids=["plain", "vectors"])
@pytest.mark.parametrize("call", READS)
async def test_a_query_refuses_an_unknown_name(db: Database, model: Any, call: str) -> None:
    model, known = model
    model.objects.create(**{known: "old"})
    for name in UNKNOWN:
        with pytest.raises(REFUSALS, match=named(name)):
            list(READS[call](model.objects.all(), known, name))
        with pytest.raises(REFUSALS, match=named(name)):
            await READS[call](model.objects.all(), known, name)


@pytest.mark.parametrize("model", [PLAIN, VECTORS], ids=["plain", "vectors"])
@pytest.mark.parametrize("call", ANSWERS)
async def test_an_answer_refuses_an_unknown_name(db: Database, model: Any, call: str) -> None:
    model, known = model
    model.objects.create(**{known: "old"})
    for name in UNKNOWN:
        with pytest.raises(REFUSALS, match=named(name)):
            ANSWERS[call](model.objects.all(), known, name)
        with pytest.raises(REFUSALS, match=named(name)):
            await ANSWERS[call](InAsync(model.objects.all()), known, name)
    assert [getattr(row, known) for row in model.objects.all()] == ["old"]


def named(name: str) -> str:
    """Match an error that says which name it was, as it stands or with its control characters escaped."""
    return f"{re.escape(name)}|{re.escape(repr(name)[1:-1])}"


ON_POSTGRESQL: dict[str, Callable[[Any, str, str], Any]] = {
    "distinct": lambda rows, known, name: rows.distinct(known, name),
    "select_for_update": lambda rows, known, name: rows.select_for_update(of=(name,)),
    "StringAgg": lambda rows, known, name: rows.annotate(more=StringAgg(name)),
    "StringAgg, sorted": lambda rows, known, name: rows.annotate(more=StringAgg(known, order_by=f"-{name}")),
    "Mode": lambda rows, known, name: rows.annotate(more=Mode(name)),
    "SearchVector": lambda rows, known, name: rows.annotate(more=SearchVector(known, name)),
    "SearchRank": lambda rows, known, name: rows.annotate(more=SearchRank(SearchVector(name), SearchQuery("a"))),
    "TrigramSimilarity": lambda rows, known, name: rows.annotate(more=TrigramSimilarity(name, "a")),
}


@pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql")
@pytest.mark.parametrize("model", [PLAIN, VECTORS], ids=["plain", "vectors"])
@pytest.mark.parametrize("call", ON_POSTGRESQL)
async def test_what_postgresql_alone_has_refuses_an_unknown_name(db: Database, model: Any, call: str) -> None:
    model, known = model
    for name in UNKNOWN:
        with pytest.raises((*REFUSALS, dorm.ImproperlyConfigured), match=named(name)):
            list(ON_POSTGRESQL[call](model.objects.all(), known, name))
        with pytest.raises((*REFUSALS, dorm.ImproperlyConfigured), match=named(name)):
            await ON_POSTGRESQL[call](model.objects.all(), known, name)
