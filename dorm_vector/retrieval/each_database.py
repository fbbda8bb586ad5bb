"""Read from several databases at once, or count: tasks in async code, threads otherwise."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, Literal, TypeVar

from dorm.conf import settings
from dorm.db.connection import get_connection
from dorm.exceptions import FieldDoesNotExist, ValidationError

from ..engines.connections import in_transaction, is_in_memory
from ..exceptions import FederatedSearchError, UnsupportedByDatabase
from ..steps import Fetch, Step

OnError = Literal["raise", "partial"]

_CHOICES = ("raise", "partial")

_Result = TypeVar("_Result")

# Errors of the call itself, which would recur when the database is back.
_REFUSALS = (UnsupportedByDatabase, ValidationError, FieldDoesNotExist, TypeError, ValueError)

_THREADS = 16
"""The threads of a database; each keeps its connection for the next search."""


@dataclass(frozen=True)
class Answers:
    """What each database answered, and the error of each one that did not, in the order of the call."""

    found: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)


@dataclass(eq=False, repr=False)
class ReadEach(Step):
    """Take a step with one queryset per database, at the same time; ``caller`` names the function in errors."""

    caller: str
    querysets: Mapping[str, Any]
    on_error: OnError
    step: Callable[[Any], Step] = Fetch

    def run(self, wrapper: Any) -> Answers:
        return self._judged(_in_threads(self._steps()))

    async def arun(self, wrapper: Any) -> Answers:
        return self._judged(await _in_tasks(self._steps(), until_failure=self.on_error == "raise"))

    def _steps(self) -> dict[str, Step]:
        return {alias: self.step(queryset) for alias, queryset in self.querysets.items()}

    def _judged(self, outcomes: Mapping[str, Any]) -> Answers:
        answers = Answers()
        for alias, outcome in outcomes.items():
            if not isinstance(outcome, BaseException):
                answers.found[alias] = outcome
            elif isinstance(outcome, _REFUSALS) or not isinstance(outcome, Exception):
                outcome.add_note(f"{self.caller}() raised this in the database {alias!r}.")
                raise outcome
            else:
                answers.failed[alias] = outcome
        if answers.failed and (self.on_error == "raise" or not answers.found):
            raise _failure(self.caller, answers.failed, len(self.querysets))
        return answers


def chosen_databases(caller: str, databases: Any) -> list[str]:
    """Return the aliases to search; raise ValueError unless they are different databases in DATABASES."""
    if isinstance(databases, str) or not isinstance(databases, Iterable):
        raise TypeError(f'{caller}(databases={databases!r}): want several aliases, such as ["shard_0", "shard_1"].')
    aliases, known = list(databases), list(settings.DATABASES)
    unknown = [alias for alias in aliases if alias not in known]
    if not aliases or unknown:
        has = ", ".join(map(repr, known))
        raise ValueError(f"{caller}(databases={aliases!r}): want aliases that DATABASES has. It has {has}.")
    twice = sorted({alias for alias in aliases if aliases.count(alias) > 1})
    if twice:
        raise ValueError(f"{caller}(databases={aliases!r}): {twice[0]!r} is there twice, and would answer twice.")
    return aliases


def chosen_reaction(caller: str, on_error: Any) -> OnError:
    if on_error not in _CHOICES:
        raise ValueError(f"{caller}(on_error={on_error!r}): want one of {', '.join(_CHOICES)}.")
    reaction: OnError = on_error
    return reaction


def _failure(caller: str, failed: Mapping[str, Exception], count: int) -> FederatedSearchError:
    named = "; ".join(f"{alias!r}: {type(error).__name__}: {error}" for alias, error in failed.items())
    advice = ' Pass on_error="partial" to get the rows of the others.' if len(failed) < count else ""
    error = FederatedSearchError(f"{caller}(): {len(failed)} of {count} databases failed. {named}.{advice}")
    error.failed = dict(failed)
    error.__cause__ = next(iter(failed.values()))
    return error


# threads


class _Threads:
    """Threads for each database, so that a thread finds the connection that it has opened before."""

    def __init__(self) -> None:
        self._lock, self._pools = Lock(), dict[str, ThreadPoolExecutor]()

    def submit(self, alias: str, function: Callable[[], _Result]) -> Future[_Result]:
        with self._lock:
            pool = self._pools.get(alias) or self._pools.setdefault(
                alias, ThreadPoolExecutor(_THREADS, thread_name_prefix=f"dorm_vector_{alias}")
            )
            return pool.submit(copy_context().run, function)

    def forget(self) -> None:
        """Start without threads in a forked process, because they do not survive the fork."""
        self.__init__()  # type: ignore[misc]  # the lock may be held by a thread that is not here


_threads = _Threads()
os.register_at_fork(after_in_child=_threads.forget)


def _in_threads(steps: Mapping[str, Step]) -> dict[str, Any]:
    """Return the result of each step, or its error."""
    here = _must_stay(steps)
    if not here:
        here = list(steps)[:1]
    futures = {
        alias: _threads.submit(alias, partial(step.run, None)) for alias, step in steps.items() if alias not in here
    }
    own = {alias: _outcome(steps[alias]) for alias in here}
    others = {alias: future.exception() or future.result() for alias, future in futures.items()}
    return {alias: {**own, **others}[alias] for alias in steps}


def _outcome(step: Step) -> Any:
    try:
        return step.run(None)
    except Exception as error:  # noqa: BLE001  # raised by the caller, after the other databases have answered
        return error


def _must_stay(aliases: Iterable[str]) -> list[str]:
    """Return the databases that only this thread can read: in its open blocks, or in its memory."""
    connections = {alias: get_connection(alias) for alias in aliases}
    return [
        alias for alias, connection in connections.items() if in_transaction(connection) or is_in_memory(connection)
    ]


# tasks


async def _in_tasks(steps: Mapping[str, Step], *, until_failure: bool) -> dict[str, Any]:
    """Return the result of each step, or its error; without those that were stopped because another one failed."""
    tasks = {alias: asyncio.ensure_future(step.arun(None)) for alias, step in steps.items()}
    try:
        await asyncio.wait(
            tasks.values(), return_when=asyncio.FIRST_EXCEPTION if until_failure else asyncio.ALL_COMPLETED
        )
    finally:
        stopped = [task for task in tasks.values() if task.cancel()]
        await asyncio.gather(*stopped, return_exceptions=True)
    finished = {alias: task for alias, task in tasks.items() if task not in stopped}
    return {alias: task.exception() or task.result() for alias, task in finished.items()}


def in_order(answers: Mapping[str, Sequence[Any]]) -> list[tuple[str, Any]]:
    """Return every row with its database, in the order of the call and then of each database."""
    return [(alias, row) for alias, rows in answers.items() for row in rows]
