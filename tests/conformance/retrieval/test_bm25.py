"""TextIndex(method="bm25"): BM25 where the database has it; elsewhere migrate says what it builds or lacks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import dorm
import pytest

from dorm_vector import (
    IndexBuiltOtherwise,
    TextIndex,
    VectorField,
    VectorsUnavailable,
    ahybrid_search,
    atext_search,
    hybrid_search,
    text_search,
)
from tests.conformance.inside import Unsupported
from tests.databases import Database, create_tables, drop_table
from tests.helpers import oracle
from tests.helpers.project import Project

MISSING = "without the extension pg_textsearch: this server does not have it"


class RankedPassage(dorm.Model):
    text = dorm.TextField()
    number = dorm.IntegerField()
    embedding = VectorField(dimensions=2, null=True)

    class Meta:
        app_label = "tests"
        indexes = [TextIndex(fields=["text"], name="ranked_bm25", method="bm25")]


@pytest.fixture
def passages(db: Database) -> Iterator[Database]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IndexBuiltOtherwise)
        create_tables(db.connection, (RankedPassage,))
    RankedPassage.objects.bulk_create(
        [RankedPassage(text=text, number=n, embedding=[1.0, n]) for n, text in enumerate(oracle.PASSAGES)]
    )
    yield db
    drop_table(db, RankedPassage)


def expected(keep: Any = lambda n: True) -> dict[int, float]:
    """Return the numbers of the rows with the word, best first, and how far the word counts in each."""
    scores = {n: oracle.bm25_part(text, "heron") for n, text in enumerate(oracle.PASSAGES) if keep(n)}
    return {n: score for n, score in sorted(scores.items(), key=lambda item: -item[1]) if score}


@pytest.mark.not_on("postgresql", "mariadb", "mysql", reason="their servers here rank otherwise")
async def test_rows_are_ranked_by_bm25(passages: Database) -> None:
    found = text_search(RankedPassage.objects.all(), text="heron", limit=50)
    wanted = expected()
    assert [row.number for row in found] == list(wanted)
    # The rest of the formula is the rarity of the word, which is the same for all rows.
    rarities = [row.text_score / wanted[row.number] for row in found]
    assert rarities == pytest.approx([rarities[0]] * len(rarities), rel=1e-3)
    odd = await atext_search(RankedPassage.objects.filter(number__in=range(1, 40, 2)), text="heron", limit=3)
    assert [row.number for row in odd] == list(expected(lambda n: n % 2))[:3]


@pytest.mark.not_on("postgresql", reason="its server here has no pg_textsearch; its own test has one")
async def test_hybrid_search_uses_it(passages: Database) -> None:
    words = {row.pk: row.text_rank for row in text_search(RankedPassage.objects.all(), text="heron", limit=50)}
    assert {row.number for row in RankedPassage.objects.filter(pk__in=list(words))} == set(expected())
    found = hybrid_search(RankedPassage.objects.all(), text="heron", vector=[1.0, 3.0], distance="l2", limit=50)
    assert {row.pk: row.text_rank for row in found if row.text_rank} == words
    again = await ahybrid_search(RankedPassage.objects.all(), text="heron", vector=[1.0, 3.0], distance="l2", limit=50)
    assert [(row.pk, row.text_rank) for row in again] == [(row.pk, row.text_rank) for row in found]


def test_migrate_says_what_is_built(project: Project, db: Database) -> None:
    source = (
        "from dorm_vector import TextIndex, text_search\n"
        "class Passage(dorm.Model):\n    text = dorm.TextField()\n"
        "    class Meta:\n        indexes = [TextIndex(fields=['text'], name='words'{method})]\n"
    )
    search = "Passage.objects.create(text='a heron')\nprint(len(text_search(Passage.objects.all(), text='heron')))"
    project.models(source.format(method=", method='bm25'"))
    project.dorm("makemigrations", "shop")
    assert "TextIndex(fields=['text'], name='words', language='english', method='bm25')" in project.source(1)
    migrated = project.try_dorm("migrate", "shop")
    if db.name == "postgresql":
        assert migrated.returncode
        assert f"PostgreSQL cannot build words {MISSING}" in migrated.stderr
        assert "postgresql-18-pg-textsearch" in migrated.stderr
        return
    assert migrated.returncode == 0, migrated.stderr
    claim = db.dialect.bm25
    said = f"{db.dialect.title} builds words in its own form: {claim.reason}" if isinstance(claim, Unsupported) else ""
    assert said in migrated.stderr
    assert ("IndexBuiltOtherwise" in migrated.stderr) == bool(said)
    assert project.python(search) == "1"
    project.models(source.format(method=""))
    project.dorm("makemigrations", "shop")
    project.dorm("migrate", "shop")
    assert project.python(search) == "2"
    project.dorm("migrate", "shop", "1")
    assert project.python(search) == "3"
    project.dorm("migrate", "shop", "zero")


@pytest.mark.not_on("sqlite", "libsql", "turso", "mariadb", "mysql", reason="they need no extension for it")
def test_an_extension_that_is_missing_is_named(db: Database) -> None:
    with pytest.raises(VectorsUnavailable, match=f"PostgreSQL cannot build ranked_bm25 {MISSING}"):
        create_tables(db.connection, (RankedPassage,))
    assert not db.connection.table_exists(RankedPassage._meta.db_table)


def test_another_method_is_refused() -> None:
    with pytest.raises(ValueError, match=r"TextIndex\(method='tfidf'\): want \"bm25\""):
        TextIndex(["text"], "words", method="tfidf")


def test_it_is_another_index_than_the_default() -> None:
    plain, ranked = TextIndex(["text"], "words"), TextIndex(["text"], "words", method="bm25")
    assert plain != ranked
    assert ranked == TextIndex(**ranked.deconstruct()[2])
    assert "method" not in plain.deconstruct()[2]
