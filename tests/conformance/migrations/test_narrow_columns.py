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
    opened = dorm.TimeField(null=True)
    seen = dorm.DateTimeField(null=True)
    embedding = VectorField(dimensions=2)
"""

# What an earlier release left behind, by database; the others had wide columns all along.
NARROW = {
    "postgresql": "ALTER TABLE shop_item ALTER COLUMN price TYPE REAL",
    "mysql": "ALTER TABLE shop_item MODIFY opened TIME, MODIFY seen DATETIME",
    "mariadb": "ALTER TABLE shop_item MODIFY opened TIME, MODIFY seen DATETIME",
}

WRITTEN = (
    "import datetime as dt; moment = dt.datetime(2026, 1, 2, 3, 4, 5, 678901); Item.objects.create(name={name!r},"
    " price=149.99, text='x' * {length}, embedding=[1, 1], opened=moment.time(), seen=moment)"
)


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


def test_narrow_columns_are_widened(project: Project, running: backends.Running) -> None:
    if running.name not in NARROW:
        assert findings(project) == []
        return
    # They are read and written as before, at their own precision.
    rounded = project.python(
        "import datetime as dt; item = Item.objects.get(); print(abs(item.price - 149.99) < 1e-4);"
        " print(abs(item.seen - dt.datetime(2026, 1, 2, 3, 4, 5)) <= dt.timedelta(seconds=1))"
    )
    assert rounded.split() == ["True", "True"]
    operations = findings(project)
    names = ["price"] if running.name == "postgresql" else ["opened", "seen"]
    assert [operation.split("'")[3] for operation in operations] == names
    assert "DORM-V001" in project.try_dorm("lint-migrations").stdout
    migrate(project, ", ".join(operations))
    project.python(WRITTEN.format(name="new", length=10))
    source = (
        "import datetime as dt; moment = dt.datetime(2026, 1, 2, 3, 4, 5, 678901);"
        " print(*[Item.objects.filter(name='new', **{name: value}).count() for name, value in"
        " {'price': 149.99, 'opened': moment.time(), 'seen': moment}.items()])"
    )
    assert project.python(source) == "1 1 1"
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
