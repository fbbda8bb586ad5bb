"""Every form of an index through the real command: written, loaded, built, changed, squashed, and taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from dorm.db.connection import _create_sync_connection

from tests.conformance.inside import Unsupported, dialect_for
from tests.helpers.project import Project

IMPORTS = "from dorm_vector import BitField, HalfVectorField, SparseVectorField\n"
MODEL = """
class Item(dorm.Model):
    active = dorm.BooleanField(default=True)
    full = {full}
    half = HalfVectorField(dimensions=8, null=True, db_column='half_vector')
    sparse = SparseVectorField(dimensions=2000, null=True)
    bits = BitField(length=8, null=True)

    class Meta:
        indexes = [{indexes}]
"""
FULL = "VectorField(dimensions=8, null=True)"
FORMS = {
    "i_half": "HnswIndex(fields=['half'], name='i_half', distance='cosine')",
    "i_sparse": "HnswIndex(fields=['sparse'], name='i_sparse', opclass='sparsevec_l1_ops')",
    "i_bits": "HnswIndex(fields=['bits'], name='i_bits', distance='jaccard')",
    "i_rounded": (
        "HnswIndex(fields=['full'], name='i_rounded', distance='cosine', precision='half', condition=Q(active=True))"
    ),
    "i_quantized": "HnswIndex(fields=['full'], name='i_quantized', distance='l1', precision='bit', m=8)",
    "i_first": "HnswIndex(fields=['full'], name='i_first', distance='cosine', dimensions=4)",
    "i_auto": (
        "IvfflatIndex(fields=['full'], name='i_auto', lists='auto', build_options={'maintenance_work_mem': '65MB'})"
    ),
}
# What PostgreSQL's catalogue says of each.
BUILT = {
    "i_half": ["USING hnsw (half_vector halfvec_cosine_ops)"],
    "i_sparse": ["USING hnsw (sparse sparsevec_l1_ops)"],
    "i_bits": ["USING hnsw (bits bit_jaccard_ops)"],
    "i_rounded": ["::halfvec(8)) halfvec_cosine_ops)", "WHERE (active = true)"],
    "i_quantized": ["binary_quantize(", "::bit(8)) bit_hamming_ops)", "m='8'"],
    "i_first": ["subvector(", ", 1, 4))::vector(4)) vector_cosine_ops)"],
    "i_auto": ["USING ivfflat", "lists='1'"],
}


def item(*names: str, full: str = FULL) -> str:
    return IMPORTS + MODEL.format(full=full, indexes=", ".join(FORMS[name] for name in names))


@pytest.fixture
def project(empty_project: Project) -> Project:
    empty_project.models(item())
    empty_project.dorm("makemigrations", "--enable-pgvector", "shop")
    return empty_project


@pytest.fixture
def connection(project: Project) -> Iterator[Any]:
    opened = _create_sync_connection("catalogue", project.database)
    yield opened
    opened.close()


def is_built(connection: Any) -> bool:
    dialect = dialect_for(connection)
    return bool(dialect.index_rules.casts) and not isinstance(dialect.indexes["hnsw"], Unsupported)


def definitions(connection: Any) -> dict[str, str]:
    rows = connection.execute(
        "SELECT indexname AS name, indexdef AS sql, indisvalid AS valid FROM pg_indexes"
        " JOIN pg_index ON indexrelid = to_regclass(indexname)"
        " WHERE tablename = 'shop_item' AND indexname LIKE 'i\\_%%'"
    )
    assert all(row["valid"] for row in rows)
    return {row["name"]: row["sql"] for row in rows}


def assert_built(connection: Any, *names: str) -> None:
    if not is_built(connection):
        return
    found = definitions(connection)
    assert found.keys() == set(names)
    for name in names:
        for part in BUILT[name]:
            assert part in found[name]


def migrate(project: Project, *arguments: str) -> None:
    project.dorm("makemigrations", "shop")
    project.dorm("migrate", *arguments)


def is_refused(project: Project, connection: Any, *names: str) -> bool:
    """Tell whether the database indexes only some distances; then the migration says so, and changes nothing."""
    if dialect_for(connection).index_rules.metrics is None:
        return False
    project.models(item(*names))
    project.dorm("makemigrations", "shop")
    refused = project.try_dorm("migrate")
    assert refused.returncode != 0
    assert "cannot build i_" in refused.stdout + refused.stderr
    assert not connection.table_exists("shop_item")
    return True


def test_every_form_the_whole_way_and_back(project: Project, connection: Any) -> None:
    if is_refused(project, connection, *FORMS):
        return
    project.models(item(*FORMS))
    migrate(project)
    for text in FORMS.values():
        assert re.split(r", (?=condition|lists|m=)|\)", text, maxsplit=1)[0].partition("(")[2] in project.source(2)
    assert "condition=(dorm.Q(active=True))" in project.source(2)
    assert "lists='auto', build_options={'maintenance_work_mem': '65MB'}" in project.source(2)
    assert_built(connection, *FORMS)
    assert "No changes detected" in project.dorm("makemigrations", "shop")

    project.models(item("i_half", "i_first"))
    migrate(project)
    assert_built(connection, "i_half", "i_first")
    project.python("Item.objects.create(full=[1] * 8, half=[1] * 8, sparse=[1] * 9 + [0] * 1991, bits='10101010')")
    project.dorm("migrate", "shop", "2")
    assert_built(connection, *FORMS)

    project.dorm("squashmigrations", "shop", "1", "3")
    for number in (1, 2, 3):
        next((project.directory / "shop" / "migrations").glob(f"{number:04d}_*.py")).unlink()
    with closing(connection):
        connection.execute_script('DROP TABLE "shop_item"')
        connection.execute_write('DELETE FROM "dorm_migrations"')
    project.dorm("migrate")
    assert_built(connection, "i_half", "i_first")
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    project.dorm("migrate", "shop", "zero")
    assert not connection.table_exists("shop_item")


def test_another_spelling_is_no_change(project: Project, connection: Any) -> None:
    if is_refused(project, connection, "i_half", "i_sparse", "i_auto"):
        return
    project.models(item("i_half", "i_sparse", "i_auto"))
    migrate(project)
    respelled = item("i_half", "i_sparse", "i_auto")
    for old, new in (
        ("'i_half', distance='cosine'", "'i_half', opclass='halfvec_cosine_ops'"),
        ("opclass='sparsevec_l1_ops'", "distance='l1'"),
        ("'65MB'", "'66MB'"),
    ):
        assert old in respelled
        respelled = respelled.replace(old, new)
    project.models(respelled)
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    # A migration of a release that wrote every opclass for a column of float32.
    path = next((project.directory / "shop" / "migrations").glob("0002_*.py"))
    path.write_text(path.read_text().replace("name='i_auto', distance='l2'", "name='i_auto', opclass='vector_l2_ops'"))
    assert "opclass='vector_l2_ops'" in path.read_text()
    assert "No changes detected" in project.dorm("makemigrations", "shop")


def test_the_indexes_of_a_changed_column_are_rebuilt(project: Project, connection: Any) -> None:
    names = ("i_rounded", "i_quantized", "i_first")
    project.models(item(*names))
    migrate(project)
    project.models(item(*names, full=FULL.replace("8", "12")))
    migrate(project)
    if is_built(connection):
        found = definitions(connection)
        assert "::halfvec(12))" in found["i_rounded"]
        assert "::bit(12))" in found["i_quantized"]
        assert "::vector(4))" in found["i_first"]
    project.python("Item.objects.create(full=[1] * 12); Item.objects.all().delete()")
    project.dorm("migrate", "shop", "2")
    assert_built(connection, *names)
    project.python("Item._meta.get_field('full').dimensions = 8; Item.objects.create(full=[1] * 8)")


@pytest.mark.not_on("mariadb", reason="its indexes want NOT NULL, and have no half precision")
def test_a_grown_column_moves_to_half_precision_and_says_so(project: Project, connection: Any) -> None:
    index = "HnswIndex(fields=['full'], name='i_grown')"
    FORMS["i_grown"] = index
    try:
        project.models(item("i_grown"))
        migrate(project)
        project.models(item("i_grown", full=FULL.replace("8", "3000")))
        project.dorm("makemigrations", "shop")
        grown = project.try_dorm("migrate")
        assert grown.returncode == 0, grown.stderr
        if is_built(connection):
            assert "i_grown holds the 3,000 dimensions of Item.full in half precision" in grown.stderr
            assert "::halfvec(3000)) halfvec_l2_ops" in definitions(connection)["i_grown"]
        project.models(item("i_grown", full=FULL.replace("8", "5000")))
        project.dorm("makemigrations", "shop")
        refused = project.try_dorm("migrate")
        assert (refused.returncode != 0) is is_built(connection)
        if is_built(connection):
            assert "Item.full has 5,000 dimensions; an hnsw index of PostgreSQL takes up to 2,000 as vector." in (
                refused.stdout + refused.stderr
            )
            assert "::halfvec(3000)" in definitions(connection)["i_grown"], "nothing was changed"
    finally:
        del FORMS["i_grown"]


# concurrently


def concurrently(project: Project, number: int) -> None:
    """Do what the page says: add the word to the written migration."""
    path = next((project.directory / "shop" / "migrations").glob(f"{number:04d}_*.py"))
    head, index, tail = path.read_text().rpartition(",\n    ),\n]")
    assert index
    path.write_text(f"{head},\n        concurrently=True{index}{tail}")


def prepared(project: Project, *names: str) -> None:
    """Migrate the model, and write a second migration that adds the indexes concurrently."""
    migrate(project)
    project.models(item(*names))
    project.dorm("makemigrations", "shop")
    concurrently(project, 3)


def test_an_index_is_built_concurrently(project: Project, connection: Any) -> None:
    prepared(project, "i_rounded")
    project.python("Item.objects.create(full=[1] * 8)")
    dry = project.dorm("migrate", "--dry-run")
    assert ("CREATE INDEX CONCURRENTLY" in dry) is is_built(connection)
    project.dorm("migrate")
    assert_built(connection, "i_rounded")
    project.dorm("migrate", "shop", "2")
    assert_built(connection)
    project.dorm("migrate")
    project.dorm("migrate", "shop", "zero")
    project.dorm("migrate")
    assert_built(connection, "i_rounded")


def test_build_options_hold_in_a_concurrent_build(project: Project, connection: Any) -> None:
    prepared(project, "i_auto")
    project.dorm("migrate")
    assert_built(connection, "i_auto")


def test_a_failed_concurrent_build_leaves_no_invalid_index(project: Project, connection: Any) -> None:
    if is_refused(project, connection, "i_sparse"):
        return
    prepared(project, "i_sparse")
    project.python("Item.objects.create(sparse=[1] * 2000)")
    failed = project.try_dorm("migrate")
    assert (failed.returncode != 0) is is_built(connection)
    if not is_built(connection):
        return
    assert (
        "PostgreSQL cannot build i_sparse: sparsevec cannot have more than 1000 non-zero elements for hnsw index."
        " Keep fewer of each vector's numbers in sparse"
    ) in failed.stdout + failed.stderr
    assert definitions(connection) == {}
    # One that was left by a build whose connection was lost.
    connection._autocommit = True
    with pytest.raises(Exception, match="1000 non-zero"):
        connection.execute_script(
            'CREATE INDEX CONCURRENTLY "i_sparse" ON "shop_item" USING hnsw ("sparse" sparsevec_l1_ops)'
        )
    invalid = "SELECT 1 AS one FROM pg_index WHERE indexrelid = to_regclass('i_sparse') AND NOT indisvalid"
    assert connection.execute(invalid)
    project.python("Item.objects.all().delete()")
    project.dorm("migrate")
    assert_built(connection, "i_sparse")


def test_a_build_that_would_wait_for_its_own_run_is_refused(project: Project, connection: Any) -> None:
    prepared(project, "i_rounded")
    path = next((project.directory / "shop" / "migrations").glob("0003_*.py"))
    write = 'operations = [\n    RunSQL(sql=\'UPDATE "shop_item" SET "active" = true\'),\n'
    text = path.read_text().replace("operations = [\n", write).replace("AddIndex,", "AddIndex, RunSQL,", 1)
    path.write_text(text)
    assert "RunSQL" in path.read_text()
    project.python("Item.objects.create(full=[1] * 8)")
    refused = project.try_dorm("migrate")
    assert (refused.returncode != 0) is is_built(connection)
    if is_built(connection):
        assert "AddIndex('i_rounded', concurrently=True) would wait for ever" in refused.stdout + refused.stderr
        assert definitions(connection) == {}
