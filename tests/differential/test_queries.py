"""Random queries of random models answer as plain Python does; `nox -s soak` asks many more."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
from dorm.db.connection import close_all_async
from dorm.models import _model_registry
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from dorm_vector import IndexMissed
from tests.databases import Database, create_tables, drop_table
from tests.differential.generator import Generator, random_queries
from tests.differential.interpreter import Interpreter
from tests.differential.model import Shape, shapes
from tests.differential.ordering import Uncertain, difference, is_row
from tests.differential.programs import asked, declared, program, shown
from tests.differential.queries import ROWS, Query
from tests.differential.refusals import reason_of
from tests.differential.rows import Rows, rows, write
from tests.differential.tally import Tally

SEED = int(os.environ.get("DORM_VECTOR_SOAK_SEED", "14"))
FIRST = int(os.environ.get("DORM_VECTOR_SOAK_FIRST", "0"))
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
    found = generated(number, shapes().flatmap(lambda shape: rows(shape).map(lambda made: (shape, made))), 3)
    shape, made = found[-1]
    return shape, made


@cache
def questions(number: int) -> list[Query]:
    """Return the queries of a model: made once for all databases, because that takes longer than to ask them."""
    return generated(number, random_queries(Generator(*drawn(number))), QUERIES)


def generated(number: int, strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    found: list[Any] = []

    @seed(SEED * 10_000 + number)
    @settings(GENERATED, max_examples=count, phases=[Phase.generate])
    @given(strategy)
    def collect(one: Any) -> None:
        found.append(one)

    collect()
    return found


def answer_of(interpreter: Interpreter, query: Query) -> Any:
    try:
        return interpreter.answer(query)
    except Uncertain:
        return Uncertain


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


@dataclass
class Asking:
    """Asks a database about a model, and compares."""

    database: str
    number: int
    models: dict[str, Any]
    runner: asyncio.Runner
    tally: Tally

    def __post_init__(self) -> None:
        self.shape, self.rows = drawn(self.number)
        self.interpreter = Interpreter(self.shape, self.rows, nulls_first=self.database not in NULLS_LAST)

    def all(self) -> None:
        self.tally.models += 1
        for query in questions(self.number):
            self.tally.queries += 1
            expected = answer_of(self.interpreter, query)
            self.tally.uncertain += expected is Uncertain
            try:
                self.check(query, expected, self.runner if self.tally.queries % 2 else None)
            except AssertionError:
                self.shortest()
                raise

    def shortest(self) -> None:
        """Fail with the shortest query that fails, both ways."""

        @seed(SEED * 10_000 + self.number)
        @settings(GENERATED, max_examples=QUERIES, phases=[Phase.generate, Phase.shrink])
        @given(random_queries(Generator(self.shape, self.rows)))
        def ask(query: Query) -> None:
            expected = answer_of(self.interpreter, query)
            for runner in (None, self.runner):
                self.check(query, expected, runner)

        ask()

    def check(self, query: Query, expected: Any, runner: asyncio.Runner | None) -> None:
        if expected is Uncertain:
            return
        try:
            got = asked(query, str(self.number), self.models, runner)
        except Exception as error:
            if reason_of(self.database, error):
                self.tally.refusals += 1
                return
            got = repr(error)
            raise AssertionError(self.program(query, expected, got, runner)) from error
        problem = compare(query, expected, got)
        assert not problem, f"{problem}\n\n{self.program(query, expected, got, runner)}"

    def program(self, query: Query, expected: Any, got: Any, runner: asyncio.Runner | None) -> str:
        return program(self.shape, self.rows, query, is_async=runner is not None, expected=expected, got=got)


@pytest.mark.parametrize("number", range(FIRST, FIRST + MODELS))
def test_a_database_answers_as_python_does(
    database: Database, models: dict[str, Any], number: int, runner: asyncio.Runner, tally: Tally
) -> None:
    Asking(database.name, number, models, runner, tally).all()


def compare(query: Query, expected: Any, got: Any) -> str:
    if query.wanted in ("first", "last"):
        got = [] if got is None else [got]
    if query.wanted in (*ROWS, "first", "last"):
        candidates, start, stop = expected
        return difference(candidates, start, stop, shown(query, got))
    if query.wanted == "aggregate":
        return "" if is_row(expected, got) else "other aggregates"
    return "" if expected == got else "another answer"
