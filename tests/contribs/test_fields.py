"""contrib.encrypted, contrib.extra_fields and contrib.contenttypes: their fields in models with vectors."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import dorm
import pytest
from dorm.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from dorm.contrib.contenttypes.models import ContentType
from dorm.contrib.encrypted import EncryptedTextField, arotate_encryption_keys, rotate_encryption_keys
from dorm.contrib.extra_fields import CountryField, JSONSchemaField, PercentageField

from dorm_vector import EmbeddingField, VectorField
from tests.databases import Database, create_tables, drop_table
from tests.helpers.memos import WORDS, is_of

KEYS = [base64.b64encode(bytes([number]) * 32).decode() for number in range(2)]
SCHEMA = {"type": "object", "required": ["n"]}


class PlaceLabel(dorm.Model):
    name = dorm.CharField(max_length=20)
    content_type = dorm.ForeignKey(ContentType, on_delete=dorm.CASCADE)
    object_id = dorm.IntegerField()
    place = VectorField(2, null=True)
    target = GenericForeignKey("content_type", "object_id")

    class Meta:
        app_label = "tests"


class VectorSecret(dorm.Model):
    body = EncryptedTextField()
    price = PercentageField()
    country = CountryField()
    extra = JSONSchemaField(schema=SCHEMA)
    embedding: Any = EmbeddingField(WORDS.dimensions, source="body", embedder=WORDS)
    place: Any = VectorField(2)
    labels = GenericRelation(PlaceLabel)

    class Meta:
        app_label = "tests"


class PlainSecret(dorm.Model):
    """The same without vectors."""

    body = EncryptedTextField()
    price = PercentageField()
    country = CountryField()
    extra = JSONSchemaField(schema=SCHEMA)
    place: Any = dorm.JSONField()
    labels = GenericRelation(PlaceLabel)

    class Meta:
        app_label = "tests"


PAIR: list[Any] = [VectorSecret, PlainSecret]
LABELS: Any = PlaceLabel.objects


@pytest.fixture
def tables(db: Database) -> Iterator[Database]:
    dorm.configure(FIELD_ENCRYPTION_KEYS=KEYS[:1])
    create_tables(db.connection, (ContentType, PlaceLabel, *PAIR))
    ContentType.objects.clear_cache()
    yield db
    ContentType.objects.clear_cache()
    for model in (PlaceLabel, *PAIR):
        drop_table(db, model)
    db.connection.execute_script("DROP TABLE django_content_type")
    dorm.configure(FIELD_ENCRYPTION_KEYS=None)


def secret(model: Any, body: str, place: list[float]) -> Any:
    return model.objects.create(body=body, price=Decimal("9.50"), country="fr", extra={"n": 1}, place=place)


def assert_is(row: Any, body: str, place: list[float]) -> None:
    assert (row.body, list(row.place), row.country, row.extra) == (body, place, "FR", {"n": 1})
    if isinstance(row, VectorSecret):
        assert is_of(row, body)


async def test_encrypted_and_other_fields(tables: Database) -> None:
    """The embedding is that of the plain text, before and after the keys are rotated."""
    for model in PAIR:
        dorm.configure(FIELD_ENCRYPTION_KEYS=KEYS[:1])
        key = secret(model, "hidden", [1, 2]).pk
        await model.objects.acreate(body="other", price=Decimal(1), country="FR", extra={"n": 1}, place=[3, 4])
        assert_is(model.objects.get(body="hidden"), "hidden", [1, 2])
        dorm.configure(FIELD_ENCRYPTION_KEYS=KEYS[::-1])
        assert (rotate_encryption_keys(model), await arotate_encryption_keys(model)) == (2, 2)
        dorm.configure(FIELD_ENCRYPTION_KEYS=KEYS[1:])
        assert_is(await model.objects.aget(pk=key), "hidden", [1, 2])
    found: Any = VectorSecret.objects
    for field, near in (("embedding", WORDS.vector("other")), ("place", [3, 4])):
        assert_is(found.nearest(field, near).first(), "other", [3, 4])


async def test_generic_relations(tables: Database) -> None:
    """From both sides, one at a time and prefetched; a label has a vector, too."""
    for number, model in enumerate(PAIR):
        row = secret(model, "hidden", [1, 2])
        row.labels.create(name="a", place=[number, 1])
        await row.labels.acreate(name="b")
        LABELS.create(name="c", target=row)
        assert [(each.name, each.place) for each in row.labels.all().order_by("name")] == [
            ("a", [number, 1]),
            ("b", None),
            ("c", None),
        ]
        (read,) = model.objects.prefetch_related("labels")
        assert sorted(each.name for each in read.labels.all()) == ["a", "b", "c"]
        label = LABELS.nearest("place", [number, 1]).first()
        assert_is(label.target, "hidden", [1, 2])
        target: Any = vars(PlaceLabel)["target"]
        assert_is(await target.aget(await LABELS.aget(pk=label.pk)), "hidden", [1, 2])
        assert [each.name for each in row.labels.filter(place__isnull=False)] == ["a"]
