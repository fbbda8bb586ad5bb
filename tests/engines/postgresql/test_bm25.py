"""TextIndex(method="bm25") on servers with pg_textsearch 1.0 and 1.5: the scores, the plan, and the real commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_connection, reset_connections

from backends import Settings, postgresql
from backends.servers import extended_postgresql
from dorm_vector import (
    TextIndex,
    VectorField,
    VectorsUnavailable,
    ahybrid_search,
    atext_search,
    bulk_load,
    hybrid_search,
    rebuild_index,
    text_search,
)
from tests.databases import create_tables
from tests.helpers import oracle
from tests.helpers.project import Project

pytestmark = [
    pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="it is PostgreSQL's extension"),
    pytest.mark.filterwarnings("ignore::dorm_vector.PgvectorTooOld"),
]


class Report(dorm.Model):
    title = dorm.CharField(max_length=200, default="")
    text = dorm.TextField(null=True)
    number = dorm.IntegerField()
    embedding = VectorField(dimensions=2, null=True)

    class Meta:
        app_label = "tests"
        indexes = [TextIndex(fields=["text"], name="Report_Bm25", method="bm25")]


class Titled(dorm.Model):
    title = dorm.CharField(max_length=200)
    text = dorm.TextField(null=True)

    class Meta:
        app_label = "tests"
        indexes = [TextIndex(fields=["title", "text"], name="titled_bm25", method="bm25", language="simple")]


@pytest.fixture(scope="module", params=[extended_postgresql.wheel, extended_postgresql.from_debian])
def server(request: pytest.FixtureRequest, backend_name: str) -> Iterator[Settings]:
    launched: Callable[..., Any] = extended_postgresql.launch
    with TemporaryDirectory(prefix="dorm-vector-") as folder, launched(Path(folder), request.param) as settings:
        yield settings
        reset_connections()


@pytest.fixture(scope="module")
def reports(server: Settings) -> Settings:
    """The database of the tests, with the passages and rows without a text."""
    settings = postgresql.create(server, "reports")
    reset_connections()
    dorm.configure(DATABASES={"default": settings}, INSTALLED_APPS=[])
    create_tables(get_connection(), (Report,))
    bulk_load(Report, [{"text": text, "number": n, "embedding": [1.0, n]} for n, text in enumerate(oracle.PASSAGES)])
    bulk_load(Report, [{"text": None, "number": n, "embedding": [1.0, n]} for n in range(40, 60)])
    return settings


@pytest.fixture
def several_since(server: Settings) -> bool:
    """Tell whether the extension indexes several fields, which it does from 1.1."""
    ((version,),) = postgresql.execute(
        server, "SELECT default_version FROM pg_available_extensions WHERE name = 'pg_textsearch'"
    )
    return str(version) != "1.0.0"


def expected(word: str = "heron", keep: Callable[[int], bool] = lambda n: True) -> dict[int, float]:
    scores = {n: oracle.bm25_part(text, word) for n, text in enumerate(oracle.PASSAGES) if keep(n)}
    return {n: score for n, score in sorted(scores.items(), key=lambda item: -item[1]) if score}


async def test_rows_are_ranked_by_bm25(reports: Settings) -> None:
    wanted = expected()
    # More often than psycopg and the server take to prepare a statement and to plan it for any words.
    every = [text_search(Report.objects.all(), text="Herons", limit=50) for _ in range(12)]
    assert [[row.number for row in found] for found in every] == [list(wanted)] * 12
    found = every[-1]
    rarities = [row.text_score / wanted[row.number] for row in found]
    assert rarities == pytest.approx([rarities[0]] * len(rarities), rel=1e-3)
    odd = await atext_search(Report.objects.filter(number__in=range(1, 40, 2)), text="heron", limit=3)
    assert [row.number for row in odd] == list(expected(keep=lambda n: n % 2 == 1))[:3]
    assert text_search(Report.objects.filter(number__gte=40), text="heron") == []
    assert text_search(Report.objects.all(), text="zebra") == []
    assert text_search(Report.objects.all(), text="the") == [], "of stop words alone"


async def test_hybrid_search_uses_it(reports: Settings) -> None:
    ranks = {n: place for place, n in enumerate(expected("reed"), 1)}
    found = hybrid_search(Report.objects.all(), text="reed", vector=[1.0, 3.0], distance="l2", limit=100)
    assert {row.number: row.text_rank for row in found if row.text_rank} == ranks
    again = await ahybrid_search(Report.objects.all(), text="reed", vector=[1.0, 3.0], distance="l2", limit=100)
    assert [row.pk for row in again] == [row.pk for row in found]


def test_the_index_sorts_the_rows(reports: Settings) -> None:
    table, score = Report._meta.db_table, "\"text\" <@> to_bm25query('heron', 'Report_Bm25')"
    connection = get_connection()
    with connection.atomic():
        connection.execute_script("SET LOCAL enable_seqscan = off")
        plan = connection.execute(f'EXPLAIN SELECT "id" FROM "{table}" ORDER BY {score}, "id" LIMIT 5')
    assert 'Index Scan using "Report_Bm25"' in str(plan)


def test_the_index_follows_its_rows(reports: Settings) -> None:
    def words() -> list[int]:
        return sorted(row.number for row in text_search(Report.objects.all(), text="walrus", limit=50))

    with dorm.transaction.atomic() as transaction:
        Report.objects.create(text="a walrus", number=100)
        assert words() == [100]
        transaction.set_rollback(True)
    assert words() == []
    Report.objects.bulk_create([Report(text=f"walrus {n}", number=100 + n) for n in range(3)])
    Report.objects.filter(number=101).update(text="otter")
    Report.objects.filter(number=102).delete()
    assert words() == [100]
    rebuild_index(Report, "Report_Bm25")
    assert words() == [100]
    Report.objects.filter(number__gte=100).delete()


def test_several_fields(reports: Settings, several_since: bool) -> None:
    if not several_since:
        with pytest.raises(VectorsUnavailable, match=r"1\.1\.0 or newer is needed for an index of several"):
            create_tables(get_connection(), (Titled,))
        return
    create_tables(get_connection(), (Titled,))
    for title, text in (("heron", None), ("reed", "heron and otters"), ("reed", "bank")):
        Titled.objects.create(title=title, text=text)
    found = text_search(Titled.objects.all(), text="heron")
    assert [(row.title, row.text) for row in found] == [("heron", None), ("reed", "heron and otters")]
    assert [row.title for row in text_search(Titled.objects.all(), text="otter")] == [], "simple stems no words"


MODEL = (
    "from dorm_vector import TextIndex, text_search\n"
    "class Passage(dorm.Model):\n    text = dorm.TextField()\n"
    "    class Meta:\n        indexes = [{index}]\n"
)
INDEX = "TextIndex(fields=['text'], name='words', method='bm25')"
FOUND = (
    "import dorm_vector\nPassage.objects.create(text='two herons')\nPassage.objects.create(text='one heron of many')\n"
    "print(*[row.text for row in text_search(Passage.objects.all(), text='heron', limit=2)], sep=', ')"
)


@pytest.mark.parametrize("server", [extended_postgresql.wheel], indirect=True)
def test_the_real_commands(server: Settings, tmp_path: Path) -> None:
    project = Project(tmp_path, postgresql.create(server, "shop"))
    project.begin(MODEL.format(index=""))
    project.models(MODEL.format(index=INDEX))
    project.dorm("makemigrations", "shop")
    (path,) = (project.directory / "shop" / "migrations").glob("0003_*.py")
    head, _, tail = path.read_text().rpartition(",\n    ),\n]")
    path.write_text(f"{head},\n        concurrently=True,\n    ),\n]{tail}")
    assert "USING bm25" in project.dorm("migrate", "--dry-run")
    project.dorm("migrate")
    assert project.python(FOUND) == "two herons, one heron of many"
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    project.models(MODEL.format(index=INDEX.replace(", method='bm25'", "")))
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    project.dorm("migrate", "shop", "3")
    project.models(MODEL.format(index=INDEX))
    assert project.python(FOUND) == "two herons, two herons"
    project.dorm("migrate", "shop", "zero")
