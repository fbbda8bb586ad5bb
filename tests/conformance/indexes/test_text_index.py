"""The index of the words through the real command, and under every way to write a row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dorm
import pytest
from dorm.db.connection import _create_sync_connection
from dorm.exceptions import OperationalError

import backends
from dorm_vector import TextIndex, UnsupportedByDatabase, VectorField, abulk_load, bulk_load, rebuild_index, text_search
from tests.conformance.inside import dialect_for
from tests.databases import Database, create_tables, drop_table
from tests.helpers.project import Project

MODEL = """
from dorm_vector import TextIndex, text_search

class {name}(dorm.Model):
    title = dorm.CharField(max_length=50{title})
    {body} = dorm.TextField(null=True)
    pages = dorm.IntegerField({pages})
    embedding = VectorField(dimensions={dimensions}, null=True)

    class Meta:
        db_table = 'shop_item'
        indexes = [{indexes}]

def found(text, fields=None):
    return sorted(item.title for item in text_search({name}.objects.all(), text=text, text_fields=fields))
"""
INDEX = "TextIndex(fields=['title', 'body'], name='item_words')"


def item(indexes: str = INDEX, **parts: Any) -> str:
    defaults = {"name": "Item", "title": "", "body": "body", "pages": "default=1", "dimensions": 3}
    return MODEL.format(indexes=indexes, **{**defaults, **parts})


@pytest.fixture
def project(running: backends.Running, tmp_path: Path) -> Iterator[Project]:
    settings = running.new_database()
    made = Project(tmp_path, settings)
    made.models(item(indexes=""))
    made.dorm("makemigrations", "--enable-pgvector", "shop")
    made.dorm("makemigrations", "shop")
    made.dorm("migrate")
    made.python("Item.objects.create(title='old walrus', body='swimming')")
    yield made
    running.drop_database(settings)


@contextmanager
def opened(project: Project) -> Iterator[Any]:
    """The test's own connection, closed before each command: Turso lets one process at a time open a file."""
    connection = _create_sync_connection("catalogue", project.database)
    try:
        yield connection
    finally:
        connection.close()


def tables(project: Project) -> list[str]:
    with opened(project) as connection:
        return [name for name in ("shop_item", "item_words") if connection.table_exists(name)]


def found(project: Project, text: str, fields: str = "None") -> str:
    return project.python(f"print(*found({text!r}, {fields}))")


def migrated(project: Project, source: str) -> None:
    project.models(source)
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    assert "No changes detected" in project.dorm("makemigrations", "shop")


def test_the_whole_way_and_back(project: Project) -> None:
    migrated(project, item())
    assert "dorm_vector.TextIndex(fields=['title', 'body'], name='item_words', language='english')" in project.source(3)
    assert found(project, "walrus swimming") == "old walrus", "rows that were there are found"
    project.python("Item.objects.create(title='new walrus')")
    assert found(project, "walrus") == "new walrus old walrus"

    migrated(project, item(INDEX.replace("['title', 'body']", "['body']").replace("name", "language='simple', name")))
    assert found(project, "walrus") == ""
    assert found(project, "swimming") == "old walrus"
    project.dorm("migrate", "shop", "3")
    project.models(item())
    assert found(project, "walrus") == "new walrus old walrus"
    project.dorm("migrate", "shop", "2")
    project.python("Item.objects.create(title='later walrus')")
    project.dorm("migrate", "shop", "3")
    assert found(project, "walrus") == "later walrus new walrus old walrus"


def test_an_index_that_replaces_another_one_has_every_row(db: Database) -> None:
    create_tables(db.connection, (Chapter,))
    Chapter.objects.bulk_create([Chapter(title=f"heron {n}") for n in range(5)])
    assert len(words("heron")) == 5
    rebuild_index(Chapter, "page_words")
    assert len(words("heron")) == 5
    Chapter.objects.create(title="heron of later")
    assert len(words("heron")) == 6
    drop_table(db, Chapter)


def test_squashed(project: Project) -> None:
    migrated(project, item())
    project.dorm("squashmigrations", "shop", "1", "3")
    for number in (1, 2, 3):
        next((project.directory / "shop" / "migrations").glob(f"{number:04d}_*.py")).unlink()
    with opened(project) as connection:
        for statement in TextIndex(["title", "body"], "item_words").drop(
            dialect_for(connection), "item_words", "shop_item"
        ):
            connection.execute_script(statement)
        connection.execute_script('DROP TABLE "shop_item"')
        connection.execute_write('DELETE FROM "dorm_migrations"')
    project.dorm("migrate")
    project.python("Item.objects.create(title='squashed walrus')")
    assert found(project, "walrus") == "squashed walrus"
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    project.dorm("migrate", "shop", "zero")
    assert tables(project) == []


def test_built_without_stopping_writers(project: Project) -> None:
    project.models(item())
    project.dorm("makemigrations", "shop")
    path = project.directory / "shop" / "migrations" / "0003_auto.py"
    head, _, tail = path.read_text().rpartition(",\n    ),\n]")
    path.write_text(f"{head},\n        concurrently=True,\n    ),\n]{tail}")
    project.dorm("migrate")
    assert found(project, "walrus") == "old walrus"
    project.dorm("migrate", "shop", "2")
    project.dorm("migrate")
    assert found(project, "walrus") == "old walrus"


def test_a_table_that_is_altered_keeps_it(project: Project) -> None:
    migrated(project, item())
    migrated(project, item(pages="default=2"))
    project.python("Item.objects.create(title='second walrus')")
    assert found(project, "walrus") == "old walrus second walrus"
    migrated(project, item(pages="default=2", dimensions=4))
    project.python("Item.objects.create(title='third walrus')")
    project.dorm("migrate", "shop", "4")
    project.models(item(pages="default=2"))
    project.python("Item.objects.filter(title='old walrus').update(title='old heron')")
    project.python("Item.objects.create(title='fourth walrus')")
    assert found(project, "walrus") == "fourth walrus second walrus third walrus"


def test_a_column_that_is_renamed_keeps_it(project: Project) -> None:
    migrated(project, item())
    directory = project.directory / "shop" / "migrations"
    (directory / "0004_rename.py").write_text(
        "from dorm.migrations.operations import AddIndex, RemoveIndex, RenameField\n"
        "import dorm_vector\n"
        "dependencies = [('shop', '0003_auto')]\n"
        f"operations = [RemoveIndex('Item', dorm_vector.{INDEX}),\n"
        "    RenameField('Item', 'body', 'text'),\n"
        f"    AddIndex('Item', dorm_vector.{INDEX.replace('body', 'text')})]\n"
    )
    project.models(item(INDEX.replace("body", "text"), body="text"))
    project.dorm("migrate")
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    assert found(project, "swimming") == "old walrus"
    project.python("Item.objects.create(title='other', text='swimming')")
    assert found(project, "swimming") == "old walrus other"


def renamed(project: Project, index: str) -> None:
    """Write the migration that renames the field alone."""
    (project.directory / "shop" / "migrations" / "0004_rename.py").write_text(
        "from dorm.migrations.operations import RenameField\n"
        "dependencies = [('shop', '0003_auto')]\n"
        "operations = [RenameField('Item', 'body', 'text')]\n"
    )
    project.models(item(index.replace("body", "text"), body="text"))
    project.dorm("migrate")


def test_a_column_is_renamed_there_and_back(project: Project) -> None:
    migrated(project, item())
    renamed(project, INDEX)
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    assert found(project, "swimming") == "old walrus"
    project.python("Item.objects.create(title='other', text='swimming')")
    assert found(project, "swimming") == "old walrus other"
    project.dorm("migrate", "shop", "3")
    project.models(item())
    assert found(project, "swimming") == "old walrus other"
    project.python("Item.objects.filter(title='other').update(body='diving')")
    assert (found(project, "swimming"), found(project, "diving")) == ("old walrus", "other")
    project.dorm("migrate", "shop", "2")
    assert tables(project) == ["shop_item"]


def test_an_index_that_is_named_after_its_fields_is_renamed_with_them(project: Project) -> None:
    unnamed = "TextIndex(fields=['title', 'body'])"
    migrated(project, item(unnamed))
    renamed(project, unnamed)
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    assert found(project, "swimming") == "old walrus"
    project.dorm("migrate", "shop", "3")
    project.models(item(unnamed))
    assert found(project, "swimming") == "old walrus"


def test_a_model_that_is_deleted_leaves_nothing(project: Project) -> None:
    migrated(project, item())
    project.models("")
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    assert tables(project) == []
    project.dorm("migrate", "shop", "3")
    project.models(item())
    project.python("Item.objects.create(title='walrus again')")
    assert found(project, "walrus") == "walrus again"


def test_inspectdb_and_diff_leave_it_out(project: Project) -> None:
    migrated(project, item())
    # The command imports no app.
    with (project.directory / "settings.py").open("a") as settings:
        settings.write("import dorm_vector\n")
    assert re.findall(r"^class (\w+)", project.dorm("inspectdb"), re.MULTILINE) == ["ShopItem"]
    assert "no drift detected" in project.dorm("diff")


def test_an_index_of_no_text_is_refused(project: Project) -> None:
    project.models(item("TextIndex(fields=['title', 'pages'], name='item_words')"))
    project.dorm("makemigrations", "shop")
    refused = project.try_dorm("migrate")
    assert refused.returncode != 0
    assert "Item has no text field 'pages'. It has title, body." in refused.stdout + refused.stderr


def test_a_dry_run_shows_it(project: Project) -> None:
    project.models(item())
    project.dorm("makemigrations", "shop")
    index = TextIndex(["title", "body"], "item_words")
    shown = project.dorm("migrate", "--dry-run")
    with opened(project) as connection:
        dialect = dialect_for(connection)
    for statement in index.create(dialect, "item_words", "shop_item", ["title", "body"], "id"):
        assert statement in shown


@pytest.mark.parametrize(
    "options",
    [{"fields": []}, {"fields": "title"}, {"fields": ["title", "title"]}, {"fields": ["title"], "language": "x'; --"}],
    ids=str,
)
def test_what_is_no_index_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"TextIndex\((fields|language)="):
        TextIndex(**options)


# the index follows its rows


class Chapter(dorm.Model):
    title = dorm.CharField(max_length=50, unique=True)
    body = dorm.TextField(null=True)
    pages = dorm.IntegerField(default=1)
    embedding = VectorField(dimensions=3, null=True)

    class Meta:
        app_label = "tests"
        indexes = [TextIndex(fields=["title", "body"], name="page_words")]


class Sign(dorm.Model):
    """A model whose key is no number."""

    code = dorm.CharField(max_length=20, primary_key=True)
    text = dorm.TextField()
    embedding = VectorField(dimensions=3, null=True)

    class Meta:
        app_label = "tests"
        indexes = [TextIndex(fields=["text"], name="sign_words")]


@pytest.fixture
def pages(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Chapter, Sign))
    yield db
    for model in (Chapter, Sign):
        drop_table(db, model)


def words(text: str, model: Any = Chapter) -> list[Any]:
    return sorted(row.pk if model is Sign else row.title for row in text_search(model.objects.all(), text=text))


async def test_every_way_to_write_is_followed(pages: Database) -> None:
    first = Chapter.objects.create(title="first heron", body="wading")
    assert words("heron") == words("wading") == ["first heron"]
    Chapter.objects.bulk_create([Chapter(title=f"heron {name}") for name in ("two", "three")])
    bulk_load(Chapter, [Chapter(title="loaded heron"), Chapter(title="loaded otter", body="heron")])
    await abulk_load(Chapter, [{"title": "async heron"}])
    every = ["async heron", "first heron", "heron three", "heron two", "loaded heron", "loaded otter"]
    assert words("heron") == every

    first.title, first.body = "first egret", None
    first.save()
    Chapter.objects.filter(title="heron two").update(title="egret two")
    Chapter.objects.bulk_update([*Chapter.objects.filter(title="heron three")], ["title"])
    assert words("heron") == ["async heron", "heron three", "loaded heron", "loaded otter"]
    assert words("egret") == ["egret two", "first egret"]
    assert words("wading") == []
    Chapter.objects.filter(title="loaded otter").update(pages=9)
    assert words("otter") == ["loaded otter"]

    Chapter.objects.filter(title__in=["async heron", "heron three"]).delete()
    Chapter.objects.get(title="egret two").delete()
    assert words("heron egret") == ["first egret", "loaded heron", "loaded otter"]
    loaded = Chapter.objects.get(title="loaded heron")
    bulk_load(Chapter, [{"id": loaded.pk, "title": "loaded heron", "body": "stork"}], on_conflict="update")
    assert words("stork") == ["loaded heron"]
    Chapter.objects.update_or_create(title="first egret", defaults={"body": "stork"})
    assert words("stork") == ["first egret", "loaded heron"]


def test_a_write_that_is_rolled_back_is_not_found(pages: Database) -> None:
    Chapter.objects.create(title="kept heron")
    with dorm.transaction.atomic() as transaction:
        Chapter.objects.create(title="lost heron")
        Chapter.objects.filter(title="kept heron").update(title="lost egret")
        transaction.set_rollback(True)
    assert words("heron egret") == ["kept heron"]
    with pytest.raises(dorm.IntegrityError), dorm.transaction.atomic():
        Chapter.objects.create(title="kept heron", body="twice")
    assert words("twice") == []
    assert words("heron") == ["kept heron"]


def test_a_row_that_is_replaced_has_its_new_words(pages: Database) -> None:
    """Python's REPLACE, of every database that has one, is a delete that no delete trigger sees."""
    first, second = (Chapter.objects.create(title=title) for title in ("first heron", "second heron"))
    table, quoted = Chapter._meta.db_table, '("id", "title", "pages") VALUES (%s, %s, 1)'
    if db_has_replace(pages):
        pages.connection.execute_write(f'REPLACE INTO "{table}" {quoted}', [first.pk, "egret"])
        # By its title it takes the place of the second.
        pages.connection.execute_write(f'REPLACE INTO "{table}" {quoted}', [first.pk, "second heron"])
        assert words("egret") == []
        assert words("heron") == ["second heron"]
        assert Chapter.objects.count() == 1
    else:
        pages.connection.execute_write(
            f'INSERT INTO "{table}" {quoted} ON CONFLICT ("id") DO UPDATE SET "title" = EXCLUDED."title"',
            [first.pk, "egret"],
        )
        assert words("egret") == ["egret"]
        assert words("heron") == ["second heron"]
    Chapter.objects.filter(pk=second.pk).delete()
    Chapter.objects.create(title="last egret")
    assert words("last") == ["last egret"]


def db_has_replace(database: Database) -> bool:
    try:
        database.connection.execute_write(
            f'REPLACE INTO "{Chapter._meta.db_table}" ("id", "title", "pages") SELECT 1, \'x\', 1 WHERE 1 = 0'
        )
    except Exception:  # noqa: BLE001  # whatever the driver says of a word that it does not know
        return False
    return True


def vacuumed(connection: Any) -> bool:
    """Vacuum a database of SQLite's kind, unless it is on a server that refuses it."""
    try:
        connection.execute_script("VACUUM")
    except OperationalError as refused:
        if "unsupported statement: VACUUM" not in str(refused):
            raise
        return False
    return True


def test_a_key_of_text_is_followed_too(pages: Database) -> None:
    for n in range(20):
        Sign.objects.create(code=f"sign-{n}", text=f"heron and {'egret' if n % 2 else 'stork'}")
    Sign.objects.filter(code__in=[f"sign-{n}" for n in range(0, 20, 3)]).delete()
    left = sorted(f"sign-{n}" for n in range(20) if n % 3 and n % 2)
    assert sorted(row.pk for row in text_search(Sign.objects.all(), text="egret", limit=50)) == left
    Sign.objects.filter(code="sign-1").update(code="moved")
    assert "moved" in words("egret", Sign)
    if pages.dialect.text_search.outlives_table and vacuumed(pages.connection):
        expected = sorted({*left, "moved"} - {"sign-1"})
        assert sorted(row.pk for row in text_search(Sign.objects.all(), text="egret", limit=50)) == expected


NAMES = ["order", "group", "index", "select", "values", "Key", "text", "rank", "rowid", "body"]
REFUSED = {
    "sqlite": {"rank", "rowid"},
    "libsql": {"rank", "rowid"},
    "turso": {"order", "group", "index", "select", "values", "rowid"},
}


def test_columns_with_names_of_sql(db: Database) -> None:
    for column in NAMES:

        class NamedLikeSql(dorm.Model):
            written = dorm.TextField(db_column=column)

            class Meta:
                app_label = "tests"
                db_table = "tests_sheet"
                indexes = [TextIndex(fields=["written"], name="sheet_words")]

        if column in REFUSED.get(db.name, ()):
            with pytest.raises(UnsupportedByDatabase, match=f'does not take the name of the column "{column}"'):
                create_tables(db.connection, (NamedLikeSql,))
            continue
        create_tables(db.connection, (NamedLikeSql,))
        NamedLikeSql.objects.create(written="some words")
        NamedLikeSql.objects.create(written="others")
        found = text_search(NamedLikeSql.objects.all(), text="words", text_fields=["written"])
        assert [row.written for row in found] == ["some words"]
        drop_table(db, NamedLikeSql)


@pytest.mark.not_on("sqlite", "libsql", "postgresql", "mariadb", "mysql", reason="they quote the table's name")
@pytest.mark.parametrize("table", ["order", "my table"])
def test_a_table_with_a_name_of_sql(db: Database, table: str) -> None:
    index = TextIndex(fields=["body"], name="words")
    with pytest.raises(UnsupportedByDatabase, match=f'does not take the name of the table "{table}"'):
        index.create(db.dialect, "words", table, ["body"], "id")
    # Turso still does so; if it does not, the fact in its dialect can go.
    db.connection.execute_script(f'CREATE TABLE "{table}" (id INTEGER PRIMARY KEY, body TEXT)')
    with pytest.raises(OperationalError, match="syntax error"):
        db.connection.execute_script(f'CREATE INDEX "words" ON "{table}" USING fts ("body")')
    db.connection.execute_script(f'DROP TABLE "{table}"')
