"""A row acts on the database that it was read from or written to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.db.connection import reset_connections

from dorm_vector import VectorField, create_tables
from tests.conformance.inside import switched_off
from tests.databases import Database

BOTH = ("default", "other")


class Toy(dorm.Model):
    name = dorm.CharField(max_length=20)


class Owner(dorm.Model):
    name = dorm.CharField(max_length=20)


class Pet(dorm.Model):
    name = dorm.CharField(max_length=20)
    owner = dorm.ForeignKey(Owner, on_delete=dorm.CASCADE, null=True, related_name="pets")
    toys = dorm.ManyToManyField(Toy, related_name="pets")
    embedding = VectorField(dimensions=2)


@pytest.fixture
def two(db: Database) -> Iterator[None]:
    """Two databases of one server, in both of which the same keys are those of other rows."""
    settings = {alias: db.running.new_database() for alias in BOTH}
    reset_connections()
    dorm.configure(DATABASES=settings, INSTALLED_APPS=[])
    for alias in BOTH:
        create_tables(Toy, Owner, Pet, using=alias)
        owner = Owner.objects.using(alias).create(name=alias)
        toy = Toy.objects.using(alias).create(name=f"ball of {alias}")
        pet = Pet.objects.using(alias).create(name=f"cat of {alias}", owner=owner, embedding=[1, 0])
        pet.toys.add(toy)
    yield
    reset_connections()
    dorm.configure(DATABASE_ROUTERS=[])
    for created in settings.values():
        db.running.drop_database(created)
    db.use()


def pets(alias: str) -> list[str]:
    return sorted(Pet.objects.using(alias).values_list("name", flat=True))


def test_a_row_is_saved_refreshed_and_deleted_where_it_is_from(two: None) -> None:
    pet = Pet.objects.using("other").nearest("embedding", [1, 0])[:1][0]
    pet.name = "renamed"
    pet.save()
    assert (pets("default"), pets("other")) == (["cat of default"], ["renamed"])
    Pet.objects.using("other").update(name="again")
    pet.refresh_from_db()
    assert pet.name == "again"
    Pet.objects.using("other").create(name="short-lived", embedding=[0, 1]).delete()
    pet.delete()
    assert (pets("default"), pets("other")) == (["cat of default"], [])


async def test_a_row_is_saved_refreshed_and_deleted_where_it_is_from_asynchronously(two: None) -> None:
    pet = await Pet.objects.using("other").aget(name="cat of other")
    pet.name = "renamed"
    await pet.asave()
    assert (pets("default"), pets("other")) == (["cat of default"], ["renamed"])
    await Pet.objects.using("other").aupdate(name="again")
    await pet.arefresh_from_db()
    assert pet.name == "again"
    await (await Pet.objects.using("other").acreate(name="short-lived", embedding=[0, 1])).adelete()
    await pet.adelete()
    assert (pets("default"), pets("other")) == (["cat of default"], [])


async def test_rows_of_bulk_create_and_raw_are_of_their_database(two: None) -> None:
    others = Pet.objects.using("other")
    (made,) = others.bulk_create([Pet(name="a", embedding=[0, 1])])
    (also,) = await others.abulk_create([Pet(name="b", embedding=[0, 1])])
    table = Pet._meta.db_table
    (raw,) = Pet.objects.db_manager("other").raw(f'SELECT * FROM "{table}" WHERE "name" = %s', ["cat of other"])
    for pet, name in ((made, "A"), (raw, "C")):
        pet.name = name
        pet.save()
    also.name = "B"
    await also.asave()
    assert (pets("default"), pets("other")) == (["cat of default"], ["A", "B", "C"])
    for pet in (made, raw):
        pet.delete()
    await also.adelete()
    assert (pets("default"), pets("other")) == (["cat of default"], [])


def test_relations_are_those_of_its_database(two: None) -> None:
    for source in (
        Pet.objects.using("other").get(),
        Pet.objects.using("other").select_related("owner").get(),
        Pet.objects.using("other").prefetch_related("owner", "toys").get(),
        next(iter(Pet.objects.using("other").iterator(chunk_size=2))),
    ):
        assert source.owner.name == "other"
        assert [pet.name for pet in source.owner.pets.all()] == ["cat of other"]
        assert [toy.name for toy in source.toys.all()] == ["ball of other"]
        assert [pet.name for pet in source.toys.all()[0].pets.all()] == ["cat of other"]
    owner = source.owner
    made = owner.pets.create(name="dog", embedding=[0, 1])
    found, is_new = owner.pets.get_or_create(name="dog", defaults={"embedding": [0, 1]})
    assert (found.pk, is_new) == (made.pk, False)
    made.toys.create(name="bone")
    made.toys.set(Toy.objects.using("other").all())
    owner.pets.set([made])
    assert [pet.name for pet in owner.pets.all()] == ["dog"]
    assert (pets("default"), pets("other")) == (["cat of default"], ["cat of other", "dog"])
    assert (Toy.objects.count(), made.toys.count()) == (1, 2)
    owner.delete()
    assert (pets("default"), pets("other")) == (["cat of default"], ["cat of other"])


async def test_relations_are_those_of_its_database_asynchronously(two: None) -> None:
    pet = await Pet.objects.using("other").select_related("owner").aget(name="cat of other")
    toy = await pet.toys.acreate(name="bone")
    await pet.toys.aremove(toy)
    assert [row.name async for row in await pet.toys.aget_queryset()] == ["ball of other"]
    found, is_new = await pet.owner.pets.aget_or_create(name="dog", defaults={"embedding": [0, 1]})
    assert (is_new, await pet.owner.pets.acount()) == (True, 2)
    await pet.owner.pets.aset([found])
    await pet.owner.adelete()
    assert (pets("default"), pets("other")) == (["cat of default"], ["cat of other"])
    assert Toy.objects.count() == 1


class ReadsElsewhere:
    """A router to a second database, and of writes to it where the row is from there."""

    def db_for_read(self, model: Any, **_hints: Any) -> str:
        return "other"

    def db_for_write(self, model: Any, *, instance: Any = None, **_hints: Any) -> str | None:
        return "default" if instance is not None and instance.name == "for the primary" else None


def test_a_router_decides_where_its_rows_are_written(two: None) -> None:
    dorm.configure(DATABASE_ROUTERS=[ReadsElsewhere()])
    pet = Pet.objects.get()
    assert (pet.name, pet.owner.name) == ("cat of other", "other")
    pet.name = "renamed"
    pet.save()
    assert (pets("default"), pets("other")) == (["cat of default"], ["renamed"])
    pet.name = "for the primary"
    pet.save()
    assert (pets("default"), pets("other")) == (["for the primary"], ["renamed"])


def test_what_is_asked_for_decides(two: None) -> None:
    pet = Pet.objects.using("other").get()
    pet.name = "moved"
    pet.save(using="default")
    assert (pets("default"), pets("other")) == (["moved"], ["cat of other"])
    pet.delete()
    assert (pets("default"), pets("other")) == ([], ["cat of other"])
    stray = Pet.objects.using("other").get()
    with switched_off("rows_on_their_database"):
        stray.delete()
    assert pets("other") == ["cat of other"]
