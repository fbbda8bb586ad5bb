"""The LangChain store over models of somebody's own: what is beyond LangChain's own suite."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from typing import Any

import dorm
import pytest
from dorm import Q
from dorm.db.connection import reset_connections
from dorm.exceptions import FieldDoesNotExist
from langchain_core.documents import Document
from langchain_core.vectorstores import base

from dorm_vector import EmbeddingError, InvalidVector, UnsupportedByDatabase
from dorm_vector.integrations.langchain import DormVectorStore
from dorm_vector.integrations.tables import acreate_table, create_table, document_model
from tests.databases import Database
from tests.helpers.project import ROOT
from tests.integrations.conftest import METADATA, TEXTS, WORDS, Entry, Leaflet, Sheet, by_distance, embed, vector_of
from tests.models import Author, Note
from tests.models import Document as ModelDocument

QUESTION = "cholera"


@pytest.fixture
def store(db: Database) -> DormVectorStore:
    """Five documents in Note: source and pages are columns, the year is in its JSON."""
    return DormVectorStore.from_texts(TEXTS, embed, METADATA, ids=list("abcde"), model=Note)


def near(scored: list[tuple[Document, float]]) -> list[tuple[str, Any]]:
    """Return texts and scores that equal those within the precision of float32."""
    return [(document.page_content, pytest.approx(score, abs=1e-6)) for document, score in scored]


def texts(found: list[Document]) -> list[str]:
    return [document.page_content for document in found]


def test_columns_hold_what_they_are_for_and_json_the_rest(store: DormVectorStore) -> None:
    note = Note.objects.get(slug="b")
    assert (note.body, note.source, note.pages, note.metadata) == (TEXTS[1], "ministry", 1, {"year": 2021})
    (document,) = store.get_by_ids(["b"])
    assert document == Document(id="b", page_content=TEXTS[1], metadata=METADATA[1])


def test_rows_of_the_application_are_documents(store: DormVectorStore) -> None:
    Note.objects.create(slug="own", body="measles measles", urgent=True, embedding=vector_of("measles measles"))
    (document,) = store.similarity_search("measles", k=1, filter={"urgent": True})
    assert document == Document(id="own", page_content="measles measles", metadata={"urgent": True})


def test_the_nearest_come_first_with_their_distances(store: DormVectorStore) -> None:
    wanted = by_distance(QUESTION)[:3]
    found = store.similarity_search_with_score(QUESTION, k=3)
    assert near(found) == wanted
    assert texts(store.similarity_search(QUESTION, k=3)) == [text for text, _ in wanted]
    assert texts(store.similarity_search_by_vector(vector_of(QUESTION), k=3)) == [text for text, _ in wanted]
    assert store.similarity_search_with_score_by_vector(vector_of(QUESTION), k=3) == found


def test_a_search_is_narrowed(store: DormVectorStore) -> None:
    assert texts(store.similarity_search(QUESTION, k=9, filter={"year": {"$gte": 2023}})) == [TEXTS[4], TEXTS[3]]
    assert texts(store.similarity_search(QUESTION, k=9, filter={"pages": 0, "year": 2020})) == [TEXTS[0]]
    assert texts(store.similarity_search(QUESTION, k=9, filter=Q(body__contains="school") & Q(pages=3))) == [TEXTS[3]]
    assert texts(store.similarity_search(QUESTION, k=9, max_distance=0.1, exact=True)) == [TEXTS[4]]
    assert store.similarity_search(QUESTION, k=0) == []
    with pytest.raises(TypeError, match="where"):
        store.similarity_search(QUESTION, where={})
    with pytest.raises(ValueError, match="k=-1"):
        store.similarity_search(QUESTION, k=-1)


def test_relevance_is_the_cosine_and_a_threshold_leaves_out_what_is_below(store: DormVectorStore) -> None:
    wanted = [(text, 1 - distance) for text, distance in by_distance(QUESTION) if distance < 0.5]
    found = store.similarity_search_with_relevance_scores(QUESTION, k=9, score_threshold=0.5)
    assert near(found) == wanted
    retriever = store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.9, "k": 9, "filter": {"pages": 4}}
    )
    assert texts(retriever.invoke(QUESTION)) == [TEXTS[4]]


@pytest.mark.parametrize("distance", ["l2", "cosine", "inner_product", "l1"])
def test_relevance_is_from_0_to_1_and_falls_with_the_distance(store: DormVectorStore, distance: str) -> None:
    measured = DormVectorStore(Note, embed, distance=distance)
    scores = [score for _document, score in measured.similarity_search_with_relevance_scores("cholera delta", k=9)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    assert all(0 <= score <= 1 for score in scores)


def test_mmr_finds_what_is_unlike(store: DormVectorStore) -> None:
    question = "cholera cholera cholera dengue"
    assert texts(store.similarity_search(question, k=2)) == [TEXTS[4], TEXTS[0]]
    assert texts(store.max_marginal_relevance_search(question, k=2)) == [TEXTS[4], TEXTS[1]]
    assert texts(store.max_marginal_relevance_search(question, k=2, lambda_mult=1)) == [TEXTS[4], TEXTS[0]]
    assert texts(store.max_marginal_relevance_search(question, k=2, fetch_k=2)) == [TEXTS[4], TEXTS[0]]
    by_vector = store.max_marginal_relevance_search_by_vector(vector_of(QUESTION), k=1, filter={"pages": 0})
    assert texts(by_vector) == [TEXTS[0]]
    assert texts(store.as_retriever(search_type="mmr", search_kwargs={"k": 1}).invoke(QUESTION)) == [TEXTS[4]]


@pytest.fixture
def ready(db: Database) -> DormVectorStore:
    """Six documents in a ready model; the vector of the last has no direction, so that it is no one's neighbour."""
    model = create_table(document_model("ready_documents", len(WORDS)))
    model.objects.all().delete()
    store = DormVectorStore(model, embed)
    store.add_texts([*TEXTS, "zambia"], [*METADATA, {}])
    return store


def test_words_find_what_the_vector_does_not(ready: DormVectorStore) -> None:
    question = "cholera zambia"
    assert "zambia" not in texts(ready.similarity_search(question, k=5))
    found = ready.hybrid_search_with_score(question, k=5)
    assert "zambia" in texts([document for document, _score in found])
    scores = [score for _document, score in found]
    assert scores == sorted(scores, reverse=True)
    assert texts(ready.similarity_search(question, k=5, hybrid=True)) == texts([document for document, _score in found])
    nearest = texts(ready.similarity_search(question, k=2))
    assert texts(ready.hybrid_search(question, k=2, weights={"text": 0, "vector": 1}, fusion="weighted")) == nearest
    only_words = ready.similarity_search("zambia", k=1, hybrid={"weights": {"text": 1, "vector": 0}})
    assert texts(only_words) == ["zambia"]
    retriever = ready.as_retriever(search_kwargs={"k": 9, "hybrid": True, "filter": {"year": {"$exists": True}}})
    assert set(texts(retriever.invoke(question))) == set(TEXTS)
    assert ready.hybrid_search(question, k=0) == []
    with pytest.raises(ValueError, match="max_distance is not for it"):
        ready.hybrid_search(question, max_distance=0.5)
    with pytest.raises(TypeError, match="where"):
        ready.hybrid_search(question, where={})


def test_a_model_without_an_index_of_words_is_told_to_declare_one(store: DormVectorStore, db: Database) -> None:
    if db.dialect.text_search.needs_index:
        with pytest.raises(UnsupportedByDatabase, match=r"Note declares none of body\. Add TextIndex"):
            store.hybrid_search("capital")
    else:
        assert texts(store.hybrid_search("capital", k=1)) == [TEXTS[1]]


async def test_words_find_it_without_blocking(ready: DormVectorStore) -> None:
    found = await ready.ahybrid_search_with_score("cholera zambia", k=9)
    assert found == ready.hybrid_search_with_score("cholera zambia", k=9)
    assert await ready.ahybrid_search("cholera zambia", k=9) == [document for document, _score in found]
    assert texts(await ready.as_retriever(search_kwargs={"k": 1, "hybrid": True}).ainvoke("zambia")) == ["zambia"]


def test_writing_an_id_again_overwrites_what_the_document_says_and_nothing_else(store: DormVectorStore) -> None:
    Note.objects.filter(slug="a").update(price=9.5, urgent=True)
    assert store.add_texts(["measles at home"], [{"pages": 99}], ids=["a"]) == ["a"]
    note = Note.objects.get(slug="a")
    assert (note.body, note.pages, note.metadata) == ("measles at home", 99, {})
    assert (note.source, note.price, note.urgent) == ("ministry", 9.5, True)
    assert [round(number) for number in note.embedding] == vector_of("measles at home")
    assert Note.objects.count() == len(TEXTS)


def test_the_last_of_two_documents_with_one_id_is_it(store: DormVectorStore) -> None:
    ids = store.add_texts(["first", "second", "third"], [{"pages": 1}, {}, {"pages": 3}], ids=["x", "x", "x"])
    assert ids == ["x", "x", "x"]
    assert store.get_by_ids(["x"])[0].page_content == "third"


def test_a_batch_is_written_whole_or_not_at_all(store: DormVectorStore) -> None:
    def broken(batch: list[str]) -> list[list[float]]:
        return [[float("nan") if text == "bad" else 1.0] * len(WORDS) for text in batch]

    with pytest.raises(InvalidVector):
        DormVectorStore(Note, broken).add_texts(["good", "bad"], [{}, {"pages": 1}])
    assert Note.objects.count() == len(TEXTS)


def test_documents_are_deleted_by_id_by_filter_or_by_both(store: DormVectorStore) -> None:
    assert store.delete(["a", "nobody"])
    assert store.delete(filter={"year": {"$in": [2021, 2022]}})
    assert store.delete(["d", "e"], filter={"pages": 3})
    assert list(Note.objects.values_list("slug", flat=True)) == ["e"]
    with pytest.raises(ValueError, match=r"delete\(filter=\{\}\)"):
        store.delete()
    assert store.delete([])
    assert Note.objects.count() == 1
    assert store.delete(filter={})
    assert Note.objects.count() == 0


def test_a_store_over_a_queryset_stays_within_it(store: DormVectorStore) -> None:
    within = DormVectorStore(Note.objects.filter(pages__lte=1), embed)
    assert set(texts(within.similarity_search(QUESTION, k=9))) == set(TEXTS[:2])
    assert [document.id for document in within.get_by_ids(["e", "b"])] == ["b"]
    within.delete(["a", "e"])
    within.delete(filter={"year": {"$gte": 2021}})
    assert set(Note.objects.values_list("slug", flat=True)) == {"c", "d", "e"}


def test_a_model_that_embeds_needs_no_embedding(leaflets: None) -> None:
    store = DormVectorStore(Leaflet)
    assert store.embeddings is None
    ids = store.add_texts([TEXTS[0], TEXTS[1]], [{"topic": "water"}, {}])
    assert [Leaflet.objects.get(pk=int(key)).text for key in ids] == [TEXTS[0], TEXTS[1]]
    again = store.add_documents([Document(id=ids[1], page_content=TEXTS[2]), Document(page_content="cholera")])
    assert again[0] == ids[1]
    assert texts(store.similarity_search("measles", k=1)) == [TEXTS[2]]
    assert texts(store.similarity_search("water", k=3, filter={"topic": "water"}, exact=True)) == [TEXTS[0]]
    assert store.get_by_ids(["no number", ids[0]])[0].metadata == {"topic": "water", "owner": "nobody"}
    leaflet = Leaflet.objects.get(pk=int(ids[1]))
    leaflet.save()
    assert Leaflet.objects.count() == 3


def test_a_primary_key_may_be_a_uuid(keyed: None) -> None:
    store = DormVectorStore(Sheet, embed)
    given = str(uuid.uuid4())
    ids = store.add_documents([Document(page_content="cholera"), Document(id=given, page_content="dengue")])
    assert ids[1] == given
    assert [Sheet.objects.get(text=text).pk for text in ("cholera", "dengue")] == [uuid.UUID(key) for key in ids]
    assert store.add_texts(["measles"], [{"k": 1}], ids=[given.upper()]) == [given]
    assert store.get_by_ids(["no uuid", given]) == [Document(id=given, page_content="measles", metadata={"k": 1})]
    with pytest.raises(ValueError, match="cannot hold the id 'no uuid'"):
        store.add_texts(["delta"], ids=["no uuid"])
    assert store.delete(["no uuid", given])
    assert Sheet.objects.count() == 1


def test_a_primary_key_may_be_a_text_and_metadata_a_relation(keyed: None) -> None:
    ada, bob = Author.objects.create(name="Ada"), Author.objects.create(name="Bob")
    store = DormVectorStore(Entry, embed)
    store.add_texts(["cholera", "dengue"], [{"author_id": ada.pk}, {"author_id": bob.pk}], ids=["a", "A"])
    assert store.add_texts(["measles"], [{}], ids=["A"]) == ["A"]
    (document,) = store.similarity_search("measles", filter={"author_id": bob.pk})
    assert document == Document(id="A", page_content="measles", metadata={"author_id": bob.pk})
    assert Entry.objects.get(name="A").author.name == "Bob"
    (generated,) = store.add_texts(["school"])
    assert Entry.objects.get(name=generated).author is None


def test_a_store_may_be_of_another_database(several: dict[str, Database]) -> None:
    first, second = [several[name].settings for name in ("sqlite", "postgresql")]
    reset_connections()
    dorm.configure(DATABASES={"default": first, "other": second}, INSTALLED_APPS=[])
    stores = [DormVectorStore(Note, embed), DormVectorStore(Note, embed, using="other")]
    for at, store in enumerate(stores):
        store.delete(filter={})
        store.add_texts([TEXTS[at]], [{"year": at}], ids=["x"])
    found = [store.similarity_search(QUESTION, filter={"year": {"$gte": 0}}) for store in stores]
    assert list(map(texts, found)) == [[TEXTS[0]], [TEXTS[1]]]
    stores[0].delete(["x"])
    assert texts(stores[1].get_by_ids(["x"])) == [TEXTS[1]]
    stores[1].delete(["x"])


def test_what_the_model_cannot_hold_is_refused(leaflets: None) -> None:
    store = DormVectorStore(Leaflet)
    with pytest.raises(ValueError, match=r"no place for the metadata 'year'.*topic, owner.*JSONField"):
        store.add_texts(["cholera"], [{"year": 2020}])
    with pytest.raises(ValueError, match="no place for the metadata 'year'"):
        store.similarity_search("cholera", filter={"year": 2020})
    with pytest.raises(ValueError, match=r"cannot hold the id 'abc'.*id_field"):
        store.add_texts(["cholera"], ids=["abc"])
    with pytest.raises(ValueError, match="2 texts, and 1 ids"):
        store.add_texts(["cholera", "dengue"], ids=["1"])
    for value in (float("nan"), object(), {1: {2, 3}}):
        with pytest.raises(ValueError, match=r"stored as JSON|which JSON does not have"):
            DormVectorStore(Note, embed).add_texts(["cholera"], [{"year": value}])
    assert Leaflet.objects.count() == Note.objects.count() == 0
    assert store.add_texts([]) == []


def test_what_is_no_store_is_refused() -> None:
    with pytest.raises(FieldDoesNotExist, match=r"Document has not one vector field, but embedding and other"):
        DormVectorStore(ModelDocument, embed)
    with pytest.raises(FieldDoesNotExist, match=r"not one TextField, but none.*text_field="):
        DormVectorStore(ModelDocument, embed, embedding_field="other")
    with pytest.raises(FieldDoesNotExist, match="no field 'words'"):
        DormVectorStore(Note, embed, text_field="words")
    with pytest.raises(FieldDoesNotExist, match="source is no JSONField"):
        DormVectorStore(Note, embed, metadata_field="source")
    with pytest.raises(FieldDoesNotExist, match=r"Note.pages is an? IntegerField, and text_field= wants text"):
        DormVectorStore(Note, embed, text_field="pages")
    with pytest.raises(FieldDoesNotExist, match=r"Note.embedding is a VectorField, and id_field= wants a key"):
        DormVectorStore(Note, embed, id_field="embedding")
    with pytest.raises(FieldDoesNotExist, match="no field 'sources'"):
        DormVectorStore(Note, embed, metadata_columns=["sources"])
    with pytest.raises(TypeError, match=r"metadata_columns='source': want a list"):
        DormVectorStore(Note, embed, metadata_columns="source")
    with pytest.raises(EmbeddingError, match="Give the store an embedding"):
        DormVectorStore(Note).similarity_search("cholera")
    with pytest.raises(TypeError, match="needs a model"):
        DormVectorStore.from_texts(["a"], embed)


async def test_every_twin_is_async_to_the_driver(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr(base, "run_in_executor", refuse)
    model = create_table(document_model("twin_documents", len(WORDS)))
    await model.objects.all().adelete()
    documents = [Document(page_content=text, metadata=metadata) for text, metadata in zip(TEXTS, METADATA, strict=True)]

    async def aembed(batch: list[str]) -> list[list[float]]:
        return embed(batch)

    store = await DormVectorStore.afrom_texts(["to go"], aembed, ids=["x"], model=model)
    ids = await store.aadd_documents(documents)
    assert await store.adelete(["x"])
    assert texts(await store.aget_by_ids(ids)) == TEXTS
    wanted = by_distance(QUESTION)
    scored = await store.asimilarity_search_with_score(QUESTION, k=2)
    assert near(scored) == wanted[:2]
    assert await store.asimilarity_search_with_score_by_vector(vector_of(QUESTION), k=2) == scored
    assert texts(await store.asimilarity_search(QUESTION, k=1)) == [TEXTS[4]]
    assert texts(await store.asimilarity_search_by_vector(vector_of(QUESTION), k=1)) == [TEXTS[4]]
    assert texts(await store.amax_marginal_relevance_search(QUESTION, k=1)) == [TEXTS[4]]
    assert texts(await store.amax_marginal_relevance_search_by_vector(vector_of(QUESTION), k=1)) == [TEXTS[4]]
    relevant = await store.asimilarity_search_with_relevance_scores(QUESTION, k=9, score_threshold=0.9)
    assert texts([document for document, _score in relevant]) == [TEXTS[4]]
    for kind in ("similarity", "mmr"):
        retriever = store.as_retriever(search_type=kind, search_kwargs={"k": 1, "filter": {"year": 2021}})
        assert texts(await retriever.ainvoke(QUESTION)) == [TEXTS[1]]
    assert await store.adelete(filter={"pages": {"$lt": 4}})
    assert await model.objects.acount() == 1
    with pytest.raises(ValueError, match="every row"):
        await store.adelete()


async def test_the_table_of_a_ready_model_is_made_without_blocking(db: Database) -> None:
    model, *others = await asyncio.gather(
        acreate_table(document_model("made_async", len(WORDS))), asyncio.sleep(0), asyncio.sleep(0)
    )
    assert others == [None, None]
    assert await acreate_table(model) is model
    store = await DormVectorStore.afrom_texts(TEXTS, embed, model=model)
    assert texts(await store.asimilarity_search(QUESTION, k=1)) == [TEXTS[4]]
    assert texts(await store.ahybrid_search("delta", k=1)) == [TEXTS[0]]


def test_metadata_named_id_is_found_by_that_name(db: Database) -> None:
    store = DormVectorStore(create_table(document_model("named_id", len(WORDS))), embed)
    store.add_texts(TEXTS[:2], [{"id": 7, "text": "a note"}, {"id": "b"}], ids=["a", "b"])
    assert texts(store.similarity_search("cholera", filter={"id": 7})) == [TEXTS[0]]
    assert texts(store.similarity_search("cholera", filter={"id": "b", "text": {"$like": "dengue%"}})) == [TEXTS[1]]
    assert texts(store.similarity_search("cholera", filter={"text": "a note"})) == [TEXTS[0]]


def test_what_a_search_does_not_take_is_named(db: Database) -> None:
    store = DormVectorStore(Note, embed)
    with pytest.raises(TypeError, match=r"takes filter, max_distance, exact, search_options, group_by; got where\."):
        store.similarity_search(QUESTION, where={})
    with pytest.raises(TypeError, match=r"got hybrid\. By words too: hybrid_search_with_score\(\)\."):
        store.similarity_search_with_score(QUESTION, hybrid=True)
    with pytest.raises(ValueError, match=r"of 255 characters at most, and cannot hold the id 'iii"):
        store.add_texts(["cholera"], ids=["i" * 256])


async def test_tasks_write_and_search_at_once(db: Database) -> None:
    store = DormVectorStore(Note, embed)

    async def write_and_find(at: int) -> list[Document]:
        await store.aadd_texts([TEXTS[at % 5]], [{"year": at}], ids=[str(at)])
        return await store.asimilarity_search(TEXTS[at % 5], filter={"year": at})

    found = await asyncio.gather(*map(write_and_find, range(12)))
    assert [texts(documents) for documents in found] == [[TEXTS[at % 5]] for at in range(12)]
    await asyncio.gather(*(store.aadd_texts(["dengue"], [{"year": at}], ids=["shared"]) for at in range(6)))
    assert await Note.objects.acount() == 13


def test_the_table_of_a_ready_model_is_made_once(db: Database) -> None:
    model = create_table(document_model("made_once", 3, distance="l2"))
    assert create_table(model) is document_model("made_once", 3, distance="l2")
    store = DormVectorStore(model, lambda batch: [[1, 2, 3]] * len(batch))
    assert store.add_texts(["Ada", "ada", "ada "], ids=["k", "K", "k "]) == ["k", "K", "k "]
    assert texts(store.get_by_ids(["K", "k "])) == ["ada", "ada "]


def test_a_missing_package_says_what_to_install() -> None:
    code = "import sys; sys.modules['langchain_core'] = None; import dorm_vector.integrations.langchain"
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT)
    assert 'Install it: pip install "dorm-vector[langchain]"' in run.stderr


def test_importing_dorm_vector_imports_no_framework() -> None:
    code = "import sys, dorm_vector, dorm_vector.integrations; print([name.partition('.')[0] for name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert "langchain_core" not in run.stdout
    assert "llama_index" not in run.stdout
