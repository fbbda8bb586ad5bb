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
from dorm.contrib.extra_fields import CountryField, JSONSchemaField, Money, MoneyField, PercentageField

from dorm_vector import EmbeddingField, VectorField, bulk_load
from dorm_vector.patching.registry import switched_off
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


class Fee(dorm.Model):
    price = MoneyField(currency="EUR", null=True)
    least = MoneyField(default=Decimal("0.50"))

    class Meta:
        app_label = "tests"


class VectorFee(dorm.Model):
    price = MoneyField(currency="EUR", null=True)
    least = MoneyField(default=Decimal("0.50"))
    place: Any = VectorField(2, null=True)

    class Meta:
        app_label = "tests"


FEES: list[Any] = [Fee, VectorFee]

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


async def test_money(db: Database) -> None:
    """Money is written, read and compared like a decimal."""
    create_tables(db.connection, (*FEES,))
    low, high = Money(Decimal("0.10"), "EUR"), Money(Decimal("149.99"), "EUR")
    for model in FEES:
        model.objects.create(price=high)
        await model.objects.acreate(price=Decimal("0.10"))
        model.objects.bulk_create([model(price=3)])
        assert bulk_load(model, [{"price": high, "least": Decimal("1.25")}]) == 1
        rows = list(model.objects.order_by("pk"))
        assert [row.price.amount for row in rows] == [high.amount, low.amount, 3, high.amount]
        assert {row.price.currency for row in rows} == {"EUR"}
        assert [row.least.amount for row in rows] == [Decimal("0.5")] * 3 + [Decimal("1.25")]
        assert [model.objects.filter(**{f"price{lookup}": value}).count() for lookup, value in _asked(low, high)] == [
            *(2, 3, 1, 3, 2)
        ]
        rows[0].price = low
        await rows[0].asave()
        assert model.objects.filter(pk=rows[1].pk).update(price=high) == 1
        rows[2].price = Decimal("7.5")
        model.objects.bulk_update(rows[2:3], ["price"])
        assert [row.price.amount async for row in model.objects.order_by("pk")] == [
            *(low.amount, high.amount, Decimal("7.5"), high.amount)
        ]
        if db.name in ("sqlite", "libsql"):
            with switched_off("amounts_of_money"), pytest.raises(dorm.exceptions.DatabaseError, match="Decimal"):
                model.objects.create(price=low)
        drop_table(db, model)


def _asked(low: Money, high: Money) -> list[tuple[str, Any]]:
    three = Decimal(3)
    return [("", high), ("__gte", three), ("__lt", three), ("__in", [high, three]), ("__range", (low.amount, three))]
