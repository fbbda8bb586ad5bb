"""A checked column that is renamed: its check stays, whether the rename works or fails."""

from __future__ import annotations

from collections.abc import Iterator

import dorm
import pytest
from dorm.migrations.operations import AlterField, CreateModel, RenameField
from dorm.migrations.state import ProjectState

from tests.databases import Database


@pytest.fixture
def state(database: Database) -> Iterator[ProjectState]:
    """A table whose column has two checks, and a column of the name that is to come."""
    database.use()
    fields = [
        ("id", dorm.AutoField(primary_key=True)),
        ("pages", dorm.IntegerField(default=1)),
        ("least", dorm.IntegerField(default=0)),
    ]
    checks = [
        dorm.CheckConstraint(check=dorm.Q(pages__gte=0), name="checked_pages"),
        dorm.CheckConstraint(check=dorm.Q(pages__gte=dorm.F("least")), name="checked_least"),
    ]
    create, state = CreateModel("Checked", fields, {"constraints": checks}), ProjectState()
    create.state_forwards("tests", state)
    create.database_forwards("tests", database.connection, ProjectState(), state)
    database.connection.execute_script('ALTER TABLE "tests_checked" ADD COLUMN "leaves" INTEGER')
    yield state
    database.connection.execute_script('DROP TABLE "tests_checked"')


def test_a_rename_that_fails_keeps_the_checks(database: Database, state: ProjectState) -> None:
    assert_checked_throughout(database, state, RenameField("Checked", "pages", "leaves"))


@pytest.mark.not_on("sqlite", "turso", "libsql", reason="they rebuild the table, without the other column")
def test_another_column_that_fails_keeps_the_checks(database: Database, state: ProjectState) -> None:
    leaves = dorm.IntegerField(default=1, db_column="leaves")
    assert_checked_throughout(database, state, AlterField("Checked", "pages", leaves))


def assert_checked_throughout(database: Database, state: ProjectState, operation: RenameField | AlterField) -> None:
    connection, after = database.connection, state.clone()
    operation.state_forwards("tests", after)
    with pytest.raises(dorm.DatabaseError):
        operation.database_forwards("tests", connection, state, after)
    assert_checked(database, "pages")
    connection.execute_script('ALTER TABLE "tests_checked" DROP COLUMN "leaves"')
    operation.database_forwards("tests", connection, state, after)
    assert_checked(database, "leaves")
    operation.database_backwards("tests", connection, after, state)
    assert_checked(database, "pages")


def assert_checked(database: Database, column: str) -> None:
    for refused in (-1, 3):
        with pytest.raises(dorm.IntegrityError):
            database.connection.execute_write(
                f'INSERT INTO "tests_checked" ("{column}", "least") VALUES ({refused}, 4)'
            )
    insert(database, column, 5)


def insert(database: Database, column: str, value: int) -> None:
    database.connection.execute_write(f'INSERT INTO "tests_checked" ("{column}", "least") VALUES ({value}, 4)')
