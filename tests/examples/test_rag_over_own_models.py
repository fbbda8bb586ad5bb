"""The example: its functions on each database, and the real command in a process of its own, its answers read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from dorm.db.connection import reset_connections

import backends
from examples.rag_over_own_models.__main__ import MODES
from examples.rag_over_own_models.answering import Source, ask
from examples.rag_over_own_models.embedding import DIMENSIONS, embed
from examples.rag_over_own_models.reading import Changes, migrate, refresh
from tests.databases import Database

ROOT = Path(__file__).parents[2]
COUNTS = re.compile(r"(\d+) new, (\d+) changed, (\d+) gone, (\d+) as they were")
SOURCE = re.compile(r"^    (?P<similarity>-?\d\.\d{3})  (?P<source>\S+: .+)$", re.MULTILINE)

PAGES = {
    "howto/cats.md": "# Cats\n\nA cat sleeps for hours a day.\n\n## Food\n\nCats eat fish. Milk is bad for them.\n",
    "howto/dogs.md": "# Dogs\n\nA dog wants a walk in the morning.\n\n## Food\n\nDogs eat meat, and bones with care.\n",
    "reference/fish.md": "# Fish\n\nA goldfish remembers for months.\n\n```python\ncode = 'no prose'\n```\n",
}


@dataclass
class Answer:
    """What was printed of one question."""

    text: str
    sources: list[str]
    similarities: list[float]


@pytest.fixture
def manual(running: backends.Running, tmp_path: Path) -> Iterator[Path]:
    """A folder of pages, and a database with the example's tables as the default one."""
    for name, text in PAGES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    database = Database(running, running.new_database())
    database.use()
    migrate()
    yield tmp_path
    reset_connections()
    running.drop_database(database.settings)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.rag_over_own_models", *arguments]
    variables = {**os.environ, "PYTHONUTF8": "1", "DATABASE_URL": "sqlite://", **environment}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def printed(*arguments: str, **environment: str) -> str:
    done = run(*arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def counts(output: str) -> tuple[int, ...]:
    found = COUNTS.search(output)
    assert found is not None
    return tuple(map(int, found.groups()))


def answer(output: str, question: str) -> Answer:
    part = output.partition(f"{question}\n")[2].partition("\n\n")[0]
    found = SOURCE.findall(part)
    return Answer(part.splitlines()[0].strip(), [name for _, name in found], [float(number) for number, _ in found])


def places(sources: list[Source]) -> list[str]:
    return [str(source) for source in sources]


def test_sections_are_found_and_answer(manual: Path) -> None:
    assert refresh(manual) == Changes(new=5)
    text, sources = ask("What do cats eat?")
    assert text.startswith("Cats eat fish.")
    assert places(sources)[0] == "howto/cats.md: Food"
    text, sources = ask("When does a dog want its walk?", limit=1)
    assert text.startswith("A dog wants a walk in the morning.")
    assert places(sources) == ["howto/dogs.md: Dogs"]


def test_only_what_has_changed_is_written_again(manual: Path) -> None:
    refresh(manual)
    (manual / "howto/cats.md").write_text("# Cats\n\nA cat sleeps in a box.\n\n## Toys\n\nA ball of wool.\n")
    (manual / "reference/fish.md").unlink()
    assert refresh(manual) == Changes(new=1, changed=1, gone=2, kept=2)
    text, sources = ask("Where does a cat sleep?")
    assert text.startswith("A cat sleeps in a box.")
    assert places(sources)[0] == "howto/cats.md: Cats"
    assert refresh(manual) == Changes(kept=4)


def test_every_mode_finds_within_an_area(manual: Path) -> None:
    refresh(manual)
    question = "Does a goldfish remember, and do cats eat fish?"
    for mode in MODES:
        _text, anywhere = ask(question, mode=mode, limit=5)
        assert {"howto/cats.md: Food", "reference/fish.md: Fish"} <= set(places(anywhere)), mode
        text, within = ask(question, mode=mode, area="reference")
        assert places(within) == ["reference/fish.md: Fish"], mode
        assert text.startswith("A goldfish remembers for months."), mode
    assert ask("zyzzyva", mode="text_search")[1] == []


def test_the_tour_is_about_this_documentation(tmp_path: Path) -> None:
    output = printed(DATABASE_URL=f"sqlite:///{tmp_path / 'manual.sqlite3'}")
    new, *others = counts(output)
    assert new > 200
    assert others == [0, 0, 0]
    tour = re.findall(r"^(\S.*\?)$", output, re.MULTILINE)
    assert len(tour) == 3
    for question in tour:
        found = answer(output, question)
        assert len(found.sources) == 3
        assert found.similarities == sorted(found.similarities, reverse=True)
    assert "rows without a vector are left out" in answer(output, tour[0]).text.lower()


def test_a_database_that_does_not_answer_is_one_sentence() -> None:
    refused = run("--database", "postgresql://nobody@127.0.0.1:1/none?POOL_TIMEOUT=0.5")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("The database does not answer: ")
    assert "Traceback" not in refused.stderr


def test_the_migrations_are_those_that_the_command_line_would_write(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dorm", "makemigrations", "--check", "manual"]
    variables = {
        **os.environ,
        "DORM_SETTINGS": "examples.rag_over_own_models.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'manual.sqlite3'}",
    }
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, "No changes detected" in done.stdout) == (0, True), done.stdout + done.stderr


def test_like_words_have_like_vectors() -> None:
    vectors = embed(["a vector index", "vectors, indexes", "milk and fish", ""])
    assert vectors.shape == (4, DIMENSIONS)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1, 0], abs=1e-6)
    likeness = vectors @ vectors[0]
    assert likeness[1] > 0.4 > likeness[2]
