"""A Vec0Index never returns a row that its filter excludes: what sqlite-vec gets wrong, SQLite evaluates."""

from __future__ import annotations

import math
import sqlite3
import struct
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest

from dorm_vector import UnsupportedByDatabase, Vec0Index, VectorField, load_sqlite_vec_extension, sqlite_vec_tier
from dorm_vector.dialects._vec0 import VEC0
from dorm_vector.dialects.shared.companions import COMPARISONS
from tests.databases import Database, create_tables, drop_table

pytestmark = pytest.mark.not_on("turso", "libsql", "postgresql", "mariadb", "mysql", reason="vec0 is SQLite's")

LONG = "x" * 500
# The audit's, texts of 11, 12 and 13 bytes, prefixes of each other, several bytes a character, NUL, and a UUID.
TEXTS = [
    *(
        "2026-11-29T16",
        "2026-11-28",
        "2026-11-29T17",
        "2026-11-29T16:30",
        "home-and-gar",
        "home-and-ga",
        "home-and-gard",
    ),
    *("", " ", "a", "a ", "A", "b", "é", "é" * 6, "é" * 7, "日本語日", "日本語日本", "😀😀😀", "\x7f", "٣"),
    *(LONG, LONG + "y", LONG + "z", "a\0b", "a\0c", "home-and-gar\0b", "home-and-gar\0c", str(uuid.UUID(int=5))),
]
NUMBERS = [0, 1, -1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
FLOATS = [0.0, 1.5, -1.5, 149.99, 0.1, 5e-324, 1e308, 2.0**53, math.inf, -math.inf]
KINDS: dict[str, list[Any]] = {"text": TEXTS, "integer": NUMBERS, "float": FLOATS}

PASSES: dict[str, Callable[[Any, Any], bool]] = {
    "exact": lambda stored, asked: stored == asked,
    "gt": lambda stored, asked: stored > asked,
    "gte": lambda stored, asked: stored >= asked,
    "lt": lambda stored, asked: stored < asked,
    "lte": lambda stored, asked: stored <= asked,
    "in": lambda stored, asked: stored in asked,
    "range": lambda stored, asked: asked[0] <= stored <= asked[1],
}
SQL = {
    "exact": "= ?",
    "gt": "> ?",
    "gte": ">= ?",
    "lt": "< ?",
    "lte": "<= ?",
    "in": "IN (?, ?)",
    "range": "BETWEEN ? AND ?",
}


def key(value: Any) -> Any:
    """Return what SQLite orders by: the UTF-8 bytes of a text."""
    return value.encode() if isinstance(value, str) else value


def expected(stored: list[Any], lookup: str, asked: Any) -> list[int]:
    compared = [key(each) for each in asked] if isinstance(asked, list) else key(asked)
    return [number for number, value in enumerate(stored, 1) if PASSES[lookup](key(value), compared)]


def inputs(values: list[Any], lookup: str) -> list[Any]:
    if lookup not in ("in", "range"):
        return values
    return [[value, values[(number + 2) % len(values)]] for number, value in enumerate(values)]


@pytest.fixture(scope="module")
def raw() -> Iterator[sqlite3.Connection]:
    """A vec0 table for each type of metadata, without the package's planning."""
    sqlite_vec_tier()  # an auto extension reaches connections that are opened after it
    connection = sqlite3.connect(":memory:")
    load_sqlite_vec_extension(connection)
    for kind, values in KINDS.items():
        connection.execute(f"CREATE VIRTUAL TABLE {kind}_vec USING vec0(id integer primary key, x {kind}, v float[1])")
        rows = [(number, value, struct.pack("f", number)) for number, value in enumerate(values, 1)]
        connection.executemany(f"INSERT INTO {kind}_vec(id, x, v) VALUES (?, ?, ?)", rows)
    yield connection
    connection.close()


def is_right(raw: sqlite3.Connection, kind: str, lookup: str, asked: Any) -> bool:
    sql = f"SELECT id FROM {kind}_vec WHERE v MATCH ? AND k = 100 AND x {SQL[lookup]}"
    try:
        rows = raw.execute(sql, [struct.pack("f", 0), *(asked if isinstance(asked, list) else [asked])]).fetchall()
    except sqlite3.OperationalError:
        return False
    return sorted(row[0] for row in rows) == expected(KINDS[kind], lookup, asked)


@pytest.mark.parametrize("kind", KINDS)
def test_the_lookups_that_sqlite_vec_evaluates_are_those_that_the_dialect_names(
    raw: sqlite3.Connection, kind: str
) -> None:
    values = [value for value in KINDS[kind] if not isinstance(value, str) or "\0" not in value]
    right = {name for name in PASSES if all(is_right(raw, kind, name, asked) for asked in inputs(values, name))}
    assert right == VEC0.compared[kind], raw.execute("SELECT vec_version()").fetchone()
    assert set(PASSES) == COMPARISONS


def test_sqlite_vec_compares_texts_up_to_a_nul(raw: sqlite3.Connection) -> None:
    assert is_right(raw, "text", "exact", "a\0b") is VEC0.compares_past_nul


class Filtered(dorm.Model):
    text = dorm.TextField()
    part = dorm.CharField(max_length=600)
    number = dorm.BigIntegerField(default=0)
    price = dorm.FloatField(default=0.0)
    lent = dorm.BooleanField(default=False)
    code = dorm.UUIDField(default=uuid.UUID(int=1))
    embedding = VectorField(dimensions=2)

    class Meta:
        app_label = "tests"
        indexes = [
            Vec0Index(
                ["embedding"],
                "filtered_vec0",
                partition_by=["part"],
                metadata=["text", "number", "price", "lent", "code"],
            ),
            Vec0Index(["embedding"], "filtered_signs", precision="bit", metadata=["text", "number", "price"]),
        ]


ROWS: Any = Filtered.objects


@pytest.fixture(scope="module")
def filled(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, (Filtered,))
    for number, text in enumerate(TEXTS):
        ROWS.create(
            text=text,
            part=text,
            number=NUMBERS[number % len(NUMBERS)],
            price=FLOATS[number % len(FLOATS)],
            lent=number % 2 == 0,
            code=uuid.UUID(int=number % 3),
            embedding=[number + 1, 0],
        )
    # A row of the companion is written over in its place: from long to short texts, and back.
    for number, row in enumerate(ROWS.order_by("id")):
        ROWS.filter(pk=row.pk).update(text=TEXTS[-1 - number])
        ROWS.filter(pk=row.pk).update(text=row.text)
    yield database
    database.use()
    drop_table(database, Filtered)


COLUMNS = {"text": ("text", TEXTS), "part": ("text", TEXTS), "number": ("integer", NUMBERS), "price": ("float", FLOATS)}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_search_finds_the_nearest_of_the_rows_that_pass(filled: Database, name: str) -> None:
    kind, values = COLUMNS[name]
    rows = [getattr(row, name) for row in ROWS.order_by("id")]
    for lookup in PASSES:
        by_vec0 = set()
        for asked in inputs(values, lookup):
            found = ROWS.filter(**{f"{name}__{lookup}": asked}).nearest("embedding", [0, 0])
            assert [row.pk for row in found[:3]] == expected(rows, lookup, asked)[:3], (lookup, asked)
            assert [row.pk for row in found.rerank(100)[:3]] == expected(rows, lookup, asked)[:3], (lookup, asked)
            if "\\x00" not in repr(asked):
                by_vec0.add(found[:3].explain_search().index == "filtered_vec0")
        known = {"exact", "in"} if name == "part" else VEC0.compared[kind]
        assert by_vec0 == {lookup in known}, lookup


OTHERS: dict[str, tuple[Callable[[], Any], Callable[[Any], bool]]] = {
    "a boolean": (lambda: ROWS.filter(lent=True), lambda row: row.lent),
    "a range of booleans": (lambda: ROWS.filter(lent__lt=True), lambda row: not row.lent),
    "a UUID": (lambda: ROWS.filter(code=uuid.UUID(int=2)), lambda row: row.code == uuid.UUID(int=2)),
    "UUIDs": (lambda: ROWS.filter(code__in=[uuid.UUID(int=2)]), lambda row: row.code == uuid.UUID(int=2)),
    "after a UUID": (lambda: ROWS.filter(code__gt=uuid.UUID(int=1)), lambda row: row.code > uuid.UUID(int=1)),
    "NULL": (lambda: ROWS.filter(text=None), lambda _row: False),
    "not NULL": (lambda: ROWS.filter(text__isnull=False), lambda _row: True),
    "no value": (lambda: ROWS.filter(text__in=[]), lambda _row: False),
    "a float among whole numbers": (lambda: ROWS.filter(number__gt=0.5), lambda row: row.number > 0.5),
    "a whole number among floats": (lambda: ROWS.filter(price__lt=2**53 + 1), lambda row: row.price < 2**53 + 1),
    "a whole number that is no float": (lambda: ROWS.filter(price=2**53 + 1), lambda row: row.price == 2**53 + 1),
    "two filters": (lambda: ROWS.filter(part="a", text__gte="a"), lambda row: row.part == "a"),
    "a text twice": (lambda: ROWS.filter(text="a", text__gte="b"), lambda _row: False),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_filters(filled: Database, name: str) -> None:
    rows, passes = OTHERS[name]
    expected_keys = [row.pk for row in ROWS.order_by("id") if passes(row)]
    assert [row.pk for row in rows().nearest("embedding", [0, 0])[:4]] == expected_keys[:4]


def test_a_partition_of_floats_is_refused_when_it_is_built(filled: Database) -> None:
    class Priced(dorm.Model):
        price = dorm.FloatField()
        embedding = VectorField(dimensions=2)

        class Meta:
            app_label = "tests"
            indexes = [Vec0Index(["embedding"], "priced_vec0", partition_by=["price"])]

    with pytest.raises(
        UnsupportedByDatabase, match=r"vec0 cannot be partitioned by price, which is REAL. Put it into metadata"
    ):
        create_tables(filled.connection, (Priced,))
