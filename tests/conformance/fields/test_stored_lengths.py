"""A stored value of another length than the field's is refused on every way to read it, on every database."""

from __future__ import annotations

import struct
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import dorm
import pytest
from dorm import OuterRef, Subquery

from dorm_vector import (
    BitField,
    CosineDistance,
    DimensionMismatch,
    HalfVectorField,
    HammingDistance,
    JaccardDistance,
    L1Distance,
    L2Distance,
    MaxInnerProduct,
    SparseVector,
    SparseVectorField,
    VectorField,
    ato_matrix,
    to_matrix,
)
from tests.conformance.inside import StoredDimensionMismatch
from tests.databases import Database, create_tables, drop_table
from tests.models import Sample


class LengthShelf(dorm.Model):
    name = dorm.CharField(max_length=20)

    class Meta:
        db_table = "tests_length_shelf"


class LengthTable(dorm.Model):
    """The table as it is."""

    shelf = dorm.ForeignKey(LengthShelf, on_delete=dorm.CASCADE, related_name="written")
    full = VectorField(4, null=True)
    half = HalfVectorField(4, null=True)
    sparse = SparseVectorField(63, null=True)
    bits = BitField(40, null=True)

    class Meta:
        db_table = "tests_lengths"


class Mistaken(dorm.Model):
    """The same table, in a model that is wrong about it: each binary form of PostgreSQL has the bytes of these."""

    shelf = dorm.ForeignKey(LengthShelf, on_delete=dorm.CASCADE, related_name="read")
    full = VectorField(5, null=True)
    half = HalfVectorField(3, null=True)
    sparse = SparseVectorField(3, null=True)
    bits = BitField(72, null=True)

    class Meta:
        db_table = "tests_lengths"
        managed = False


class MistakenArrays(dorm.Model):
    shelf = dorm.ForeignKey(LengthShelf, on_delete=dorm.CASCADE, related_name="arrays")
    full = VectorField(5, null=True, as_numpy=True)
    half = HalfVectorField(5, null=True, as_numpy=True)
    sparse = SparseVectorField(7, null=True, as_numpy=True)
    bits = BitField(8, null=True, as_numpy=True)

    class Meta:
        db_table = "tests_lengths"
        managed = False


class HeaderLike(dorm.Model):
    sparse = SparseVectorField(5, null=True)
    bits = BitField(40, null=True)
    few = BitField(24, null=True)

    class Meta:
        db_table = "tests_wide_lengths"


STORED: dict[str, tuple[Any, int]] = {
    "full": ([1, 2, 3, 4], 4),
    "half": ([1, 2, 3, 4], 4),
    "sparse": (SparseVector({}, 63), 63),
    "bits": ("0" * 38 + "11", 40),
}
MODELS = (Mistaken, MistakenArrays)


TABLES = (LengthShelf, LengthTable, HeaderLike)


@pytest.fixture(scope="module")
def tables(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, TABLES)
    yield database
    for model in reversed(TABLES):
        drop_table(database, model)


@pytest.fixture
def table(tables: Database, db: Database) -> Database:
    for model in reversed(TABLES):
        model.objects.all().delete()
    return db


def write(name: str) -> Any:
    shelf, _ = LengthShelf.objects.get_or_create(name="a")
    return LengthTable.objects.create(shelf=shelf, **{name: STORED[name][0]})


def mismatch(model: Any, name: str) -> Any:
    field, length = model._meta.get_field(name), STORED[name][1]
    message = rf"{model.__name__}\.{name} holds {field.dimensions} dimensions; a stored value has {length}\. .*Declare "
    return pytest.raises(DimensionMismatch, match=message)


READS: dict[str, Callable[[Any, str], Any]] = {
    "instances": lambda model, _: list(model.objects.all()),
    "get": lambda model, _: model.objects.get(),
    "only": lambda model, name: model.objects.only(name).get(),
    "values": lambda model, name: list(model.objects.values(name)),
    "values_list": lambda model, name: list(model.objects.values_list(name, flat=True)),
    "iterator": lambda model, _: list(model.objects.iterator()),
    "streaming": lambda model, _: list(model.objects.iterator(chunk_size=2)),
    "streamed values": lambda model, name: list(model.objects.values(name).iterator(chunk_size=2)),
    "matrix": lambda model, name: to_matrix(model.objects.all(), name),
    "raw": lambda model, name: list(model.objects.raw(f'SELECT "id", "{name}" FROM "tests_lengths"')),
    "union": lambda model, name: list(model.objects.values(name).union(model.objects.values(name))),
    "a slice": lambda model, name: list(model.objects.order_by("id")[:1]),
    "a subquery": lambda model, name: list(model.objects.only("id").annotate(found=first(model, name))),
    "values of a subquery": lambda model, name: list(model.objects.annotate(found=first(model, name)).values("found")),
    "a related row": lambda model, name: list(getattr(LengthShelf.objects.get(), related(model)).all()),
    "a prefetch": lambda model, _: list(LengthShelf.objects.prefetch_related(related(model))),
    "refresh_from_db": lambda model, _: model(pk=LengthTable.objects.get().pk).refresh_from_db(),
    "a part of refresh_from_db": lambda model, name: model(pk=LengthTable.objects.get().pk).refresh_from_db(
        fields=[name]
    ),
}
ASYNC_READS: dict[str, Callable[[Any, str], Coroutine[Any, Any, Any]]] = {
    "instances": lambda model, _: alist(model.objects.all()),
    "get": lambda model, _: model.objects.aget(),
    "values": lambda model, name: alist(model.objects.values(name)),
    "values_list": lambda model, name: alist(model.objects.values_list(name, flat=True)),
    "streaming": lambda model, _: alist(model.objects.aiterator(chunk_size=2)),
    "matrix": lambda model, name: ato_matrix(model.objects.all(), name),
    "a slice": lambda model, name: alist(model.objects.order_by("id")[:1]),
    "a subquery": lambda model, name: alist(model.objects.only("id").annotate(found=first(model, name))),
    "refresh_from_db": lambda model, _: model(pk=LengthTable.objects.get().pk).arefresh_from_db(),
}


def related(model: Any) -> str:
    return str(model._meta.get_field("shelf").related_name)


def first(model: Any, name: str) -> Subquery:
    return Subquery(model.objects.filter(pk=OuterRef("pk")).values(name)[:1])


async def alist(rows: Any) -> list[Any]:
    return [row async for row in rows]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("way", READS)
def test_every_read(table: Database, way: str, model: Any) -> None:
    for name in STORED:
        LengthTable.objects.all().delete()
        write(name)
        with mismatch(model, name):
            READS[way](model, name)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("way", ASYNC_READS)
async def test_every_async_read(table: Database, way: str, model: Any) -> None:
    for name in STORED:
        LengthTable.objects.all().delete()
        write(name)
        with mismatch(model, name):
            await ASYNC_READS[way](model, name)


@pytest.mark.parametrize("name", STORED)
def test_nothing_is_written_back(table: Database, name: str) -> None:
    written = write(name)
    with mismatch(Mistaken, name):
        Mistaken.objects.get(pk=written.pk).save()
    Mistaken.objects.defer("full", "half", "sparse", "bits").get(pk=written.pk).save()
    assert getattr(LengthTable.objects.get(), name) == getattr(written, name)


def test_a_value_of_the_right_length_is_read_if_another_row_has_a_wrong_one(table: Database) -> None:
    shelf = LengthShelf.objects.create(name="a")
    LengthTable.objects.create(shelf=shelf, full=[1, 2, 3, 4], bits="1" * 40)
    row = Mistaken.objects.defer("full", "half", "sparse", "bits").get()
    assert (row.full, row.bits) == (None, None)
    assert LengthTable.objects.get().full == [1, 2, 3, 4]


# Bytes that mean one vector on one database, and another one on another.


@pytest.mark.parametrize("first", [0x0200, 0x0001, 0x0300, 0x80000000])
def test_numbers_near_zero_are_no_header(db: Database, first: int) -> None:
    """The first number of three dimensions has the bytes of a header of two dimensions, or of three."""
    values = [*struct.unpack("<f", struct.pack("<I", first)), 1.5, -2.0]
    sample = Sample.objects.create(title="x", full=values)
    assert Sample.objects.get().full == values
    assert Sample.objects.values_list("full", flat=True)[0] == values
    assert to_matrix(Sample.objects.all(), "full")[1].tolist() == [values]
    sample.refresh_from_db()
    assert sample.full == values


@pytest.mark.parametrize("values", [[0, 0, 0], [0.5, 0, 0], [2, 0, 0], [0, 0, 1]])
def test_a_sparse_vector_is_what_was_written(db: Database, values: list[float]) -> None:
    """Of 3, 5, 7 … dimensions the binary form can be as long as the dense vector."""
    Sample.objects.create(title="x", sparse=values)
    assert Sample.objects.get().sparse.to_list() == values
    assert Sample.objects.values_list("sparse", flat=True)[0].to_list() == values
    assert to_matrix(Sample.objects.all(), "sparse")[1].tolist() == [values]


@pytest.mark.parametrize("position", range(5))
def test_a_sparse_vector_of_five_dimensions(table: Database, position: int) -> None:
    value = SparseVector({position: 1.5}, 5)
    HeaderLike.objects.create(sparse=value)
    assert HeaderLike.objects.get().sparse == value


@pytest.mark.parametrize("bits", ["0" * 28 + "1000" + "1" * 8, "0" * 31 + "1" * 9, "0" * 40])
def test_bits_that_look_like_a_header(table: Database, bits: str) -> None:
    HeaderLike.objects.create(bits=bits)
    assert HeaderLike.objects.get().bits == bits


def test_bits_that_look_like_a_typed_blob(table: Database) -> None:
    bits = f"{0b10110000:08b}{8:08b}{3:08b}"
    HeaderLike.objects.create(few=bits)
    assert HeaderLike.objects.get().few == bits


MEASURES: dict[str, tuple[Any, ...]] = {
    "full": (L2Distance, CosineDistance, MaxInnerProduct, L1Distance),
    "half": (L2Distance, CosineDistance, L1Distance),
    "sparse": (L2Distance, CosineDistance, MaxInnerProduct, L1Distance),
    "bits": (HammingDistance, JaccardDistance),
}


async def test_a_distance_to_a_value_of_another_length(table: Database) -> None:
    """It is no number that looks right: an error, or NULL where a column holds one length only."""
    for name, measures in MEASURES.items():
        LengthTable.objects.all().delete()
        write(name)
        field = Mistaken._meta.get_field(name)
        query = "1" * field.dimensions if name == "bits" else [1.0] * field.dimensions
        for measure in measures:
            measured = Mistaken.objects.annotate(d=measure(name, query)).values_list("d", flat=True)
            if not table.dialect.other_length:
                assert list(measured) == [None] == await alist(measured)
                continue
            with pytest.raises(StoredDimensionMismatch, match="has another length than the vector that it is measured"):
                list(measured)
            with pytest.raises(dorm.OperationalError, match="rewrite or delete it"):
                await alist(Mistaken.objects.order_by(measure(name, query)).values_list("id", flat=True)[:2])
