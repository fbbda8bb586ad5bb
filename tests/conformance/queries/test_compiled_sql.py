"""Every statement that the package sends to a database, written down after the server accepted it.

``--update-golden`` writes tests/golden/<name>.sql; people read it, and a run that sends anything else fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import dorm
import pytest
from dorm import Avg, Exists, F, Max, Min, OuterRef, Q, Subquery
from dorm.db.connection import get_connection
from dorm.migrations.schema import SchemaEditor
from dorm.signals import post_query

import backends
from dorm_vector import (
    BinaryQuantize,
    CastVector,
    CosineDistance,
    CosineSimilarity,
    HalfVectorField,
    L1Distance,
    L2Distance,
    L2Normalize,
    MaxInnerProduct,
    SubVector,
    UnsupportedByDatabase,
    Vec0Index,
    VectorAdd,
    VectorAvg,
    VectorConcat,
    VectorDims,
    VectorField,
    VectorMul,
    VectorNorm,
    VectorSub,
    VectorSum,
    hybrid_search,
    text_search,
)
from tests.conformance.inside import JsonCompare, JsonContains, JsonIn, Like
from tests.databases import SPEAKS, Database, create_tables
from tests.models import Article, Author, Chunk, Document, Note, Package, Sample

GOLDEN = Path(__file__).parents[2] / "golden"
QUERY = [1.0, 0.0, 0.0]
LONG_QUERY = [1.0] * 16


def ranked() -> Any:
    return Document.objects.annotate(distance=L2Distance("embedding", QUERY))


def near_author() -> Any:
    return Document.objects.alias(distance=L2Distance("embedding", QUERY)).filter(distance__lt=1, author=OuterRef("pk"))


def middle() -> Subquery:
    return Subquery(Document.objects.filter(title="near").values("embedding")[:1])


def document() -> Document:
    return Document.objects.filter(title="near").get()


CASES: dict[str, Callable[[], Any]] = {
    "insert": lambda: Document.objects.create(title="near", embedding=QUERY),
    "bulk insert": lambda: Document.objects.bulk_create([Document(title="far", embedding=[0, 0, 9])] * 2),
    "read": lambda: list(Document.objects.filter(title="near")),
    "update a row": lambda: Document.objects.get(title="near").save(),
    "update a row whose vector was deferred": lambda: Document.objects.defer("embedding").get(title="near").save(),
    "update by filter": lambda: Document.objects.filter(title="near").update(embedding=QUERY),
    "bulk update": lambda: Document.objects.bulk_update([document()], ["embedding"]),
    "look up a vector": lambda: list(Document.objects.filter(embedding=QUERY)),
    "a key of JSON, as text": lambda: Note.objects.filter(metadata=JsonCompare("author", ">=", "Ada")).count(),
    "a key of JSON, as a number": lambda: Note.objects.filter(metadata=JsonIn("year", (2023, 2024))).count(),
    "an array in JSON": lambda: Note.objects.filter(metadata=JsonContains("labels", "red")).count(),
    "a pattern": lambda: Note.objects.filter(source=Like("A%")).count(),
    "L2 distance": lambda: list(ranked().order_by("distance")[:2]),
    "cosine distance, on an indexed column": lambda: list(
        Package.objects.annotate(distance=CosineDistance("embedding", LONG_QUERY)).order_by("distance")[:2]
    ),
    "inner product": lambda: list(
        Document.objects.annotate(distance=MaxInnerProduct("embedding", QUERY)).order_by("distance")[:2]
    ),
    "L1 distance": lambda: list(
        Document.objects.annotate(distance=L1Distance("embedding", QUERY)).order_by("distance")
    ),
    "descending": lambda: list(ranked().order_by("-distance")[:2]),
    "an expression in order_by": lambda: list(Document.objects.order_by(L2Distance("embedding", QUERY))[:2]),
    "nearest": lambda: list(Document.objects.nearest("embedding", QUERY)[:2]),
    "nearest, on an indexed column": lambda: list(Package.objects.nearest("embedding", LONG_QUERY)[:0]),
    # The index decides, so that nothing depends on what the database knows of the table.
    "nearest, filtered": lambda: list(
        Package.objects.filter(section="s").nearest("embedding", LONG_QUERY, exact=False)[:0]
    ),
    "nearest, more rows than an index finds by itself": lambda: list(
        Package.objects.nearest("embedding", LONG_QUERY)[100:100]
    ),
    "nearest, where the index finds fewer rows than it should": lambda: list(
        Package.objects.nearest("embedding", LONG_QUERY)[:2]
    ),
    "nearest, within a distance": lambda: list(Document.objects.nearest("embedding", QUERY, max_distance=1)),
    "nearest to a row": lambda: list(Document.objects.nearest("embedding", document(), exact=True)[:2]),
    "nearest, inside another query": lambda: list(
        Document.objects.filter(pk__in=Document.objects.filter(pages=1).nearest("embedding", QUERY)[:2])
    ),
    "a similarity": lambda: list(
        Document.objects.annotate(similarity=CosineSimilarity("embedding", QUERY)).order_by("-similarity")[:2]
    ),
    "no query vector": lambda: list(Document.objects.annotate(distance=L2Distance("embedding", None))),
    "a threshold": lambda: list(ranked().filter(distance__lt=1.5, pages__gte=1).order_by("distance")),
    "a threshold in Q, negated": lambda: list(ranked().filter(~Q(distance__lt=1.5) | Q(title="near"))),
    "count by a threshold": lambda: ranked().filter(distance__lt=1.5).count(),
    "count a slice": lambda: int(ranked().order_by("distance")[:2].count()),
    "exists": lambda: ranked().filter(distance__lt=1.5).exists(),
    "values": lambda: list(ranked().order_by("distance").values("title", "distance")[:2]),
    "values of an annotation alone": lambda: list(ranked().values_list("distance", flat=True)[:2]),
    "aggregate": lambda: ranked().aggregate(nearest=Min("distance"), pages=Max("pages")),
    "across a relation": lambda: list(
        Chunk.objects.annotate(distance=L2Distance("document__embedding", QUERY)).order_by("distance")
    ),
    "with select_related": lambda: list(ranked().select_related("author").order_by("distance")[:2]),
    "two columns": lambda: list(Document.objects.annotate(distance=L2Distance("embedding", F("other")))),
    "a subquery as the vector": lambda: list(Document.objects.annotate(distance=L2Distance("embedding", middle()))),
    "inside exists": lambda: list(Author.objects.filter(Exists(near_author()))),
    "a slice inside in": lambda: list(Document.objects.filter(pk__in=ranked().order_by("distance")[:2])),
    "union of slices": lambda: list(ranked().order_by("distance")[:1].union(ranked().order_by("-distance")[:1])),
    "arithmetic": lambda: list(Document.objects.annotate(similarity=1 - CosineDistance("embedding", QUERY))),
    "update by a threshold": lambda: ranked().filter(distance__lt=1.5).update(pages=2),
    "delete by a threshold": lambda: ranked().filter(distance__gt=1.5).delete(),
}


def values_of(expression: Any) -> list[Any]:
    return list(Sample.objects.annotate(value=expression).values("value"))


CASES |= {
    f"function {name}": partial(values_of, expression)
    for name, expression in {
        "dimensions": VectorDims("full"),
        "norm": VectorNorm("half"),
        "normalize": L2Normalize("full"),
        "subvector": SubVector("full", 2, 2),
        "concatenate": VectorConcat("full", [1.0]),
        "add": VectorAdd("full", "half"),
        "subtract": VectorSub("full", QUERY),
        "multiply": VectorMul("full", 2),
        "binary quantize": BinaryQuantize("full"),
        "cast": CastVector("full", HalfVectorField(3)),
        "inside a distance": L2Distance(SubVector("full", 1, 2), [1.0, 0.0]),
    }.items()
}
CASES |= {
    "hybrid search": lambda: hybrid_search(Article.objects.filter(pages=1), text="a quick fox", vector=QUERY),
    "hybrid search, weighted": lambda: hybrid_search(
        Article.objects.all(), text="a quick fox", vector=QUERY, fusion="weighted", distance="cosine"
    ),
    "text search": lambda: text_search(Article.objects.filter(author__name="ada"), text="a quick fox"),
    "average": lambda: Document.objects.aggregate(mean=Avg("embedding"), few=VectorSum("other", filter=Q(pages=1))),
    "average over a relation": lambda: list(Author.objects.annotate(mean=VectorAvg("documents__embedding"))),
}


class Shelved(dorm.Model):
    """With a companion of each kind, where the database has such."""

    shelf = dorm.IntegerField()
    pages = dorm.IntegerField()
    embedding = VectorField(dimensions=12, null=True)

    class Meta:
        app_label = "tests"
        indexes = [
            Vec0Index(["embedding"], "shelved_vec0", distance="cosine", partition_by=["shelf"], metadata=["pages"]),
            Vec0Index(["embedding"], "shelved_signs", distance="cosine", precision="bit", partition_by=["shelf"]),
        ]


def shelved(**options: Any) -> Any:
    rows: Any = Shelved.objects.filter(shelf=1)
    return rows.nearest("embedding", [1.0] * 12, **options)


CASES |= {
    "fill a companion": lambda: create_tables(get_connection(), (Shelved,)),
    "search a part of a companion": lambda: list(shelved().filter(pages__gt=1)[:3]),
    "search a companion of signs": lambda: list(shelved(exact=False)[:3]),
    "drop a companion": lambda: SchemaEditor(get_connection()).delete_model(Shelved),
}


class Recorder:
    """A connection that notes each script the server accepted."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.statements: list[str] = []

    def execute_script(self, sql: str) -> None:
        self.connection.execute_script(sql)
        self.statements.append(sql)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


@contextmanager
def accepted_statements() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(sender: str, sql: str, params: Any, elapsed_ms: float, error: Any, **_more: Any) -> None:
        assert error is None
        statements.append(sql)

    post_query.connect(note, weak=False, dispatch_uid="golden")
    try:
        yield statements
    finally:
        post_query.disconnect(dispatch_uid="golden")


def sent(case: Callable[[], Any]) -> list[str]:
    """Return what a case sends: nothing where the database lacks a function."""
    with accepted_statements() as statements, suppress(UnsupportedByDatabase):
        case()
    return statements


def written(name: str, statements: list[str]) -> str:
    return "".join([f"-- {name}\n", *(f"{' '.join(sql.split())};\n" for sql in statements), "\n"])


def test_what_is_sent_is_what_is_written_down(
    db: Database, running: backends.Running, pytestconfig: pytest.Config
) -> None:
    text = written("create tables", schema_statements(db, running))
    for name, case in CASES.items():
        text += written(name, sent(case))
    path = GOLDEN / ("clusters" if running.name in SPEAKS else "") / f"{running.name}.sql"
    if pytestconfig.getoption("--update-golden"):
        path.write_text(text)
    assert path.read_text() == text, "run with --update-golden, and read the difference"


def schema_statements(db: Database, running: backends.Running) -> list[str]:
    scratch = Database(running, running.new_database())
    scratch.use()
    recorder = Recorder(scratch.connection)
    create_tables(recorder)
    db.use()
    running.drop_database(scratch.settings)
    return recorder.statements
