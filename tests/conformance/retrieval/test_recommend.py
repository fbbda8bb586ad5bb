"""Rows are recommended by examples as plain Python recommends them, with the formulas that Qdrant documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dorm
import pytest
from dorm.expressions import F

from dorm_vector import (
    DimensionMismatch,
    EmbeddingField,
    HnswIndex,
    InvalidVector,
    Metric,
    UnsuitableFunction,
    Vec0Index,
    VectorField,
    arecommend,
    recommend,
)
from tests.databases import Database, create_tables, drop_table
from tests.helpers import oracle
from tests.models import Article, Author, Document, Sample

VECTORS = oracle.vectors(40, 3)

MANY = oracle.vectors(200, 3, seed=13)

RAW = [0.31, -0.72, 0.44]

NUMBERS = (Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT, Metric.L1)

Held = dict[str, list[float]]


@pytest.fixture
def documents(db: Database) -> Database:
    made = [Document(title=f"d{n}", pages=n, embedding=vector) for n, vector in enumerate(VECTORS)]
    Document.objects.bulk_create([*made, Document(title="none")])
    return db


def titles(rows: Any) -> list[str]:
    return [row.title for row in rows]


def rows_named(*names: str) -> list[Document]:
    found = {row.title: row for row in Document.objects.filter(title__in=names)}
    return [found[name] for name in names]


def mean(vectors: list[list[float]]) -> list[float]:
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def aim(positive: list[list[float]], negative: list[list[float]]) -> list[float]:
    if not negative:
        return mean(positive)
    return [2 * liked - disliked for liked, disliked in zip(mean(positive), mean(negative), strict=True)]


def distance(metric: Metric, left: list[float], right: list[float]) -> float:
    measured = oracle.distance(metric, left, right)
    assert measured is not None
    return measured


def similarity(metric: Metric, measured: float) -> float:
    if metric is Metric.COSINE:
        return 1 - measured
    return -(measured**2) if metric is Metric.L2 else -measured


def best_score(metric: Metric, vector: list[float], positive: list[list[float]], negative: list[list[float]]) -> float:
    liked = max((similarity(metric, distance(metric, vector, each)) for each in positive), default=float("-inf"))
    disliked = max((similarity(metric, distance(metric, vector, each)) for each in negative), default=float("-inf"))
    chosen = max(liked, disliked)
    sigmoid = (chosen / (1 + abs(chosen)) + 1) / 2
    return sigmoid if liked > disliked else -sigmoid


def candidates(*without: int) -> Held:
    return {f"d{n}": vector for n, vector in enumerate(VECTORS) if n not in without}


def by_score(metric: Metric, held: Held, positive: list[list[float]], negative: list[list[float]]) -> Held:
    scores = {name: [best_score(metric, vector, positive, negative)] for name, vector in held.items()}
    return dict(sorted(scores.items(), key=lambda pair: -pair[1][0]))


@pytest.mark.parametrize("metric", NUMBERS)
async def test_average_vector(documents: Database, metric: Metric) -> None:
    liked, other, disliked = rows_named("d3", "d8", "d21")
    to = aim([VECTORS[3], VECTORS[8], RAW], [VECTORS[21]])
    expected = sorted((distance(metric, to, vector), name) for name, vector in candidates(3, 8, 21).items())
    asked: dict[str, Any] = {"limit": 12, "distance": metric}
    found = recommend(Document, "embedding", [liked, other, RAW], [disliked], **asked)
    assert titles(found) == [name for _distance, name in expected[:12]]
    assert [row.distance for row in found] == pytest.approx([near for near, _name in expected[:12]], abs=1e-5)
    later = await arecommend(Document.objects.all(), "embedding", [liked, other, RAW], [disliked], **asked)
    assert titles(later) == titles(found)


@pytest.mark.parametrize("metric", NUMBERS)
async def test_best_score(documents: Database, metric: Metric) -> None:
    liked, disliked, other = rows_named("d3", "d21", "d30")
    expected = by_score(metric, candidates(3, 21, 30), [VECTORS[3], RAW], [VECTORS[21], VECTORS[30]])
    asked: dict[str, Any] = {"strategy": "best_score", "distance": metric, "limit": 100}
    found = recommend(Document.objects.all(), "embedding", [liked, RAW], [disliked, other], **asked)
    assert titles(found) == list(expected)
    assert [row.score for row in found] == pytest.approx([score for (score,) in expected.values()], abs=1e-5)
    assert {row.score > 0 for row in found} == {True, False} or metric is Metric.INNER_PRODUCT
    row = found[0]
    near = min(distance(metric, row.embedding, each) for each in (VECTORS[3], RAW))
    away = min(distance(metric, row.embedding, each) for each in (VECTORS[21], VECTORS[30]))
    assert (row.positive_distance, row.negative_distance) == pytest.approx((near, away), abs=1e-5)
    later = await arecommend(Document, "embedding", [liked, RAW], [disliked, other], **{**asked, "limit": 5})
    assert titles(later) == titles(found)[:5]


def test_one_kind_of_example(documents: Database) -> None:
    (row,) = rows_named("d5")
    near = titles(Document.objects.nearest("embedding", row)[:6])
    assert titles(recommend(Document, "embedding", [row], limit=6)) == near
    assert titles(recommend(Document, "embedding", [row], strategy="best_score", limit=6)) == near
    far = by_score(Metric.L2, candidates(5), [], [VECTORS[5]])
    found = recommend(Document, "embedding", negative=[row], strategy="best_score", limit=6)
    assert titles(found) == list(far)[:6]
    assert all(row.positive_distance is None and row.score < 0 for row in found)


@pytest.mark.parametrize("strategy", ["average_vector", "best_score"])
def test_the_rows_are_those_of_the_queryset(documents: Database, strategy: Any) -> None:
    (row,) = rows_named("d5")
    even = Document.objects.filter(pages__in=range(0, 40, 2))
    found = recommend(even, "embedding", [row], [RAW], strategy=strategy, limit=100, prefix="how_")
    assert sorted(row.pages for row in found) == list(range(0, 40, 2))
    assert all(hasattr(row, "how_distance" if strategy == "average_vector" else "how_score") for row in found)
    assert recommend(even.none(), "embedding", [row], strategy=strategy) == []


@pytest.mark.parametrize("strategy", ["average_vector", "best_score"])
def test_a_path_crosses_relations(db: Database, strategy: Any) -> None:
    ada = Author.objects.create(name="ada")
    made = [Article(headline=f"a{n}", body="", pages=n, author=ada, embedding=VECTORS[n]) for n in range(6)]
    Article.objects.bulk_create(made)
    rows = list(Article.objects.order_by("pages"))
    filtered = Article.objects.filter(author__name="ada")
    found = recommend(filtered, "embedding", [rows[0]], [rows[1]], strategy=strategy, limit=10)
    assert sorted(row.pages for row in found) == [2, 3, 4, 5]


def test_elements(db: Database) -> None:
    numbers = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 1.0, 0.25], [0.0, 0.0, 2.0]]
    bits = ["111", "110", "000", "001"]
    names = [f"s{n}" for n in range(4)]
    made = [Sample(title=names[n], full=numbers[n], half=numbers[n], sparse=numbers[n], bits=bits[n]) for n in range(4)]
    Sample.objects.bulk_create(made)
    rows = {row.title: row for row in Sample.objects.all()}
    to = aim([numbers[0]], [numbers[2]])
    expected = sorted(("s1", "s3"), key=lambda name: distance(Metric.L2, to, numbers[names.index(name)]))
    for field in ("full", "half", "sparse"):
        assert titles(recommend(Sample, field, [rows["s0"]], [rows["s2"]])) == expected
    asked: dict[str, Any] = {"distance": "hamming", "strategy": "best_score"}
    found = recommend(Sample, "bits", [rows["s0"]], ["000"], **asked)
    assert [(row.title, row.positive_distance, row.negative_distance) for row in found] == [
        ("s1", 1, 2),
        ("s3", 2, 1),
        ("s2", 3, 0),
    ]
    assert [row.score for row in found] == pytest.approx([0.25, -0.25, -0.5])
    with pytest.raises(UnsuitableFunction, match=r'holds bits, which have no average\. Use .*strategy="best_score"'):
        recommend(Sample, "bits", [rows["s0"]], distance="hamming")


def test_many_examples(documents: Database) -> None:
    positive, negative = oracle.vectors(60, 3, seed=11), oracle.vectors(40, 3, seed=12)
    rows = Document.objects.filter(pages__lt=8)
    expected = by_score(Metric.L2, dict(list(candidates().items())[:8]), positive, negative)
    assert titles(recommend(rows, "embedding", positive, negative, strategy="best_score")) == list(expected)
    with pytest.raises(ValueError, match=r"want at most 100; got 101\. Use strategy=\"average_vector\""):
        recommend(rows, "embedding", [*positive, RAW], negative, strategy="best_score")
    near = sorted((distance(Metric.L2, aim([*positive, RAW], negative), VECTORS[n]), f"d{n}") for n in range(8))
    assert titles(recommend(rows, "embedding", [*positive, RAW], negative)) == [name for _near, name in near]


class Novel(dorm.Model):
    title = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=3)

    class Meta:
        app_label = "tests"
        indexes = [
            Vec0Index(["embedding"], "novel_vec0", distance="cosine"),
            HnswIndex(["embedding"], "novel_hnsw", distance="cosine"),
        ]


@pytest.fixture
def novels(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Novel,))
    Novel.objects.bulk_create([Novel(title=f"n{n}", embedding=vector) for n, vector in enumerate(MANY)])
    yield db
    drop_table(db, Novel)


def test_an_index_fills_the_limit_without_the_examples(novels: Database) -> None:
    examples = list(Novel.objects.filter(title__in=[f"n{n}" for n in range(15)]))
    found = recommend(Novel, "embedding", examples, exact=False, limit=20)
    assert len({row.title for row in found} - {row.title for row in examples}) == 20
    assert [row.distance for row in found] == sorted(row.distance for row in found)
    to = mean([row.embedding for row in examples])
    expected = sorted((distance(Metric.COSINE, to, vector), f"n{n}") for n, vector in enumerate(MANY) if n >= 15)
    exactly = recommend(Novel, "embedding", examples, exact=True, limit=20)
    assert titles(exactly) == [name for _near, name in expected[:20]]


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[float(text.count(letter)) for letter in "abc"] for text in texts]


class Dish(dorm.Model):
    title = dorm.TextField()
    embedding = EmbeddingField(3, source="title", embedder=letters)
    score = dorm.IntegerField(default=0)

    class Meta:
        app_label = "tests"


@pytest.fixture
def dishes(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Dish,))
    for title in ("cabbage crab", "bread and butter", "abacus cabin"):
        Dish.objects.create(title=title)
    yield db
    drop_table(db, Dish)


async def test_examples_may_be_texts(dishes: Database) -> None:
    found = recommend(Dish, "embedding", ["bub"], ["aaaac"])
    assert titles(found) == titles(recommend(Dish, "embedding", [[0, 2, 0]], [[4, 0, 1]]))
    assert titles(await arecommend(Dish, "embedding", ["bub"], ["aaaac"])) == titles(found)
    asked: dict[str, Any] = {"strategy": "best_score", "prefix": "how_"}
    scored = recommend(Dish, "embedding", ["bub"], ["aaaac"], **asked)
    assert titles(scored) == titles(recommend(Dish, "embedding", [[0, 2, 0]], [[4, 0, 1]], **asked))
    assert titles(await arecommend(Dish, "embedding", ["bub"], ["aaaac"], **asked)) == titles(scored)
    with pytest.raises(ValueError, match="Dish has a field 'score', where the search would put its own"):
        recommend(Dish, "embedding", ["bub"], strategy="best_score")


async def test_what_is_refused(documents: Database) -> None:
    (row,) = rows_named("d5")
    none = Document.objects.get(title="none")
    with pytest.raises(
        ValueError, match=r"needs a positive example\. With negatives alone, use strategy=\"best_score\""
    ):
        recommend(Document, "embedding", negative=[row])
    with pytest.raises(ValueError, match="needs a positive example"):
        recommend(Document, "embedding", strategy="best_score")
    with pytest.raises(ValueError, match="want one of average_vector, best_score"):
        recommend(Document, "embedding", [row], strategy="sum")
    with pytest.raises(ValueError, match="limit=0: want a whole number"):
        await arecommend(Document, "embedding", [row], limit=0)
    with pytest.raises(InvalidVector, match="which has no embedding"):
        recommend(Document, "embedding", [none])
    with pytest.raises(DimensionMismatch):
        recommend(Document, "embedding", [row], [[1.0, 2.0]], strategy="best_score")
    with pytest.raises(InvalidVector, match="the examples cancel out"):
        recommend(Document, "embedding", [[1.0, 0.0, 0.0]], [[2.0, 0.0, 0.0]], distance="cosine")
    with pytest.raises(InvalidVector, match="an example is a vector of zeros"):
        recommend(Document, "embedding", [row], [[0, 0, 0]], strategy="best_score", distance="cosine")
    with pytest.raises(InvalidVector, match="takes rows and vectors as examples"):
        recommend(Document, "embedding", [F("other")])
