"""Random queries of random models answer as plain Python does; `nox -s soak` asks many more."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
from dorm.db.connection import close_all_async
from dorm.models import _model_registry
from hypothesis import HealthCheck, Phase, given, reject, seed, settings

from dorm_vector import IndexMissed
from tests.databases import Database, create_tables, drop_table
from tests.differential.generator import Generator, random_queries
from tests.differential.interpreter import Interpreter
from tests.differential.model import Shape, shapes
from tests.differential.ordering import Uncertain, difference, is_row
from tests.differential.programs import asked, declared, program, shown
from tests.differential.queries import ROWS, Query
from tests.differential.refusals import WITHOUT_CORRELATED, reason_of
from tests.differential.rows import Rows, rows, write
from tests.differential.tally import Tally

SEED = int(os.environ.get("DORM_VECTOR_SOAK_SEED", "14"))
MODELS = int(os.environ.get("DORM_VECTOR_SOAK_MODELS", "4"))
QUERIES = int(os.environ.get("DORM_VECTOR_SOAK_EXAMPLES", "50"))

# Of columns that are not distances, the database decides where NULL sorts.
NULLS_LAST = ("postgresql",)
GENERATED = settings(
    deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck), print_blob=False
)


@cache
def drawn(number: int) -> tuple[Shape, Rows]:
    """Return the model of a number, and its rows: the last one that hypothesis makes from its seed."""
    found: list[Any] = []

    @seed(SEED * 10_000 + number)
    @settings(GENERATED, max_examples=3, phases=[Phase.generate])
    @given(shapes().flatmap(lambda shape: rows(shape).map(lambda made: (shape, made))))
    def collect(pair: tuple[Shape, Rows]) -> None:
        found.append(pair)

    collect()
    shape, made = found[-1]
    return shape, made


@pytest.fixture
def models(database: Database, number: int, runner: asyncio.Runner) -> Iterator[dict[str, Any]]:
    database.use()
    shape, made = drawn(number)
    suffix = str(number)
    with patch.dict(_model_registry), warnings.catch_warnings():
        warnings.simplefilter("ignore", IndexMissed)
        namespace = declared(shape, suffix)
        classes = [namespace[f"{table.name}{suffix}"] for table in shape.tables]
        create_tables(database.connection, tuple(classes))
        for table, model in zip(shape.tables, classes, strict=True):
            write(table, model, made[table.name])
        yield namespace
        runner.run(close_all_async())
        for model in reversed(classes):
            drop_table(database, model)


@pytest.mark.parametrize("number", range(MODELS))
def test_a_database_answers_as_python_does(
    database: Database, models: dict[str, Any], number: int, runner: asyncio.Runner, tally: Tally
) -> None:
    shape, made = drawn(number)
    interpreter = Interpreter(shape, made, nulls_first=database.name not in NULLS_LAST)
    tally.models += 1

    @seed(SEED * 10_000 + number)
    @settings(GENERATED, max_examples=QUERIES, phases=[Phase.generate, Phase.shrink])
    @given(random_queries(Generator(shape, made, is_correlated=database.name not in WITHOUT_CORRELATED)))
    def ask(query: Query) -> None:
        tally.queries += 1
        try:
            expected = interpreter.answer(query)
        except Uncertain:
            tally.uncertain += 1
            reject()
        for at in (0, 1) if tally.has_failed else (tally.queries % 2,):
            check(query, expected, runner if at else None)

    def check(query: Query, expected: Any, running: asyncio.Runner | None) -> None:
        try:
            got = asked(query, str(number), models, running)
        except Exception as error:
            if reason_of(database.name, error):
                tally.refusals += 1
                return
            tally.has_failed = True
            text = program(shape, made, query, is_async=running is not None, expected=expected, got=repr(error))
            raise AssertionError(text) from error
        problem = compare(query, expected, got)
        if problem:
            tally.has_failed = True
            text = program(shape, made, query, is_async=running is not None, expected=expected, got=got)
            raise AssertionError(f"{problem}\n\n{text}")

    ask()


def compare(query: Query, expected: Any, got: Any) -> str:
    if query.wanted in ("first", "last"):
        got = [] if got is None else [got]
    if query.wanted in (*ROWS, "first", "last"):
        candidates, start, stop = expected
        return difference(candidates, start, stop, shown(query, got))
    if query.wanted == "aggregate":
        return "" if is_row(expected, got) else "other aggregates"
    return "" if expected == got else "another answer"
