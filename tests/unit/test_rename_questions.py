"""How ``makemigrations`` learns what was renamed: from its options, or from somebody at a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.project import Project
from tests.helpers.support import ROOT

MODELS = """
class Item(dorm.Model):
    name = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=2, null=True)


class Note(dorm.Model):
    name = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=2, null=True)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path, {"ENGINE": "sqlite", "NAME": str(tmp_path / "shop.sqlite3")})
    made.models(MODELS)
    made.dorm("makemigrations", "shop")
    return made


def at_a_terminal(project: Project, typed: str, *arguments: str) -> str:
    """Run ``dorm`` in a terminal at which somebody types, through the file that a wheel installs."""
    master, terminal = pty.openpty()
    started = f"import site; site.addsitedir({str(ROOT / 'dorm_vector/_startup')!r}); from dorm.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", started, *arguments],
        cwd=project.directory,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{project.directory}"},
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        os.write(master, typed.encode())
        printed, _ = process.communicate(timeout=60)
    os.close(master)
    os.close(terminal)
    assert process.returncode == 0, printed
    return printed


def refused(project: Project, *options: str) -> str:
    before = project.migrations()
    run = project.try_dorm("makemigrations", "shop", *options)
    assert run.returncode == 1
    assert project.migrations() == before
    return run.stderr.strip()


def test_somebody_at_a_terminal_answers(project: Project) -> None:
    # `vector` could have been either; no is one answer, yes another. The options need no import of the package.
    project.models(MODELS.replace("    embedding", "    vector"))
    printed = at_a_terminal(project, "n\nyes\n", "makemigrations", "shop")
    assert "Was the vector field Item.embedding renamed to vector? Otherwise its vectors are dropped. [y/N]" in printed
    assert "Was the vector field Note.embedding renamed to vector?" in printed
    source = project.source(2)
    assert "RemoveField(model_name='Item', name='embedding', allow_vector_loss=True)" in source
    assert "RenameField(model_name='Note', old_name='embedding', new_name='vector')" in source
    assert "No changes detected" in project.dorm("makemigrations", "shop")


def test_options_answer_without_a_terminal(project: Project) -> None:
    project.models(MODELS.replace("    embedding", "    vector"))
    assert refused(project) == (
        "Was the vector field Item.embedding renamed to vector? Nothing was written. Answer with"
        " --rename Item.embedding=vector, which keeps the vectors, or with --no-rename, which drops them."
    )
    assert refused(project, "--rename", "embedding=vector") == (
        "--rename embedding=vector could mean several. Nothing was written. Name one:"
        " --rename Item.embedding=vector or --rename Note.embedding=vector."
    )
    assert refused(project, "--rename", "embedding") == (
        "--rename embedding: want OLD=NEW, such as --rename Product.embedding=vector."
    )
    assert "--check: 4 pending" in project.try_dorm("makemigrations", "shop", "--check").stdout
    project.dorm("makemigrations", "shop", "--rename", "shop.Note.embedding=vector", "--no-rename")
    assert "RenameField(model_name='Note', old_name='embedding', new_name='vector')" in project.source(2)
    assert "RemoveField(model_name='Item', name='embedding', allow_vector_loss=True)" in project.source(2)


def test_what_is_no_rename_is_not_asked(project: Project) -> None:
    # Other dimensions and another kind of column are other fields; an option that names nothing is an error.
    project.models(
        MODELS.replace("    embedding = VectorField(dimensions=2", "    vector = VectorField(dimensions=3", 1)
    )
    run = project.try_dorm("makemigrations", "shop", "--rename", "embeding=vector")
    assert run.returncode == 1
    assert run.stderr.startswith("--rename embeding=vector: no model lost and gained such a field")
    assert "RemoveField(model_name='Item', name='embedding', allow_vector_loss=True)" in project.source(2)


def test_a_rename_of_any_field_and_what_else_has_changed(project: Project) -> None:
    changed = MODELS.replace("    name = dorm.CharField(max_length=20", "    title = dorm.CharField(max_length=30", 1)
    project.models(changed.replace("class Note", "class Remark"))
    project.dorm("makemigrations", "shop", "--rename", "Item.name=title", "--rename", "note=Remark")
    source = project.source(2)
    assert "RenameField(model_name='Item', old_name='name', new_name='title')" in source
    assert "AlterField( model_name='Item', name='title', field=CharField(max_length=30)" in source
    assert "RenameModel(old_name='Note', new_name='Remark')" in source
    assert "allow_vector_loss" not in source
    assert "--rename OLD=NEW" in project.dorm("makemigrations", "--help")
