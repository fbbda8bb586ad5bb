"""Haystack's filters, made by hypothesis, find what Haystack's own evaluation of them in Python finds."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from haystack.dataclasses import Document
from haystack.errors import FilterError
from haystack.utils.filters import document_matches_filter
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from dorm_vector.integrations import create_table, document_model
from dorm_vector.integrations.haystack import DormDocumentStore
from tests.databases import Database
from tests.models import Note

# More of them, and others, in `nox -s soak`.
EXAMPLES = int(os.environ.get("DORM_VECTOR_SOAK_EXAMPLES", "20"))
SEED = int(os.environ.get("DORM_VECTOR_SOAK_SEED", "19"))

TEXT = st.sampled_from(["", "Ada", "ada", "1", "true", "50%_x", "'\"", "é", "\U0001d518", "2025", "20250203"])
# Neither 0 nor 1, which Python takes for False and True, and a store does not.
NUMBERS = st.one_of(st.integers(2, 9), st.sampled_from([2.5, -7, 1e300, 2**53 + 1]))
ZONES = st.sampled_from([None, *(timezone(timedelta(hours=hours)) for hours in (0, 5.5, -8))])
MOMENTS = st.builds(
    lambda day, hour, micro, zone: datetime(2025, 3, day, hour, 30, 0, micro, zone),
    st.integers(1, 3),
    st.sampled_from([0, 6, 23]),
    st.sampled_from([0, 500_000]),
    ZONES,
)
DATES = st.one_of(
    MOMENTS.map(datetime.isoformat),
    MOMENTS.map(lambda at: at.isoformat(" ", timespec="seconds")),
    MOMENTS.map(lambda at: at.isoformat().replace("+00:00", "Z")),
    st.sampled_from(["2025-03-01", "2025-03-02"]),
)
META = st.fixed_dictionaries(
    {},
    optional={
        "text": st.one_of(TEXT, st.none()),
        "number": st.one_of(NUMBERS, st.none()),
        "flag": st.booleans(),
        "date": st.one_of(DATES, st.none()),
        "list": st.lists(TEXT, max_size=2),
        "inner": st.fixed_dictionaries({}, optional={"date": DATES, "number": NUMBERS, "no": st.none()}),
    },
)


def _documents(metas: list[dict[str, Any]]) -> list[Document]:
    contents = (None, "", "Ada", "2025-03-01")
    return [
        Document(id=str(at), content=contents[at % len(contents)], meta=meta, embedding=[1.0, 0.0] if at % 2 else None)
        for at, meta in enumerate(metas)
    ]


def _of(field: str, values: st.SearchStrategy[Any], *, ordered: bool = True) -> st.SearchStrategy[dict[str, Any]]:
    optional = st.one_of(values, st.none())
    operands = [("==", optional), ("!=", optional), ("in", st.lists(optional, max_size=3))]
    operands += [("not in", st.lists(optional, max_size=3))]
    operands += [(name, optional) for name in (">", ">=", "<", "<=")] if ordered else []
    return st.one_of(
        [
            st.fixed_dictionaries({"field": st.just(field), "operator": st.just(name), "value": value})
            for name, value in operands
        ]
    )


DATES_OR_DATETIMES = st.one_of(DATES, MOMENTS)
FILTERS = st.recursive(
    st.one_of(
        _of("meta.text", st.one_of(TEXT, NUMBERS), ordered=False),
        _of("text", TEXT, ordered=False),
        _of("meta.number", NUMBERS),
        _of("meta.flag", st.booleans(), ordered=False),
        _of("meta.date", DATES_OR_DATETIMES),
        _of("meta.list", TEXT, ordered=False),
        _of("meta.inner.date", DATES_OR_DATETIMES),
        _of("meta.inner.number", NUMBERS),
        _of("meta.inner.nothing.deeper", NUMBERS),
        _of("id", st.sampled_from(["0", "1", "7"]), ordered=False),
        _of("content", st.sampled_from(["", "Ada"]), ordered=False),
        _of("embedding", st.nothing(), ordered=False).filter(lambda each: each["operator"] in ("==", "!=")),
    ),
    lambda inner: st.builds(
        lambda operator, conditions: {"operator": operator, "conditions": conditions},
        st.sampled_from(["AND", "OR", "NOT"]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=4,
)

BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="DORM_VECTOR_SOAK_SEED" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture
def store(db: Database) -> DormDocumentStore:
    return DormDocumentStore(
        create_table(document_model("haystack_filtered", 2, null_embeddings=True, vector_index=False))
    )


@BOUNDED
@given(st.lists(META, min_size=1, max_size=8), st.lists(FILTERS, min_size=1, max_size=10))
@seed(SEED)
def test_filters_find_what_haystack_finds(
    store: DormDocumentStore, metas: list[dict[str, Any]], filters: list[dict[str, Any]]
) -> None:
    documents = _documents(metas)
    store.delete_all_documents()
    store.write_documents(documents)
    for each in filters:
        wanted = [document.id for document in documents if document_matches_filter(each, document)]
        assert [document.id for document in store.filter_documents(each)] == wanted, each
    assert store.filter_documents() == documents


def test_dates_of_rows_that_the_application_wrote_are_compared_as_text(db: Database) -> None:
    store = DormDocumentStore(Note)
    store.delete_all_documents()
    metas: list[dict[str, Any]] = [{"at": "2024-05-01"}, {"at": "2025-01-01T10:00:00"}, {"at": "soon"}, {}]
    Note.objects.bulk_create([Note(slug=str(at), embedding=[1] * 6, metadata=meta) for at, meta in enumerate(metas)])
    later = {"field": "meta.at", "operator": ">", "value": "2024-12-31"}
    assert [each.id for each in store.filter_documents(later)] == ["1"]


def test_columns_are_compared_with_their_type(db: Database) -> None:
    store = DormDocumentStore(Note)
    store.delete_all_documents()
    vector = [1.0] * 6
    documents = [
        Document(id="a", content="A", meta={"pages": 3, "written": "2024-05-01", "labels": {"color": "red"}}),
        Document(id="b", content="B", meta={"pages": 30, "written": "2025-01-01", "urgent": True, "labels": ["x"]}),
        Document(id="c", content="C", meta={"year": 2024}),
    ]
    store.write_documents([Document(**{**vars(each), "embedding": vector}) for each in documents])
    for field, operator, value, wanted in (
        ("meta.pages", ">", 3, "b"),
        ("meta.pages", "!=", 3, "bc"),
        ("meta.pages", "not in", [30, None], "a"),
        ("meta.written", "<=", "2024-05-01", "a"),
        ("meta.written", ">", date(2024, 5, 1), "b"),
        ("meta.written", "==", None, "c"),
        ("meta.urgent", "==", True, "b"),
        ("meta.labels.color", "==", "red", "a"),
        ("meta.year", ">=", 2024, "c"),
        ("id", "in", ["a", "c"], "ac"),
        ("content", "==", "B", "b"),
    ):
        condition = {"field": field, "operator": operator, "value": value}
        assert "".join(each.id for each in store.filter_documents(condition)) == wanted, condition
    assert store.filter_documents()[1].meta == {
        "pages": 30,
        "written": date(2025, 1, 1),
        "urgent": True,
        "labels": ["x"],
    }


@pytest.mark.parametrize(
    "filters, said",
    [
        (["meta.a"], "A filter is a dict"),
        ({"field": "meta.a", "operator": "~", "value": 1}, "'~' is not known. Known are ==, !=, >"),
        ({"field": "meta.a", "operator": "=="}, "has no 'value'"),
        ({"operator": "XOR", "conditions": []}, "'XOR' is not known. Known are AND, OR, NOT"),
        ({"operator": "AND", "conditions": "meta.a"}, "conditions of AND are a list"),
        ({"operator": "NOT", "conditions": [{"field": "meta.a", "value": 1}]}, "has no 'operator'"),
        ({"field": "meta.a", "operator": "<", "value": "abc"}, "numbers and dates in ISO 8601"),
        ({"field": "meta.a", "operator": "<", "value": True}, "requires numbers or text"),
        ({"field": "meta.a", "operator": "==", "value": float("nan")}, "cannot be compared with a value in JSON"),
        ({"field": "meta.a", "operator": "==", "value": "\0"}, "never stored"),
        ({"field": "meta.a", "operator": "in", "value": "abc"}, "requires a list"),
        ({"field": "metadata.a", "operator": "==", "value": 1}, "no field 'metadata.a': want meta.year"),
        ({"field": "embedding", "operator": "==", "value": [1.0]}, "only whether there is an embedding"),
        ({"field": "blob", "operator": "==", "value": None}, "cannot be filtered by 'blob'"),
        ({"field": 1, "operator": "==", "value": None}, "names a field by text"),
    ],
)
def test_an_invalid_filter_says_what_is_wrong(filters: Any, said: str) -> None:
    store = DormDocumentStore(Note)
    with pytest.raises(FilterError) as caught:
        store.filter_documents(filters)
    assert said in str(caught.value)
