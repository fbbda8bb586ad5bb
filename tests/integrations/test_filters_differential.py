"""Filters of both frameworks, made by hypothesis, find what a plain Python evaluation of them finds."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from dorm_vector.integrations.columns import columns_of
from dorm_vector.integrations.filters import from_dict, from_metadata_filters
from dorm_vector.integrations.langchain import DormVectorStore
from tests.databases import Database
from tests.helpers.metadata_filters import holds, passes
from tests.models import Note

# More of them, and others, in `nox -s soak`.
EXAMPLES = int(os.environ.get("DORM_VECTOR_SOAK_EXAMPLES", "25"))
SEED = int(os.environ.get("DORM_VECTOR_SOAK_SEED", "14"))

COLUMNS = columns_of(Note)

TEXT = st.one_of(
    st.sampled_from(
        ["", "Ada", "ada", "ada ", "Ädä", "1", "true", "null", "50%_x", "a\\b", "'\"", "\U0001d518", "é", "e\u0301"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
)
INTEGERS = st.one_of(
    st.sampled_from([0, 1, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1)
)
FLOATS = st.one_of(
    st.sampled_from([0.0, 1.0, 149.99, 0.1 + 0.2, 1e300, 5e-324, 1 / 3, 2.0**53]),
    st.floats(allow_nan=False, allow_infinity=False),
)
NUMBERS = st.one_of(INTEGERS, FLOATS)
ORDERED = st.one_of(TEXT, NUMBERS)
SCALARS = st.one_of(ORDERED, st.booleans())
VALUES = st.one_of(st.none(), SCALARS, st.lists(st.one_of(SCALARS, st.none()), max_size=3))
INNER = st.dictionaries(st.sampled_from(["b", "b.c", "ключ"]), st.one_of(VALUES, st.dictionaries(st.just("c"), VALUES)))
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "k": VALUES,
        "a": st.one_of(VALUES, INNER),
        "a.b": VALUES,
        "ключ": VALUES,
        "labels.b": VALUES,
        # Columns of the model
        "pages": st.integers(-(2**31), 2**31 - 1),
        "price": FLOATS,
        "urgent": st.booleans(),
        "labels": st.one_of(st.lists(SCALARS, max_size=2), INNER),
    },
)
KEYS = st.sampled_from(["k", "a", "a.b", "a.b.c", "a.ключ", "ключ", "labels.b", "labels.b.c", "nothing", "a..b", "."])
PATTERNS = st.text(st.sampled_from("aAdD1%_\\*[é "), max_size=5)
ASCII_PATTERNS = st.text(st.sampled_from("aAdD1%_\\*["), max_size=5)

OPERANDS: dict[str, st.SearchStrategy[Any]] = {
    "$eq": st.one_of(SCALARS, st.none()),
    "$ne": st.one_of(SCALARS, st.none()),
    "$gt": ORDERED,
    "$gte": ORDERED,
    "$lt": ORDERED,
    "$lte": ORDERED,
    "$between": st.lists(ORDERED, min_size=2, max_size=2),
    "$in": st.lists(st.one_of(SCALARS, st.none()), max_size=4),
    "$nin": st.lists(st.one_of(SCALARS, st.none()), max_size=4),
    "$exists": st.booleans(),
    "$like": PATTERNS,
    "$ilike": ASCII_PATTERNS,
    "$contains": SCALARS,
}
OF_COLUMNS: list[tuple[str, st.SearchStrategy[Any]]] = [
    ("pages", st.integers(-(2**31), 2**31 - 1)),
    ("price", FLOATS),
    ("urgent", st.booleans()),
]


def _operations(operands: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of([st.fixed_dictionaries({name: operand}) for name, operand in operands.items()])


def _of_column(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    ordered = {} if name == "urgent" else dict.fromkeys(("$gt", "$gte", "$lt", "$lte"), values)
    operands = {"$eq": st.one_of(values, st.none()), "$ne": values, "$exists": st.booleans(), **ordered}
    operands |= dict.fromkeys(("$in", "$nin"), st.lists(st.one_of(values, st.none()), max_size=3))
    return _operations(operands).map(lambda operation: {name: operation})


CONDITIONS = st.one_of(
    st.dictionaries(KEYS, _operations(OPERANDS), min_size=1, max_size=2),
    st.dictionaries(KEYS, SCALARS, min_size=1, max_size=1),
    KEYS.flatmap(lambda key: _operations(OPERANDS).map(lambda operation: {key: {"$not": operation}})),
    *[_of_column(name, values) for name, values in OF_COLUMNS],
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"$and": each}),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"$or": each}),
        st.lists(inner, min_size=1, max_size=2).map(lambda each: {"$not": each}),
    ),
    max_leaves=4,
)

LLAMA_OPERANDS: dict[FilterOperator, st.SearchStrategy[Any]] = {
    FilterOperator.EQ: SCALARS,
    FilterOperator.NE: SCALARS,
    FilterOperator.GT: ORDERED,
    FilterOperator.GTE: ORDERED,
    FilterOperator.LT: ORDERED,
    FilterOperator.LTE: ORDERED,
    FilterOperator.IN: st.one_of(st.lists(TEXT, max_size=3), st.lists(NUMBERS, max_size=3)),
    FilterOperator.NIN: st.one_of(st.lists(TEXT, max_size=3), st.lists(NUMBERS, max_size=3)),
    FilterOperator.ANY: st.one_of(st.lists(TEXT, max_size=3), st.lists(INTEGERS, max_size=3)),
    FilterOperator.ALL: st.one_of(st.lists(TEXT, max_size=3), st.lists(INTEGERS, max_size=3)),
    FilterOperator.CONTAINS: SCALARS,
    FilterOperator.TEXT_MATCH: st.text(st.sampled_from("aAd1%_\\*[é "), max_size=3),
    FilterOperator.TEXT_MATCH_INSENSITIVE: st.text(st.sampled_from("aAd1%_\\*["), max_size=3),
    FilterOperator.IS_EMPTY: st.none(),
}


def _metadata_filter(operator: FilterOperator) -> st.SearchStrategy[Any]:
    # model_construct, because the model takes no bool and turns numbers into each other.
    return st.builds(
        lambda key, value: MetadataFilter.model_construct(key=key, operator=operator, value=value),
        KEYS,
        LLAMA_OPERANDS[operator],
    )


LLAMA_FILTERS = st.recursive(
    st.one_of([_metadata_filter(operator) for operator in LLAMA_OPERANDS]),
    lambda inner: st.builds(
        lambda each, condition: MetadataFilters.model_construct(filters=each, condition=condition),
        st.lists(inner, min_size=1, max_size=3),
        st.sampled_from(list(FilterCondition)),
    ),
    max_leaves=4,
).map(lambda each: each if hasattr(each, "filters") else MetadataFilters(filters=[each]))

BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="DORM_VECTOR_SOAK_SEED" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def write(documents: list[dict[str, Any]]) -> None:
    Note.objects.all().delete()
    Note.objects.bulk_create(
        [
            Note(
                slug=str(at),
                embedding=[1] * 6,
                metadata={key: value for key, value in document.items() if key not in COLUMNS.others},
                **{key: value for key, value in document.items() if key in COLUMNS.others},
            )
            for at, document in enumerate(documents)
        ]
    )


def found(condition: Any) -> set[str]:
    queryset = Note.objects.all() if condition is None else Note.objects.filter(condition)
    return set(queryset.values_list("slug", flat=True))


@BOUNDED
@given(st.lists(DOCUMENTS, min_size=1, max_size=6), st.lists(FILTERS, min_size=1, max_size=8))
@seed(SEED)
def test_dicts_find_what_python_finds(db: Database, documents: list[dict[str, Any]], filters: list[Any]) -> None:
    write(documents)
    for each in filters:
        wanted = {str(at) for at, document in enumerate(documents) if holds(document, each)}
        assert found(from_dict(COLUMNS, each)) == wanted, each


@BOUNDED
@given(st.lists(DOCUMENTS, min_size=1, max_size=6), st.lists(LLAMA_FILTERS, min_size=1, max_size=8))
@seed(SEED)
def test_metadata_filters_find_what_python_finds(
    db: Database, documents: list[dict[str, Any]], filters: list[Any]
) -> None:
    write(documents)
    for each in filters:
        wanted = {str(at) for at, document in enumerate(documents) if passes(document, each)}
        assert found(from_metadata_filters(COLUMNS, each)) == wanted, each


@BOUNDED
@given(st.lists(DOCUMENTS, min_size=1, max_size=6))
@seed(SEED)
def test_metadata_comes_back_as_it_was(db: Database, documents: list[dict[str, Any]]) -> None:
    store = DormVectorStore(Note)
    store.delete(filter={})
    ids = [str(at) for at in range(len(documents))]
    store.add_embeddings([""] * len(documents), [[1.0] * 6] * len(documents), documents, ids)
    assert [document.metadata for document in store.get_by_ids(ids)] == documents
