"""A model whose table has partitions on two servers: writes, searches, and the migrations that make it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_connection, reset_connections
from dorm.exceptions import IntegrityError
from dorm.migrations.operations import CreateModel
from dorm.migrations.state import ProjectState
from dorm.signals import pre_query

from backends import Settings, postgresql
from backends.servers import extended_postgresql
from dorm_vector import (
    AddForeignPartition,
    AddPartition,
    CreateForeignServer,
    HnswIndex,
    Metric,
    PartitionTable,
    UnsupportedByDatabase,
    VectorExtension,
    VectorField,
    bulk_load,
    to_matrix,
)
from tests.databases import state_of
from tests.helpers import oracle
from tests.helpers.project import Project

pytestmark = pytest.mark.not_on(
    "sqlite", "turso", "libsql", "mariadb", "mysql", reason="it is PostgreSQL's postgres_fdw"
)

COUNT = 240
STORED, QUERY = oracle.vectors(COUNT, 8), [0.25, -0.5, 0.125, 0.5, 0.75, -0.25, 0.5, -1.0]


class Sharded(dorm.Model):
    region = dorm.CharField(max_length=8)
    number = dorm.IntegerField(db_index=True)
    embedding = VectorField(8, null=True)

    class Meta:
        app_label = "tests"
        db_table = "fdw_sharded"
        indexes = [HnswIndex(fields=["embedding"], name="fdw_hnsw", distance="l2")]
        constraints = [dorm.UniqueConstraint(fields=["region", "number"], name="fdw_number")]


class Hashed(dorm.Model):
    key = dorm.IntegerField(primary_key=True)
    embedding = VectorField(8)

    class Meta:
        app_label = "tests"
        db_table = "fdw_hashed"
        indexes = [HnswIndex(fields=["embedding"], name="fdw_hashed_hnsw")]


class Kept(dorm.Model):
    embedding = VectorField(2)

    class Meta:
        app_label = "tests"
        db_table = "fdw_kept"
        indexes = [HnswIndex(fields=["embedding"], name="fdw_kept_hnsw")]


@pytest.fixture(scope="module")
def servers(backend_name: str) -> Iterator[list[Settings]]:
    with TemporaryDirectory(prefix="dorm-vector-") as folder, ExitStack() as running:
        found = []
        for name in ("here", "there"):
            place = Path(folder) / name
            place.mkdir()
            found.append(running.enter_context(extended_postgresql.launch(place, extended_postgresql.from_debian)))
        yield found
        reset_connections()


@pytest.fixture(scope="module")
def reports(servers: list[Settings]) -> Any:
    """The model, with its rows in a partition here, "eu", and in one of the other server, "us"."""
    use([postgresql.create(server, "reports") for server in servers])
    forwards(Sharded, PartitionTable("Sharded", "region"), CreateForeignServer("there", role="PUBLIC"))
    add_partitions(Sharded)
    bulk_load(Sharded, rows())
    return Sharded


def use(settings: list[Settings]) -> None:
    for each in settings:
        # The planner would read and sort so few rows.
        for switch in ("enable_seqscan", "enable_sort"):
            postgresql.execute(each, f'ALTER DATABASE "{each["NAME"]}" SET {switch} = off')
    reset_connections()
    dorm.configure(DATABASES=dict(zip(("default", "there"), settings, strict=True)), INSTALLED_APPS=[])


def forwards(model: Any, *operations: Any) -> None:
    """Run operations after those that create the model's table, as a migration does."""
    state, connection = state_of((model,)), get_connection()
    (entry,) = state.models.values()
    created = CreateModel(entry["name"], list(entry["fields"].items()), entry["options"])
    for operation in (VectorExtension(), created, *operations):
        operation.database_forwards("tests", connection, ProjectState(), state)


def run(model: Any, operation: Any, way: str = "database_forwards") -> None:
    state = state_of((model,))
    getattr(operation, way)("tests", get_connection(), state, state)


def add_partitions(model: Any) -> None:
    run(model, AddPartition(model.__name__, "fdw_eu", values=["eu", "uk"]))
    run(model, AddForeignPartition(model.__name__, "fdw_us", "there", values=["us"]))


def region(n: int) -> str:
    return ("eu", "us", "uk", "us")[n % 4]


def rows() -> list[dict[str, Any]]:
    return [{"region": region(n), "number": n, "embedding": vector} for n, vector in enumerate(STORED)]


def expected(count: int, keep: Any = lambda n: True, metric: Metric = Metric.L2) -> list[int]:
    kept = [n for n in range(COUNT) if keep(n)]
    return sorted(kept, key=lambda n: oracle.distance(metric, STORED[n], QUERY) or 0)[:count]


async def test_searches_merge_the_partitions(reports: Any) -> None:
    rows_of_test = Sharded.objects.filter(number__lt=COUNT)
    # An index of so few rows then finds all of them.
    nearest = rows_of_test.nearest("embedding", QUERY).search_options(ef_search=200)
    unindexed = rows_of_test.nearest("embedding", QUERY, distance="cosine", exact=True)
    for found, wanted in (
        (nearest[:7], expected(7)),
        (nearest[5:12], expected(12)[5:]),
        (nearest.filter(region="us")[:5], expected(5, lambda n: region(n) == "us")),
        (nearest.filter(number__lt=60)[:9], expected(9, lambda n: n < 60)),
        (unindexed[:6], expected(6, metric=Metric.COSINE)),
        (nearest[:30], expected(30)),
    ):
        assert [row.number for row in found] == [row.number async for row in found.all()] == wanted
        assert [row.distance for row in found] == sorted(row.distance for row in found)
    keys, matrix = to_matrix(rows_of_test.order_by("number"), "embedding")
    assert len(set(keys)) == COUNT
    assert matrix.tolist() == [oracle.float32(vector) for vector in STORED]


async def test_the_plan_of_each_partition_is_read(reports: Any) -> None:
    nearest = Sharded.objects.nearest("embedding", QUERY)
    plan, again = nearest[:5].explain_search(), await nearest[:5].aexplain_search()
    served = [(part.name, part.server, part.index) for part in plan.partitions]
    assert served == [("fdw_eu", None, "fdw_hnsw"), ("fdw_us", "there", "fdw_hnsw")]
    assert [part.index for part in again.partitions] == ["fdw_hnsw", "fdw_hnsw"]
    assert "serves this search in 2 of 2 partitions: fdw_eu, fdw_us." in str(plan)
    assert "Index Scan using fdw_us_embedding_idx" in plan.partitions[1].plan
    one = nearest.filter(region="us")[:5].explain_search()
    assert [(part.name, part.index) for part in one.partitions] == [("fdw_us", "fdw_hnsw")]
    unindexed = nearest.order_by("-distance")[:5].explain_search()
    assert (unindexed.index, unindexed.reasons[0].code) == (None, "descending")
    there = get_connection("there")
    there.execute_script('ALTER INDEX "fdw_hnsw" RENAME TO "fdw_other"; DROP INDEX "fdw_other"')
    try:
        half = nearest[:5].explain_search()
        assert (half.index, [part.index for part in half.partitions]) == ("fdw_hnsw", ["fdw_hnsw", None])
        assert [warning.code for warning in half.warnings] == ["not-built"]
        assert "The partition fdw_us on there has no vector index" in str(half)
    finally:
        there.execute_script('CREATE INDEX "fdw_hnsw" ON "fdw_sharded" USING hnsw ("embedding" vector_l2_ops)')


async def test_search_options_reach_the_other_server(reports: Any) -> None:
    nearest = Sharded.objects.filter(number__lt=COUNT).nearest("embedding", QUERY)
    # By default, an index finds 40 rows: those of the other server would be too few.
    many = Sharded.objects.nearest("embedding", QUERY)[:100]
    assert [row.number for row in many] == [row.number async for row in many.all()] == expected(100)
    here, there = get_connection(), get_connection("there")
    variables = ("hnsw.ef_search", "hnsw.iterative_scan", "hnsw.max_scan_tuples")
    columns = ", ".join(f"current_setting('{name}', true) AS s{number}" for number, name in enumerate(variables))
    there.execute_script(f'CREATE VIEW "seen" AS SELECT {columns}')
    here.execute_script('CREATE FOREIGN TABLE "seen" ("s0" text, "s1" text, "s2" text) SERVER "there"')
    seen: list[tuple[Any, ...]] = []

    def look(sender: Any, sql: str, **_query: Any) -> None:
        if " ORDER BY " in sql:
            seen.append(now())

    def now() -> tuple[Any, ...]:
        return tuple(here.execute('SELECT * FROM "seen"')[0].values())

    with here.atomic():
        pre_query.connect(look)
        try:
            for options in ({"ef_search": 77}, {"iterative_scan": "strict_order", "max_scan_tuples": 5_000}):
                assert len(nearest.search_options(**options)[:5]) == 5
            assert len(nearest[:60]) == 60
        finally:
            pre_query.disconnect(look)
        assert seen[0][:2] == ("77", "relaxed_order")
        assert seen[1] == ("40", "strict_order", "5000")
        assert seen[2][:2] == ("60", "relaxed_order")
        assert now() == ("40", "off", "20000"), "they are reset after each search"
    here.execute_script('DROP FOREIGN TABLE "seen"')
    with pytest.raises(UnsupportedByDatabase, match="has no search option 'width'"):
        len(nearest.search_options(width=1)[:5])


def test_servers_made_by_hand(reports: Any) -> None:
    here = get_connection()
    forwards(Kept, PartitionTable("Kept", "id", "hash"))
    run(Kept, AddForeignPartition("Kept", "fdw_kept_0", "there", modulus=1, remainder=0))
    Kept.objects.create(embedding=QUERY[:2])
    nearest = Kept.objects.nearest("embedding", QUERY[:2])
    assert len(nearest.search_options(ef_search=50)[:1]) == 1
    here.execute_script('ALTER FOREIGN TABLE "dorm_vector_session_there" RENAME TO "away"')
    try:
        reset_connections()
        assert len(nearest[:1]) == 1
        with pytest.raises(UnsupportedByDatabase, match=r"ALTER SERVER \"there\" OPTIONS"):
            len(nearest.search_options(ef_search=50)[:1])
    finally:
        get_connection().execute_script('ALTER FOREIGN TABLE "away" RENAME TO "dorm_vector_session_there"')
        reset_connections()


def number_of_rows(alias: str = "default", **filters: Any) -> int:
    return int(Sharded.objects.using(alias).filter(number__gte=1_000, **filters).count())


async def test_writes_go_to_their_partitions(reports: Any) -> None:
    try:
        here, there = (Sharded.objects.create(region=name, number=1_000, embedding=QUERY) for name in ("uk", "us"))
        also = await Sharded.objects.acreate(region="us", number=1_001, embedding=QUERY)
        assert len({here.pk, there.pk, also.pk}) == 3, "the keys are counted here"
        assert [row.number for row in Sharded.objects.using("there").filter(number__gte=1_000).order_by("pk")] == [
            1_000,
            1_001,
        ]
        there.number, there.embedding = 1_002, [0] * 8
        there.save()
        await also.adelete()
        assert Sharded.objects.using("there").get(pk=there.pk).embedding == [0] * 8
        assert Sharded.objects.filter(pk=there.pk).update(number=1_003) == 1
        made = Sharded.objects.bulk_create([Sharded(region=region(n), number=1_100 + n) for n in range(4)])
        for row in made:
            row.embedding = QUERY
        Sharded.objects.bulk_update(made, ["embedding"])
        assert number_of_rows(embedding__isnull=False) == 6
        row, is_new = Sharded.objects.update_or_create(region="us", number=1_101, defaults={"embedding": [1] * 8})
        assert (row.pk, is_new) == (made[1].pk, False)
        assert (number_of_rows(), number_of_rows("there")) == (6, 3)
        with pytest.raises(IntegrityError, match="fdw_number"):
            Sharded.objects.create(region="us", number=1_003)
        with pytest.raises(IntegrityError, match="partition"):
            Sharded.objects.filter(pk=there.pk).update(region="eu")
        with pytest.raises(IntegrityError, match="no partition"):
            Sharded.objects.using("there").create(pk=-1, region="eu", number=1_200)
        with pytest.raises(IntegrityError, match='"id"'):
            Sharded.objects.using("there").create(region="us", number=1_200)
    finally:
        deleted, _each = Sharded.objects.filter(number__gte=1_000).delete()
    assert deleted == 6
    assert number_of_rows("there") == 0


def test_hash_partitions(reports: Any) -> None:
    parts = [{"modulus": 3, "remainder": n} for n in range(3)]
    forwards(Hashed, PartitionTable("Hashed", "key", "hash"))
    run(Hashed, AddPartition("Hashed", "fdw_0", **parts[0]))
    for number in (1, 2):
        run(Hashed, AddForeignPartition("Hashed", f"fdw_{number}", "there", **parts[number]))
    bulk_load(Hashed, [{"key": n, "embedding": vector} for n, vector in enumerate(STORED)])
    apart = [Hashed.objects.using(alias).count() for alias in ("default", "there")]
    assert apart[0] == COUNT
    assert 0.5 * COUNT < apart[1] < 0.8 * COUNT
    assert [row.key for row in Hashed.objects.nearest("embedding", QUERY)[:9]] == expected(9)
    with pytest.raises(IntegrityError, match=r"fdw_\d_pkey"):
        Hashed.objects.bulk_create([Hashed(key=n, embedding=QUERY) for n in range(3)])


class Parent(dorm.Model):
    class Meta:
        app_label = "tests"
        db_table = "fdw_parent"


class Child(dorm.Model):
    code = dorm.CharField(max_length=9, unique=True)
    parent = dorm.ForeignKey(Parent, on_delete=dorm.CASCADE)

    class Meta:
        app_label = "tests"
        db_table = "fdw_child"


def test_what_cannot_be_divided_is_refused(reports: Any) -> None:
    for model, operation, said in (
        (Sharded, PartitionTable("Sharded", "nothing"), "has no field 'nothing'"),
        (Sharded, PartitionTable("Sharded", "region", "modulo"), "want a method of list, hash, range"),
        (Sharded, PartitionTable("Sharded", "region"), "has rows"),
        (Sharded, PartitionTable("Sharded", "id", "hash"), "cannot keep region, number of Sharded unique"),
        (Child, PartitionTable("Child", "code"), "Child.parent refers to other rows"),
    ):
        with pytest.raises(ValueError, match=said):
            run(model, operation)
    with pytest.raises(ValueError, match="still has the partitions fdw_eu, fdw_us"):
        run(Sharded, PartitionTable("Sharded", "region"), "database_backwards")
    for arguments in ({}, {"values": [1], "default": True}, {"modulus": 2}, {"start": 1}):
        with pytest.raises(ValueError, match="want the rows that it holds"):
            AddPartition("Sharded", "fdw_more", **arguments)
    there = get_connection("there")
    forwards(Parent, PartitionTable("Parent", "id", "range"))
    there.execute_script('CREATE TABLE "fdw_parent" ("key" integer)')
    with pytest.raises(ValueError, match="is whole; want one that is divided by RANGE"):
        run(Parent, AddForeignPartition("Parent", "fdw_more", "there", start=0, end=9))
    there.execute_script('DROP TABLE "fdw_parent"')
    there.execute_script('ALTER TABLE "fdw_sharded" ADD COLUMN "more" integer')
    with pytest.raises(ValueError, match="has other columns: more integer"):
        run(Sharded, AddForeignPartition("Sharded", "fdw_more", "there", values=["ap"]))
    there.execute_script('ALTER TABLE "fdw_sharded" DROP COLUMN "more"; DROP TABLE "fdw_more"')
    assert [row.number for row in Sharded.objects.nearest("embedding", QUERY)[:4]] == expected(4)


MODEL = """
class Note(dorm.Model):
    region = dorm.CharField(max_length=2)
    embedding = VectorField(dimensions=2)
{rest}
"""
INDEX = "    class Meta:\n        indexes = [HnswIndex(fields=['embedding'], name='note_hnsw', distance='l2')]"
INDEXING = """
    OnEachServer(AddIndex("Note", HnswIndex(fields=["embedding"], name="note_hnsw", distance="l2")), ["there"])
"""
DIVIDED = """
    PartitionTable("Note", by="region"),
    AddPartition("Note", "note_eu", values=["eu"]),
    CreateForeignServer("there", search_options={"ef_search": 60}, options={"fetch_size": "50"}),
    AddForeignPartition("Note", "note_us", "there", values=["us"]),
"""
FOUND = (
    "for name in ('eu', 'us', 'us'): Note.objects.create(region=name, embedding=[1, 2])\n"
    "print([row.region for row in Note.objects.nearest('embedding', [1, 2])[:5]], Note.objects.using('there').count())"
)


def test_the_real_commands(servers: list[Settings], tmp_path: Path) -> None:
    here, there = (postgresql.create(server, "shop") for server in servers)
    project = Project(tmp_path, here)
    databases = {"default": here, "there": {**there, "PASSWORD": "not for the log"}}
    (tmp_path / "settings.py").write_text(f"DATABASES = {databases!r}\nINSTALLED_APPS = {project.installed_apps!r}\n")
    project.models(MODEL.format(rest=""))
    project.dorm("makemigrations", "shop", "--enable-pgvector")
    project.dorm("makemigrations", "shop")
    write(project, 3, DIVIDED)
    project.dorm("migrate", "shop", "2")
    planned = project.dorm("migrate", "--dry-run")
    assert 'CREATE FOREIGN TABLE "note_us"' in planned
    assert "not for the log" not in planned
    project.dorm("migrate", "shop", "3")
    assert project.python(FOUND) == "['eu', 'us', 'us'] 2"
    project.models(MODEL.format(rest=INDEX))
    write(project, 4, INDEXING)
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    for server in (here, there):
        assert postgresql.execute(server, INDEXED) == [(1,)]
    project.dorm("migrate", "shop", "zero")
    for server in (here, there):
        assert postgresql.execute(server, "SELECT relname FROM pg_class WHERE relname LIKE '%note%'") == []


INDEXED = "SELECT count(*) FROM pg_class WHERE relname ~ '^note_.._embedding_idx'"


def write(project: Project, number: int, operations: str) -> None:
    """Write a migration by hand."""
    previous = [name for name in project.migrations() if int(name[:4]) < number][-1]
    (project.directory / "shop" / "migrations" / f"{number:04d}_by_hand.py").write_text(
        "from dorm_vector import *\nfrom dorm.migrations.operations import AddIndex\n"
        f"dependencies = [('shop', {previous!r})]\noperations = [{operations}]\n"
    )
