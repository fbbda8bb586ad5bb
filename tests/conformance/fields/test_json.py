"""JSONField: what some database cannot read again is refused, and where others stored it, no other row is lost."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from dorm_vector import bulk_load
from tests.conformance.inside import JsonCompare, JsonContains, JsonEmpty, JsonExists, Like
from tests.databases import Database
from tests.models import Note

REFUSED: list[tuple[Any, str]] = [
    ({"tenant": 2**63}, r"Note.metadata\['tenant'\] is 9223372036854775808: want a whole number of 64 bits"),
    ({"a": [1, {"b": -(10**310)}]}, r"Note.metadata\['a'\]\[1\]\['b'\] is a number of 1030 bits"),
    ({"tenant": float("nan")}, r"Note.metadata\['tenant'\] is nan"),
    ({"tenant": "x\ud800"}, r"Note.metadata\['tenant'\] has half of a surrogate pair, '.ud800', at position 1"),
    ({"a\0b": 1}, r"a key of Note.metadata has a NUL character"),
]
KEPT = [{"a": 2**63 - 1, "b": [-(2**63), 1.5, None]}, ["x", "é😀"], 5, {}]
# What programs other than this one may have stored; PostgreSQL's jsonb takes none of the last five.
STORED = [
    '{"k": 9223372036854775808, "l": [9223372036854775808], "o": {"k": 9223372036854775808}}',
    '{"k": -9223372036854775809, "l": [1, -9223372036854775809]}',
    '{"k": 1' + "0" * 400 + ', "l": [1' + "0" * 400 + "]}",
    r'{"k": "\ud800", "l": ["\ud800"]}',
    '{"k": NaN}',
    r'{"k": "\u0000"}',
    "no JSON",
    "",
]
OF_JSONB = 3
FOUND: dict[str, Any] = {
    "number": JsonCompare("k", "=", 7),
    "greatest": JsonCompare("g", "=", 2**63 - 1),
    "text": JsonCompare("t", "=", "seven"),
    "bool": JsonCompare("b", "=", True),
    "order": JsonCompare("k", "<=", 7),
    "nested": JsonCompare(("o", "k"), "=", 7),
    "exists": JsonExists("t"),
    "contains": JsonContains("l", 7),
    "text in an array": JsonContains("l", "seven"),
    "empty": JsonEmpty("e"),
    "like": Like("sev%", key="t"),
}
GOOD = {"k": 7, "g": 2**63 - 1, "t": "seven", "b": True, "l": [7, "seven"], "e": [], "o": {"k": 7}}


def note(**values: Any) -> Note:
    return Note(slug=str(uuid.uuid4()), embedding=[1.0] * 6, **values)


@pytest.mark.parametrize("value, message", REFUSED)
def test_it_is_refused_at_every_write(db: Database, value: Any, message: str) -> None:
    kept = note(metadata={"k": 1})
    kept.save()
    writes = (
        note(metadata=value).save,
        lambda: Note.objects.bulk_create([note(metadata=value)]),
        lambda: Note.objects.update(metadata=value),
        lambda: asyncio.run(Note.objects.aupdate(metadata=value)),
        lambda: bulk_load(Note, [note(metadata=value)]),
    )
    for write in writes:
        with pytest.raises(ValueError, match=message):
            write()
    assert [row.metadata for row in Note.objects.all()] == [{"k": 1}]


def test_everything_else_is_kept(db: Database) -> None:
    for value in KEPT:
        row = note(metadata=value)
        row.save()
        assert Note.objects.get(pk=row.pk).metadata == value
    Note.objects.update(metadata=KEPT[0])
    assert {json.dumps(row.metadata) for row in Note.objects.all()} == {json.dumps(KEPT[0])}


def test_a_row_that_nobody_can_read_breaks_no_filter(db: Database) -> None:
    good = note(metadata=GOOD)
    good.save()
    bad = note(metadata={})
    bad.save()
    table = Note._meta.db_table
    for stored in STORED[: OF_JSONB if db.name == "postgresql" else None]:
        db.connection.execute_write(f'UPDATE "{table}" SET "metadata" = %s WHERE "id" = %s', [stored, bad.pk])
        for name, condition in FOUND.items():
            found = list(Note.objects.filter(metadata=condition).values_list("pk", flat=True))
            expected = {good.pk} | ({bad.pk} if name == "order" and stored.startswith('{"k": -') else set())
            assert set(found) == expected, (name, stored[:40])
    db.connection.execute_write(f'DELETE FROM "{table}"')
