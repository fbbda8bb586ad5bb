"""The reports as a browser gets them: the real command serves them, in a process of its own, on two databases."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends import get
from backends.servers.url import url_from
from examples.epidemiological_reports.data import reports
from examples.epidemiological_reports.embedding import EMBEDDER
from tests.examples.serving import ROOT, Server, served

EXAMPLE = ("examples.epidemiological_reports",)
REPORTS = {fields["code"]: fields for fields in reports()}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ask(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if request.param == "sqlite":
        with served(EXAMPLE, f"sqlite:///{tmp_path_factory.mktemp('reports') / 'reports.sqlite3'}") as server:
            yield server
        return
    with get("postgresql").start() as running:
        database = running.new_database()
        with served(EXAMPLE, url_from(database)) as server:
            yield server
        running.drop_database(database)


def nearest(vector: np.ndarray[Any, np.dtype[np.float32]], **wanted: Any) -> list[str]:
    """Return the codes of the nearest reports, by plain arithmetic over the texts."""
    chosen = {
        code: EMBEDDER.embed_query(f"{fields['title']}\n{fields['text']}")
        for code, fields in REPORTS.items()
        if all(fields[name] == value for name, value in wanted.items())
    }
    return sorted(chosen, key=lambda code: -float(chosen[code] @ vector))


def codes(rows: list[dict[str, Any]]) -> list[str]:
    return [row["code"] for row in rows]


def test_by_what_is_known(ask: Server) -> None:
    rows = ask("/reports", disease="dengue", since="2024-06-01", until="2024-12-01", min_cases=100, limit=100)
    expected = [
        fields
        for fields in REPORTS.values()
        if fields["disease"] == "dengue" and "2024-06-01" <= str(fields["reported_on"]) <= "2024-12-01"
        and fields["cases"] >= 100
    ]  # fmt: skip
    assert expected
    assert codes(rows) == [
        fields["code"] for fields in sorted(expected, key=lambda fields: fields["reported_on"], reverse=True)
    ]
    first = REPORTS[rows[0]["code"]]
    assert rows[0] == {**first, "reported_on": str(first["reported_on"])}


def test_by_meaning(ask: Server) -> None:
    question = "unsafe drinking water"
    rows = ask("/reports/semantic", q=question, limit=20)
    vector = EMBEDDER.embed_query(question)
    texts = {code: EMBEDDER.embed_query(f"{REPORTS[code]['title']}\n{REPORTS[code]['text']}") for code in codes(rows)}
    distances = [row["distance"] for row in rows]
    assert distances == pytest.approx([1 - float(texts[code] @ vector) for code in codes(rows)], abs=1e-5)
    assert distances == sorted(distances)
    assert len({*codes(rows)} & {*nearest(vector)[:20]}) >= 19, "the index of PostgreSQL may miss one"
    assert {row["disease"] for row in rows[:5]} == {"cholera"}
    assert not any("drinking" in row["text"] for row in rows), "they say it otherwise"


def test_by_words_and_meaning_at_once(ask: Server) -> None:
    question = "H58 after meals"
    rows = ask("/reports/hybrid", q=question)
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    for row in rows:
        ranks = [rank for rank in (row["text_rank"], row["vector_rank"]) if rank]
        assert row["score"] == pytest.approx(sum(1 / (60 + rank) for rank in ranks))
    assert all("H58" in row["text"] and ("canteen" in row["text"] or "Food" in row["text"]) for row in rows[:3])
    by_meaning = ask("/reports/semantic", q=question)
    assert not any("H58" in row["text"] for row in by_meaning), "the embedder does not know the name"
    assert not any("meal" in fields["text"] for fields in REPORTS.values()), "the words know no other word for it"


@pytest.mark.parametrize("path", ["/reports/semantic", "/reports/hybrid"])
def test_a_filter_holds_for_every_search(ask: Server, path: str) -> None:
    rows = ask(path, q="H58 after meals", region="Coast", disease="malaria", limit=5)
    wanted = [code for code, fields in REPORTS.items() if (fields["region"], fields["disease"]) == ("Coast", "malaria")]
    assert set(codes(rows)) <= set(wanted)
    assert len(rows) == min(5, len(wanted))


def test_like_another(ask: Server) -> None:
    code = "EPI-2024-0007"
    rows = ask(f"/reports/{code}/similar", limit=5)
    vector = EMBEDDER.embed_query(f"{REPORTS[code]['title']}\n{REPORTS[code]['text']}")
    assert code not in codes(rows)
    assert len({*codes(rows)} & {*nearest(vector)[1:6]}) >= 4
    assert {row["disease"] for row in rows[:3]} == {REPORTS[code]["disease"]}


@pytest.mark.parametrize("question", ['"', "NEAR(", "' OR 1=1 --", "%s", "*", "fox-dog", "日本語", "AND"])
def test_whatever_is_typed_is_answered(ask: Server, question: str) -> None:
    assert len(ask("/reports/hybrid", q=question, limit=3)) == 3


def test_what_is_wrong_is_refused(ask: Server) -> None:
    assert ask.refuses("/reports/EPI-1999-0001/similar") == 404
    assert ask.refuses("/reports/hybrid") == 422
    assert ask.refuses("/reports", limit=0) == 422
    assert ask.refuses("/reports", since="yesterday") == 422


def test_the_migrations_are_those_of_the_models(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dorm", "makemigrations", "--check", "reports"]
    variables = {
        **os.environ,
        "DORM_SETTINGS": "examples.epidemiological_reports.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'none.sqlite3'}",
    }
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, "No changes detected" in done.stdout) == (0, True), done.stdout + done.stderr
