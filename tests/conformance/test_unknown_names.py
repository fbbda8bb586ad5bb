"""A name that is no field's is refused wherever it would become an SQL identifier, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dorm
import pytest
from dorm import F, Q, Value

from tests.databases import Database
from tests.models import Author, Document

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
        lazy = name in ("filter", "order_by")
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
