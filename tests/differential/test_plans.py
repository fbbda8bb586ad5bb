"""Each plan of a search is forced, and finds of the nearest what it promises; never a row that the filter excludes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from dorm.db.connection import close_all_async
from dorm.models import _model_registry
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from tests.databases import Database, create_tables, drop_table
from tests.differential.generator import Generator
from tests.differential.interpreter import Interpreter
from tests.differential.ordering import Candidate, Uncertain, difference, is_row
from tests.differential.plans import DIMENSIONS, METRIC, PLANS, SHAPE, Plan, seeded_rows, vector
from tests.differential.programs import asked, declared, program, shown
from tests.differential.queries import Filter, Nearest, Query, Slice
from tests.differential.rows import write
from tests.differential.test_queries import GENERATED, NULLS_LAST, QUERIES, SEED

SUFFIX = "plans"
# PostgreSQL would read so few rows without an index.
FORCED = {"postgresql": {"OPTIONS": {"options": "-c enable_seqscan=off -c enable_sort=off"}}}


@pytest.fixture(scope="module")
def namespace(database: Database, runner: asyncio.Runner) -> Iterator[dict[str, Any]]:
    """What queries may name, and the models, with their rows stored."""
    forced = Database(database.running, {**database.settings, **FORCED.get(database.name, {})})
    forced.use()
    with patch.dict(_model_registry):
        found = declared(SHAPE, SUFFIX)
        model = found[f"Item{SUFFIX}"]
        create_tables(database.connection, (model,))
        write(SHAPE.tables[0], model, seeded_rows(SEED)["Item"])
        yield found
        runner.run(close_all_async())
        drop_table(database, model)
    database.use()


# Like the rows, because signs tell little about other vectors.
VECTORS = st.integers(0, 2**20).map(lambda number: vector(random.Random(number)))


@st.composite
def searches(draw: st.DrawFn, generator: Generator, plan: Plan) -> Query:
    filters = [Filter(generator.condition(draw, "Item", 0, 1)) for _ in range(draw(st.integers(0, 2)))]
    search = Nearest("embedding", draw(VECTORS), METRIC, is_named=True, exact=plan.exact, shortlist=plan.shortlist)
    start = draw(st.sampled_from([None, None, 3]))
    return Query("Item", (*filters, search, Slice(start, (start or 0) + draw(st.integers(1, 10)))))


def test_a_plan_finds_what_it_promises(database: Database, namespace: dict[str, Any], runner: asyncio.Runner) -> None:
    rows = seeded_rows(SEED)
    interpreter = Interpreter(SHAPE, rows, nulls_first=database.name not in NULLS_LAST)
    for plan in PLANS:
        if database.name in plan.indexes:
            assert_forced(plan, database.name, namespace)
            shares = shares_found(plan, namespace, interpreter, runner)
            assert sum(shares) / len(shares) >= plan.recall, plan.name


def shares_found(
    plan: Plan, namespace: dict[str, Any], interpreter: Interpreter, runner: asyncio.Runner
) -> list[float]:
    """Return for each of many searches how many of the nearest rows the plan found; all else has to be right."""
    shares: list[float] = []

    @seed(SEED)
    @settings(GENERATED, max_examples=QUERIES // 2, phases=[Phase.generate, Phase.shrink])
    @given(searches(Generator(SHAPE, interpreter.rows), plan))
    def ask(query: Query) -> None:
        try:
            candidates, start, stop = interpreter.candidates(query)
        except Uncertain:
            return
        running = runner if len(shares) % 2 else None
        got, wanted = shown(query, asked(query, SUFFIX, namespace, running)), candidates[start:stop]
        problem = difference(candidates, start, stop, got) if plan.recall == 1 else unfit(candidates, len(wanted), got)
        text = program(SHAPE, interpreter.rows, query, is_async=bool(len(shares) % 2), expected=wanted, got=got)
        assert not problem, f"{plan.name}: {problem}\n\n{text}"
        shares.append(share(wanted, got))

    ask()
    return shares


def assert_forced(plan: Plan, database: str, namespace: dict[str, Any]) -> None:
    search = Nearest("embedding", [1.0] * DIMENSIONS, METRIC, exact=plan.exact, shortlist=plan.shortlist)
    query = Query("Item", (search, Slice(None, 5)))
    found = asked(replace(query, wanted="explain_search"), SUFFIX, namespace, None)
    assert found.index == plan.indexes[database], (plan.name, str(found))


def unfit(candidates: list[Candidate], wanted: int, rows: list[dict[str, Any]]) -> str:
    """Return what is wrong with an approximate answer besides rows that it missed."""
    if len(rows) != wanted:
        return f"{len(rows)} rows, expected {wanted}"
    distances = [row["distance"] for row in rows]
    if distances != sorted(distances):
        return "the rows are not sorted by their distance"
    known = {one.shown["id"]: one.shown for one in candidates}
    wrong = [row for row in rows if row["id"] not in known or not is_row(known[row["id"]], row)]
    return f"rows that do not pass the filter, or have another distance: {wrong}" if wrong else ""


def share(wanted: list[Candidate], rows: list[dict[str, Any]]) -> float:
    found = {row["id"] for row in rows}
    return sum(one.shown["id"] in found for one in wanted) / len(wanted) if wanted else 1.0
