"""bulk_create() sets what save() sets, in models with and without vectors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dorm
import pytest

from dorm_vector import VectorField
from tests.databases import Database, create_tables, drop_table


class StampedDoc(dorm.Model):
    made = dorm.DateTimeField(auto_now_add=True)
    changed = dorm.DateTimeField(auto_now=True)
    place = VectorField(2, null=True)

    class Meta:
        app_label = "tests"


class StampedNote(dorm.Model):
    """The same without a vector."""

    made = dorm.DateTimeField(auto_now_add=True)
    changed = dorm.DateTimeField(auto_now=True)

    class Meta:
        app_label = "tests"


GIVEN = dt.datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001  # as databases without time zones return it


@pytest.fixture
def tables(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (StampedDoc, StampedNote))
    yield db
    drop_table(db, StampedDoc)
    drop_table(db, StampedNote)


def plain(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=None)


async def test_moments_are_set(tables: Database) -> None:
    models: list[Any] = [StampedDoc, StampedNote]
    for model in models:
        created = model.objects.bulk_create([model(), model(made=None)])
        created += await model.objects.abulk_create([model(), model(changed=GIVEN, made=GIVEN)])
        read = list(model.objects.order_by("pk"))
        assert len(read) == 4
        for made, row in zip(created, read, strict=True):
            for name in ("made", "changed"):
                # MySQL and MariaDB keep whole seconds.
                assert abs(plain(getattr(row, name)) - plain(getattr(made, name))) <= dt.timedelta(seconds=1)
        assert all(plain(row.changed) > GIVEN for row in read)
        assert [plain(row.made) == GIVEN for row in read] == [False, False, False, True]
        model.objects.all().update(changed=GIVEN)
        model.objects.upsert(list(model.objects.order_by("pk")[:2]), ["id"], update_fields=["changed"])
        await model.objects.aupsert([model.objects.order_by("pk")[2]], ["id"], update_fields=["changed"])
        assert [plain(row.changed) > GIVEN for row in model.objects.order_by("pk")] == [True, True, True, False]


@pytest.mark.not_on("mariadb", "mysql", reason="they take the unique key that a row violates")
async def test_an_upsert_says_that_no_constraint_covers_its_columns(tables: Database) -> None:
    said = r"upsert into \w+: no unique constraint covers exactly the columns made, .*unique_fields, or declare it"
    for model in (StampedDoc, StampedNote):
        rows: Any = model.objects
        for unique in (["made"], ["made", "changed"]):
            text = said.replace("made,", ", ".join([*unique, ""]).strip())
            with pytest.raises(dorm.DatabaseError, match=text):
                rows.bulk_create([model()], update_conflicts=True, unique_fields=unique, update_fields=["changed"])
            with pytest.raises(dorm.DatabaseError, match=text):
                await rows.aupsert([model()], unique, update_fields=["made"])
    assert StampedDoc.objects.count() == StampedNote.objects.count() == 0
