"""A project with every kind of relation, key and value, to be copied from one database to another."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Iterator
from random import Random
from typing import Any

import dorm
from dorm import CompositePrimaryKey, Q
from dorm.contrib.extra_fields import MoneyField
from dorm.queryset import QuerySet

from dorm_vector import (
    BitField,
    EmbeddingField,
    HalfVectorField,
    HnswIndex,
    SparseVectorField,
    TextIndex,
    Vec0Index,
    VectorField,
    as_embedder,
    bulk_load,
    create_tables,
)
from dorm_vector.commands.main import main
from dorm_vector.models.fields import TextKeyField

DIMENSIONS = 8
UTC = dt.UTC


EMBEDDED: list[str] = []
"""Every text that was embedded in this process."""


def _embed(texts: list[str]) -> list[list[float]]:
    EMBEDDED.extend(texts)
    return [[random.gauss(0, 1) for _ in range(DIMENSIONS)] for random in map(Random, texts)]


class StockSupplier(dorm.Model):
    """Keys that are texts, which databases sort differently."""

    code = TextKeyField(max_length=40, primary_key=True)
    # A cycle: the best product of a supplier, which is one of its products.
    best = dorm.ForeignKey("StockProduct", on_delete=dorm.SET_NULL, null=True, related_name="best_of")

    class Meta:
        db_table = "warehouse_supplier"


class StockTag(dorm.Model):
    id = dorm.UUIDField(primary_key=True)
    name = dorm.CharField(max_length=40)

    class Meta:
        db_table = "warehouse_tag"


class StockLabel(dorm.Model):
    name = dorm.CharField(max_length=40)

    class Meta:
        db_table = "warehouse_label"


class StockShelf(dorm.Model):
    """A tree whose rows may refer to later rows, and always to one."""

    inside = dorm.ForeignKey("self", on_delete=dorm.CASCADE, null=True, related_name="contents")
    next_to = dorm.ForeignKey("self", on_delete=dorm.CASCADE, related_name="neighbors")

    class Meta:
        db_table = "warehouse_shelf"


class StockProduct(dorm.Model):
    name = dorm.CharField(max_length=80)
    supplier = dorm.ForeignKey(StockSupplier, on_delete=dorm.CASCADE, related_name="products")
    shelf = dorm.ForeignKey(StockShelf, on_delete=dorm.SET_NULL, null=True)
    tag = dorm.ForeignKey(StockTag, on_delete=dorm.SET_NULL, null=True)
    labels = dorm.ManyToManyField(StockLabel, related_name="products")
    notes = dorm.TextField(null=True)
    price = dorm.DecimalField(max_digits=12, decimal_places=3, null=True)
    cost = MoneyField(null=True)
    weight = dorm.FloatField(null=True)
    in_stock = dorm.BooleanField(default=True)
    arrived = dorm.DateTimeField(null=True)
    changed = dorm.DateTimeField(auto_now=True)
    best_before = dorm.DateField(null=True)
    opens = dorm.TimeField(null=True)
    lasts = dorm.DurationField(null=True)
    details = dorm.JSONField(null=True)
    photo = dorm.BinaryField(null=True)
    embedding = EmbeddingField(
        DIMENSIONS, source="notes", embedder=as_embedder(_embed, name="none", dimensions=DIMENSIONS), null=True
    )
    half = HalfVectorField(DIMENSIONS, null=True)
    sparse = SparseVectorField(DIMENSIONS, null=True)
    bits = BitField(DIMENSIONS, null=True)
    picture = VectorField(DIMENSIONS)

    class Meta:
        db_table = "warehouse_product"
        indexes = [
            HnswIndex(fields=["picture"], name="warehouse_product_hnsw", distance="cosine"),
            Vec0Index(fields=["embedding"], name="warehouse_product_vec0", distance="cosine", metadata=["in_stock"]),
            Vec0Index(fields=["picture"], name="warehouse_product_bytes", distance="cosine", precision="int8"),
            TextIndex(fields=["name", "notes"], name="warehouse_product_words"),
        ]


class StockMovement(dorm.Model):
    """A composite key, of a relation and a number."""

    product = dorm.ForeignKey(StockProduct, on_delete=dorm.CASCADE)
    number = dorm.IntegerField()
    pieces = dorm.IntegerField(db_column="how_many")
    pk = CompositePrimaryKey("product", "number")

    class Meta:
        db_table = "warehouse_movement"


MODELS: tuple[Any, ...] = (StockSupplier, StockTag, StockLabel, StockShelf, StockProduct, StockMovement)

CODES = ("a", "B", "A", "ä", "b", "Z", "é", "~", "0", "a b", "ß", "日本")


def fill(alias: str, products: int) -> None:
    """Write rows, many of which refer to rows with greater keys."""
    random = Random(7)
    tags = [uuid.UUID(int=random.getrandbits(128)) for _ in range(9)]
    bulk_load(StockTag, [{"id": tag, "name": f"tag {tag}"} for tag in tags], using=alias)
    bulk_load(StockLabel, [{"id": number, "name": f"label {number}"} for number in (2, 5, 900)], using=alias)
    bulk_load(StockSupplier, [{"code": code} for code in CODES], using=alias)
    shelves = range(1, 41)
    bulk_load(StockShelf, [{"id": number, "inside": None, "next_to": number} for number in shelves], using=alias)
    moved = [
        StockShelf(id=n, inside_id=random.choice((*shelves, None)), next_to_id=random.choice(shelves)) for n in shelves
    ]
    QuerySet(StockShelf, alias).bulk_update(moved, ["inside", "next_to"])
    bulk_load(StockProduct, (_product(number, random, tags) for number in range(1, products + 1)), using=alias)
    # The hash of another model, or of another text: saving such a row would embed it again.
    dorm.db.connection.get_connection(alias).execute_write(
        f'UPDATE "{StockProduct._meta.db_table}" SET "embedding_hash" = %s WHERE "in_stock" = %s', ["f" * 64, False]
    )
    for code in CODES[::2]:
        QuerySet(StockSupplier, alias).filter(code=code).update(best=_key(random.randrange(1, products + 1)))
    moves = ({"product": _key(1 + n // 3), "number": n % 3 - 1, "pieces": n} for n in range(3 * products))
    bulk_load(StockMovement, moves, using=alias)
    _label(alias, products)


def _label(alias: str, products: int) -> None:
    through: Any = StockProduct._meta.get_field("labels")
    connection = dorm.db.connection.get_connection(alias)
    left, right = through._get_through_columns()
    insert = f'INSERT INTO "{through._get_through_table()}" ("{left}", "{right}") VALUES (%s, %s)'
    for number in range(1, products + 1, 7):
        for label in (2, 900):
            connection.execute_write(insert, [_key(number), label])


def _key(number: int) -> int:
    return 3 * number if number % 2 else number


def _product(number: int, random: Random, tags: list[uuid.UUID]) -> dict[str, Any]:
    vector = [random.gauss(0, 1) for _ in range(DIMENSIONS)]
    is_empty = number % 11 == 0
    moment = dt.datetime.fromisoformat("2026-01-01T12:30:15.123456") + dt.timedelta(hours=number)
    optional: dict[str, Any] = {
        "notes": f"Nr. {number}: größe 🧊, 100 % \\ \"quoted\" 'text'\n",
        "price": decimal.Decimal(number) / 8,
        "cost": decimal.Decimal(number) / 10,
        "weight": number / 7,
        "arrived": moment,
        "best_before": moment.date(),
        "opens": moment.time(),
        "lasts": dt.timedelta(days=number, microseconds=number),
        "details": random.choice(({"b": [1, 2.5, None], "ä": {"deep": True}}, [], ["text"], 1e5, {"": "\\"})),
        "photo": bytes(random.getrandbits(8) for _ in range(number % 50)),
        "half": [round(value, 1) for value in vector],
        # The doctor asks about vectors of zeros.
        "sparse": [value if value > 1 else 0.0 for value in vector[1:]] + [1.0],
        "bits": "".join("1" if value > 0 else "0" for value in vector),
    }
    return {
        "id": _key(number),
        "name": f"product {number}",
        "supplier": random.choice(CODES),
        "shelf": random.choice((*range(1, 41), None)),
        "tag": random.choice((*tags, None)),
        "in_stock": number % 3 > 0,
        "picture": vector[::-1],
        **(dict.fromkeys(optional) if is_empty else optional),
    }


def created(alias: str) -> None:
    create_tables(*MODELS, using=alias)


def run_command(arguments: list[str]) -> int:
    """Run ``dorm-vector`` in this process, and return its exit code."""
    return main(arguments)


def contents(alias: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield every row of every table, as models read it; moments in UTC without a time zone."""
    for model in MODELS:
        names = [field.attname for field in model._meta.concrete_fields]
        keys = [field.name for field in model._meta.concrete_fields if field.primary_key] or ["product", "number"]
        rows = [{name: _plain(getattr(row, name)) for name in names} for row in QuerySet(model, alias)]
        yield model.__name__, sorted(rows, key=lambda row: str([row.get(key, row.get(f"{key}_id")) for key in keys]))
    labelled = QuerySet(StockProduct, alias).filter(Q(labels__pk__in=[2, 5, 900]))
    yield "labels", sorted(labelled.values_list("pk", "labels__pk"))


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value
