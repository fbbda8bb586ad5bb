"""Checksums of copied rows: equal for equal rows in any order and of any driver, and different for any other."""

from __future__ import annotations

import datetime as dt
import os
import random
import subprocess
import sys
import uuid
from decimal import Decimal
from itertools import combinations
from typing import Any

import dorm
import pytest

from dorm_vector import HalfVector, Vector
from dorm_vector.bulk.copy import checksums
from dorm_vector.bulk.copy.values import Column
from tests.helpers.project import ENVIRONMENT, ROOT

ANYTHING = Column("value", dorm.TextField())
NAIVE = dt.datetime.fromisoformat("2026-01-02T03:04:05.000006")
VALUES: list[Any] = [
    None,
    "",
    "a",
    "b",
    "ab",
    "é",
    "\ud800",
    b"x",
    b"xy",
    True,
    False,
    -1,
    -2,
    0,
    1,
    2**61 - 1,
    0.5,
    1e300,
]
VALUES += [Decimal("1.5"), Decimal("1.25"), uuid.UUID(int=1), dt.date(2026, 1, 2), NAIVE]
VALUES += [dt.time(1, 2), dt.timedelta(days=1), Vector([1.0, 2.0]), HalfVector([1.0, 3.0]), [1, 2], {"a": 1}]


@pytest.fixture(params=["Python's own", "of narrow hashes"], autouse=True)
def hash_of_a_row(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "of narrow hashes":
        monkeypatch.setattr(checksums, "_hash_row", checksums._blake2)


def of(*rows: tuple[Any, ...]) -> int:
    columns = list(zip(*rows, strict=True))
    return checksums.checksum([ANYTHING] * len(columns), columns)


def test_different_rows_have_different_checksums() -> None:
    for one, other in combinations(VALUES, 2):
        assert of((one,)) != of((other,)), (one, other)
        assert of((one, other)) != of((other, one)), (one, other)
    assert of(("ab", "c")) != of(("a", "bc"))
    assert of(("a",), ("a",)) != of(("a",))
    # In one page with values of another type.
    assert of((-1,), ("a",)) != of((-2,), ("a",))


def test_equal_rows_have_equal_checksums() -> None:
    rows = [(value, number) for number, value in enumerate(VALUES)]
    shuffled = random.Random(1).sample(rows, len(rows))
    # In any order, and however they are divided into pages.
    assert of(*rows) == of(*shuffled) == sum(of(row) for row in rows) % checksums.MODULUS
    packed = Vector([1.0, 2.0])
    for same in (bytes(packed), bytearray(packed), memoryview(bytes(packed))):
        assert of((same,)) == of((packed,))
        assert of((same,), ("a",)) == of((packed,), ("a",))
    assert of((Decimal("1.50"),)) == of((Decimal("1.5"),))
    assert of((NAIVE.replace(tzinfo=dt.UTC),)) == of((NAIVE,))
    document = Column("document", dorm.JSONField())
    spaced, dense = (checksums.checksum([document], [[text]]) for text in ('{"b": 1, "a": [2]}', '{"a":[2],"b":1}'))
    assert spaced == dense


def test_another_process_does_not_continue_a_checksum() -> None:
    assert checksums.from_text(checksums.to_text(12)) == 12
    assert checksums.from_text(checksums.to_text(None)) is None
    assert checksums.from_text("12") is None
    other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    source = "from dorm_vector.bulk.copy.checksums import to_text; print(to_text(12))"
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "PYTHONHASHSEED": other}
    run = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith(":12")
    if checksums._hash_row is hash:
        assert checksums.from_text(run.stdout.strip()) is None
