"""Random projects go the whole way: makemigrations, migrate, rows, a change, back to zero, forward, and squashed.

`nox -s soak` runs more of them, each under another hash seed.
"""

from __future__ import annotations

import json
import os

import pytest

import backends
from tests.helpers.catalogue import indexes_of
from tests.helpers.project import Project
from tests.projects.generator import Generator, source_of

SEEDS = range(int(os.environ.get("DORM_VECTOR_PROJECTS", "3")))
HASH_SEEDS = [str(number) for number in range(int(os.environ.get("DORM_VECTOR_HASH_SEEDS", "0")))] or ["random"]
# What the first run of a project wrote: every hash seed has to write the same.
WRITTEN: dict[tuple[str, int], dict[str, str]] = {}

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
            vectors = [field.name for field in cls._meta.fields if hasattr(field, "to_vector")]
            kept |= {name: list(getattr(row, name)) for name in vectors}
            kept |= {field.name: getattr(row, field.attname) for field in keys}
            found[name][row.pk] = kept | {"name": row.name, "number0": row.number0}
print(json.dumps(found))
"""
# The check fails where a model differs from the migrations.
DECLARED = """
import json
import sys
from dorm.cli import main
sys.argv = ["dorm", "makemigrations", "shop", "--check"]
main()
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


def migrated(project: Project, source: str, *answers: str) -> None:
    project.models(source)
    project.dorm("makemigrations", "shop", *answers)
    project.dorm("migrate", "shop")
    assert_declared(project)


def assert_declared(project: Project) -> None:
    declared = project.python(DECLARED).splitlines()[-1]
    for table, names in json.loads(declared).items():
        # Turso knows names without capitals.
        assert {name.lower() for name in names} <= {name.lower() for name in indexes_of(project.database, table)}


Rows = dict[str, dict[str, dict[str, object]]]


def filled(project: Project) -> Rows:
    """Fill the tables and return their rows."""
    found: Rows = json.loads(project.python(FILL + READ))
    return found


def under_new_names(before: Rows, generator: Generator) -> Rows:
    """Return the rows as the renamed models have them."""
    found: Rows = {}
    for old, stored in before.items():
        model = generator.renamed_models.get(old, old)
        names = generator.renamed_fields.get(model, {})
        found[model] = {
            key: {names.get(name, name): value for name, value in row.items()} for key, row in stored.items()
        }
    return found


def assert_rows_survived(before: Rows, project: Project) -> None:
    """What the models of before and of now both have is the same."""
    after: Rows = json.loads(project.python(READ))
    for model in before.keys() & after.keys():
        assert before[model].keys() == after[model].keys()
        for key, row in before[model].items():
            common = row.keys() & after[model][key].keys()
            assert {name: row[name] for name in common} == {name: after[model][key][name] for name in common}


def assert_same_files(project: Project, backend: str, seed: int) -> None:
    """The migrations are those that the same project got under another hash seed."""
    folder = project.directory / "shop" / "migrations"
    # The header has the time.
    written = {path.name: path.read_text().partition("from dorm.migrations")[2] for path in folder.glob("0*.py")}
    assert WRITTEN.setdefault((backend, seed), written) == written


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("hash_seed", HASH_SEEDS)
def test_a_project_goes_the_whole_way(project: Project, running: backends.Running, seed: int, hash_seed: str) -> None:
    project.hash_seed = hash_seed
    # Another project on each database, so that one run tests six.
    names = backends.names()
    generator = Generator(seed * len(names) + names.index(running.name))
    models = generator.models()
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    migrated(project, source_of(models))
    before = filled(project)
    changed = generator.changed(models)
    migrated(project, source_of(changed), *generator.answers)
    assert_rows_survived(under_new_names(before, generator), project)
    project.dorm("migrate", "shop", "zero")
    project.dorm("migrate", "shop")
    assert_declared(project)
    project.dorm("migrate", "shop", "zero")
    project.dorm("squashmigrations", "shop", "1", "3")
    project.dorm("migrate", "shop")
    assert_declared(project)
    project.python(FILL)
    assert_same_files(project, running.name, seed)
