"""Unusual values through every write and every query: each is stored and found as the float32 numbers that it holds."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from dorm import F
from dorm.signals import pre_save

from dorm_vector import L2Distance, Metric, Vector, bulk_load
from tests.databases import Database
from tests.helpers.oracle import distance, float32
from tests.models import Document, Sample

DOCUMENTS: Any = Document.objects
view: Any = memoryview

# Each makes the value again, because a generator can be read once.
INPUTS: dict[str, tuple[Callable[[], Any], list[float]]] = {
    "big-endian float64": (lambda: np.array([1, -2, 3.5], ">f8"), [1, -2, 3.5]),
    "big-endian float32": (lambda: np.array([1, -2, 3.5], ">f4"), [1, -2, 3.5]),
    "float16": (lambda: np.array([1, -2, 3.5], "f2"), [1, -2, 3.5]),
    "longdouble": (lambda: np.array([1, -2, 3.5], np.longdouble), [1, -2, 3.5]),
    "int8": (lambda: np.array([1, -2, 127], np.int8), [1, -2, 127]),
    "uint64": (lambda: np.array([0, 1, 2**62], np.uint64), [0, 1, 2**62]),
    "booleans": (lambda: np.array([True, False, True]), [1, 0, 1]),
    "objects": (lambda: np.array([1, Decimal("0.5"), Fraction(1, 4)], dtype=object), [1, 0.5, 0.25]),
    "every second number": (lambda: np.arange(6.0)[::2], [0, 2, 4]),
    "backwards": (lambda: np.arange(3.0)[::-1], [2, 1, 0]),
    "unmasked": (lambda: np.ma.array([1.0, 2.0, 3.0]), [1, 2, 3]),
    "a view of float64": (lambda: view(array("d", [1, 2, 0.1])), [1, 2, 0.1]),
    "a big-endian view": (lambda: view(np.array([1, 2, 3], ">f8")), [1, 2, 3]),
    "a view of packed bytes": (lambda: view(bytes(Vector([1, 2, 3]))), [1, 2, 3]),
    "a generator": (lambda: (number / 2 for number in range(3)), [0, 0.5, 1]),
    "a range": (lambda: range(3), [0, 1, 2]),
    "a deque": (lambda: deque([3, 2, 1]), [3, 2, 1]),
    "an array of shorts": (lambda: array("h", [1, -2, 3]), [1, -2, 3]),
    "long integers": (lambda: [2**60 + 1, -(2**53) - 1, 0], [2.0**60, -(2.0**53), 0]),
    "a text": (lambda: " [1, -2.5e-3, 3] ", [1, -2.5e-3, 3]),
    "denormals": (lambda: [1e-45, 1.1e-38, 1], [1e-45, 1.1e-38, 1]),
    "far apart": (lambda: [9e18, 1, 1e-45], [9e18, 1, 1e-45]),
    "negative zero": (lambda: [-0.0, 0.0, 1], [0, 0, 1]),
    "what float32 rounds": (lambda: [0.1, 1 / 3, 16777217], [0.1, 1 / 3, 16777217]),
}

WRITES: dict[str, Callable[[Any], Any]] = {
    "create": lambda value: DOCUMENTS.create(title="x", embedding=value),
    "save": lambda value: saved(Document(title="x"), value),
    "update": lambda value: (DOCUMENTS.create(title="x"), DOCUMENTS.update(embedding=value)),
    "bulk_create": lambda value: DOCUMENTS.bulk_create([Document(title="x", embedding=value)]),
    "bulk_update": lambda value: bulk_updated(DOCUMENTS.create(title="x"), value),
    "get_or_create": lambda value: DOCUMENTS.get_or_create(title="x", defaults={"embedding": value}),
    "bulk_load of dicts": lambda value: bulk_load(Document, [{"title": "x", "embedding": value}]),
    "bulk_load of columns": lambda value: bulk_load(Document, {"title": ["x"], "embedding": [value]}),
    "bulk_load of instances": lambda value: bulk_load(Document, [Document(title="x", embedding=value)]),
}


def saved(document: Any, value: Any) -> None:
    document.embedding = value
    document.save()


def bulk_updated(document: Any, value: Any) -> None:
    document.embedding = value
    DOCUMENTS.bulk_update([document], ["embedding"])


def test_every_input_through_every_write(db: Database) -> None:
    """Two writes of each input, in turn, so that each write takes several inputs."""
    ways = list(WRITES)
    for number, (name, (value, expected)) in enumerate(INPUTS.items()):
        for way in (ways[number % len(ways)], ways[(number + 4) % len(ways)]):
            DOCUMENTS.all().delete()
            WRITES[way](value())
            assert DOCUMENTS.get().embedding == float32(expected), (name, way)


def test_every_input_in_every_query(db: Database) -> None:
    document = DOCUMENTS.create(title="x", embedding=[1, 2, 3], other=[0, 0, 1])
    for name, (value, expected) in INPUTS.items():
        far = distance(Metric.L2, [1, 2, 3], expected)
        assert far is not None
        nearest = DOCUMENTS.nearest("embedding", value())[:1]
        assert [row.pk for row in nearest] == [document.pk], name
        measured = DOCUMENTS.annotate(d=L2Distance("embedding", value())).get().d
        assert abs(measured - far) <= 1e-5 * far, name
        DOCUMENTS.update(embedding=value())
        assert DOCUMENTS.filter(embedding=value()).count() == 1, name
        assert DOCUMENTS.filter(embedding__in=[value(), [7, 7, 7]]).count() == 1, name
        DOCUMENTS.update(embedding=[1, 2, 3])


def replaced(sender: Any, instance: Any, **_options: Any) -> None:
    instance.embedding = np.array([7, 8, 9], ">f8")


def test_a_value_that_changes_between_the_assignment_and_the_insert(db: Database) -> None:
    """What is stored is what the field held when the row was written, whatever was changed meanwhile."""
    given = [1.0, 2.0, 3.0]
    document = Document(title="a list that its owner changes", embedding=given)
    given[0] = 99.0
    document.save()
    assert DOCUMENTS.get().embedding == [1, 2, 3]
    shared = np.array([4, 5, 6], dtype="f4")
    document.embedding = shared
    shared[:] = 0
    document.save()
    assert DOCUMENTS.get().embedding == [4, 5, 6]
    read = DOCUMENTS.get()
    read.embedding[0] = 41.0
    read.save()
    assert DOCUMENTS.get().embedding == [41, 5, 6]
    pre_save.connect(replaced, sender=Document, weak=False, dispatch_uid="replaced")
    try:
        document.save()
        DOCUMENTS.create(title="by the receiver", embedding=[0, 0, 1])
    finally:
        pre_save.disconnect(sender=Document, dispatch_uid="replaced")
    assert [row.embedding for row in DOCUMENTS.order_by("id")] == [[7, 8, 9]] * 2
    document.embedding = F("other")
    document.other = [3, 2, 1]
    DOCUMENTS.update(other=[6, 6, 6])
    document.save(update_fields=["embedding"])
    assert DOCUMENTS.get(pk=document.pk).embedding == [6, 6, 6]


def test_a_normalized_and_a_rounded_value_are_those_that_are_stored(db: Database) -> None:
    sample = Sample.objects.create(title="x", unit=np.array([3, 0, 4], ">i8"), half=[0.1, 1 / 3, 2049])
    halves = np.array([0.1, 1 / 3, 2049], "f2").astype("f4").tolist()
    for row in (sample, Sample.objects.get()):
        assert [round(value, 6) for value in row.unit] == [0.6, 0, 0.8]
        assert row.half == halves
