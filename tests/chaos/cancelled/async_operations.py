"""What each public async function does in the test that cancels it: its call, and the rows before and after it."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import dorm
import pyarrow as pa
from dorm.db.connection import get_async_connection
from haystack.dataclasses import Document as Leaf
from haystack.document_stores.types import DuplicatePolicy
from langchain_core.documents import Document as Page
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from pyarrow import parquet

import dorm_vector as dv
from dorm_vector.integrations import haystack, langchain, llama_index
from tests.models import Article, Author, Document, Note

VECTOR, WORDS = [1.0, 2.0, 3.0], [1.0] * 6
OLD, OTHER = ["old"] * 3, ["other"] * 2
Work = Callable[[str], Awaitable[object]]


class Cupboard(dorm.Model):
    documents = dorm.ManyToManyField(Document, related_name="shelves")
    name = dorm.CharField(max_length=20, default="shelf")

    class Meta:
        app_label = "tests"


def embed(texts: Iterable[str]) -> list[list[float]]:
    return [WORDS for _ in texts]


class Stock:
    """The rows that the operations change, made new before each of them."""

    author: Any
    shelf: Any
    old: list[Document]
    other: list[Document]

    async def renewed(self, _title: str) -> None:
        self.author = await Author.objects.aget()
        await emptied("tests_document")
        self.old = [await Document.objects.acreate(title="old", embedding=VECTOR, author=self.author) for _ in OLD]
        self.other = [await Document.objects.acreate(title="other", embedding=VECTOR) for _ in OTHER]

    async def shelved(self, title: str) -> None:
        await emptied("tests_cupboard_documents")
        await self.renewed(title)
        self.shelf = await Cupboard.objects.aget()
        await self.shelf.documents.aadd(*self.old)

    async def noted(self, _title: str) -> None:
        await emptied("tests_note")
        await PAGES.aadd_texts(["old text"], ids=["old"])
        await NODES.async_add([node("old node")])


async def emptied(table: str) -> None:
    await get_async_connection().execute_write(f'DELETE FROM "{table}"')


STOCK = Stock()
PAGES = langchain.DormVectorStore(Note, embed)
NODES = llama_index.DormVectorStore(Note)
LEAVES = haystack.DormDocumentStore(Note)


def node(name: str) -> TextNode:
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="source")}
    return TextNode(id_=name, text=name, embedding=WORDS, relationships=source)


async def titles() -> list[str]:
    return [title async for title in Document.objects.order_by("title").values_list("title", flat=True)]


async def titles_of_author() -> list[str]:
    rows = Document.objects.filter(author_id=STOCK.author.pk).order_by("title")
    return [title async for title in rows.values_list("title", flat=True)]


async def titles_on_shelf() -> list[str]:
    return sorted([row.title async for row in STOCK.shelf.documents.all()])


async def slugs() -> list[str]:
    return [slug async for slug in Note.objects.order_by("slug").values_list("slug", flat=True)]


async def sources() -> list[str]:
    return [str(source) async for source in Note.objects.order_by("slug").values_list("source", flat=True)]


@dataclass(frozen=True)
class Change:
    """An operation that writes: what it does, and what is stored then."""

    work: Work
    after: Callable[[str], list[str]]
    stored: Callable[[], Awaitable[list[str]]] = titles
    before: Work = STOCK.renewed


def all_of(*names: str) -> Callable[[str], list[str]]:
    """Return what makes the sorted names of the stored rows; ``{}`` in a name is the title."""
    return lambda title: sorted(name.format(title) for name in names)


def on_author(work: Work, *names: str) -> Change:
    return Change(work, all_of(*names), titles_of_author)


def on_shelf(work: Work, *names: str) -> Change:
    return Change(work, all_of(*names), titles_on_shelf, STOCK.shelved)


def on_notes(work: Work, *names: str) -> Change:
    return Change(work, all_of(*names), slugs, STOCK.noted)


async def update_in_bulk(title: str) -> None:
    for row in STOCK.old:
        row.title = title
    await Document.objects.abulk_update(STOCK.old, ["title"])


async def save(title: str) -> None:
    STOCK.old[0].title = title
    await STOCK.old[0].asave()


def parquet_of(title: str) -> io.BytesIO:
    file = io.BytesIO()
    parquet.write_table(pa.table({"title": [f"{title} 1", f"{title} 2"]}), file)
    return file


ANY_LEAF = {"field": "id", "operator": "!=", "value": "nothing"}
NOTED, BOTH = ("old", "old node"), ("{} 1", "{} 2")
CHANGES: dict[str, Change] = {
    "QuerySet.aget_or_create": Change(
        lambda title: Document.objects.aget_or_create(title=title, defaults={"embedding": VECTOR}),
        all_of(*OLD, *OTHER, "{}"),
    ),
    "QuerySet.aupdate": Change(lambda title: Document.objects.all().aupdate(title=title), all_of(*["{}"] * 5)),
    "QuerySet.abulk_update": Change(update_in_bulk, all_of(*OTHER, *["{}"] * 3)),
    "QuerySet.abulk_update_when": Change(
        lambda title: Document.objects.all().abulk_update_when([({"title": "old"}, {"title": title})]),
        all_of(*OTHER, *["{}"] * 3),
    ),
    "dorm_vector.aimport_parquet": Change(
        lambda title: dv.aimport_parquet(Document, parquet_of(title), batch_size=1), all_of(*OLD, *OTHER, *BOTH)
    ),
    "QuerySet.adelete": Change(lambda _title: Document.objects.filter(title="old").adelete(), all_of(*OTHER)),
    "QuerySet.aupsert": on_notes(
        lambda title: Note.objects.aupsert(
            [Note(slug=f"{title} {number}", embedding=WORDS) for number in (1, 2)], unique_fields=["slug"]
        ),
        *(*NOTED, *BOTH),
    ),
    "Model.asave": Change(save, all_of("{}", *OLD[1:], *OTHER)),
    "Model.adelete": Change(lambda _title: STOCK.old[0].adelete(), all_of(*OLD[1:], *OTHER)),
    "ReverseFKManager.aadd": on_author(lambda _title: STOCK.author.documents.aadd(*STOCK.other), *OLD, *OTHER),
    "ReverseFKManager.aremove": on_author(lambda _title: STOCK.author.documents.aremove(STOCK.old[0]), *OLD[1:]),
    "ReverseFKManager.aset": on_author(lambda _title: STOCK.author.documents.aset(STOCK.other), *OTHER),
    "ReverseFKManager.aclear": on_author(lambda _title: STOCK.author.documents.aclear()),
    "ReverseFKManager.aget_or_create": on_author(
        lambda title: STOCK.author.documents.aget_or_create(title=title), *OLD, "{}"
    ),
    "ReverseFKManager.aupdate_or_create": on_author(
        lambda title: STOCK.author.documents.aupdate_or_create(title=title), *OLD, "{}"
    ),
    "ManyRelatedManager.aadd": on_shelf(lambda _title: STOCK.shelf.documents.aadd(*STOCK.other), *OLD, *OTHER),
    "ManyRelatedManager.aremove": on_shelf(lambda _title: STOCK.shelf.documents.aremove(STOCK.old[0]), *OLD[1:]),
    "ManyRelatedManager.aset": on_shelf(lambda _title: STOCK.shelf.documents.aset(STOCK.other), *OTHER),
    "ManyRelatedManager.aclear": on_shelf(lambda _title: STOCK.shelf.documents.aclear()),
    "ManyRelatedManager.acreate": on_shelf(lambda title: STOCK.shelf.documents.acreate(title=title), *OLD, "{}"),
    "LangChain.aadd_texts": on_notes(
        lambda title: PAGES.aadd_texts(["one", "two"], ids=[f"{title} 1", f"{title} 2"]), *NOTED, *BOTH
    ),
    "LangChain.aadd_documents": on_notes(
        lambda title: PAGES.aadd_documents([Page("one", id=f"{title} 1"), Page("two", id=f"{title} 2")]), *NOTED, *BOTH
    ),
    "LangChain.aadd_embeddings": on_notes(
        lambda title: PAGES.aadd_embeddings(["one", "two"], [WORDS, WORDS], ids=[f"{title} 1", f"{title} 2"]),
        *(*NOTED, *BOTH),
    ),
    "LangChain.afrom_texts": on_notes(
        lambda title: langchain.DormVectorStore.afrom_texts(
            ["one", "two"], embed, ids=[f"{title} 1", f"{title} 2"], model=Note
        ),
        *(*NOTED, *BOTH),
    ),
    "LangChain.afrom_documents": on_notes(
        lambda title: langchain.DormVectorStore.afrom_documents(
            [Page("one", id=f"{title} 1"), Page("two", id=f"{title} 2")], embed, model=Note
        ),
        *(*NOTED, *BOTH),
    ),
    "LangChain.afrom_embeddings": on_notes(
        lambda title: langchain.DormVectorStore.afrom_embeddings(
            [("one", WORDS), ("two", WORDS)], embed, ids=[f"{title} 1", f"{title} 2"], model=Note
        ),
        *(*NOTED, *BOTH),
    ),
    "LangChain.adelete": on_notes(lambda _title: PAGES.adelete(["old"]), "old node"),
    "LlamaIndex.async_add": on_notes(
        lambda title: NODES.async_add([node(f"{title} 1"), node(f"{title} 2")]), *NOTED, *BOTH
    ),
    "LlamaIndex.adelete": on_notes(lambda _title: NODES.adelete("source"), "old"),
    "LlamaIndex.adelete_nodes": on_notes(lambda _title: NODES.adelete_nodes(["old node"]), "old"),
    "LlamaIndex.aclear": on_notes(lambda _title: NODES.aclear()),
    "Haystack.write_documents_async": on_notes(
        lambda title: LEAVES.write_documents_async(
            [Leaf(id=name, content=title, embedding=WORDS) for name in ("old", f"{title} 1", f"{title} 2")],
            DuplicatePolicy.SKIP,
        ),
        *(*NOTED, *BOTH),
    ),
    "Haystack.update_by_filter_async": Change(
        lambda title: LEAVES.update_by_filter_async(ANY_LEAF, {"source": title}),
        all_of("{}", "{}"),
        sources,
        STOCK.noted,
    ),
    "Haystack.delete_documents_async": on_notes(lambda _title: LEAVES.delete_documents_async(["old"]), "old node"),
    "Haystack.delete_by_filter_async": on_notes(lambda _title: LEAVES.delete_by_filter_async(ANY_LEAF)),
    "Haystack.delete_all_documents_async": on_notes(lambda _title: LEAVES.delete_all_documents_async()),
}


def documents() -> Any:
    return Document.objects.order_by("pk")


async def all_rows(rows: Any) -> list[Any]:
    return [row async for row in rows]


async def outlying() -> int:
    return len(await dv.aoutliers(documents(), "embedding", 2))


async def reranked() -> list[Any]:
    async def by_place(rows: Any) -> list[float]:
        await Document.objects.acount()
        return [float(place) for place, _row in enumerate(rows)]

    return [row.pk for row in await dv.arerank(STOCK.old, by_place)]


async def explained() -> Any:
    return await documents().nearest("embedding", VECTOR)[:2].aexplain_search()


async def refreshed() -> None:
    await STOCK.old[0].arefresh_from_db()


async def counted() -> int:
    found: int = await STOCK.author.documents.acount()
    return found


async def rows_of(manager: str) -> list[Any]:
    owner = STOCK.author if manager == "author" else STOCK.shelf
    return await all_rows(await owner.documents.aget_queryset())


NEAREST = {"k": 1, "filter": {"slug": "old"}}
READS: dict[str, Callable[[], Awaitable[Any]]] = {
    "QuerySet.ato_arrow": lambda: documents().ato_arrow(),
    "dorm_vector.aexport_parquet": lambda: dv.aexport_parquet(documents(), io.BytesIO(), batch_size=2),
    "QuerySet.aaggregate": lambda: documents().aaggregate(n=dorm.Count("pk")),
    "QuerySet.acount": lambda: documents().acount(),
    "QuerySet.acursor_paginate": lambda: documents().acursor_paginate(page_size=2),
    "QuerySet.aexists": lambda: documents().aexists(),
    "QuerySet.aexplain": lambda: documents().aexplain(),
    "QuerySet.aexplain_search": explained,
    "QuerySet.afirst": lambda: documents().afirst(),
    "QuerySet.alast": lambda: documents().alast(),
    "QuerySet.aget": lambda: documents().aget(pk=STOCK.old[0].pk),
    "QuerySet.aget_or_none": lambda: documents().aget_or_none(pk=STOCK.old[0].pk),
    "QuerySet.ain_bulk": lambda: documents().ain_bulk([row.pk for row in STOCK.old]),
    "QuerySet.alist": lambda: documents().alist(),
    "QuerySet.avalues": lambda: all_rows(documents().avalues("title")),
    "QuerySet.avalues_list": lambda: all_rows(documents().avalues_list("title")),
    "QuerySet.adates": lambda: Note.objects.adates("written", "year"),
    "Model.arefresh_from_db": refreshed,
    "ReverseFKManager.acount": counted,
    "ReverseFKManager.aget_queryset": lambda: rows_of("author"),
    "ManyRelatedManager.aget_queryset": lambda: rows_of("shelf"),
    "dorm_vector.afind_duplicates": lambda: dv.afind_duplicates(documents(), "embedding", 0.1),
    "dorm_vector.aoutliers": outlying,
    "dorm_vector.arerank": reranked,
    "dorm_vector.arecommend": lambda: dv.arecommend(documents(), "embedding", [VECTOR], limit=2),
    "dorm_vector.ameasure_recall": lambda: dv.ameasure_recall(documents(), "embedding", 2, 2),
    "dorm_vector.arecommend_search_options": lambda: dv.arecommend_search_options(documents(), "embedding", 0.5, 2, 2),
    "dorm_vector.ahybrid_search": lambda: dv.ahybrid_search(Article, text="word", vector=VECTOR, limit=1),
    "dorm_vector.atext_search": lambda: dv.atext_search(Article, text="word", limit=1),
    "dorm_vector.afederated_nearest": lambda: dv.afederated_nearest(
        Document, "embedding", VECTOR, databases=["default"], limit=2
    ),
    "dorm_vector.afederated_hybrid_search": lambda: dv.afederated_hybrid_search(
        Article, databases=["default"], text="word", vector=VECTOR, limit=1
    ),
    "LangChain.aget": lambda: PAGES.aget(["old"]),
    "LangChain.aget_by_ids": lambda: PAGES.aget_by_ids(["old"]),
    "LangChain.asearch": lambda: PAGES.asearch("text", "similarity", **NEAREST),
    "LangChain.asimilarity_search": lambda: PAGES.asimilarity_search("text", **NEAREST),
    "LangChain.asimilarity_search_by_vector": lambda: PAGES.asimilarity_search_by_vector(WORDS, **NEAREST),
    "LangChain.asimilarity_search_with_score": lambda: PAGES.asimilarity_search_with_score("text", **NEAREST),
    "LangChain.asimilarity_search_with_score_by_vector": lambda: PAGES.asimilarity_search_with_score_by_vector(
        WORDS, **NEAREST
    ),
    "LangChain.asimilarity_search_with_relevance_scores": lambda: PAGES.asimilarity_search_with_relevance_scores(
        "text", **NEAREST
    ),
    "LangChain.amax_marginal_relevance_search": lambda: PAGES.amax_marginal_relevance_search("text", **NEAREST),
    "LangChain.amax_marginal_relevance_search_by_vector": lambda: PAGES.amax_marginal_relevance_search_by_vector(
        WORDS, **NEAREST
    ),
    "LangChain.amax_marginal_relevance_search_with_score": lambda: PAGES.amax_marginal_relevance_search_with_score(
        "text", **NEAREST
    ),
    "LangChain.amax_marginal_relevance_search_with_score_by_vector": lambda: (
        PAGES.amax_marginal_relevance_search_with_score_by_vector(WORDS, **NEAREST)
    ),
    "LlamaIndex.aget_nodes": lambda: NODES.aget_nodes(["old node"]),
    "Haystack.count_documents_async": LEAVES.count_documents_async,
    "Haystack.count_documents_by_filter_async": lambda: LEAVES.count_documents_by_filter_async(ANY_LEAF),
    "Haystack.embedding_retrieval_async": lambda: LEAVES.embedding_retrieval_async(WORDS, top_k=1),
    "Haystack.filter_documents_async": LEAVES.filter_documents_async,
    "Haystack.get_metadata_fields_info_async": LEAVES.get_metadata_fields_info_async,
    "LlamaIndex.aquery": lambda: NODES.aquery(VectorStoreQuery(query_embedding=WORDS, similarity_top_k=1)),
}
