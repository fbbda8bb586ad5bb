"""Names that are no field's, names across many-to-many relations, and names that rows are grouped by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm import Count, F, Max, Min

from dorm_vector import L2Distance, VectorField
from tests.databases import Database, create_tables, drop_table
from tests.models import Author, Document

QUERY = [1.0, 0.0, 0.0]


class Topic(dorm.Model):
    word = dorm.CharField(max_length=10)
    embedding = VectorField(dimensions=3, null=True)


class Lecture(dorm.Model):
    title = dorm.CharField(max_length=10)
    embedding = VectorField(dimensions=3, null=True)
    topics = dorm.ManyToManyField(Topic)


class Remark(dorm.Model):
    lecture = dorm.ForeignKey(Lecture, on_delete=dorm.CASCADE)
    embedding = VectorField(dimensions=3)


@pytest.fixture
def documents(db: Database) -> list[Document]:
    rows = [Document(title=str(n), pages=n % 2, embedding=[n, 0, 0], other=[0, n, 0]) for n in range(6)]
    return Document.objects.bulk_create(rows)


@pytest.fixture
def lectures(db: Database) -> Iterator[Database]:
    """Two lectures: the first on two topics, the second on one of them."""
    create_tables(db.connection, (Topic, Lecture, Remark))
    far, near = (Topic.objects.create(word=word, embedding=[at, 0, 0]) for word, at in (("far", 9), ("near", 2)))
    first, second = (Lecture.objects.create(title=title, embedding=[0, 0, 1]) for title in ("first", "second"))
    first.topics.add(far, near)
    second.topics.add(far)
    Remark.objects.create(lecture=second, embedding=QUERY)
    yield db
    drop_table(db, Remark)
    db.connection.execute_script(f'DROP TABLE "{Lecture._meta.db_table}_topics"')
    drop_table(db, Lecture)
    drop_table(db, Topic)


UNKNOWN: dict[str, Callable[[], Any]] = {
    "filter": lambda: Document.objects.filter(headline="headline").count(),
    "exclude": lambda: Document.objects.exclude(headline="x").exists(),
    "in": lambda: list(Document.objects.filter(headline__in=["headline"])),
    "order_by": lambda: list(Document.objects.order_by("-headline")),
    "a value": lambda: list(Document.objects.filter(pages=F("headline"))),
    "a search": lambda: list(Document.objects.nearest("embedding", QUERY).filter(headline="headline")[:2]),
    "update": lambda: Document.objects.update(title=F("headline")),
    "delete": lambda: Document.objects.filter(headline="headline").delete(),
}


@pytest.mark.parametrize("call", UNKNOWN)
def test_a_name_that_is_no_field_is_refused(documents: list[Document], call: str) -> None:
    """SQLite and Turso take it for a text, which is equal to itself."""
    with pytest.raises(dorm.FieldDoesNotExist, match=r"Document has no field 'headline'\. It has id, title, pages"):
        UNKNOWN[call]()
    assert sorted(row.title for row in Document.objects.all()) == list("012345")


def test_an_aggregate_is_not_filtered_by(documents: list[Document]) -> None:
    with pytest.raises(dorm.FieldDoesNotExist, match="'chunk_count' is an aggregate"):
        list(Document.objects.annotate(chunk_count=Count("chunks")).filter(chunk_count__gt=1))


# many-to-many relations


async def test_rows_are_chosen_by_what_they_are_related_to(lectures: Database) -> None:
    near = Topic.objects.get(word="near")

    def titles(**condition: Any) -> list[str]:
        return sorted(row.title for row in Lecture.objects.filter(**condition))

    assert titles(topics__word="far") == ["first", "second"]
    assert titles(topics__word="near") == titles(topics=near) == titles(topics__in=[near]) == ["first"]
    assert titles(topics__embedding=[2, 0, 0]) == ["first"]
    found = Lecture.objects.filter(topics__word="far").nearest("embedding", QUERY, distance="l2")
    assert sorted(row.title for row in found[:5]) == sorted([row.title async for row in found[:5]])
    assert Lecture.objects.filter(topics__word="near").count() == 1
    assert Remark.objects.filter(lecture__topics__word="far").nearest("embedding", QUERY, distance="l2")[:1][0].pk
    assert Remark.objects.filter(lecture__topics__word="near").count() == 0
    assert Lecture.objects.filter(topics__word="near").update(title="last") == 1
    assert titles(topics__word="far") == ["last", "second"]


def test_a_distance_across_a_many_to_many_relation(lectures: Database) -> None:
    distance = L2Distance("topics__embedding", QUERY)
    rows = Lecture.objects.annotate(distance=distance).order_by("distance", "title")
    assert [(row.title, row.distance) for row in rows] == [("first", 1), ("first", 8), ("second", 8)]
    nearest = Lecture.objects.annotate(nearest=Min(distance), topic_count=Count("topics")).order_by("title")
    assert [(row.nearest, row.topic_count) for row in nearest] == [(1, 2), (8, 1)]


def test_rows_are_changed_by_what_they_are_related_to(documents: list[Document]) -> None:
    ada, bob = (Author.objects.create(name=name) for name in ("Ada", "Bob"))
    Document.objects.filter(pages=1).update(author=ada)
    Document.objects.filter(title="2").update(author=bob)
    assert Document.objects.filter(author__name="Ada").update(embedding=QUERY, pages=F("pages") + 6) == 3
    assert Document.objects.filter(pages=7, embedding=QUERY).count() == 3
    others = Document.objects.filter(pages=7).values("pk")
    assert Document.objects.filter(pk__in=others, title__lt="4").update(other=None) == 2
    assert Document.objects.exclude(pk__in=others).update(other=QUERY) == 3
    assert Document.objects.filter(author__name="Bob").delete()[0] == 1
    assert Document.objects.filter(pk__in=others).delete()[0] == 3
    assert sorted(row.title for row in Document.objects.all()) == ["0", "4"]
    near = Author.objects.annotate(distance=L2Distance("documents__embedding", [0, 0, 0])).filter(distance__lt=1)
    Document.objects.filter(title="0").update(author=bob)
    assert near.update(name="Near") == 1
    assert sorted(author.name for author in Author.objects.all()) == ["Ada", "Near"]


# groups


async def test_values_are_grouped_where_an_aggregate_follows(documents: list[Document]) -> None:
    grouped = Document.objects.values("pages").annotate(
        nearest=Min(L2Distance("embedding", [1, 0, 0])), rows=Count("*")
    )
    expected = [{"pages": 0, "nearest": 1, "rows": 3}, {"pages": 1, "nearest": 0, "rows": 3}]
    assert list(grouped.order_by("pages")) == expected
    assert [row async for row in grouped.order_by("nearest")] == expected[::-1]
    assert (grouped.count(), await grouped.acount(), grouped.exists()) == (2, 2, True)
    assert grouped.aggregate(most=Max("rows")) == {"most": 3}
    assert sorted(Document.objects.values_list("pages").annotate(rows=Count("id"))) == [(0, 3), (1, 3)]
    assert list(Document.objects.filter(pages=1).values("pages").annotate(rows=Count("id"))) == [
        {"pages": 1, "rows": 3}
    ]
    ada = Author.objects.create(name="Ada")
    Document.objects.filter(pages=1).update(author=ada)
    by_author = Document.objects.values("author__name").annotate(rows=Count("id"))
    assert {row["author__name"]: row["rows"] for row in by_author} == {None: 3, "Ada": 3}


# rows that were read in part


async def test_a_bulk_update_keeps_what_was_not_read(documents: list[Document]) -> None:
    parts: list[Any] = [*Document.objects.only("title").filter(title__lt="2"), Document.objects.get(title="2")]
    for row in parts:
        row.title = f"new {row.title}"
    parts[2].other = None
    await Document.objects.abulk_update(parts, ["title", "pages", "embedding", "other"])
    assert Document.objects.bulk_update(parts[:2], ["pages", "embedding"]) == 2
    changed = Document.objects.filter(title__startswith="new")
    stored = {row.title: (row.pages, row.embedding, row.other) for row in changed}
    assert stored == {
        "new 0": (0, [0, 0, 0], [0, 0, 0]),
        "new 1": (1, [1, 0, 0], [0, 1, 0]),
        "new 2": (0, [2, 0, 0], None),
    }
