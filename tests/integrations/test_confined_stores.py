"""Tables of other tools, keys without a unique index, and stores that a queryset confines, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

from dorm_vector import LongTextField, VectorField
from dorm_vector.integrations.langchain import DormVectorStore
from dorm_vector.integrations.llama_index import DormVectorStore as NodeStore
from tests.databases import Database, create_tables
from tests.integrations.conftest import WORDS, embed, vector_of


class Collection(dorm.Model):
    """As LangChain's langchain_pg_collection."""

    name = dorm.CharField(max_length=40)

    class Meta:
        db_table = "tests_collection"


class StoredEmbedding(dorm.Model):
    """As LangChain's langchain_pg_embedding, and as LlamaIndex's data_nodes: no unique index of the id of a node."""

    node_id = dorm.CharField(max_length=60, null=True)
    document = LongTextField(null=True)
    metadata_ = dorm.JSONField(null=True)
    collection = dorm.ForeignKey(Collection, on_delete=dorm.CASCADE, null=True)
    embedding = VectorField(len(WORDS), null=True)

    class Meta:
        db_table = "tests_stored_embedding"


FIELDS: dict[str, Any] = {
    "id_field": "node_id",
    "text_field": "document",
    "metadata_field": "metadata_",
    "metadata_columns": [],
}


@pytest.fixture
def tables(db: Database) -> Iterator[None]:
    create_tables(db.connection, (Collection, StoredEmbedding))
    if db.name == "postgresql":
        # As LangChain creates it.
        db.connection.execute_script('ALTER TABLE "tests_stored_embedding" ALTER COLUMN "metadata_" TYPE json')
    for name in ("mine", "yours", "twice", "twice"):
        Collection.objects.create(name=name)
    yield
    db.use()
    for model in (StoredEmbedding, Collection):
        db.connection.execute_write(f'DELETE FROM "{model._meta.db_table}"')


def confined(name: str) -> DormVectorStore:
    return DormVectorStore(StoredEmbedding.objects.filter(collection__name=name), embed, **FIELDS)


def test_a_confined_store_sees_what_it_writes(tables: None) -> None:
    mine, yours = confined("mine"), confined("yours")
    mine.add_texts(["cholera", "dengue"], [{"year": 1}, {"year": 2}], ids=["a", "b"])
    yours.add_texts(["measles"], [{"year": 3}], ids=["a"])
    assert mine.get() == {
        "ids": ["a", "b"],
        "documents": ["cholera", "dengue"],
        "metadatas": [{"year": 1}, {"year": 2}],
    }
    assert yours.get()["documents"] == ["measles"]
    assert set(StoredEmbedding.objects.values_list("collection__name", flat=True)) == {"mine", "yours"}
    # The id is that of a row in each collection: what is written again is the one that the store sees.
    mine.add_texts(["delta"], ids=["a"])
    assert (mine.get("a")["documents"], yours.get("a")["documents"]) == (["delta"], ["measles"])
    yours.delete(["a"])
    assert (mine.get()["ids"], yours.get()["ids"]) == (["a", "b"], [])


async def test_a_confined_store_sees_what_it_writes_async(tables: None) -> None:
    mine = confined("mine")
    await mine.aadd_texts(["cholera"], [{"year": 1}], ids=["a"])
    await mine.aadd_texts(["dengue"], [{"year": 2}], ids=["a"])
    assert await mine.aget() == {"ids": ["a"], "documents": ["dengue"], "metadatas": [{"year": 2}]}
    with pytest.raises(ValueError, match="there is no such Collection"):
        await confined("nobody").aadd_texts(["a"])


def test_every_condition_that_names_a_value_is_kept(tables: None) -> None:
    (mine,) = Collection.objects.filter(name="mine")
    for at, queryset in enumerate(
        (
            StoredEmbedding.objects.filter(collection=mine),
            StoredEmbedding.objects.filter(collection_id=mine.pk),
            StoredEmbedding.objects.filter(dorm.Q(collection__name="mine") & dorm.Q(collection__id=mine.pk)),
        )
    ):
        store = DormVectorStore(queryset, embed, **FIELDS)
        store.add_texts(["cholera"], ids=[f"n{at}"])
        assert StoredEmbedding.objects.get(node_id=f"n{at}").collection_id == mine.pk


def test_what_would_be_hidden_is_refused(tables: None) -> None:
    store = DormVectorStore(StoredEmbedding.objects.exclude(node_id="hidden"), embed, **FIELDS)
    store.add_texts(["cholera"], ids=["seen"])
    with pytest.raises(ValueError, match=r"1 of 2 documents would not be in it, such as 'hidden'.*Nothing was written"):
        store.add_texts(["dengue", "measles"], ids=["other", "hidden"])
    assert list(StoredEmbedding.objects.values_list("node_id", flat=True)) == ["seen"]
    for name, message in (("nobody", "there is no such Collection"), ("twice", "there are several such Collection")):
        with pytest.raises(ValueError, match=message):
            confined(name).add_texts(["cholera"])


JSON_FILTERS: tuple[tuple[dict[str, Any], list[str]], ...] = (
    ({"year": {"$gt": 1}}, ["b"]),
    ({"year": {"$lte": 1}}, ["a"]),
    ({"tags": {"$contains": "a"}}, ["a"]),
    ({"of.x": True}, ["a"]),
    ({"year": {"$in": [1, 2.5]}}, ["a", "b"]),
    ({"name": {"$like": "\\\\u0000%"}}, ["a"]),
    ({"name": "\U0001f600"}, ["b"]),
)
# What a json column takes from others, and no jsonb can hold.
NO_JSONB = (r'{"x": "\u0000"}', r'{"x": ["\\\u0000"]}', r'{"\ud800": 1}', r'{"x": "\udc00\ud800"}', '{"x": -1E+999999}')


def test_json_columns_are_filtered(tables: None, db: Database) -> None:
    store = confined("mine")
    metadata = [
        {"year": 1, "tags": ["a"], "of": {"x": True}, "name": r"\u0000 \ud800"},
        {"year": 2.5, "tags": [], "name": "\U0001f600"},
        {},
    ]
    store.add_texts(["cholera", "dengue", "measles"], metadata, ids=["a", "b", "c"])
    for filter_, wanted in (*JSON_FILTERS, ({"year": {"$ne": 1}}, ["b", "c"]), ({"tags": {"$exists": False}}, ["c"])):
        assert store.get(where=filter_)["ids"] == wanted, filter_
    for stored in NO_JSONB if db.name == "postgresql" else ():
        update = 'UPDATE "tests_stored_embedding" SET "metadata_" = %s::json WHERE "node_id" = %s'
        db.connection.execute_write(update, [stored, "c"])
        for filter_, wanted in JSON_FILTERS:
            assert store.get(where=filter_)["ids"] == wanted, (filter_, stored)


def test_without_a_unique_index_an_id_is_written_once(tables: None) -> None:
    store = DormVectorStore(StoredEmbedding, embed, **FIELDS)
    store.add_texts(["cholera", "dengue"], [{"a": 1}, {}], ids=["a", "b"])
    StoredEmbedding.objects.filter(node_id="b").update(collection_id=Collection.objects.filter(name="mine")[0].pk)
    store.add_texts(["measles", "delta", "school"], ids=["b", "c", "c"])
    assert store.get() == {
        "ids": ["a", "b", "c"],
        "documents": ["cholera", "measles", "school"],
        "metadatas": [{"a": 1}, {}, {}],
    }
    assert store.similarity_search("measles", k=1)[0].id == "b"
    assert StoredEmbedding.objects.get(node_id="b").collection.name == "mine"
    assert len(store.add_texts(["new"])) == 1


SOURCE = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="book")}


def _node(**options: Any) -> TextNode:
    return TextNode(id_="n", text="cholera", embedding=vector_of("cholera"), **options)


def test_nodes_are_read_by_llama_index_as_they_were(tables: None) -> None:
    from llama_index.core.vector_stores.utils import metadata_dict_to_node

    store = NodeStore(StoredEmbedding, **FIELDS)
    store.add([_node(metadata={"year": 1, "of": {"x": [1.5]}}, relationships=SOURCE)])
    row = StoredEmbedding.objects.get(node_id="n")
    # What LlamaIndex's store for PostgreSQL does with a row.
    node = metadata_dict_to_node(row.metadata_, text=row.document)
    assert (node.metadata, node.text, node.ref_doc_id) == ({"year": 1, "of": {"x": [1.5]}}, "cholera", "book")
    assert row.metadata_["doc_id"] == row.metadata_["document_id"] == row.metadata_["ref_doc_id"] == "book"


@pytest.mark.parametrize("metadata", [{}, {"year": 1}, {"doc_id": "own"}, {"document_id": "book", "ref_doc_id": "x"}])
@pytest.mark.parametrize("relationships", [{}, SOURCE], ids=["no source", "source"])
def test_nodes_gain_and_lose_nothing(tables: None, metadata: dict[str, Any], relationships: Any) -> None:
    from llama_index.core.vector_stores.utils import node_to_metadata_dict

    store, node = NodeStore(StoredEmbedding, **FIELDS), _node(metadata=metadata, relationships=relationships)
    store.add([node])
    (own,) = store.get_nodes(["n"])
    # As LlamaIndex's store for PostgreSQL writes it.
    StoredEmbedding.objects.filter(node_id="n").update(metadata_=node_to_metadata_dict(node, remove_text=True))
    (theirs,) = store.get_nodes(["n"])
    node.embedding = None
    assert own == node
    if not metadata.keys() & {"doc_id", "document_id", "ref_doc_id"}:
        assert theirs == node
