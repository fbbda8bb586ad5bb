"""Random projects go the whole way: makemigrations, migrate, rows, a change, back to zero, forward, and squashed.

`nox -s soak` runs more of them, each under another hash seed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import backends
from tests.helpers.catalogue import indexes_of
from tests.helpers.project import Project
from tests.projects.generator import Generator, source_of

SEEDS = range(int(os.environ.get("DORM_VECTOR_PROJECTS", "1")))
HASH_SEEDS = 8

FILL = """
import dorm.models
models = sorted({cls for cls in dorm.models._model_registry.values() if cls.__module__ == "shop.models"}, key=str)
for cls in models:
    if not cls._meta.abstract:
        for place in range(3):
            cls.objects.create(name=f"row {place}", number0=place)
for cls in models:
    rows = [] if cls._meta.abstract else list(cls.objects.order_by("pk"))
    for field in [field for field in cls._meta.fields if rows and hasattr(field, "_resolve_related_model")]:
        others = list(field._resolve_related_model().objects.order_by("pk"))
        for row, other in zip(rows, others):
            if field.many_to_many:
                getattr(row, field.name).add(other)
            else:
                setattr(row, field.name, other)
                row.save()
"""
READ = """
import json
import dorm.models
found = {}
for name, cls in sorted(dorm.models._model_registry.items()):
    if cls.__module__ == "shop.models" and "." not in name and not cls._meta.abstract:
        found[name] = {}
        for row in cls.objects.order_by("pk"):
            links = [field for field in cls._meta.fields if field.many_to_many]
            kept = {field.name: sorted(other.pk for other in getattr(row, field.name).all()) for field in links}
            keys = [field for field in cls._meta.fields if hasattr(field, "on_delete")]
            kept |= {field.name: getattr(row, field.attname) for field in keys}
            found[name][row.pk] = kept | {"name": row.name, "number0": row.number0}
print(json.dumps(found))
"""
DECLARED = """
import json
import dorm.models
from dorm.migrations.state import ProjectState
from dorm.indexes import Index
found = {}
for model in ProjectState.from_apps(app_label="shop").models.values():
    plain = [index for index in model["options"]["indexes"] if type(index) is Index]
    names = [index.get_name(model["name"]) for index in plain]
    names += [one.name for one in model["options"]["constraints"] if not hasattr(one, "check")]
    found[model["options"]["db_table"]] = names
print(json.dumps(found))
"""


@pytest.fixture
def project(running: backends.Running, tmp_path: Path) -> Iterator[Project]:
    settings = running.new_database()
    yield Project(tmp_path, settings)
    running.drop_database(settings)


def migrated(project: Project, source: str) -> None:
    project.models(source)
    project.dorm("makemigrations", "shop")
    project.dorm("migrate", "shop")
    assert_declared(project)


def assert_declared(project: Project) -> None:
    assert "No changes" in project.dorm("makemigrations", "shop")
    for table, names in json.loads(project.python(DECLARED)).items():
        # Turso knows names without capitals.
        assert {name.lower() for name in names} <= {name.lower() for name in indexes_of(project.database, table)}


def rows(project: Project) -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = json.loads(project.python(READ))
    return found


def assert_rows_survived(before: dict[str, dict[str, dict[str, object]]], project: Project) -> None:
    """What the models of before and of now both have is the same."""
    after = rows(project)
    for model in before.keys() & after.keys():
        assert before[model].keys() == after[model].keys()
        for key, row in before[model].items():
            common = row.keys() & after[model][key].keys()
            assert {name: row[name] for name in common} == {name: after[model][key][name] for name in common}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_project_goes_the_whole_way(project: Project, seed: int) -> None:
    if len(SEEDS) > HASH_SEEDS:
        project.environment = {"PYTHONHASHSEED": str(seed % HASH_SEEDS)}
    generator = Generator(seed)
    models = generator.models()
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    migrated(project, source_of(models))
    project.python(FILL)
    before = rows(project)
    changed = generator.changed(models)
    migrated(project, source_of(changed))
    assert_rows_survived(before, project)
    project.dorm("migrate", "shop", "zero")
    project.dorm("migrate", "shop")
    assert_declared(project)
    project.dorm("migrate", "shop", "zero")
    project.dorm("squashmigrations", "shop", "1", "3")
    project.dorm("migrate", "shop")
    assert_declared(project)
    project.python(FILL)
