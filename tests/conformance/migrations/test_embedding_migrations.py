"""An embedding of another model, or of other dimensions, costs no row: through the real ``dorm`` command."""

from __future__ import annotations

from pathlib import Path

import backends
from tests.helpers.project import Project

MODELS = """
from dorm_vector import EmbeddingField


def lengths(texts):
    return [[len(text), 1, 2] for text in texts]


def doubled(texts):
    return [[2 * len(text), 1, 2] for text in texts]


def longer(texts):
    return [[len(text), 1, 2, 3] for text in texts]


class Text(dorm.Model):
    body = dorm.CharField(max_length=100)

    class Meta:
        abstract = True


class Note(Text):
    title = dorm.CharField(max_length=50)
"""
FIRST = '    embedding = EmbeddingField(3, source="body", embedder=lengths, null=True)\n'
SAME_LENGTH = '    embedding = EmbeddingField(3, source="body", embedder="shop.models.doubled", null=True)\n'
OTHER_LENGTH = '    embedding = EmbeddingField(4, source="body", embedder=longer, null=True)\n'
SECOND = '    embedding_v2 = EmbeddingField(4, source="body", embedder="shop.models.longer", null=True)\n'
RENAMED = '    embedding = EmbeddingField(4, source="body", embedder="shop.models.longer", null=True)\n'
RENAMED_AND_RECORDED = RENAMED.replace("null=True", "null=True, record_model=True")


def test_from_three_dimensions_to_four_without_losing_a_row(tmp_path: Path, running: backends.Running) -> None:
    project = Project(tmp_path, running.new_database())
    project.models(MODELS + FIRST)
    project.dorm("makemigrations", "shop", "--enable-pgvector")
    project.dorm("makemigrations", "shop")
    # The package has no tables, and says nothing of a folder that nobody has to make.
    assert "No migrations to apply for 'dorm_vector'." in project.dorm("migrate")
    made = "Note.objects.bulk_create([Note(title=str(n), body='x' * n) for n in range(1, 6)])"
    assert project.python(f"{made}\nprint(Note.objects.get(title='3').embedding)") == "[3.0, 1.0, 2.0]"
    assert "No changes detected" in project.dorm("makemigrations", "shop")

    # Another model of the same length: no migration, and the rows are embedded again.
    project.models(MODELS + SAME_LENGTH)
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    again = "from dorm_vector import reembed\nprint(reembed(Note.objects.all()))"
    assert (project.python(again), project.python(again)) == ("5", "0")
    assert project.python("print(Note.objects.count(), Note.objects.get(title='3').embedding)") == "5 [6.0, 1.0, 2.0]"

    # Another length in the same column is refused, and nothing is lost.
    project.models(MODELS + OTHER_LENGTH)
    project.dorm("makemigrations", "shop")
    refused = project.try_dorm("migrate")
    assert refused.returncode != 0
    assert "VectorsWouldBeLost" in refused.stdout + refused.stderr
    (project.directory / "shop/migrations" / f"{project.migrations()[-1]}.py").unlink()
    project.models(MODELS + SAME_LENGTH)
    assert project.python("print(Note.objects.count(), Note.objects.get(title='3').embedding)") == "5 [6.0, 1.0, 2.0]"

    project.models(MODELS + FIRST + SECOND)
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    fill = "from dorm_vector import reembed\nprint(reembed(Note.objects.all(), 'embedding_v2', batch_size=2))"
    assert project.python(fill) == "5"
    assert project.python("print(Note.objects.nearest('embedding_v2', 'xxx')[:1][0].title)") == "3"

    project.models(MODELS + SECOND)
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    read = "print(Note.objects.count(), Note.objects.get(title='5').embedding_v2)"
    assert project.python(read) == "5 [5.0, 1.0, 2.0, 3.0]"

    # The new column under the old name, with what it was computed from: nothing is embedded again.
    project.models(MODELS + RENAMED)
    project.dorm("makemigrations", "shop", "--rename", "shop.Note.embedding_v2=embedding")
    project.dorm("migrate")
    project.models(MODELS + RENAMED_AND_RECORDED)
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    assert project.python(again) == "0"
    read = "row = Note.objects.get(title='5')\nprint(row.embedding, row.embedding_model)"
    assert project.python(read) == "[5.0, 1.0, 2.0, 3.0] shop.models.longer"
    running.drop_database(project.database)
