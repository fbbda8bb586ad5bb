"""``create_tables()``: a project's models in a database, without migrations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.db.connection import reset_connections
from dorm.migrations.autodetector import MigrationAutodetector
from dorm.migrations.state import ProjectState

from dorm_vector import (
    HnswIndex,
    IvfflatIndex,
    TextIndex,
    Vec0Index,
    VectorField,
    acreate_tables,
    create_tables,
    text_search,
)
from tests.databases import Database


class Customer(dorm.Model):
    name = dorm.CharField(max_length=40, unique=True)

    class Meta:
        app_label = "people"


class Tag(dorm.Model):
    word = dorm.CharField(max_length=20)

    class Meta:
        app_label = "desk"


class Ticket(dorm.Model):
    customer = dorm.ForeignKey(Customer, on_delete=dorm.CASCADE, related_name="tickets")
    tags = dorm.ManyToManyField(Tag, related_name="tickets")
    number = dorm.IntegerField(db_index=True)
    body = dorm.TextField(default="")
    embedding = VectorField(dimensions=3)

    class Meta:
        app_label = "desk"
        unique_together = [("customer", "number")]
        indexes = [
            HnswIndex(fields=["embedding"], name="desk_ticket_hnsw", distance="cosine"),
            Vec0Index(fields=["embedding"], name="desk_ticket_vec0", distance="cosine"),
            TextIndex(fields=["body"], name="desk_ticket_words"),
        ]


class Urgent(Ticket):
    class Meta:
        app_label = "desk"
        proxy = True


class Opening(dorm.Model):
    """An opening and a page refer to each other."""

    first = dorm.ForeignKey("OpeningPage", on_delete=dorm.CASCADE, null=True, related_name="begins")
    embedding = VectorField(dimensions=3)

    class Meta:
        app_label = "book"


class OpeningPage(dorm.Model):
    chapter = dorm.ForeignKey(Opening, on_delete=dorm.CASCADE, null=True, related_name="pages")
    after = dorm.ForeignKey("self", on_delete=dorm.CASCADE, null=True)

    class Meta:
        app_label = "book"


class Abstract(dorm.Model):
    class Meta:
        app_label = "desk"
        abstract = True


MODELS = (Ticket, Tag, Customer)


@pytest.fixture
def empty(db: Database) -> Iterator[Database]:
    yield db
    db.use()
    for label in ("book", "desk", "people"):
        dropped(db.connection, label)


def dropped(connection: Any, label: str) -> None:
    """Drop the tables of an app as a migration does."""
    state, nothing = ProjectState.from_apps(app_label=label), ProjectState()
    state.models = {
        key: model for key, model in state.models.items() if connection.table_exists(model["options"]["db_table"])
    }
    for operation in MigrationAutodetector(state, nothing).changes().get(label, []):
        before = state.clone()
        operation.state_forwards(label, state)
        operation.database_forwards(label, connection, before, state)


def is_used(ticket: Any) -> None:
    assert [(row.pk, row.distance) for row in Ticket.objects.nearest("embedding", [1, 0, 0])[:1]] == [
        (ticket.pk, pytest.approx(0, abs=1e-6))
    ]
    assert [row.pk for row in text_search(Ticket.objects, text="printer")] == [ticket.pk]
    assert [tag.word for tag in ticket.tags.all()] == ["hardware"]
    with pytest.raises(dorm.IntegrityError):
        Ticket.objects.create(customer=ticket.customer, number=ticket.number, embedding=[1, 1, 1])


def filled() -> Any:
    ada, tag = Customer.objects.create(name="Ada"), Tag.objects.create(word="hardware")
    ticket = Ticket.objects.create(customer=ada, number=1, body="the printer is on fire", embedding=[2, 0, 0])
    Ticket.objects.create(customer=ada, number=2, body="a cable", embedding=[0, 1, 0])
    ticket.tags.add(tag)
    return ticket


def test_a_project_is_created_in_any_order_of_its_models(empty: Database) -> None:
    create_tables(Urgent, *MODELS)
    ticket = filled()
    is_used(ticket)
    assert Urgent.objects.count() == 2
    create_tables(*MODELS)
    is_used(ticket)


@pytest.mark.filterwarnings(
    "ignore:InnoDB rebuilding table"
)  # MySQL's note on a FULLTEXT index, which aiomysql passes on
async def test_a_project_is_created_asynchronously(empty: Database) -> None:
    await acreate_tables(*MODELS)
    await acreate_tables(*MODELS)
    ada = await Customer.objects.acreate(name="Ada")
    ticket = await Ticket.objects.acreate(customer=ada, number=1, body="the printer", embedding=[2, 0, 0])
    await ticket.tags.aadd(await Tag.objects.acreate(word="hardware"))
    assert [row.pk async for row in Ticket.objects.nearest("embedding", [1, 0, 0])[:1]] == [ticket.pk]
    is_used(ticket)


def test_what_is_missing_is_added_to_what_is_there(empty: Database) -> None:
    create_tables(Customer)
    Customer.objects.create(name="Bob")
    create_tables(Tag, Ticket)
    is_used(filled())
    assert Customer.objects.count() == 2


def test_indexes_are_those_that_migrations_build(empty: Database) -> None:
    create_tables(*MODELS)
    filled()
    found = Ticket.objects.nearest("embedding", [1, 0, 0])[:1].explain_search()
    assert not any("is not in the database" in str(reason) for reason in getattr(found, "reasons", ()))
    columns = indexed_columns(empty, "desk_ticket")
    assert "number" in columns


def indexed_columns(database: Database, table: str) -> str:
    queries = {
        "postgresql": f"SELECT indexdef AS d FROM pg_indexes WHERE tablename = '{table}'",
        "mariadb": f"SELECT column_name AS d FROM information_schema.statistics WHERE table_name = '{table}'",
    }
    queries["mysql"] = queries["mariadb"]
    query = queries.get(
        database.name, f"SELECT sql AS d FROM sqlite_master WHERE tbl_name = '{table}' AND type = 'index'"
    )
    return " ".join(str(row["d"]) for row in database.connection.execute(query))


def test_models_may_refer_to_each_other(empty: Database) -> None:
    create_tables(OpeningPage, Opening)
    chapter = Opening.objects.create(embedding=[1, 2, 3])
    chapter.first = OpeningPage.objects.create(chapter=chapter)
    chapter.save()
    assert [row.first.chapter_id for row in Opening.objects.nearest("embedding", [1, 2, 3])[:1]] == [chapter.pk]


def test_a_relation_to_nothing_is_refused(empty: Database) -> None:
    with pytest.raises(ValueError, match=r"Ticket.customer refers to Customer.* create_tables\(Customer, Ticket\)"):
        create_tables(Ticket, Tag)
    assert not empty.connection.table_exists("desk_tag")


async def test_what_has_no_table_is_refused() -> None:
    for wrong in ((), (Abstract,), ("Ticket",)):
        with pytest.raises(ValueError, match="create_tables"):
            create_tables(*wrong)
        with pytest.raises(ValueError, match="create_tables"):
            await acreate_tables(*wrong)


async def test_a_database_in_memory_is_the_one_of_the_event_loop() -> None:
    reset_connections()
    dorm.configure(DATABASES={"default": "sqlite://"}, INSTALLED_APPS=[])
    await acreate_tables(Tag, Customer, Ticket)
    ada = await Customer.objects.acreate(name="Ada")
    ticket = await Ticket.objects.acreate(customer=ada, number=1, embedding=[2, 0, 0])
    assert [row.pk async for row in Ticket.objects.nearest("embedding", [1, 0, 0])] == [ticket.pk]
    reset_connections()


def test_the_sql_of_an_index_is_accepted(db: Database) -> None:
    vendor = "mariadb" if db.name == "mariadb" else db.connection.vendor
    for index in (HnswIndex(["embedding"], "said_hnsw", m=8), IvfflatIndex(["embedding"], "said_ivf")):
        made, dropped = index.create_sql("tests_chunk", vendor=vendor)
        builds = db.name in {"hnsw": ("postgresql", "mariadb"), "ivfflat": ("postgresql",)}[index.kind]
        assert ('"tests_chunk"' in made and index.name in made) is builds
        db.connection.execute_script(made)
        db.connection.execute_script(dropped)
    made, dropped = TextIndex(["headline", "body"], "said_words").create_sql("tests_article", vendor=vendor)
    assert ("said_words" in made) is (db.name in ("postgresql", "mariadb", "mysql"))


def test_the_sql_of_an_index_with_a_precision_needs_a_field() -> None:
    with pytest.raises(ValueError, match=r"dimensions of the field"):
        HnswIndex(["embedding"], "x", precision="half").create_sql("docs", vendor="postgresql")
    assert "vector(2)" in HnswIndex(["embedding"], "x", dimensions=2).create_sql("docs", vendor="postgresql")[0]


async def test_progress_counts_tables_and_indexes(empty: Database) -> None:
    told: list[tuple[int, int | None]] = []
    create_tables(*MODELS, progress=lambda done, total: told.append((done, total)))
    total = len(told) - 1
    assert total >= len(MODELS)
    assert told == [(done, total) for done in range(total + 1)]
    told.clear()
    create_tables(*MODELS, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 0)]
    for label in ("desk", "people"):
        dropped(empty.connection, label)
    told.clear()
    await acreate_tables(*MODELS, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, total) for done in range(total + 1)]
