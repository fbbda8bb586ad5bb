"""A generated vector over a field whose column has another name."""

from __future__ import annotations

import pytest

from tests.helpers.project import Project

MODELS = """
from dorm_vector import GeneratedVectorField, L2Normalize, SubVector
class Item(dorm.Model):
    embedding = VectorField(3, db_column="vector_column", null=True)
    unit = GeneratedVectorField(expression=L2Normalize("embedding"), output_field=VectorField(3))
"""
USE = """
item = Item.objects.create(embedding=[3, 0, 4])
item.refresh_from_db()
print([round(value, 4) for value in item.unit])
"""


@pytest.mark.not_on("libsql", "turso", "mysql", "mariadb", reason="they compute no such column")
def test_columns_of_other_names(project: Project) -> None:
    project.begin(MODELS)
    assert project.python(USE) == "[0.6, 0.0, 0.8]"
    assert "No changes" in project.dorm("makemigrations", "shop")
    project.dorm("migrate", "shop", "zero")
    assert project.python("from dorm_vector import create_tables; create_tables(Item)\n" + USE) == "[0.6, 0.0, 0.8]"
