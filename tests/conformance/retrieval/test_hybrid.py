"""Words and vectors searched at once: both rankings as each branch gives them, fused as plain Python fuses them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm.exceptions import FieldDoesNotExist
from dorm.signals import post_query

from dorm_vector import (
    EmbeddingError,
    EmbeddingField,
    InvalidVector,
    Metric,
    TextIndex,
    UnsupportedByDatabase,
    ahybrid_search,
    atext_search,
    hybrid_search,
    text_search,
)
from tests.databases import Database, create_tables, drop_table
from tests.helpers import oracle
from tests.models import Article, Author, Document

ANIMALS = ("fox", "badger", "heron", "otter", "lizard", "sparrow", "weasel", "beetle", "marmot", "gannet")
VERBS = ("jumps", "sleeps", "hunts", "swims", "digs")
VECTORS = oracle.vectors(60, 3)
ASKED, WORDS = [0.1, -0.2, 0.3], "badger swims"


@pytest.fixture
def articles(db: Database) -> Database:
    ada, bob = Author.objects.create(name="ada"), Author.objects.create(name="bob")
    made = [
        Article(
            headline=f"{ANIMALS[n % 10]} of chapter c{n}",
            body=f"It {VERBS[n // 3 % 5]} behind {ANIMALS[n * 3 % 10]} of chapter c{n % 7}." if n % 6 else None,
            pages=n,
            author=ada if n % 2 else bob,
            embedding=None if n % 5 == 4 else VECTORS[n],
        )
        for n in range(60)
    ]
    Article.objects.bulk_create(made)
    return db


def pks(rows: Any) -> list[Any]:
    return [row.pk for row in rows]


def rankings(queryset: Any, count: int = 50, **nearest: Any) -> tuple[dict[int, float], dict[int, float]]:
    """Return what each branch finds alone, best first: keys with their scores, and keys with their distances."""
    texts = text_search(queryset, text=WORDS, limit=count)
    near = sorted(queryset.nearest("embedding", ASKED, **nearest), key=lambda row: (row.distance, row.pk))[:count]
    return {row.pk: row.text_score for row in texts}, {row.pk: row.distance for row in near}


def ranked(found: dict[int, float]) -> dict[int, int]:
    return {pk: place for place, pk in enumerate(found, 1)}


def nearness(values: dict[int, float], *, highest: bool) -> dict[int, float]:
    least, most = min(values.values()), max(values.values())
    share = {pk: (value - least) / (most - least) if most > least else 1.0 for pk, value in values.items()}
    return share if highest or most == least else {pk: 1 - value for pk, value in share.items()}


def best(parts: tuple[dict[int, float], dict[int, float]], limit: int) -> dict[int, float]:
    keys = {key for part in parts for key in part}
    scores = {key: sum(part.get(key, 0.0) for part in parts) for key in keys}
    return {key: scores[key] for key in sorted(keys, key=lambda key: (-round(scores[key], 12), key))[:limit]}


def assert_found(rows: list[Any], expected: dict[int, float], texts: dict[int, float], near: dict[int, float]) -> None:
    assert pks(rows) == list(expected)
    assert [row.score for row in rows] == pytest.approx(list(expected.values()))
    assert [row.text_rank for row in rows] == [ranked(texts).get(row.pk) for row in rows]
    assert [row.vector_rank for row in rows] == [ranked(near).get(row.pk) for row in rows]
    assert [row.text_score for row in rows] == [
        pytest.approx(texts[row.pk]) if row.pk in texts else None for row in rows
    ]
    assert [row.vector_distance for row in rows] == [
        pytest.approx(near[row.pk]) if row.pk in near else None for row in rows
    ]


def test_the_words_are_found_by_themselves(articles: Database) -> None:
    rows = text_search(Article.objects.all(), text=WORDS, limit=60)
    having = [
        row.pk for row in Article.objects.all() if "badger" in f"{row.headline} {row.body}" or "swims" in str(row.body)
    ]
    assert sorted(pks(rows)) == sorted(having)
    assert [row.text_rank for row in rows] == list(range(1, len(rows) + 1))
    scores = [row.text_score for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    assert all(type(row.text_score) is float and row.vector_rank is row.vector_distance is None for row in rows)
    both = [row for row in rows if "badger" in f"{row.headline} {row.body}" and "swims" in str(row.body)]
    assert max(scores) == max(row.text_score for row in both)
    assert pks(text_search(Article.objects.all(), text=WORDS, limit=3)) == pks(rows[:3])


@pytest.mark.parametrize("weights", [None, {"text": 3, "vector": 0.5}, {"text": 0, "vector": 1}], ids=str)
def test_reciprocal_rank_fusion(articles: Database, weights: dict[str, float] | None) -> None:
    texts, near = rankings(Article.objects.all())
    given = weights or {"text": 1, "vector": 1}
    parts = (
        {pk: given["text"] / (60 + rank) for pk, rank in ranked(texts).items()},
        {pk: given["vector"] / (60 + rank) for pk, rank in ranked(near).items()},
    )
    rows = hybrid_search(Article.objects.all(), text=WORDS, vector=ASKED, weights=weights)
    assert_found(rows, best(parts, 10), texts, near)
    assert any(row.text_rank and row.vector_rank for row in rows)
    every = hybrid_search(Article.objects.all(), text=WORDS, vector=ASKED, weights=weights, limit=60, candidates=50)
    assert {None} < {row.text_rank for row in every}, "some rows are found by the vector alone"
    assert {None} < {row.vector_rank for row in every}, "and some, without a vector, by the words alone"


@pytest.mark.parametrize("weights", [None, {"text": 0.7, "vector": 0.1}], ids=str)
def test_weighted_fusion(articles: Database, weights: dict[str, float] | None) -> None:
    texts, near = rankings(Article.objects.all(), distance="cosine")
    given = weights or {"text": 1, "vector": 1}
    total = sum(given.values())
    parts = (
        {pk: given["text"] / total * value for pk, value in nearness(texts, highest=True).items()},
        {pk: given["vector"] / total * value for pk, value in nearness(near, highest=False).items()},
    )
    rows = hybrid_search(
        Article.objects.all(), text=WORDS, vector=ASKED, fusion="weighted", weights=weights, distance="cosine"
    )
    assert_found(rows, best(parts, 10), texts, near)
    assert all(0 <= row.score <= 1 for row in rows)


def test_one_row_and_equal_rows_are_the_best_of_their_branch(db: Database) -> None:
    for n in range(3):
        Article.objects.create(headline=f"same {n}", embedding=[1, 0, 0])
    Article.objects.create(headline="single walrus")
    rows = hybrid_search(Article.objects.all(), text="walrus", vector=[0, 1, 0], fusion="weighted")
    assert [row.score for row in rows] == [0.5] * 4
    assert pks(rows) == sorted(pks(rows)), "rows of one score come by their keys"
    assert [row.vector_rank for row in rows] == [1, 2, 3, None]


FILTERS: dict[str, Callable[[Any], Any]] = {
    "a field": lambda rows: rows.filter(pages__lt=30),
    "exclude": lambda rows: rows.exclude(pages__in=range(10, 25)),
    "a relation": lambda rows: rows.filter(author__name="ada"),
    "a relation back, twice to one row": lambda rows: rows.filter(author__articles__pages__lt=5, pages__lt=40),
    "distinct": lambda rows: rows.filter(pages__gt=5).distinct(),
    "a slice": lambda rows: rows.order_by("-pages")[:25],
    "an annotation": lambda rows: rows.annotate(twice=dorm.F("pages") + dorm.F("pages")).filter(twice__lt=50),
}


@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS.keys())
def test_a_filter_holds_for_both_branches(articles: Database, chosen: Callable[[Any], Any]) -> None:
    wanted = set(pks(chosen(Article.objects.all())))
    assert 0 < len(wanted) < 60
    rows = hybrid_search(chosen(Article.objects.all()), text=WORDS, vector=ASKED, limit=60, candidates=60)
    assert len(pks(rows)) == len(set(pks(rows)))
    assert set(pks(rows)) <= wanted
    matching = set(pks(text_search(Article.objects.all(), text=WORDS, limit=60)))
    assert {row.pk for row in rows if row.text_rank} == wanted & matching
    assert {row.pk for row in rows if row.vector_rank} == {
        row.pk for row in Article.objects.all() if row.embedding
    } & wanted
    assert [row.text_rank for row in sorted(rows, key=lambda row: row.text_rank or 99)][
        : len(wanted & matching)
    ] == list(range(1, len(wanted & matching) + 1))


def test_candidates_limit_and_constant(articles: Database) -> None:
    rows = hybrid_search(Article.objects.all(), text=WORDS, vector=ASKED, limit=50, candidates=4)
    assert sorted(row.text_rank for row in rows if row.text_rank) == [1, 2, 3, 4]
    assert sorted(row.vector_rank for row in rows if row.vector_rank) == [1, 2, 3, 4]
    (first,) = hybrid_search(Article.objects.all(), text="", vector=ASKED, limit=1, rrf_constant=9)
    assert first.score == pytest.approx(1 / 10)


def test_what_the_queryset_reads_is_read(articles: Database) -> None:
    Article.objects.filter(pages=13).update(embedding=ASKED)
    rows = hybrid_search(
        Article.objects.select_related("author").annotate(more=dorm.F("pages") + dorm.F("pages")).defer("embedding"),
        text="", vector=ASKED, limit=1, prefix="found_",
    )  # fmt: skip
    (row,) = rows
    assert (row.pages, row.more, row.author.name, row.found_vector_rank) == (13, 26, "ada", 1)
    assert "embedding" not in vars(row)
    assert not hasattr(row, "score")


def test_a_row_that_is_searched_by_is_left_out(articles: Database) -> None:
    itself = Article.objects.get(pages=1)
    rows = hybrid_search(Article.objects.all(), text="badger", vector=itself, limit=60)
    assert itself.pk not in pks(rows)
    assert itself.pk in pks(text_search(Article.objects.all(), text="badger", limit=60))
    assert rows[0].text_rank
    assert rows[0].vector_distance == pytest.approx(oracle.distance(Metric.L2, rows[0].embedding, itself.embedding))


def test_a_queryset_that_has_ctes_keeps_them(articles: Database) -> None:
    plain = hybrid_search(Article.objects.all(), text=WORDS, vector=ASKED)
    # Without a parameter: Turso takes none of a CTE that nothing reads.
    every = Article.objects.all()
    assert pks(hybrid_search(Article.objects.with_cte(every=every), text=WORDS, vector=ASKED)) == pks(plain)


class Saying(dorm.Model):
    """Words, and no vector."""

    text = dorm.TextField()

    class Meta:
        app_label = "tests"
        indexes = [TextIndex(fields=["text"], name="saying_words")]


def test_a_model_without_a_vector_is_searched_by_its_words(db: Database) -> None:
    create_tables(db.connection, (Saying,))
    try:
        Saying.objects.bulk_create([Saying(text=text) for text in ("a heron waits", "an otter dives", "herons fly")])
        assert "a heron waits" in titles_of(text_search(Saying.objects.all(), text="heron"))
        assert titles_of(text_search(Saying.objects.exclude(text="a heron waits"), text="otter")) == ["an otter dives"]
    finally:
        drop_table(db, Saying)


def titles_of(rows: Any) -> list[str]:
    return [row.text for row in rows]


async def test_async_twins(articles: Database) -> None:
    options: dict[str, Any] = {"text": WORDS, "vector": ASKED, "fusion": "weighted", "limit": 7}
    rows = await ahybrid_search(Article.objects.filter(pages__lt=50), **options)
    again = hybrid_search(Article.objects.filter(pages__lt=50), **options)
    assert [(row.pk, row.score) for row in rows] == [(row.pk, row.score) for row in again]
    assert pks(await atext_search(Article.objects.all(), text=WORDS)) == pks(text_search(Article.objects, text=WORDS))
    assert await atext_search(Article.objects.all(), text="?!") == []


def statements(case: Callable[[], Any]) -> list[str]:
    sent: list[str] = []
    post_query.connect(lambda sender, sql, **_more: sent.append(sql), weak=False, dispatch_uid="hybrid")
    try:
        case()
    finally:
        post_query.disconnect(dispatch_uid="hybrid")
    return sent


def test_it_is_one_statement(articles: Database) -> None:
    sent = statements(lambda: hybrid_search(Article.objects.filter(pages=1), text=WORDS, vector=ASKED))
    assert len([sql for sql in sent if "set_config" not in sql]) == 1


# what users type

NASTY = [
    *('"', "'", "''", '""', "\\", "%", "%s", "%(a)s", "?", "?1", ":a", "$1", "*", "^", "+", "-", "~", "@", "<", ">"),
    *("(", ")", "()", "NEAR(", "NEAR(fox badger, 2)", "AND", "fox AND", "NOT", "OR OR", "NOT fox", "fox-dog"),
    *("headline:fox", "don't", "don\N{RIGHT SINGLE QUOTATION MARK}t", "_", "__", "a_b", "x" * 5000, "fox " * 5000),
    *('"fox', "fox'", "fox*", "+fox -badger", "fox & !", "fox | ", "fox <-> badger", ":*", "fox:A", "{fox}", "[fox]"),
    *("'; DROP TABLE tests_article; --", "\x00", "fox\x00badger", "\ud800", "\u200b", "\N{FOX FACE}", "日本語"),
    *("हिन्दी",),
    *("e\u0301tude", "\n\t", "1e400", "-1", "C++", "%%"),
]  # fmt: skip


@pytest.mark.parametrize("fusion", ["rrf", "weighted"])
def test_no_text_is_syntax(articles: Database, fusion: Any) -> None:
    every = len(Article.objects.all())
    for text in NASTY:
        rows = hybrid_search(Article.objects.all(), text=text, vector=ASKED, limit=60, fusion=fusion)
        found = {row.headline.split()[0] for row in rows if row.text_rank}
        assert ("fox" in found) is ("fox" in text), text
        assert ("badger" in found) is ("badger" in text), text
    assert len(Article.objects.all()) == every


def test_no_mixture_of_syntax_is_syntax(articles: Database) -> None:
    chance = random.Random(11)
    pieces = [*"\"'*^+-~@<>()&|!:;,.%?\\/{}[]#=$_\x00\n ", "AND", "OR", "NOT", "NEAR", "é", "ß", "日", "-- ", "/*"]
    with dorm.transaction.atomic():
        for _ in range(150):
            text = "".join(chance.choice([*pieces, "heron"]) for _ in range(chance.randint(1, 12)))
            rows = text_search(Article.objects.all(), text=text, limit=60)
            alone = (
                "heron" in text
                and text.replace("heron", "", 1).isascii()
                and not any(map(str.isalpha, text.replace("heron", "")))
            )
            if alone and "_" not in text:
                assert rows, text
        assert Article.objects.count() == 60, "the transaction goes on"


@pytest.mark.parametrize("text", ["", " ", "?!", "the and is", "zzzzz"])
def test_without_a_word_that_is_found_the_vector_finds_alone(articles: Database, text: str) -> None:
    rows = hybrid_search(Article.objects.filter(pages__lt=9), text=text, vector=ASKED)
    assert rows
    assert {row.text_rank for row in rows} == {None}
    assert [row.vector_rank for row in rows] == list(range(1, len(rows) + 1))


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"fusion": "sum"}, ValueError, r"fusion='sum': want one of rrf, weighted"),
        ({"weights": {"text": 1}}, ValueError, "not both 0"),
        ({"weights": {"text": -1, "vector": 1}}, ValueError, "not both 0"),
        ({"weights": {"text": float("nan"), "vector": 1}}, ValueError, "not both 0"),
        ({"weights": {"text": 0, "vector": 0}}, ValueError, "not both 0"),
        ({"weights": {"text": "1", "vector": 1}}, ValueError, "not both 0"),
        ({"weights": {"text": 1e308, "vector": 1e308}}, ValueError, "not both 0"),
        ({"limit": 0}, ValueError, "limit=0: want a whole number, at least 1"),
        ({"candidates": True}, ValueError, "candidates=True"),
        ({"rrf_constant": -1}, ValueError, "rrf_constant=-1"),
        ({"prefix": "1"}, ValueError, "prefix='1'"),
        ({"prefix": "a b"}, ValueError, "prefix='a b'"),
        ({"vector": [1.0]}, InvalidVector, "3 dimensions"),
        ({"vector": None}, EmbeddingError, "embeds no text. Give the vector to search by"),
        ({"field": "body"}, FieldDoesNotExist, "has no vector field 'body'"),
        ({"text_fields": ["pages"]}, ValueError, "has no text field 'pages'. It has headline, body"),
        ({"text_fields": []}, ValueError, "want the names of text fields"),
        ({"text": b"fox"}, TypeError, "want a text"),
        ({"distance": "far"}, ValueError, "want one of"),
    ],
    ids=str,
)
def test_what_is_refused_is_refused_before_anything_is_sent(
    articles: Database, options: dict[str, Any], error: Any, message: str
) -> None:
    given = {"text": WORDS, "vector": ASKED, **options}

    def refused() -> None:
        with pytest.raises(error, match=message):
            hybrid_search(Article.objects.all(), **given)

    assert statements(refused) == []


def test_the_fields_of_an_index_are_named_in_any_order(articles: Database) -> None:
    found = text_search(Article.objects.all(), text=WORDS)
    assert found
    assert pks(text_search(Article, text=WORDS, text_fields=["body", "headline"])) == pks(found)
    with pytest.raises(ValueError, match="has no text field 'pages'"):
        text_search(Article, text=WORDS, text_fields="pages")
    with pytest.raises(TypeError, match=r"'articles' has no rows\. Give a model"):
        text_search("articles", text=WORDS)


def test_what_is_no_queryset_of_instances_is_refused(articles: Database) -> None:
    for rows in (Article.objects.values("pages"), Article.objects.annotate(n=dorm.Count("author"))):
        with pytest.raises(ValueError, match="return instances"):
            hybrid_search(rows, text=WORDS, vector=ASKED)
    with pytest.raises(ValueError, match="without nearest"):
        hybrid_search(Article.objects.nearest("embedding", ASKED), text=WORDS, vector=ASKED)
    with pytest.raises(ValueError, match="has an annotation 'score'"):
        hybrid_search(Article.objects.annotate(score=dorm.F("pages")), text=WORDS, vector=ASKED)


def test_without_an_index_the_error_says_which_to_declare(db: Database) -> None:
    Document.objects.create(title="a quick heron", embedding=[1, 0, 0])
    options: dict[str, Any] = {"text": "herons", "vector": [1, 0, 0], "field": "embedding", "text_fields": ["title"]}
    if not db.dialect.text_search.needs_index:
        (row,) = hybrid_search(Document.objects.all(), **options)
        assert (row.title, row.text_rank, row.vector_rank) == ("a quick heron", 1, 1)
    else:
        with pytest.raises(UnsupportedByDatabase, match=r"Add TextIndex\(fields=\['title'\], name=\"document_text\"\)"):
            hybrid_search(Document.objects.all(), **options)
    with pytest.raises(ValueError, match="Document declares no TextIndex: say which fields to search"):
        hybrid_search(Document.objects.all(), text="x", vector=[1, 0, 0], field="embedding")
    with pytest.raises(FieldDoesNotExist, match="Document has embedding, other: say which vector field"):
        hybrid_search(Document.objects.all(), text="x", vector=[1, 0, 0], text_fields=["title"])


# text as the vector


class Letters:
    """An embedder whose vectors count letters; it notes how it was asked for those of questions."""

    name, dimensions = "letters-1", 3

    def __init__(self) -> None:
        self.asked: list[str] = []

    def vector(self, text: str) -> list[float]:
        return [float(text.count(letter)) for letter in "abc"]

    def embed_query(self, text: str) -> list[float]:
        self.asked.append("blocking")
        return self.vector(text)

    def embed_documents(self, texts: Any) -> list[list[float]]:
        return [self.vector(text) for text in texts]

    async def aembed_query(self, text: str) -> list[float]:
        self.asked.append("awaited")
        return self.vector(text)

    async def aembed_documents(self, texts: Any) -> list[list[float]]:
        return self.embed_documents(texts)


LETTERS = Letters()


class Recipe(dorm.Model):
    title = dorm.TextField()
    embedding = EmbeddingField(3, source="title", embedder=LETTERS)
    score = dorm.IntegerField(default=0)

    class Meta:
        app_label = "tests"
        indexes = [TextIndex(fields=["title"], name="recipe_words", language="simple")]


@pytest.fixture
def recipes(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Recipe,))
    for title in ("cabbage crab", "bread and butter", "abacus cabin", "plain toast"):
        Recipe.objects.create(title=title)
    LETTERS.asked.clear()
    yield db
    drop_table(db, Recipe)


def titles(rows: Any) -> list[str]:
    return [row.title for row in rows]


async def test_the_vector_is_the_embedding_of_a_text(recipes: Database) -> None:
    with pytest.raises(ValueError, match="Recipe has a field 'score'"):
        hybrid_search(Recipe.objects.all(), text="cabbage")
    of_text = hybrid_search(Recipe.objects.all(), text="toast cabbage", prefix="hybrid_")
    of_vector = hybrid_search(
        Recipe.objects.all(), text="toast cabbage", vector=LETTERS.vector("toast cabbage"), prefix="hybrid_"
    )
    assert titles(of_text) == titles(of_vector)
    assert of_text[0].title == "cabbage crab"
    other = hybrid_search(Recipe.objects.all(), text="toast", vector="bread and butter", prefix="hybrid_")
    assert {row.title: row.hybrid_vector_rank for row in other}["bread and butter"] == 1
    assert set(LETTERS.asked) == {"blocking"}
    LETTERS.asked.clear()
    later = await ahybrid_search(Recipe.objects.all(), text="toast", vector="bread and butter", prefix="hybrid_")
    assert titles(later) == titles(other)
    assert LETTERS.asked == ["awaited"]


@pytest.mark.parametrize("weights", [(0, 1), [1, 2], {"text": 0, "vector": 0}, {"text": 1}], ids=str)
def test_wrong_weights_are_refused(articles: Database, weights: Any) -> None:
    with pytest.raises(ValueError, match=r"want \{\"text\": …, \"vector\": …\}"):
        hybrid_search(Article.objects.all(), text=WORDS, vector=ASKED, weights=weights)
