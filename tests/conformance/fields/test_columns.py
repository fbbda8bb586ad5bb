"""Columns that the database computes, arrays of vectors, and every option of a column, through real migrations."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dorm
import pyarrow as pa
import pytest
from dorm import Value
from dorm.db.connection import get_connection, reset_connections

import backends
from dorm_vector import (
    BinaryQuantize,
    BitField,
    CastVector,
    GeneratedVectorField,
    HalfVectorField,
    InDatabaseEmbedding,
    L2Distance,
    L2Normalize,
    SparseVectorField,
    SubVector,
    UnsupportedByDatabase,
    Vector,
    VectorField,
    VectorMul,
    bulk_load,
)
from tests.conformance.inside import Routine, Unsupported
from tests.conformance.queries.test_functions import claim_of, possible
from tests.databases import Database, create_tables
from tests.helpers.project import Project


class Profile(dorm.Model):
    name = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=3, null=True)
    head = GeneratedVectorField(expression=SubVector("embedding", 1, 2), output_field=VectorField(dimensions=2))

    class Meta:
        db_table = "tests_profile"


class Normed(dorm.Model):
    embedding = VectorField(dimensions=3, null=True)
    unit = GeneratedVectorField(expression=L2Normalize("embedding"), output_field=VectorField(3, as_numpy=True))

    class Meta:
        db_table = "tests_normed"


class Signed(dorm.Model):
    embedding = VectorField(dimensions=3, null=True)
    signs = GeneratedVectorField(expression=BinaryQuantize("embedding"), output_field=BitField(length=3))
    double = GeneratedVectorField(expression=VectorMul("embedding", "embedding"), output_field=VectorField(3))

    class Meta:
        db_table = "tests_signed"


class Gallery(dorm.Model):
    numbers = dorm.ArrayField(dorm.FloatField(), null=True)
    full = dorm.ArrayField(VectorField(dimensions=2), null=True)
    half = dorm.ArrayField(HalfVectorField(dimensions=2), null=True)
    sparse = dorm.ArrayField(SparseVectorField(dimensions=2), null=True)
    bits = dorm.ArrayField(BitField(length=2), null=True)
    lasts = dorm.DurationField(null=True)

    class Meta:
        db_table = "tests_gallery"


@pytest.fixture
def scratch(running: backends.Running) -> Iterator[Database]:
    """An empty database of this server."""
    made = Database(running, running.new_database())
    made.use()
    yield made
    reset_connections()
    running.drop_database(made.settings)


def generated(db: Database, *claims: Any) -> Any:
    subqueries = [
        db.dialect.ddl.generated_subquery for claim in claims if isinstance(claim, str) and "(SELECT" in claim
    ]
    return possible(db, db.dialect.ddl.generated, *claims, *subqueries)


def test_the_database_computes_a_column(scratch: Database) -> None:
    with generated(scratch, claim_of(scratch, Routine.SUBVECTOR)):
        create_tables(scratch.connection, (Profile,))
        profile = Profile.objects.create(name="a", embedding=[3, 4, 0])
        profile.refresh_from_db()
        assert profile.head == [3, 4]
        profile.name = "b"
        profile.save()
        profile.embedding = [5, 6, 7]
        profile.save(update_fields=["embedding"])
        assert Profile.objects.get(pk=profile.pk).head == [5, 6]
        Profile.objects.bulk_create([Profile(name="c", embedding=[1, 2, 3]), Profile(name="d")])
        Profile.objects.filter(name="c").update(embedding=[2, 2, 2])
        rows = list(Profile.objects.order_by("name"))
        Profile.objects.bulk_update(rows, ["embedding", "name"])
        assert list(Profile.objects.order_by("name").values_list("head", flat=True)) == [[5, 6], [2, 2], None]
        assert Profile.objects.filter(head=[2, 2]).get().name == "c"
        nearest = Profile.objects.annotate(distance=L2Distance("head", [2, 2])).order_by("distance")
        assert (nearest[0].name, nearest[0].distance) == ("c", 0)
        with pytest.raises(AttributeError, match=r"Profile\.head is computed by the database"):
            rows[0].head = [1, 2]


async def test_async_leaves_it_to_the_database(scratch: Database) -> None:
    with generated(scratch, claim_of(scratch, Routine.SUBVECTOR)):
        create_tables(scratch.connection, (Profile,))
        profile = await Profile.objects.acreate(name="a", embedding=[3, 4, 0])
        profile.embedding = [1, 1, 0]
        await profile.asave()
        assert (await Profile.objects.aget(pk=profile.pk)).head == [1, 1]


def test_a_normalized_copy(scratch: Database) -> None:
    with generated(scratch, claim_of(scratch, Routine.NORMALIZE)):
        create_tables(scratch.connection, (Normed,))
        Normed.objects.bulk_create([Normed(embedding=[3, 4, 0]), Normed(embedding=[0, 0, 0])])
        units = [row.unit.tolist() for row in Normed.objects.order_by("pk")]
        assert units == [pytest.approx([0.6, 0.8, 0]), [0, 0, 0]]


def test_signs_and_products(scratch: Database) -> None:
    claims = [claim_of(scratch, routine) for routine in (Routine.BINARY_QUANTIZE, Routine.MULTIPLY)]
    with generated(scratch, *claims):
        create_tables(scratch.connection, (Signed,))
        Signed.objects.create(embedding=[3, -4, 0])
        assert (Signed.objects.get().signs, Signed.objects.get().double) == ("100", [9, 16, 0])


MODEL = """
from dorm_vector import GeneratedVectorField, L2Normalize, SubVector

class Item(dorm.Model):
    embedding = VectorField(dimensions=3, null=True)
    {more}
"""
COMPUTED = 'head = GeneratedVectorField(expression=SubVector("embedding", 1, 2), output_field=VectorField(2))'
SAVED = """
from dorm.db.connection import get_connection
item = Item.objects.create(embedding=[1, 2, 3])
item.save()
Item.objects.bulk_create([Item(embedding=[4, 5, 6])])
Item.objects.update(embedding=[7, 8, 9])
print([row.head for row in Item.objects.all()])
"""


def test_a_computed_column_through_migrations(scratch: Database, tmp_path: Path) -> None:
    claims = [scratch.dialect.ddl.generated, claim_of(scratch, Routine.SUBVECTOR)]
    project = Project(tmp_path, scratch.settings)
    project.models(MODEL.format(more=COMPUTED))
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    project.dorm("makemigrations", "shop")
    source = "GeneratedVectorField(expression=dorm_vector.SubVector('embedding', 1, 2),"
    assert f"{source} output_field=dorm_vector.VectorField(dimensions=2))" in project.source(2)
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    lacking = [claim for claim in claims if isinstance(claim, Unsupported)]
    if lacking:
        result = project.try_dorm("migrate")
        assert lacking[0].reason in result.stdout + result.stderr
        return
    project.dorm("migrate")
    assert project.python(SAVED) == "[[7.0, 8.0], [7.0, 8.0]]"
    project.dorm("migrate", "shop", "zero")


# Each stands in for a model inside the database: what PostgresML's function is called, takes and returns, and the
# numbers of letters instead of an embedding.
EMBEDDERS = {
    "postgresql": (
        "pgml.embed",
        """CREATE SCHEMA pgml;
        CREATE FUNCTION pgml.embed(transformer text, "text" text, kwargs jsonb DEFAULT '{}') RETURNS real[]
        LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN RETURN ARRAY[length("text"), ascii("text"), length(transformer)]::real[]; END $$""",
    ),
    "mariadb": (
        "demo_embed",
        """CREATE FUNCTION demo_embed(model TEXT, source TEXT) RETURNS VECTOR(3) DETERMINISTIC
        RETURN VEC_FromText(CONCAT('[', LENGTH(source), ',', ASCII(source), ',', LENGTH(model), ']'))""",
    ),
    "mysql": (
        "demo_embed",
        """CREATE FUNCTION demo_embed(model TEXT, source TEXT) RETURNS VECTOR(3) DETERMINISTIC
        RETURN STRING_TO_VECTOR(CONCAT('[', LENGTH(source), ',', ASCII(source), ',', LENGTH(model), ']'))""",
    ),
    "sqlite": ("demo_embed", ""),
}


def embedding_model(function: str) -> Any:
    """Return a model whose column that function fills."""

    class Bulletin(dorm.Model):
        body = dorm.CharField(max_length=50)
        embedding = GeneratedVectorField(
            expression=InDatabaseEmbedding(function, "small", "body"), output_field=VectorField(dimensions=3)
        )

        class Meta:
            db_table = "tests_bulletin"

    return Bulletin


class Translation(dorm.Model):
    """The same with a column that Python fills."""

    body = dorm.CharField(max_length=50)
    embedding = VectorField(dimensions=3, null=True)

    class Meta:
        db_table = "tests_plain_article"


def installed_embedder(db: Database) -> str:
    """Give the database a function that embeds, and return its name; SQLite takes one from its connection."""
    function, definition = EMBEDDERS[db.name]
    if definition:
        db.connection.execute_script(definition)
        return function

    def demo_embed(model: str, source: str) -> bytes:
        return bytes(Vector([len(source), ord(source[0]), len(model)]))

    db.connection.get_connection().create_function(function, 2, demo_embed, deterministic=True)
    return function


def test_the_database_embeds_a_column(scratch: Database) -> None:
    function = EMBEDDERS.get(scratch.name, ("demo_embed",))[0]
    refused = scratch.dialect.embedding_functions.items()
    lacking = [claim for start, claim in refused if function.startswith(start)]
    lacking += [scratch.dialect.ddl.generated_call] if scratch.dialect.ddl.generated_call else []
    create_tables(scratch.connection, ())
    if lacking:
        with pytest.raises(UnsupportedByDatabase, match=re.escape(lacking[0].reason)):
            create_tables(scratch.connection, (embedding_model(function),))
        assert_impossible(scratch, lacking[0])
        return
    model = embedding_model(installed_embedder(scratch))
    create_tables(scratch.connection, (model,))
    model.objects.create(body="abc")
    model.objects.bulk_create([model(body="xy")])
    assert [row.embedding for row in model.objects.order_by("id")] == [[3, 97, 5], [2, 120, 5]]
    model.objects.filter(body="xy").update(body="b")
    assert model.objects.get(body="b").embedding == [1, 98, 5]
    assert model.objects.nearest("embedding", [3, 97, 5])[:1][0].body == "abc"


async def test_the_database_embeds_a_question(scratch: Database) -> None:
    create_tables(scratch.connection, (Translation,))
    Translation.objects.bulk_create(
        [Translation(body="abc", embedding=[3, 97, 5]), Translation(body="z", embedding=[1, 122, 5])]
    )
    if scratch.name not in EMBEDDERS:
        (claim,) = scratch.dialect.embedding_functions.values()
        asked = InDatabaseEmbedding("demo_embed", "small", Value("abd"))
        with pytest.raises(UnsupportedByDatabase, match=re.escape(f"{claim.reason} {claim.instead}")):
            list(Translation.objects.nearest("embedding", asked)[:1])
        assert_impossible(scratch, claim)
        return
    function = installed_embedder(scratch)
    asked = InDatabaseEmbedding(function, "small", Value("abd"), dimensions=3)
    rows = Translation.objects.annotate(distance=L2Distance("embedding", asked), asked=asked).order_by("distance")
    assert (rows[0].distance, rows[0].asked) == (0, [3, 97, 5])
    assert rows.values("asked")[0] == {"asked": [3, 97, 5]}
    assert [row.body for row in Translation.objects.nearest("embedding", asked)[:2]] == ["abc", "z"]
    if scratch.name != "sqlite":  # its function is that of one connection
        assert [row.body for row in await Translation.objects.nearest("embedding", asked)[:2]] == ["abc", "z"]
    of_column = Translation.objects.annotate(value=InDatabaseEmbedding(function, "s", "body", dimensions=3))
    assert [row.value for row in of_column.order_by("id")] == [[3, 97, 1], [1, 122, 1]]
    assert Translation.objects.filter(body="z").update(embedding=InDatabaseEmbedding(function, "s", "body")) == 1
    assert Translation.objects.get(body="z").embedding == [1, 122, 1]


def test_postgresml_elsewhere_is_refused_with_what_to_use(scratch: Database) -> None:
    create_tables(scratch.connection, (Translation,))
    asked = InDatabaseEmbedding("pgml.embed", "small", Value("abd"))
    claims = list(scratch.dialect.embedding_functions.values())
    if not claims:
        with pytest.raises(dorm.exceptions.ProgrammingError, match="pgml"):
            list(Translation.objects.nearest("embedding", asked)[:1])
        return
    with pytest.raises(UnsupportedByDatabase, match=r"Use EmbeddingField\(dimensions, source=…, embedder=…\)"):
        list(Translation.objects.nearest("embedding", asked)[:1])
    assert_impossible(scratch, claims[0])


def assert_impossible(db: Database, claim: Unsupported) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
        db.connection.execute_script(claim.probe)


@pytest.mark.parametrize("function, model", [("f(); --", "m"), ("pgml.embed", "m'); --"), ("1f", "m")])
def test_what_is_no_name_stays_out_of_the_statement(function: str, model: str) -> None:
    with pytest.raises(ValueError, match="is not a plain name"):
        InDatabaseEmbedding(function, model, "body")


ARRAYS = {"full": [[1, 2], [3, 4]], "half": [[0.5, 2]], "sparse": [[0, 2], [0, 0]], "bits": ["10", "01"]}


def test_an_array_of_numbers_is_a_vector_under_a_cast(scratch: Database) -> None:
    if scratch.name != "postgresql":
        with pytest.raises(NotImplementedError, match="ArrayField is only supported on PostgreSQL"):
            create_tables(scratch.connection, (Gallery,))
        return
    create_tables(scratch.connection, (Gallery,))
    for numbers in ([1, 1, 1], [2, 2, 2], [1, 1, 2]):
        Gallery.objects.create(numbers=numbers)
    cast = CastVector("numbers", VectorField(dimensions=3))
    rows = Gallery.objects.annotate(distance=L2Distance(cast, [1, 1, 1]), vector=cast).order_by("distance")
    assert [row.distance for row in rows] == pytest.approx([0, 1, 3**0.5])
    assert [row.vector for row in rows] == [[1, 1, 1], [1, 1, 2], [2, 2, 2]]
    halves = CastVector("numbers", HalfVectorField(dimensions=3))
    assert Gallery.objects.annotate(distance=L2Distance(halves, [1, 1, 1])).order_by("distance")[1].distance == 1


def test_arrays_of_vectors(scratch: Database) -> None:
    if scratch.name != "postgresql":
        with pytest.raises(NotImplementedError, match="ArrayField is only supported on PostgreSQL"):
            create_tables(scratch.connection, (Gallery,))
        return
    create_tables(scratch.connection, (Gallery,))
    Gallery.objects.create(**ARRAYS)
    Gallery.objects.bulk_create([Gallery(full=[[5, 6], None]), Gallery(full=[]), Gallery()])
    row = Gallery.objects.order_by("pk")[0]
    assert (row.full, row.half, row.bits) == (ARRAYS["full"], ARRAYS["half"], ARRAYS["bits"])
    assert [vector.to_list() for vector in row.sparse] == ARRAYS["sparse"]
    row.full = [*row.full, [9, 9]]
    row.save()
    expected = [[[1, 2], [3, 4], [9, 9]], [[5, 6], None], [], None]
    assert [row.full for row in Gallery.objects.order_by("pk")] == expected
    assert list(Gallery.objects.order_by("pk").values_list("full", flat=True)) == expected
    assert Gallery.objects.filter(full__array_contains=[[9, 9]]).count() == 1
    assert Gallery.objects.filter(full__overlap=[[5, 6], [0, 0]]).count() == 1
    assert Gallery.objects.filter(full=[[5, 6], None]).count() == 1
    assert Gallery.objects.filter(full__len=3).count() == 1
    row.refresh_from_db()
    assert get_connection().execute("SELECT 1 AS one")[0]["one"] == 1
    assert_frames_hold(Gallery.objects.order_by("pk"))


def assert_frames_hold(galleries: Any) -> None:
    galleries.filter(full__len=0).update(lasts=dt.timedelta(days=1, microseconds=5))
    table, before = galleries.to_arrow(), list(galleries)
    vectors = pa.list_(pa.list_(pa.float32(), 2))
    assert [table.schema.field(name).type for name in ("full", "lasts")] == [vectors, pa.duration("us")]
    assert table.column("full").to_pylist() == [row.full for row in before]
    assert table.column("half").to_pylist() == [row.half for row in before]
    assert table.column("lasts").to_pylist() == [row.lasts for row in before]
    Gallery.objects.all().delete()
    assert bulk_load(Gallery, table) == len(before)
    for name in ("full", "half", "sparse", "bits", "lasts"):
        assert [getattr(row, name) for row in galleries] == [getattr(row, name) for row in before]


OPTIONS = """
from dorm_vector import BitField, HalfVectorField, SparseVector, SparseVectorField

class Item(dorm.Model):
    full = VectorField(3, {options}, default=[1, 2, 3])
    half = HalfVectorField(3, {options}, default=[1, 2, 3])
    sparse = SparseVectorField(3, {options}, default={sparse})
    bits = BitField(3, {options}, default="101")
"""
READ = """
from dorm.db.connection import get_connection
Item.objects.create()
item = Item.objects.get()
print(item.full, item.half, item.sparse.to_list(), item.bits)
"""


@pytest.mark.parametrize("sparse", ["[0, 2, 0]", "SparseVector({1: 2}, 3)"])
def test_defaults_of_every_element_type(scratch: Database, tmp_path: Path, sparse: str) -> None:
    project = Project(tmp_path, scratch.settings)
    project.models(OPTIONS.format(options="null=True", sparse=sparse))
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    expected = "[1.0, 2.0, 3.0] [1.0, 2.0, 3.0] [0.0, 2.0, 0.0] 101"
    assert project.python(READ) == expected
    raw = READ.replace(
        "Item.objects.create()", "get_connection().execute_write('INSERT INTO shop_item (id) VALUES (99)')"
    )
    filled = raw.replace("Item.objects.get()", "Item.objects.get(pk=99)")
    assert project.python(filled) == expected, "a row written around djanorm has the column's own default"


UNIQUE = """
from dorm_vector import BitField, HalfVectorField, SparseVectorField

class Item(dorm.Model):
    full = VectorField(3, db_column="v1", unique=True, null=True)
    half = HalfVectorField(3, db_column="v2", unique=True, null=True)
    sparse = SparseVectorField(3, db_column="v3", unique=True, null=True)
    bits = BitField(3, db_column="v4", unique=True, null=True)
    note = dorm.CharField(max_length=9, default="")
"""
TWICE = """
for name, value in {"full": [1, 2, 3], "half": [1, 2, 3], "sparse": [0, 2, 0], "bits": "101"}.items():
    Item.objects.create(**{name: value})
    try:
        Item.objects.create(**{name: value})
    except dorm.IntegrityError:
        print(name, Item.objects.filter(**{name: value}).count())
    item, made = Item.objects.get_or_create(**{name: value})
    assert not made
    Item.objects.filter(pk=item.pk).update(note=name)
    item = Item.objects.get(pk=item.pk)
    item.save()
print(Item.objects.count(), Item.objects.filter(full__isnull=True).count())
"""


def test_unique_columns_under_other_names(scratch: Database, tmp_path: Path) -> None:
    project = Project(tmp_path, scratch.settings)
    project.models(UNIQUE)
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    project.dorm("makemigrations", "shop")
    claim = scratch.dialect.ddl.unique
    if claim is not None:
        refused = project.try_dorm("migrate")
        assert refused.returncode != 0
        assert claim.reason in refused.stderr
        assert claim.instead in refused.stderr
        assert not get_connection().table_exists("shop_item")
        with pytest.raises(dorm.DatabaseError):
            get_connection().execute_script(claim.probe)
        return
    project.dorm("migrate")
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    assert project.python(TWICE).splitlines() == ["full 1", "half 1", "sparse 1", "bits 1", "4 3"]
    project.dorm("migrate", "shop", "zero")
