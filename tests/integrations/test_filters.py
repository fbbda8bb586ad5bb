"""Every filter operator, on columns and on JSON, against plain Python: the same documents on each database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from dorm import Q

from dorm_vector.integrations.columns import Columns, columns_of
from dorm_vector.integrations.filters import LANGCHAIN, from_dict
from tests.databases import Database
from tests.helpers.metadata_filters import MEANS, holds
from tests.models import Note

ODD_KEYS = ('a"b\\c', "$.k", "a.b", "ключ", "😀", "new\nline", "'; DROP TABLE tests_note; --", "%s", "")
BIG = 2**53

METADATA: list[dict[str, Any]] = [
    {},
    {"k": None},
    {"k": ""},
    {"k": "Ada"},
    {"k": "ada"},
    {"k": "ada "},
    {"k": "Ädä"},
    {"k": "100%_\\!*?[x]"},
    {"k": "1"},
    {"k": 0},
    {"k": 1},
    {"k": 1.0},
    {"k": -2.5},
    {"k": BIG},
    {"k": BIG + 1},
    {"k": 1e300},
    {"k": 5e-324},
    {"k": True},
    {"k": False},
    {"k": []},
    {"k": ["Ada", 1, True, None]},
    {"k": [["Ada"], "ada"]},
    {"k": [BIG + 1]},
    {"k": {"Ada": 1}},
    *({key: "odd"} for key in ODD_KEYS),
]
VALUES = ["Ada", "ada", "Ädä", "", "1", 0, 1, 1.0, -2.5, BIG, BIG + 1, 1e300, 5e-324, 10**30, True, False]
ORDERED = [value for value in VALUES if not isinstance(value, bool)]
PATTERNS = ["Ada", "%da", "_da", "%", "", "100\\%\\_\\\\!*?[x]", "%*%", "%[%", "%!%", "_d_", "%\\", "ÄDÄ", "%'%"]

LISTS = [[], ["Ada", 1], [1, True, None], [BIG + 1, "ada "], [None]]
ASKED: list[dict[str, Any]] = [
    *({"k": {operator: value}} for operator in ("$eq", "$ne") for value in [*VALUES, None]),
    *({"k": {operator: value}} for operator in ("$gt", "$gte", "$lt", "$lte") for value in ORDERED),
    *({"k": {operator: value}} for operator in ("$in", "$nin") for value in LISTS),
    *({"k": {"$between": value}} for value in ([-3, 1], ["A", "b"], [1, 0], [0.5, BIG])),
    *({"k": {"$exists": value}} for value in (True, False)),
    *({"k": {"$like": pattern}} for pattern in PATTERNS),
    *({"k": {"$ilike": pattern}} for pattern in PATTERNS if pattern.isascii()),
    *({"k": {"$contains": value}} for value in ("Ada", "ada", 1, 1.0, True, False, BIG, BIG + 1, "1")),
    *({key: "odd"} for key in ODD_KEYS if key[:1] != "$"),
    {"k": "Ada"},
    {"k": {"$gte": 0, "$lt": 2}},
    {"k": {"$not": {"$gt": 0}}},
    {"k": {"$or": [{"$lt": 0}, {"$eq": "Ada"}]}},
    {"$or": [{"k": "Ada"}, {"k": 1}, {"ключ": "odd"}]},
    {"$and": [{"k": {"$gte": 0}}, {"$not": {"k": {"$in": [0, BIG]}}}]},
    {"$not": {"$and": [{"k": {"$exists": True}}, {"k": {"$ne": "Ada"}}]}},
    {"$not": [{"k": 1}, {"k": "Ada"}]},
    {"k": {"$exists": True}, "a.b": {"$exists": False}},
    {},
]


@pytest.fixture
def columns() -> Columns:
    return columns_of(Note)


def slugs(condition: Q | None) -> set[str]:
    queryset = Note.objects.all() if condition is None else Note.objects.filter(condition)
    return set(queryset.values_list("slug", flat=True))


def write(notes: list[dict[str, Any]]) -> None:
    Note.objects.bulk_create([Note(slug=str(at), embedding=[1] * 6, **note) for at, note in enumerate(notes)])


def test_every_operator_is_asked() -> None:
    assert MEANS.keys() == {f"${name}" for name in LANGCHAIN}
    assert MEANS.keys() <= {
        name for each in ASKED for value in each.values() if isinstance(value, dict) for name in value
    }


def test_json_answers_as_python_does(db: Database, columns: Columns) -> None:
    write([{"metadata": metadata} for metadata in METADATA])
    wrong = {}
    for filter_ in ASKED:
        wanted = {str(at) for at, metadata in enumerate(METADATA) if holds(metadata, filter_)}
        found = slugs(from_dict(columns, filter_))
        if found != wanted:
            wrong[str(filter_)] = {
                "missing": [METADATA[int(at)] for at in wanted - found],
                "wrong": [METADATA[int(at)] for at in found - wanted],
            }
    assert not wrong


NOTES: list[dict[str, Any]] = [
    {},
    {"source": "", "pages": 0, "price": 0.0, "urgent": False, "labels": []},
    {"source": "Ada", "pages": 3, "price": 2.5, "urgent": True, "written": dt.date(2024, 2, 29)},
    {"source": "bob", "pages": -1, "price": -1e9, "labels": ["red", 1], "written": dt.date(2023, 12, 31)},
    {"source": "50%_x", "pages": 10, "labels": ["red", "blue", ["green"]]},
]
OF_COLUMNS: list[tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
    ({"pages": 3}, lambda note: note.get("pages") == 3),
    ({"pages": {"$ne": 3}}, lambda note: note.get("pages") != 3),
    ({"pages": {"$gt": 0}}, lambda note: (note.get("pages") or 0) > 0),
    ({"pages": {"$not": {"$gt": 0}}}, lambda note: not (note.get("pages") or 0) > 0),
    ({"pages": {"$lte": 0}}, lambda note: note.get("pages", 1) <= 0),
    ({"pages": {"$between": [0, 3]}}, lambda note: 0 <= note.get("pages", -1) <= 3),
    ({"pages": {"$in": [3, 10, None]}}, lambda note: note.get("pages") in (3, 10, None)),
    ({"pages": {"$nin": [3, 10]}}, lambda note: note.get("pages") not in (3, 10)),
    ({"pages": {"$exists": False}}, lambda note: "pages" not in note),
    ({"pages": None}, lambda note: "pages" not in note),
    ({"price": {"$lt": 2}}, lambda note: note.get("price", 9) < 2),
    ({"urgent": True}, lambda note: note.get("urgent") is True),
    ({"urgent": {"$ne": True}}, lambda note: note.get("urgent") is not True),
    ({"written": {"$gte": "2024-01-01"}}, lambda note: note.get("written", dt.date.min).year >= 2024),
    ({"written": dt.date(2023, 12, 31)}, lambda note: note.get("written") == dt.date(2023, 12, 31)),
    ({"source": {"$in": ["Ada", "bob"]}}, lambda note: note.get("source") in ("Ada", "bob")),
    ({"source": {"$like": "A%"}}, lambda note: note.get("source", "").startswith("A")),
    ({"source": {"$like": "a%"}}, lambda note: False),
    ({"source": {"$ilike": "a_A"}}, lambda note: note.get("source") == "Ada"),
    ({"source": {"$like": "%\\%\\_%"}}, lambda note: "%_" in note.get("source", "")),
    ({"source": {"$not": {"$like": "A%"}}}, lambda note: not note.get("source", "").startswith("A")),
    ({"labels": {"$contains": "red"}}, lambda note: "red" in note.get("labels", [])),
    ({"labels": {"$contains": "green"}}, lambda note: False),
    ({"labels": {"$not": {"$contains": 1}}}, lambda note: 1 not in note.get("labels", [])),
    ({"slug": {"$in": ["0", "4", "nobody"]}}, lambda note: note in (NOTES[0], NOTES[4])),
    ({"id": "2"}, lambda note: note == NOTES[2]),
    ({"source": "Ada", "k": 1}, lambda note: note.get("source") == "Ada"),
]


def test_columns_answer_as_python_does(db: Database, columns: Columns) -> None:
    write([{**note, "metadata": {"k": 1}} for note in NOTES])
    wanted = [{str(at) for at, note in enumerate(NOTES) if means(note)} for _filter, means in OF_COLUMNS]
    assert [slugs(from_dict(columns, filter_)) for filter_, _means in OF_COLUMNS] == wanted


NAMED_AS_COLUMNS: list[tuple[dict[str, Any], set[str]]] = [
    ({"id": 70}, {"0"}),
    ({"id": "1"}, {"1"}),
    ({"id": {"$in": [70, "2"]}}, {"0", "2"}),
    ({"id": {"$ne": 70}}, {"1", "2", "3"}),
    ({"slug": {"$like": "s%"}}, {"0"}),
    ({"slug": "1"}, {"1"}),
    ({"slug": "3"}, set()),
    ({"body": "of the metadata"}, {"0"}),
    ({"body": {"$like": "%the row"}}, {"1", "3"}),
    ({"body": {"$exists": True}}, {"0", "1", "2", "3"}),
    ({"body": {"$contains": "x"}}, {"2"}),
    ({"slug": {"$gt": 5}}, {"3"}),
]


def test_metadata_may_have_the_names_of_the_id_and_of_the_text(db: Database, columns: Columns) -> None:
    metadata: list[dict[str, Any]] = [
        {"id": 70, "slug": "slugged", "body": "of the metadata"},
        {},
        {"body": ["x"]},
        {"slug": 7},
    ]
    write([{"body": "of the row", "metadata": each} for each in metadata])
    found = [slugs(from_dict(columns, filter_)) for filter_, _wanted in NAMED_AS_COLUMNS]
    assert found == [wanted for _filter, wanted in NAMED_AS_COLUMNS]


def test_a_queryset_takes_the_condition_wherever_it_takes_one(db: Database, columns: Columns) -> None:
    write([{"metadata": metadata} for metadata in METADATA])
    ada = from_dict(columns, {"k": "Ada"})
    assert isinstance(ada, Q)
    assert Note.objects.filter(ada).count() == 1
    assert Note.objects.exclude(ada).count() == len(METADATA) - 1
    assert Note.objects.filter(~ada).count() == len(METADATA) - 1
    assert Note.objects.filter(ada | Q(slug="0")).count() == 2
    assert Note.objects.filter(ada).update(pages=7) == 1
    assert Note.objects.get(pages=7).metadata == {"k": "Ada"}
    assert [note.metadata for note in Note.objects.filter(ada).nearest("embedding", [1] * 6)[:5]] == [{"k": "Ada"}]
    assert Note.objects.filter(ada).delete()[0] == 1
    assert Note.objects.filter(ada).exists() is False


@pytest.mark.parametrize(
    "filter_, message",
    [
        ({"k": {"$near": 1}}, r"'\$near' is not known. Known are \$eq, .*\$not"),
        ({"$nor": []}, r"'\$nor' is not known. Known are \$and"),
        ({"k": {"$in": "Ada"}}, "requires a list"),
        ({"k": {"$between": [1]}}, "requires two values"),
        ({"k": {"$exists": "yes"}}, "requires true or false"),
        ({"k": {"$like": 3}}, "requires text"),
        ({"k": {"$gt": True}}, "have an order"),
        ({"k": {"$gt": None}}, "cannot be compared"),
        ({"k": float("nan")}, "cannot be compared"),
        ({"k": ["Ada"]}, "cannot be compared"),
        ({"k": {"$in": [["Ada"]]}}, "cannot be compared"),
        ({"$or": []}, r"\$or requires filters"),
        ({"$and": {"k": 1}}, r"\$and requires filters"),
        ({3: 1}, "names metadata by text"),
        ({"pages": "three"}, "Note.pages is a IntegerField"),
        ({"pages": {"$like": "3%"}}, "not text"),
        ({"pages": {"$contains": 3}}, "not an array"),
        ({"labels": "red"}, "Ask what it contains"),
        ("k = 1", "A filter is a dict"),
    ],
)
def test_what_is_no_filter_is_refused_before_it_is_sent(filter_: Any, message: str, columns: Columns) -> None:
    with pytest.raises(ValueError, match=message):
        from_dict(columns, filter_)
