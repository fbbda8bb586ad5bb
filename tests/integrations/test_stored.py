"""What no store takes, because a database could not give it back or filter it: refused alike on each database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.schema import TextNode

from dorm_vector import UnsupportedByDatabase
from dorm_vector.integrations.langchain import DormVectorStore
from dorm_vector.integrations.llama_index import DormVectorStore as NodeStore
from tests.databases import Database
from tests.integrations.conftest import embed, vector_of
from tests.models import Note

SURROGATE = "\ud800"


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tenant": 2**63}, r"metadata\['tenant'\] is 9223372036854775808"),
    ({"tenant": -(2**63) - 1}, r"metadata\['tenant'\] is -9223372036854775809"),
    ({"tenant": 10**310}, r"metadata\['tenant'\] is a number of 1030 bits"),
    ({"a": {"b": [1, 2**64]}}, r"metadata\['a'\]\['b'\]\[1\] is 18446744073709551616"),
    ({"tenant": float("nan")}, r"metadata\['tenant'\] is nan"),
    ({"tenant": [float("inf")]}, r"metadata\['tenant'\]\[0\] is inf"),
    ({"tenant": "a\0b"}, r"metadata\['tenant'\] has a NUL character at position 1"),
    ({"tenant": f"ab{SURROGATE}"}, r"metadata\['tenant'\] has half of a surrogate pair, '.ud800', at position 2"),
    ({"a\0b": 1}, "the metadata key has a NUL character at position 1"),
    ({"a": {SURROGATE: 1}}, r"a key of metadata\['a'\] has half of a surrogate pair"),
    ({"source": "a\0b"}, r"metadata\['source'\] has a NUL character"),
    ({"pages": 2**63}, r"metadata\['pages'\] is 9223372036854775808"),
    ({"labels": ["a", "b\0"]}, r"metadata\['labels'\]\[1\] has a NUL character"),
    ({"tenant": deep(31)}, "is nested more than 30 levels deep"),
]

KEPT: list[dict[str, Any]] = [
    {"tenant": 2**63 - 1},
    {"tenant": -(2**63)},
    {"tenant": 1e22},
    {"tenant": 5e-324},
    {"--": "dash"},
    {"tenant": "--"},
    {"'; --": 1},
    {"-": 1},
    {"-a b]/;'%,+": "x"},
    {"tenant": "😀\x01\u2028"},
    {"tenant": deep(28)},
]

FILTERS: list[dict[str, Any]] = [
    {"tenant": 1},
    {"tenant": {"$gt": 0.5}},
    {"tenant": {"$lte": 1}},
    {"tenant": "acme"},
    {"tenant": {"$like": "ac%"}},
    {"tenant": {"$in": [1, "acme"]}},
    {"tenant": {"$ne": "acme"}},
    {"--": "dash"},
    {"source": "ministry"},
]


@pytest.fixture
def store(db: Database) -> DormVectorStore:
    found = DormVectorStore(Note, embed)
    found.add_texts(["cholera", "dengue"], [{"tenant": 1}, {"tenant": "acme", "source": "ministry"}], ids=["a", "b"])
    return found


def answers(store: DormVectorStore) -> list[list[str]]:
    """Return which of the first two documents pass each filter."""
    found = [store.similarity_search("cholera", k=100, filter=each) for each in FILTERS]
    return [sorted(document.id for document in each if document.id in ("a", "b")) for each in found]


@pytest.mark.parametrize("metadata, why", REFUSED)
def test_metadata_that_would_break_readers(store: DormVectorStore, metadata: dict[str, Any], why: str) -> None:
    before = answers(store)
    added = (["fine", "evil"], [{"tenant": 2}, metadata])
    with pytest.raises(ValueError, match=f"Document 1 cannot be stored: .*{why}"):
        store.add_texts(*added)
    with pytest.raises(ValueError, match=f"Document 1 cannot be stored: .*{why}"):
        asyncio.run(store.aadd_texts(*added))
    assert Note.objects.count() == 2
    assert answers(store) == before


@pytest.mark.parametrize("metadata, why", [REFUSED[0], REFUSED[6], REFUSED[7]])
def test_nodes_that_would_break_readers(db: Database, metadata: dict[str, Any], why: str) -> None:
    store = NodeStore(Note)
    nodes: list[Any] = [
        TextNode(text="cholera", metadata=each, embedding=vector_of("cholera")) for each in ({"tenant": 1}, metadata)
    ]
    with pytest.raises(ValueError, match=f"Document 1 cannot be stored: .*{why}"):
        store.add(nodes)
    with pytest.raises(ValueError, match=f"Document 1 cannot be stored: .*{why}"):
        asyncio.run(store.async_add(nodes))
    assert Note.objects.count() == 0


@pytest.mark.parametrize("text", ["page\0two", f"page{SURROGATE}"])
def test_texts_and_ids_that_some_drivers_cannot_send(store: DormVectorStore, text: str) -> None:
    with pytest.raises(ValueError, match="Document 0 cannot be stored: its text has"):
        store.add_texts([text])
    with pytest.raises(ValueError, match="Document 0 cannot be stored: its id has"):
        store.add_texts(["fine"], ids=[text])
    assert Note.objects.count() == 2


@pytest.mark.parametrize("metadata", KEPT)
def test_metadata_that_is_kept_as_it_is(store: DormVectorStore, metadata: dict[str, Any]) -> None:
    before = answers(store)
    store.add_texts(["measles"], [metadata], ids=["c"])
    (document,) = store.get_by_ids(["c"])
    assert document.metadata == metadata
    assert answers(store) == before
    for key, value in metadata.items():
        if not isinstance(value, list):
            assert [each.id for each in store.similarity_search("measles", filter={key: value})] == ["c"]


def test_text_is_cleaned_where_asked_for(db: Database) -> None:
    metadata: dict[str, Any] = {"a\0b": [f"x{SURROGATE}y", 1], "source": "min\0istry"}
    store = DormVectorStore(Note, embed, clean_text=True)
    store.add_texts(["cho\0lera"], [metadata], ids=["a"])
    asyncio.run(store.aadd_texts([f"measles{SURROGATE}"], ids=["b"]))
    first, second = store.get_by_ids(["a", "b"])
    assert (first.page_content, first.metadata) == ("cholera", {"ab": ["x\ufffdy", 1], "source": "ministry"})
    assert second.page_content == "measles\ufffd"
    nodes = NodeStore(Note, clean_text=True)
    nodes.add([TextNode(id_="c", text="den\0gue", metadata={"k": "v\0"}, embedding=vector_of("dengue"))])
    (node,) = nodes.get_nodes(["c"])
    assert (node.get_content(), node.metadata) == ("dengue", {"k": "v"})


@pytest.mark.parametrize(
    "asked",
    [
        {"tenant": "a\0b"},
        {"tenant": {"$in": ["a", SURROGATE]}},
        {"tenant": {"$like": "a\0%"}},
        {"a\0b": 1},
        {SURROGATE: {"$exists": True}},
        {"source": "a\0b"},
        {"tenant": 10**400},
        {"pages": 2**63},
    ],
)
def test_filters_that_no_document_can_pass(store: DormVectorStore, asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot|want"):
        store.similarity_search("cholera", filter=asked)


def test_a_key_that_no_path_leads_to(store: DormVectorStore, db: Database) -> None:
    """Of MariaDB's; the others find it."""
    store.add_texts(["measles"], [{"-a.b": 1}], ids=["c"])
    if db.name == "mariadb":
        with pytest.raises(UnsupportedByDatabase, match="begins with a hyphen"):
            store.similarity_search("measles", filter={"-a.b": 1})
        return
    assert [each.id for each in store.similarity_search("measles", filter={"-a.b": 1})] == ["c"]


def test_a_number_beyond_float64_that_another_program_stored(store: DormVectorStore, db: Database) -> None:
    before = answers(store)
    Note.objects.create(slug="evil", metadata={}, embedding=vector_of("cholera"))
    written = f'UPDATE "{Note._meta.db_table}" SET "metadata" = %s WHERE "slug" = %s'
    db.connection.execute_write(written, [f'{{"tenant": {10**310}}}', "evil"])
    assert answers(store) == before
