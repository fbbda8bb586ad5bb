"""Tables can be distributed on a Citus cluster only; tests/engines/citus has one."""

from __future__ import annotations

from typing import Any

import pytest

from dorm_vector import CreateDistributedTable, CreateReferenceTable, UnsupportedByDatabase
from tests.databases import Database, state_of
from tests.models import Document, Sample

OPERATIONS = [CreateDistributedTable("Sample", distribution_column="id"), CreateReferenceTable("Sample")]


@pytest.mark.not_on("citus", reason="it is one")
@pytest.mark.parametrize("operation", OPERATIONS, ids=["distributed", "reference"])
def test_no_other_database_distributes_a_table(db: Database, operation: Any) -> None:
    Sample.objects.create(title="kept", full=[1, 2, 3])
    state = state_of((Sample,))
    for work in (operation.database_forwards, operation.database_backwards):
        with pytest.raises(UnsupportedByDatabase, match="this database has no Citus"):
            work("tests", db.connection, state, state)
    assert Sample.objects.get().title == "kept"


async def test_rows_are_saved_by_the_first_statement_of_a_connection(db: Database) -> None:
    """What may first have to ask which server it is."""
    row = Document.objects.create(title="before", embedding=[1, 2, 3])
    row.title = "after"
    db.use()
    row.save()
    assert Document.objects.get().title == "after"
    row.title = "later"
    db.use()
    await row.asave()
    assert (await Document.objects.aget()).title == "later"
    db.use()
    found = [row.title async for row in Document.objects.nearest("embedding", [1, 2, 3])[:60]]
    assert found == ["later"]
    db.use()
    assert [row.title for row in Document.objects.nearest("embedding", [1, 2, 3])[:60]] == ["later"]
