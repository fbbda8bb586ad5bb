"""Writes to a table with partitions on two servers, and the migrations that make it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_connection
from dorm.exceptions import IntegrityError, ProgrammingError

from backends import Settings, postgresql
from dorm_vector import (
    AddForeignPartition,
    AddPartition,
    EmbeddingField,
    PartitionTable,
    RemovePartition,
    VectorsWouldBeLost,
    bulk_load,
    find_duplicates,
    reembed,
)
from tests.engines.postgresql.divided_rows import (
    COUNT,
    QUERY,
    STORED,
    Hashed,
    Sharded,
    apply,
    expected,
    forwards,
    region,
)
from tests.helpers.memos import WORDS, is_of
from tests.helpers.project import Project

pytestmark = pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="PostgreSQL's postgres_fdw")


def number_of_rows(alias: str = "default", **filters: Any) -> int:
    return int(Sharded.objects.using(alias).filter(number__gte=1_000, **filters).count())


async def test_writes_go_to_their_partitions(sharded: None) -> None:
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
        for upsert in (
            lambda: Sharded.objects.upsert([there], ["region", "number"]),
            lambda: Sharded.objects.bulk_create([there], update_conflicts=True, unique_fields=["id"]),
        ):
            with pytest.raises(
                ProgrammingError, match=r"upsert into fdw_sharded: .* on other servers \(postgres_fdw\)"
            ):
                upsert()
        with pytest.raises(ProgrammingError, match=r"upsert into fdw_sharded: "):
            bulk_load(Sharded, [{"id": there.pk, "region": "us", "number": 1_003}], on_conflict="update")
        row_again = {"id": there.pk, "region": "us", "number": 1_003, "embedding": QUERY}
        assert bulk_load(Sharded, [row_again], on_conflict="ignore") == 0
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


def test_duplicates_are_found_across_servers(sharded: None) -> None:
    twins = [n for n in range(8) if region(n) == "uk"] + [n for n in range(8) if region(n) == "us"]
    rows = [{"region": region(n), "number": 1_000 + n, "embedding": STORED[n]} for n in twins]
    try:
        bulk_load(Sharded, rows)
        pairs = find_duplicates(Sharded.objects.all(), "embedding", 1e-6, distance="l2")
        assert sorted(sorted((pair.first.number, pair.second.number)) for pair in pairs) == sorted(
            [n, 1_000 + n] for n in twins
        )
    finally:
        Sharded.objects.filter(number__gte=1_000).delete()


class Story(dorm.Model):
    region = dorm.CharField(max_length=8)
    title = dorm.CharField(max_length=20)
    embedding = EmbeddingField(len(WORDS.vector("")), source="title", embedder=WORDS, null=True, batch_size=3)

    class Meta:
        app_label = "tests"
        db_table = "fdw_story"


@pytest.mark.parametrize("shared", [False, True])
def test_rows_are_embedded_on_both_servers(sharded: None, shared: bool) -> None:
    forwards(Story, PartitionTable("Story", "region"))
    apply(Story, AddPartition("Story", "fdw_story_eu", values=["eu", "uk"]))
    apply(Story, AddForeignPartition("Story", "fdw_story_us", "there", values=["us"]))
    try:
        Story.objects.bulk_create([Story(region=region(n), title=str(n)) for n in range(8)])
        assert all(is_of(row, row.title) for row in Story.objects.all())
        WORDS.name = "words-2"
        assert reembed(Story, shared=shared) == 8
        assert reembed(Story, shared=shared) == 0
        assert all(is_of(row, row.title) for row in Story.objects.using("there"))
        assert all(is_of(row, row.title) for row in Story.objects.all())
    finally:
        WORDS.name = "words-1"
        for alias in ("default", "there"):
            get_connection(alias).execute_script('DROP TABLE "fdw_story"')


def test_hash_partitions(sharded: None) -> None:
    parts = [{"modulus": 3, "remainder": n} for n in range(3)]
    forwards(Hashed, PartitionTable("Hashed", "key", "hash"))
    apply(Hashed, AddPartition("Hashed", "fdw_0", **parts[0]))
    for number in (1, 2):
        apply(Hashed, AddForeignPartition("Hashed", f"fdw_{number}", "there", **parts[number]))
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


def test_what_cannot_be_divided_is_refused(sharded: None) -> None:
    for model, operation, said in (
        (Sharded, PartitionTable("Sharded", "nothing"), "has no field 'nothing'"),
        (Sharded, PartitionTable("Sharded", "region", "modulo"), "want a method of list, hash, range"),
        (Sharded, PartitionTable("Sharded", "region"), "has rows"),
        (Sharded, PartitionTable("Sharded", "id", "hash"), "cannot keep region, number of Sharded unique"),
        (Child, PartitionTable("Child", "code"), "Child.parent refers to other rows"),
    ):
        with pytest.raises(ValueError, match=said):
            apply(model, operation)
    with pytest.raises(ValueError, match="still has the partitions fdw_eu, fdw_us"):
        apply(Sharded, PartitionTable("Sharded", "region"), "database_backwards")
    for arguments in ({}, {"values": [1], "default": True}, {"modulus": 2}, {"start": 1}):
        with pytest.raises(ValueError, match="want the rows that it holds"):
            AddPartition("Sharded", "fdw_more", **arguments)
    there = get_connection("there")
    forwards(Parent, PartitionTable("Parent", "id", "range"))
    there.execute_script('CREATE TABLE "fdw_parent" ("key" integer)')
    with pytest.raises(ValueError, match="is whole; want one that is divided by RANGE"):
        apply(Parent, AddForeignPartition("Parent", "fdw_more", "there", start=0, end=9))
    there.execute_script('DROP TABLE "fdw_parent"')
    there.execute_script('ALTER TABLE "fdw_sharded" ADD COLUMN "more" integer')
    with pytest.raises(ValueError, match="has other columns: more integer"):
        apply(Sharded, AddForeignPartition("Sharded", "fdw_more", "there", values=["ap"]))
    there.execute_script('ALTER TABLE "fdw_sharded" DROP COLUMN "more"; DROP TABLE "fdw_more"')
    assert [row.number for row in Sharded.objects.nearest("embedding", QUERY)[:4]] == expected(4)


def test_partitions_are_removed_when_they_are_empty_or_may_be_lost(sharded: None) -> None:
    apply(Sharded, AddPartition("Sharded", "fdw_jp", values=["jp"]))
    apply(Sharded, AddForeignPartition("Sharded", "fdw_br", "there", values=["br"]))
    for place, name in ((("fdw_jp",), "jp"), (("fdw_br", "there"), "br")):
        removal = RemovePartition("Sharded", *place, values=[name])
        Sharded.objects.create(region=name, number=1_000, embedding=QUERY)
        with pytest.raises(VectorsWouldBeLost, match=r"holds 1 row\. .*\['(jp|br)'\], allow_vector_loss=True\)"):
            apply(Sharded, removal)
        assert number_of_rows() == 1
        allowed = RemovePartition("Sharded", *place, values=[name], allow_vector_loss=True)
        # As squashed migrations write it.
        path, arguments, options = allowed.deconstruct()
        assert (path, options.pop("allow_vector_loss")) == ("dorm_vector.RemovePartition", True)
        assert removal.deconstruct() == (path, arguments, options)
        apply(Sharded, allowed)
        with pytest.raises(IntegrityError, match="no partition"):
            Sharded.objects.create(region=name, number=1_000)
        apply(Sharded, removal, "database_backwards")
        assert number_of_rows() == 0
        Sharded.objects.create(region=name, number=1_000).delete()
        apply(Sharded, removal)
    assert [row.number for row in Sharded.objects.nearest("embedding", QUERY)[:4]] == expected(4)


MODEL = """
class Note(dorm.Model):
    region = dorm.CharField(max_length=2)
    embedding = VectorField(dimensions=2)
{rest}
"""
CHANGED = """
    read = dorm.BooleanField(default=False, db_default=False)

    class Meta:
        indexes = [HnswIndex(fields=['embedding'], name='note_hnsw', distance='l2')]
"""
CHANGING = """
    OnEachServer(AddField("Note", "read", BooleanField(default=False, db_default=False)), ["there"]),
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


def test_the_real_commands(two_servers: list[Settings], tmp_path: Path) -> None:
    here, there = (postgresql.create(server, "shop") for server in two_servers)
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
    project.models(MODEL.format(rest=CHANGED))
    write(project, 4, CHANGING)
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    for server in (here, there):
        assert postgresql.execute(server, INDEXED) == [(1,)]
    assert project.python("print(Note.objects.filter(read=False, region='us').count())") == "2"
    project.dorm("migrate", "shop", "zero")
    for server in (here, there):
        assert postgresql.execute(server, "SELECT relname FROM pg_class WHERE relname LIKE '%note%'") == []
    project.dorm("squashmigrations", "shop", "4")
    (squashed,) = (project.directory / "shop" / "migrations").glob("*squashed*.py")
    for path in (project.directory / "shop" / "migrations").glob("0*.py"):
        if path != squashed:
            path.unlink()
    project.dorm("migrate")
    assert project.python(FOUND) == "['eu', 'us', 'us'] 2"
    assert "No changes detected" in project.dorm("makemigrations", "shop")


INDEXED = "SELECT count(*) FROM pg_class WHERE relname ~ '^note_.._embedding_idx'"


def write(project: Project, number: int, operations: str) -> None:
    """Write a migration by hand."""
    previous = [name for name in project.migrations() if int(name[:4]) < number][-1]
    (project.directory / "shop" / "migrations" / f"{number:04d}_by_hand.py").write_text(
        "from dorm_vector import *\nfrom dorm.fields import *\n"
        "from dorm.migrations.operations import AddField, AddIndex\n"
        f"dependencies = [('shop', {previous!r})]\noperations = [{operations}]\n"
    )
