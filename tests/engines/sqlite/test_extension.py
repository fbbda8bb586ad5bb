"""The three ways in which sqlite-vec reaches SQLite."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from dorm_vector import SqliteVecTier, Vector, VectorsUnavailable, load_sqlite_vec_extension, sqlite_vec_tier
from dorm_vector.engines.sqlite import extension as sqlite_vec
from tests.helpers.oracle import vectors

ROOT = Path(__file__).parents[3]


@pytest.fixture
def connections() -> Iterator[list[sqlite3.Connection]]:
    opened = [sqlite3.connect(":memory:") for _ in range(2)]
    yield opened
    for connection in opened:
        connection.close()


def distances(connection: sqlite3.Connection, left: list[float], right: list[float]) -> list[float]:
    functions = ("vec_distance_l2", "vec_distance_cosine", "vec_distance_l1")
    columns = ", ".join(f"{name}(:a, :b)" for name in functions)
    return list(connection.execute(f"SELECT {columns}", {"a": Vector(left), "b": Vector(right)}).fetchone())


def test_the_tier_can_be_asked() -> None:
    assert sqlite_vec_tier() in SqliteVecTier
    if hasattr(sqlite3.Connection, "enable_load_extension"):
        assert sqlite_vec_tier() is SqliteVecTier.LOADABLE_EXTENSION
    else:
        assert sqlite_vec_tier() is not SqliteVecTier.LOADABLE_EXTENSION


def test_an_auto_extension_is_there_on_every_new_connection() -> None:
    """In a process of its own, because the registration is for good."""
    program = (
        "import sqlite3\n"
        "from dorm_vector.engines.sqlite import extension as sqlite_vec\n"
        "print(sqlite_vec._register_auto_extension())\n"
        "print(sqlite3.connect(':memory:').execute('SELECT vec_version()').fetchone()[0][0])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    if result.stdout.startswith("False"):
        # This Python's SQLite is built into _sqlite3, where no symbol can be found.
        assert sqlite_vec_tier() is not SqliteVecTier.AUTO_EXTENSION
    else:
        assert result.stdout.split() == ["True", "v"], result.stderr


def test_the_last_resort_warns_once_and_gives_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, connections: list[sqlite3.Connection]
) -> None:
    left, right = vectors(2, 384)
    native, bare = connections
    load_sqlite_vec_extension(native)
    monkeypatch.setattr(sqlite_vec, "sqlite_vec_tier", lambda: SqliteVecTier.NUMPY_FUNCTIONS)
    monkeypatch.setattr(sqlite_vec, "_is_loaded", lambda raw: False)
    sqlite_vec._warn_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="numpy computes the distances, several times slower"):
        load_sqlite_vec_extension(bare)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_sqlite_vec_extension(bare)
    assert distances(bare, left, right) == pytest.approx(distances(native, left, right), rel=1e-5)
    zeros = [0.0] * 384
    assert distances(bare, left, zeros)[1] is None
    assert distances(bare, zeros, zeros)[0] == 0
    assert not math.isnan(distances(bare, left, zeros)[0])


@pytest.mark.parametrize(
    "call", ["vec_length(:a)", "vec_normalize(:a)", "vec_slice(:a, 2, 9)", "vec_add(:a, :b)", "vec_sub(:a, :b)"]
)
def test_the_last_resort_makes_the_same_vectors(connections: list[sqlite3.Connection], call: str) -> None:
    native, bare = connections
    load_sqlite_vec_extension(native)
    sqlite_vec._create_numpy_functions(bare)
    arguments = dict(zip("ab", map(Vector, vectors(2, 384)), strict=True))
    expected, found = (connection.execute(f"SELECT {call}", arguments).fetchone()[0] for connection in connections)
    if isinstance(expected, bytes):
        assert Vector(found).to_list() == pytest.approx(Vector(expected).to_list(), rel=1e-6)
    else:
        assert found == expected


def test_the_last_resort_makes_the_same_signs(connections: list[sqlite3.Connection]) -> None:
    native, bare = connections
    load_sqlite_vec_extension(native)
    sqlite_vec._create_numpy_functions(bare)
    for vector in map(Vector, [*vectors(3, 384), [0.0, -0.0, 1e-45, -1e-45] * 4]):
        native_signs, signs = (
            connection.execute("SELECT vec_quantize_binary(?)", [vector]).fetchone()[0] for connection in connections
        )
        assert signs == native_signs


WITHOUT_SQLITE_VEC = """
from dorm_vector.engines.sqlite import extension as sqlite_vec
sqlite_vec._can_load_extensions = sqlite_vec._register_auto_extension = lambda: False
"""
SEARCHES = """
import warnings
warnings.simplefilter("ignore")
import dorm
from dorm.db.connection import get_connection
from dorm.migrations.operations import AddIndex
from dorm.migrations.state import ProjectState
from dorm_vector import UnsupportedByDatabase, Vec0Index, VectorField
from dorm_vector.exceptions import VectorError

dorm.configure(DATABASES={"default": {"ENGINE": "sqlite", "NAME": "vectors.sqlite3"}}, INSTALLED_APPS=[])


class Item(dorm.Model):
    embedding = VectorField(dimensions=8)

    class Meta:
        indexes = [Vec0Index(["embedding"], "item_vec0"), Vec0Index(["embedding"], "item_signs", precision="bit")]


def build(index):
    AddIndex("Item", index).database_forwards("__main__", get_connection(), state, state)


def search(**options):
    found = Item.objects.nearest("embedding", [1.0] + [-1.0] * 7, **options)[:3]
    plan = found.explain_search()
    print([row.pk for row in found], plan.index, *(reason.code for reason in plan.reasons))


state = ProjectState.from_apps()
"""


def test_without_sqlite_vec_a_vec0_table_is_not_asked_and_not_built(tmp_path: Path) -> None:
    """In processes of their own: one with sqlite-vec makes the file, one without it searches."""

    def run(program: str) -> list[str]:
        command = [sys.executable, "-c", program]
        result = subprocess.run(
            command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    made = run(
        SEARCHES
        + "from dorm.migrations.schema import SchemaEditor\n"
        + "SchemaEditor(get_connection()).create_model(Item)\n"
        + "for index in Item._meta.indexes: build(index)\n"
        + "Item.objects.bulk_create([Item(embedding=[1.1 * n] + [-1.0] * 7) for n in range(9)])\n"
        + "search(); search(exact=False)\n"
    )
    assert made == ["[2, 1, 3] item_vec0", "[2, 1, 3] item_signs"]
    found = run(
        WITHOUT_SQLITE_VEC
        + SEARCHES
        + "search(); search(exact=False)\n"
        + "try: build(Vec0Index(['embedding'], 'another'))\n"
        + "except UnsupportedByDatabase as error: print(error)\n"
        + "try: build(Vec0Index(['embedding'], 'bytes', distance='cosine', precision='int8'))\n"
        + "except UnsupportedByDatabase as error: print(error)\n"
        + "try: Item.objects.create(embedding=[1.0] * 8)\n"
        + "except Exception as error: print(error)\n"
    )
    assert found[0] == made[0].replace("item_vec0", "None no-extension")
    assert found[1] == made[1]
    for refused in found[2:4]:
        assert "sqlite-vec itself cannot be loaded into this Python's SQLite" in refused
    assert found[4] == "no such module: vec0"


def test_a_sum_past_float32_is_an_error(connections: list[sqlite3.Connection]) -> None:
    connection = connections[0]
    load_sqlite_vec_extension(connection)
    rows = "(SELECT :a AS v UNION ALL SELECT :a)"
    largest = Vector([3e38])
    assert Vector(connection.execute(f"SELECT dorm_vector_avg(v) FROM {rows}", {"a": largest}).fetchone()[0]) == largest
    for statement in (f"SELECT dorm_vector_sum(v) FROM {rows}", "SELECT dorm_vector_halves(:a)"):
        with pytest.raises(sqlite3.OperationalError, match="user-defined"):
            connection.execute(statement, {"a": largest}).fetchone()


def test_without_the_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite_vec", None)
    with pytest.raises(VectorsUnavailable, match=r'pip install "dorm-vector\[sqlite\]"'):
        sqlite_vec._sqlite_vec()
