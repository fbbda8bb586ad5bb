"""Models whose primary keys are UUIDs or texts: created rows keep their keys, and relations find them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import dorm
import pytest

from tests.databases import Database, create_tables, drop_table


class Mark(dorm.Model):
    id = dorm.UUIDField(primary_key=True, default=uuid.uuid4)
    word = dorm.CharField(max_length=20)

    class Meta:
        app_label = "tests"
        ordering = ["word"]


class Parcel(dorm.Model):
    id = dorm.UUIDField(primary_key=True, default=uuid.uuid4)
    marks = dorm.ManyToManyField(Mark, related_name="parcels")
    main = dorm.ForeignKey(Mark, on_delete=dorm.CASCADE, null=True, related_name="main_of")

    class Meta:
        app_label = "tests"


class Box(dorm.Model):
    """A key that the database counts, among other fields."""

    name = dorm.CharField(max_length=20, default="box")
    marks = dorm.ManyToManyField(Mark, related_name="boxes")

    class Meta:
        app_label = "tests"


class Place(dorm.Model):
    code = dorm.CharField(max_length=20, primary_key=True)

    class Meta:
        app_label = "tests"


MODELS = (Mark, Parcel, Box, Place)


@pytest.fixture
def marks(database: Database) -> Iterator[list[Mark]]:
    database.use()
    create_tables(database.connection, MODELS)
    yield [Mark.objects.create(word=word) for word in "abc"]
    database.use()
    for model in (Parcel, Box, Mark, Place):
        drop_table(database, model)


def words(rows: Any) -> str:
    return "".join(sorted(row.word for row in rows))


def test_keys_that_are_no_numbers(marks: list[Mark]) -> None:
    a, b, c = marks
    assert {mark.pk for mark in marks} == {mark.pk for mark in Mark.objects.all()}
    place = Place.objects.create(code="A7")
    assert (place.pk, Place.objects.get().pk) == ("A7", "A7")
    parcel, box = Parcel.objects.create(main=a), Box.objects.create()
    for owner in (parcel, box):
        owner.marks.add(a, b)
        owner.marks.add(b, str(a.pk), c.pk)
        assert words(owner.marks.all()) == "abc"
        owner.marks.remove(c)
        owner.marks.set([b, c])
        assert words(owner.marks.all()) == "bc"
        (read,) = type(owner).objects.prefetch_related("marks")
        assert (read, words(read.marks.all())) == (owner, "bc")
    assert [[parcel], [box]] == [list(b.parcels.all()), list(b.boxes.all())]
    assert Parcel.objects.filter(main=a).count() == 1
    assert [row.main for row in Parcel.objects.select_related("main")] == [a]
    parcel.marks.clear()
    assert b.parcels.count() == 0
    parcel.delete()
    assert not Parcel.objects.exists()


async def test_keys_that_are_no_numbers_async(marks: list[Mark]) -> None:
    a, b, c = marks
    place = await Place.objects.acreate(code="A7")
    assert place.pk == "A7"
    parcel, box = await Parcel.objects.acreate(main=a), await Box.objects.acreate()
    for owner in (parcel, box):
        await owner.marks.aadd(a, b)
        await owner.marks.aadd(b, str(a.pk), c.pk)
        await owner.marks.aremove(c)
        await owner.marks.aset([b, c])
        assert words([mark async for mark in owner.marks.all()]) == "bc"
        read = await type(owner).objects.prefetch_related("marks").aget()
        assert (read, words(read.marks.all())) == (owner, "bc")
    await parcel.marks.aclear()
    assert [found async for found in b.parcels.all()] == []
    await parcel.adelete()
    assert not await Parcel.objects.aexists()
