"""Repairs of what djanorm does with names that are no field's, and the bug that comes back without each."""

from __future__ import annotations

from typing import Any

import dorm
import pytest
from dorm import F
from dorm.functions import Upper

from dorm_vector.patching import registry as repairs
from tests.databases import Database, create_tables, drop_table
from tests.models import Author, Document

STOLEN = 'title" = (SELECT "name" FROM "tests_author" LIMIT 1), "pages'


async def test_known_names_in_updates(db: Database) -> None:
    Author.objects.create(name="secret")
    row = Document.objects.create(title="old")
    with pytest.raises(dorm.FieldDoesNotExist, match="Document has no field"):
        Document.objects.update(**{STOLEN: 5})
    with repairs.switched_off("known_names_in_updates"):
        row.save(update_fields=["title", "headline"])
        assert Document.objects.filter(pk=-1)[:1].update(headline=1) == 0
        assert Document.objects.update(**{STOLEN: 5}) == 1
        assert Document.objects.get().title == "secret"
        assert await Document.objects.aupdate(**{STOLEN: 5}) == 1


HOSTILE = 'name" || (SELECT "title" FROM "tests_document") || "tests_author"."name'


ELSEWHERE = ("postgresql", "turso", "libsql", "mariadb", "mysql")


@pytest.mark.not_on(*ELSEWHERE)
def test_known_names_in_expressions(db: Database) -> None:
    Document.objects.create(title="secret")
    Author.objects.create(name="Ada")
    shouted = Author.objects.annotate(shout=Upper(F(HOSTILE)))
    with pytest.raises(dorm.FieldDoesNotExist, match="Author has no field"):
        shouted.get()
    with repairs.switched_off("known_names_in_expressions"):
        assert shouted.get().shout == "ADASECRETADA"


@pytest.mark.not_on(*ELSEWHERE)
def test_known_names_in_queries(db: Database) -> None:
    """SQLite compares a column that it lacks as a text."""
    Author.objects.create(name="Ada")
    with pytest.raises(dorm.FieldDoesNotExist, match="Author has no field 'nickname'"):
        Author.objects.filter(nickname="nickname").delete()
    with repairs.switched_off("known_names_in_queries"):
        assert [row.name for row in Author.objects.select_related("nickname").defer("nickname")] == ["Ada"]
        assert Author.objects.filter(nickname="nickname").delete()[0] == 1


@pytest.mark.not_on(*ELSEWHERE)
def test_known_names_in_declarations(db: Database) -> None:
    """SQLite indexes a text in the place of the column that it lacks."""

    def catalogue(name: str) -> Any:
        meta = type("Meta", (), {"indexes": [dorm.Index(fields=[name], name="numbers")]})
        return type("Catalogue", (dorm.Model,), {"__module__": __name__, "number": dorm.IntegerField(), "Meta": meta})

    with pytest.raises(dorm.FieldDoesNotExist, match=r"Catalogue has no field 'numbr'\. It has id, number"):
        catalogue("numbr")
    with repairs.switched_off("known_names_in_declarations"):
        create_tables(db.connection, (catalogue("numbr"),))
    assert '("numbr")' in db.connection.execute("SELECT sql FROM sqlite_master WHERE name = 'numbers'")[0]["sql"]
    drop_table(db, catalogue("number"))
