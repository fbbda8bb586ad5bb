"""libSQL's own column types: halves in F16_BLOB, bits in F1BIT_BLOB, each as libSQL itself would write it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dorm
import numpy as np
import pytest
from dorm.db.connection import get_connection, reset_connections

from dorm_vector import (
    BinaryQuantize,
    BitField,
    HalfVectorField,
    HammingDistance,
    HnswIndex,
    UnsupportedByDatabase,
    VectorField,
    bulk_load,
    to_matrix,
)
from tests.databases import create_tables
from tests.helpers.oracle import vectors

SIZE = 992  # 64 times that are the halves that are numbers


class Typed(dorm.Model):
    """The same numbers in each type."""

    full = VectorField(dimensions=SIZE, null=True)
    half = HalfVectorField(dimensions=SIZE, null=True, as_numpy=True)
    bits = BitField(length=SIZE, null=True)

    class Meta:
        app_label = "tests"


class Odd(dorm.Model):
    bits = BitField(length=21)

    class Meta:
        app_label = "tests"


class Indexed(dorm.Model):
    half = HalfVectorField(dimensions=64)
    bits = BitField(length=64)

    class Meta:
        app_label = "tests"
        indexes = [
            HnswIndex(fields=["half"], name="indexed_half", distance="l2"),
            HnswIndex(fields=["bits"], name="indexed_bits", distance="hamming"),
        ]


@pytest.fixture(autouse=True)
def tables(tmp_path: Path) -> Iterator[None]:
    reset_connections()
    dorm.configure(
        DATABASES={"default": {"ENGINE": "hrana", "URL": f"file:{tmp_path}/typed.libsql"}}, INSTALLED_APPS=[]
    )
    create_tables(get_connection(), (Typed, Odd, Indexed))
    yield
    reset_connections()


def signs(values: Any) -> str:
    return "".join("1" if value > 0 else "0" for value in values)


def one(sql: str, *params: Any) -> Any:
    return get_connection().execute(f"SELECT {sql}", params)[0][0]


def test_each_takes_its_own_space() -> None:
    Typed.objects.create(full=[1] * SIZE, half=[1] * SIZE, bits="1" * SIZE)
    row = get_connection().execute('SELECT length("full"), length("half"), length("bits") FROM "tests_typed"')[0]
    assert tuple(row) == (4 * SIZE, 2 * SIZE + 1, SIZE // 8 + 3)


def test_every_half_survives_as_libsql_writes_it() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    numbers = halves[np.isfinite(halves)].astype(np.float32).reshape(-1, SIZE)
    bulk_load(Typed, {"half": numbers})
    assert to_matrix(Typed.objects.order_by("pk"), "half")[1].tobytes() == numbers.tobytes()
    for key, row in enumerate(numbers[::8], 1):
        stored = one('"half" FROM "tests_typed" WHERE "id" = %s', 8 * key - 7)
        assert stored == one("vector16(%s)", row.tobytes())


def test_bits_are_those_that_libsql_makes_of_numbers() -> None:
    numbers = vectors(5, 21)
    bulk_load(Odd, {"bits": [signs(vector) for vector in numbers]})
    for key, vector in enumerate(numbers, 1):
        packed = np.array(vector, np.float32).tobytes()
        assert one('"bits" FROM "tests_odd" WHERE "id" = %s', key) == one("vector1bit(%s)", packed)
    Typed.objects.create(full=vectors(1, SIZE)[0])
    made = Typed.objects.annotate(made=BinaryQuantize("full")).get().made
    assert made == signs(vectors(1, SIZE)[0])
    assert Typed.objects.filter(bits=None).update(bits=made) == 1
    assert Typed.objects.annotate(far=HammingDistance("bits", "0" * SIZE)).get().far == made.count("1")


def test_more_bits_than_its_functions_take_are_refused() -> None:
    with pytest.raises(UnsupportedByDatabase, match="libSQL holds up to 65,536 dimensions in a bit column"):
        BitField(length=65_537).db_type(get_connection())
    zeros = b"\0" * 8192
    assert one("vector_distance_cos(%s, %s)", zeros + b"\0\x10\x03", zeros + b"\0\x10\x03") == 0
    with pytest.raises(dorm.OperationalError, match="max size exceeded"):
        one("vector_distance_cos(%s, %s)", zeros + b"\0" * 8 + b"\0\x10\x03", zeros + b"\0" * 8 + b"\0\x10\x03")


@pytest.mark.parametrize("name, distance", [("half", "l2"), ("bits", "hamming")])
def test_an_index_over_it_is_asked_and_finds_the_nearest(name: str, distance: str) -> None:
    numbers = np.array(vectors(600, 64), np.float32)
    bits = [signs(vector) for vector in numbers]
    bulk_load(Indexed, {"half": numbers, "bits": bits}, defer_indexes=True)
    asked = vectors(1, 64, seed=5)[0]
    query: Any = asked if name == "half" else signs(asked)
    exact = Indexed.objects.nearest(name, query, distance=distance)[:10]
    found = Indexed.objects.nearest(name, query, distance=distance, exact=False)[:10]
    assert "vector_top_k" not in exact.explain()
    assert f"vector_top_k('indexed_{name}'" in str(found._query.as_select(get_connection())[0])
    assert "vector_top_k" in found.explain()
    farthest = exact[9].distance
    assert sum(row.distance <= farthest for row in found) >= 9
    assert [row.distance for row in found] == sorted(row.distance for row in found)
