"""Modules that rewrite, cache or copy whole rows: gdpr, anonymizer, pii, row_cache, dataloader, bulk_copy, caches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.contrib.anonymizer import anonymize_model
from dorm.contrib.bulk_copy import abulk_copy_from, bulk_copy_from
from dorm.contrib.dataloader import DataLoader
from dorm.contrib.gdpr import erase_subject
from dorm.contrib.pii import aanonymize_row, anonymize_row
from dorm.contrib.row_cache import RowCache

from dorm_vector import EmbeddingField, HalfVectorField, VectorField
from tests.databases import Database, create_tables, drop_table
from tests.helpers.memos import WORDS, is_of


class Patient(dorm.Model):
    name = dorm.CharField(max_length=50, pii=True)
    bio = dorm.TextField()
    face = VectorField(2, null=True)
    half = HalfVectorField(2, null=True)
    embedding = EmbeddingField(WORDS.dimensions, source="name", embedder=WORDS)

    class Meta:
        app_label = "tests"


PEOPLE: Any = Patient.objects
VECTORS = {"face": [1, 2], "half": [3, 4]}


@pytest.fixture
def people(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Patient,))
    yield db
    drop_table(db, Patient)


def person(name: str) -> Any:
    return PEOPLE.create(name=name, bio="b", **VECTORS)


def assert_is(key: Any, name: str) -> None:
    """The row has that name and its embedding, and the other vectors are those that were written."""
    row = PEOPLE.get(pk=key)
    assert (row.name, row.face, row.half) == (name, *VECTORS.values())
    assert is_of(row, name)


async def test_an_erased_text_leaves_no_embedding_of_it(people: Database) -> None:
    """What was erased could be read from the vector."""
    rows = [person(name) for name in ("Ada", "Bea", "Cleo", "Dora")]
    assert sum(erase_subject(Patient, rows[0].pk, rules={"name": lambda _value: "gone"}).values()) == 1
    anonymize_row(rows[1])
    await aanonymize_row(await PEOPLE.aget(pk=rows[2].pk))
    assert_is(rows[0].pk, "gone")
    for row in rows[1:3]:
        assert_is(row.pk, PEOPLE.get(pk=row.pk).name)
        assert PEOPLE.get(pk=row.pk).name not in ("Bea", "Cleo")
    assert anonymize_model(Patient, {"name": lambda _value: "nobody"}) == 4
    for row in rows:
        assert_is(row.pk, "nobody")


async def test_cached_rows_have_their_vectors(people: Database) -> None:
    row = person("Ada")
    cache: Any = RowCache(Patient)
    for _ in range(2):
        assert cache.get(row.pk).face == [1, 2]
    row.face = [5, 6]
    row.save()
    assert cache.get(row.pk).face == [5, 6]
    loader: Any = DataLoader(lambda keys: PEOPLE.filter(pk__in=keys))
    assert (await loader.load(row.pk)).half == [3, 4]


async def test_cached_searches_follow_their_rows(people: Database) -> None:
    row = person("Ada")
    dorm.configure(CACHES={"default": {"BACKEND": "dorm.cache.locmem.LocMemCache"}}, CACHE_SIGNING_KEY="any")
    try:
        found = PEOPLE.nearest("face", [1, 2])[:1]
        for expected in ([1, 2], [5, 6]):
            for _ in range(2):
                assert [each.face for each in found.cache(timeout=600)] == [expected]
                assert [each.face async for each in found.cache(timeout=600)] == [expected]
            row.face = [5, 6]
            row.save()
    finally:
        dorm.configure(CACHES={}, CACHE_SIGNING_KEY="")


async def test_rows_are_copied_with_their_vectors(people: Database) -> None:
    columns = ["name", "bio", "face", "half", "embedding", "embedding_hash"]
    made = person("Ada")
    if people.name != "postgresql":
        with pytest.raises(NotImplementedError):
            bulk_copy_from(Patient, [made], columns=columns)
        return
    for source in (made, {name: getattr(made, name) for name in columns}):
        assert bulk_copy_from(Patient, [source], columns=columns) == 1
        assert await abulk_copy_from(Patient, [source], columns=columns) == 1
    for key in PEOPLE.values_list("pk", flat=True):
        assert_is(key, "Ada")
    assert PEOPLE.count() == 5
