"""``dorm lint-migrations`` reads the files of ``makemigrations``, and knows index builds that stop writers."""

from __future__ import annotations

from pathlib import Path

from dorm.migrations.lint import lint_directory

from dorm_vector.patching import registry as repairs

HEADER = "import dorm\nimport dorm_vector\nfrom dorm.migrations.operations import *\nfrom dorm_vector import *\n"
ITEM = "CreateModel('Item', [('embedding', VectorField(3)), ('name', dorm.CharField(max_length=9))], {})"
HNSW = "AddIndex('Item', HnswIndex(fields=['embedding'], name='item_hnsw', distance='l2'){})"
TEXT = "AddIndex('Item', TextIndex(fields=['name'], name='item_text'){})"
PLAIN = "AddIndex('Item', dorm.Index(fields=['name'], name='item_name'){})"
VEC0 = "AddIndex('Item', Vec0Index(fields=['embedding'], name='item_vec0', distance='l2'))"


def linted(folder: Path, *operations: str, comment: str = "") -> list[str]:
    """Return the codes of what the linter finds in a migration, and what it says of them."""
    path = folder / "migrations" / "0001_initial.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{HEADER}{comment}\ndependencies = []\noperations = [{', '.join(operations)}]\n")
    return [f"{found.code} {found.operation}: {found.message}" for found in lint_directory(path.parent).findings]


def test_every_file_is_linted(tmp_path: Path) -> None:
    blocking = [HNSW.format(""), TEXT.format(""), PLAIN.format("")]
    hnsw, text, plain = linted(tmp_path, *blocking)
    assert hnsw.startswith(
        "DORM-M003 AddIndex(model_name='Item', index=HnswIndex(name='item_hnsw')): item_hnsw is built while writers"
        " of its table wait"
    )
    assert "index=TextIndex(name='item_text')" in text
    assert plain.startswith("DORM-M003 AddIndex(model_name='Item'): AddIndex without concurrently=True")
    with repairs.switched_off("every_file_is_linted"):
        assert linted(tmp_path, *blocking) == []
    assert linted(tmp_path, "RunPython(print)")[0].startswith("DORM-M004")


def test_builds_that_stop_nobody(tmp_path: Path) -> None:
    concurrent = [index.format(", concurrently=True") for index in (HNSW, TEXT, PLAIN)]
    assert linted(tmp_path, *concurrent, VEC0) == []
    # A table that the same file creates is empty.
    assert linted(tmp_path, ITEM, HNSW.format(""), PLAIN.format("")) == []
    assert linted(tmp_path, HNSW.format(""), TEXT.format(""), comment="# noqa: DORM-M003") == []
