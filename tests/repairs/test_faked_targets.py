"""`dorm migrate APP TARGET --fake` changes what is recorded, and no table."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from dorm.db.connection import _create_sync_connection

from tests.helpers.project import Project

WITHOUT = """
from dorm_vector.patching.registry import REPAIRS
DORM_VECTOR_REPAIRS = {repair.name for repair in REPAIRS} - {"faked_targets"}
"""
MODELS = "class Item(dorm.Model):\n    name = dorm.CharField(max_length=20)\n"


def tables(project: Project) -> list[bool]:
    connection: Any = _create_sync_connection("seen", project.database)
    with closing(connection):
        columns = {row["name"] for row in connection.get_table_columns("shop_item")}
        return ["name" in columns, "pages" in columns]


def recorded(project: Project) -> list[str]:
    lines = [line.strip() for line in project.dorm("showmigrations", "shop").splitlines()]
    return [line[4:8] for line in lines if line.startswith("[") and line[1] != " "]


def test_faked_targets(project: Project) -> None:
    """The bug that the repair is for: with a target, ``--fake`` is for real."""
    project.begin(MODELS)
    project.models(MODELS + "    pages = dorm.IntegerField(default=1)\n")
    project.dorm("makemigrations", "shop")
    first, last = project.migrations()[-2:]
    assert "FAKED" in project.dorm("migrate", "shop", last[:4], "--fake")
    assert (tables(project), recorded(project)[-1]) == ([True, False], last[:4])
    assert "FAKED" in project.dorm("migrate", "shop", first[:4], "--fake")
    assert (tables(project), recorded(project)[-1]) == ([True, False], first[:4])
    project.dorm("migrate", "shop", "zero", "--fake")
    assert (tables(project), recorded(project)) == ([True, False], [])
    project.dorm("migrate", "shop", first[:4], "--fake")
    project.dorm("migrate", "shop")
    assert tables(project) == [True, True]
    with (project.directory / "settings.py").open("a") as settings:
        settings.write(WITHOUT)
    project.dorm("migrate", "shop", first[:4], "--fake")
    assert tables(project) == [True, False]
