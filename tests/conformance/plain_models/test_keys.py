"""Models without vectors whose key has several columns, or is their only column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm import Exists, OuterRef, Q
from dorm.serialize import dumps, load

from dorm_vector import VectorField
from tests.databases import Database, create_tables, drop_table


class Cinema(dorm.Model):
    name = dorm.CharField(max_length=10)


class CinemaChair(dorm.Model):
    cinema = dorm.ForeignKey(Cinema, on_delete=dorm.CASCADE)
    number = dorm.IntegerField()
    note = dorm.CharField(max_length=10, default="")
    pk = dorm.CompositePrimaryKey("cinema", "number")


class PlacedChair(dorm.Model):
    """A CinemaChair with a vector."""

    cinema = dorm.ForeignKey(Cinema, on_delete=dorm.CASCADE)
    number = dorm.IntegerField()
    note = dorm.CharField(max_length=10, default="")
    place = VectorField(2, null=True)
    pk = dorm.CompositePrimaryKey("cinema", "number")


class Numbered(dorm.Model):
    """A model that has no column but its key."""


MODELS = (Cinema, CinemaChair, PlacedChair, Numbered)
PLACES = [(name, number) for name in ("north", "south") for number in range(4)]
CHAIRS: Any = CinemaChair.objects


@pytest.fixture
def cinemas(db: Database) -> Iterator[dict[str, Any]]:
    create_tables(db.connection, MODELS)
    yield {name: Cinema.objects.create(name=name) for name in ("north", "south")}
    for model in reversed(MODELS):
        drop_table(db, model)


def _fill(cinemas: dict[str, Any]) -> None:
    for name, number in PLACES:
        CHAIRS.create(cinema=cinemas[name], number=number)


def _in_north() -> Any:
    return Exists(Cinema.objects.filter(pk=OuterRef("cinema_id"), name="north"))


async def test_rows_are_deleted_by_every_column_of_their_key(cinemas: dict[str, Any]) -> None:
    deletes: list[tuple[Any, list[tuple[str, int]]]] = [
        (CHAIRS.all(), PLACES),
        (CHAIRS.filter(number=1), [place for place in PLACES if place[1] == 1]),
        (CHAIRS.filter(cinema__name="north"), PLACES[:4]),
        (CHAIRS.order_by("cinema_id", "number")[:3], PLACES[:3]),
        (CHAIRS.order_by("cinema_id", "number")[6:], PLACES[6:]),
        (CHAIRS.filter(number=9), []),
    ]
    for queryset, gone in deletes:
        for is_async in (False, True):
            _fill(cinemas)
            chosen = queryset._clone()
            count, counts = await chosen.adelete() if is_async else chosen.delete()
            assert (count, counts) == (len(gone), {"tests.CinemaChair": len(gone)})
            left = [(row.cinema.name, row.number) for row in CHAIRS.select_related("cinema")]
            assert sorted(left) == [place for place in PLACES if place not in gone]
            assert CHAIRS.delete_batched(2) == len(left)
    assert CHAIRS.count() == 0


async def _inserted(cinema: Cinema, model: Any, *numbers: int, note: str = "", **options: Any) -> None:
    made = [model(cinema=cinema, number=number, note=note) for number in numbers]
    if cinema.name == "south":
        await model.objects.abulk_create(made, **options)
    else:
        model.objects.bulk_create(made, **options)
    assert [row.pk for row in made] == [(cinema.pk, number) for number in numbers]
    assert not any(row.__dict__.get("pk") for row in made)


async def _upserted(cinema: Cinema, model: Any) -> None:
    rows, chair = model.objects, {"cinema": cinema, "number": 9}
    changed, up = {**chair, "defaults": {"note": "x"}}, [model(cinema=cinema, number=5, note="up")]
    if cinema.name == "south":
        assert [(await rows.aget_or_create(**chair))[1] for _ in range(2)] == [True, False]
        assert (await rows.aupdate_or_create(**changed))[1] is False
        await rows.aupsert(up, ["pk"])
    else:
        assert [rows.get_or_create(**chair)[1] for _ in range(2)] == [True, False]
        assert rows.update_or_create(**changed)[1] is False
        rows.upsert(up, ["pk"])


async def test_rows_are_inserted_by_every_column_of_their_key(cinemas: dict[str, Any]) -> None:
    for model in (CinemaChair, PlacedChair):
        for cinema in cinemas.values():
            await _inserted(cinema, model, 1, 2)
            await _inserted(cinema, model, 3, 4, 5, batch_size=2)
            await _inserted(cinema, model, 1, 6, note="skipped", ignore_conflicts=True)
            for number, unique in enumerate((["cinema", "number"], ["pk"]), start=2):
                await _inserted(cinema, model, number, 7, note="new", update_conflicts=True, unique_fields=unique)
            updates = {"update_conflicts": True, "unique_fields": ["pk"], "update_fields": ["note"]}
            await _inserted(cinema, model, 4, 8, note="b", **updates)
            await _upserted(cinema, model)
            own: Any = model.objects.filter(cinema=cinema)
            notes = {1: "", 2: "new", 3: "new", 4: "b", 5: "up", 6: "skipped", 7: "new", 8: "b", 9: "x"}
            assert {row.number: row.note for row in own} == notes
            assert [own.first().number, own.last().number] == [1, 9]
            assert [(await own.afirst()).number, (await own.alast()).number] == [1, 9]
            with pytest.raises(dorm.IntegrityError):
                await _inserted(cinema, model, 1)


def test_fixtures_hold_every_column_of_a_key(cinemas: dict[str, Any]) -> None:
    _fill(cinemas)
    fixture = dumps([CinemaChair])
    CHAIRS.all().delete()
    assert load(fixture) == len(PLACES)
    assert sorted((row.cinema.name, row.number) for row in CHAIRS.select_related("cinema")) == PLACES


def test_conditions_combine_with_exists(cinemas: dict[str, Any]) -> None:
    _fill(cinemas)
    first: Any = Q(number=0)
    conditions: list[tuple[Any, Any]] = [
        (first & _in_north(), lambda name, number: number == 0 and name == "north"),
        (_in_north() & first, lambda name, number: number == 0 and name == "north"),
        (first | _in_north(), lambda name, number: number == 0 or name == "north"),
        (_in_north() | first | Q(number=3), lambda name, number: number in (0, 3) or name == "north"),
        (_in_north() & ~_in_north(), lambda name, number: False),
        (_in_north() | ~_in_north(), lambda name, number: True),
        (~(first & _in_north()), lambda name, number: not (number == 0 and name == "north")),
        (~(first | ~_in_north()), lambda name, number: number != 0 and name == "north"),
    ]
    for condition, passes in conditions:
        found = sorted((row.cinema.name, row.number) for row in CHAIRS.filter(condition).select_related("cinema"))
        assert found == [place for place in PLACES if passes(*place)], condition
    with pytest.raises(TypeError):
        first & 1


async def test_a_key_may_be_the_only_column(cinemas: dict[str, Any]) -> None:
    made = [Numbered.objects.create(), await Numbered.objects.acreate(), Numbered()]
    made[2].save()
    # Not every database returns the keys of these.
    Numbered.objects.bulk_create([Numbered(), Numbered()])
    await Numbered.objects.abulk_create([Numbered()])
    keys = {row.pk for row in Numbered.objects.all()}
    assert len(keys) == 6
    assert len({row.pk for row in made} & keys) == 3
    assert [Numbered.objects.get(pk=row.pk).pk for row in made] == [row.pk for row in made]
