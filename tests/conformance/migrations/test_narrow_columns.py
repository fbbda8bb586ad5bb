"""Tables of earlier releases: narrower columns keep working, and the linter prints what widens them."""

from __future__ import annotations

import pytest

import backends
from tests.helpers.project import Project

ITEM = """
class Item(dorm.Model):
    name = dorm.CharField(max_length=20)
    text = dorm.TextField(default="")
    price = dorm.FloatField(null=True)
    embedding = VectorField(dimensions=2)
"""

# What an earlier release left behind, by database; the others had wide columns all along.
NARROW = {"postgresql": 'ALTER TABLE \\"shop_item\\" ALTER COLUMN \\"price\\" TYPE REAL'}

WRITTEN = "Item.objects.create(name={name!r}, price=149.99, text='x' * {length}, embedding=[1, 1])"


@pytest.fixture
def project(empty_project: Project, running: backends.Running) -> Project:
    empty_project.begin(ITEM)
    if running.name in NARROW:
        connection = "from dorm.db.connection import get_connection; get_connection()"
        empty_project.python(f'{connection}.execute_script("{NARROW[running.name]}")')
    empty_project.python(WRITTEN.format(name="old", length=10))
    return empty_project


def migrate(project: Project, operation: str) -> None:
    (project.directory / "shop" / "migrations" / "0003_wider.py").write_text(
        "import dorm, dorm.fields, dorm_vector\n"
        "from dorm.migrations.operations import AlterField\n"
        "dependencies = [('shop', '0002_initial')]\n"
        f"operations = [{operation}]\n"
    )
    project.dorm("migrate")


def findings(project: Project) -> list[str]:
    """Return the operations that the linter prints."""
    source = (
        "import json; from pathlib import Path; from dorm.migrations.lint import lint_directory;"
        " found = lint_directory(Path('shop/migrations')).findings;"
        " print(*[each.operation for each in found if each.code == 'DORM-V001'], sep='\\n')"
    )
    return [line for line in project.python(source).splitlines() if line.startswith("AlterField")]


def test_a_float_column_is_widened(project: Project, running: backends.Running) -> None:
    if running.name not in NARROW:
        assert findings(project) == []
        return
    # It is read and written as before, at its own precision.
    assert project.python("print(abs(Item.objects.get().price - 149.99) < 1e-4)").strip() == "True"
    (operation,) = findings(project)
    assert operation.startswith("AlterField('Item', 'price', ")
    assert "DORM-V001" in project.try_dorm("lint-migrations").stdout
    migrate(project, operation)
    project.python(WRITTEN.format(name="new", length=10))
    assert project.python("print(Item.objects.get(price=149.99).name)").strip() == "new"
    assert findings(project) == []


def test_a_text_column_is_widened_by_makemigrations(project: Project, running: backends.Running) -> None:
    wider = ITEM.replace("dorm.TextField", "dorm_vector.LongTextField").replace("dorm.FloatField", "dorm.FloatField")
    project.models("import dorm_vector\n" + wider)
    is_narrow = running.name in ("mysql", "mariadb")
    assert [line for line in findings(project) if "'text'" in line] == (
        ["AlterField('Item', 'text', dorm_vector.LongTextField(default=''))"] if is_narrow else []
    )
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    project.python(WRITTEN.format(name="long", length=70_000))
    assert project.python("print(*[len(item.text) for item in Item.objects.order_by('id')])").split() == ["10", "70000"]
    assert [line for line in findings(project) if "'text'" in line] == []
    assert "No changes" in project.dorm("makemigrations", "shop")
