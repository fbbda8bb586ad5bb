"""Report searches, loads and embeddings to observers; without observers, this costs a comparison."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger("dorm_vector")


@dataclass(slots=True, eq=False)
class Work:
    """A search, a load or an embedding: what it is, how long it took, and its outcome."""

    operation: str
    """``search``, ``load`` or ``embed``."""
    name: str
    """What is searched, loaded or called: ``Document.embedding``, ``Document``, or the name of an embedder."""
    attributes: dict[str, Any]
    """Its attributes, by the names of OpenTelemetry's conventions."""
    source: Any = None
    """The queryset of a search."""
    begun: int = 0
    ended: int = 0
    rows: int = 0
    """Rows that were returned or loaded, or texts that were embedded."""
    plan: str = ""
    fallback: str = ""
    """Why a search was repeated exactly; empty if it was not."""
    error: BaseException | None = None
    held: dict[Any, Any] = field(default_factory=dict)
    """What each observer stores for it."""
    _token: Token[Work | None] | None = None

    @property
    def seconds(self) -> float:
        return (self.ended - self.begun) / 1e9


class Observer:
    """The base class of what receives each search, load and embedding."""

    def begin(self, work: Work) -> None:
        """Start observing; the statements until ``pause()`` belong to the work."""

    def pause(self, work: Work) -> None:
        """Stop the clock: the database is done, and what follows may be the code of the caller."""

    def end(self, work: Work) -> None:
        """Take the outcome: all rows were read, or the caller stopped reading."""

    def measured_recall(self, name: str, value: float) -> None:
        """Report the mean recall of live searches of a field, from 0 to 1."""


_observers: tuple[Observer, ...] = ()

_current: ContextVar[Work | None] = ContextVar("dorm_vector_work", default=None)

_muted: ContextVar[bool] = ContextVar("dorm_vector_unobserved", default=False)


def observe(observer: Observer) -> None:
    """Report everything to the observer from now on."""
    global _observers  # noqa: PLW0603  # a tuple is replaced, so that running work reads a whole one
    _observers = (*(each for each in _observers if each is not observer), observer)


def forget(observer: Observer) -> None:
    global _observers  # noqa: PLW0603  # as above
    _observers = tuple(each for each in _observers if each is not observer)


def is_observed() -> bool:
    return (bool(_observers) or log.isEnabledFor(logging.DEBUG)) and not _muted.get()


def current() -> Work | None:
    """Return the work whose statements are running."""
    return _current.get()


@contextmanager
def unobserved() -> Iterator[None]:
    """Report nothing that happens in the block."""
    token = _muted.set(True)
    try:
        yield
    finally:
        _muted.reset(token)


def begin(work: Work) -> None:
    work._token = _current.set(work)
    for observer in _observers:
        observer.begin(work)
    work.begun = time.time_ns()


def pause(work: Work) -> None:
    work.ended = time.time_ns()
    for observer in reversed(_observers):
        observer.pause(work)
    if work._token is not None:
        _current.reset(work._token)
        work._token = None


def end(work: Work) -> None:
    for observer in _observers:
        observer.end(work)
    if log.isEnabledFor(logging.DEBUG):
        outcome = f"failed with {type(work.error).__name__}" if work.error is not None else work.plan or "done"
        log.debug("%s %s: %d rows in %.1f ms, %s", work.operation, work.name, work.rows, 1e3 * work.seconds, outcome)


@contextmanager
def observed(operation: str, name: str, describe: Callable[[], dict[str, Any]]) -> Iterator[Work | None]:
    """Observe the block, and yield its work; None if no observer is registered."""
    if not is_observed():
        yield None
        return
    work = Work(operation, name, describe())
    begin(work)
    try:
        yield work
    except BaseException as error:
        work.error = error
        raise
    finally:
        pause(work)
        end(work)


@contextmanager
def embedding(model: str, texts: int) -> Iterator[None]:
    """Observe one call of an embedder; its texts are not reported."""
    with observed(
        "embed", model, lambda: {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": model}
    ) as work:
        yield
        if work is not None:
            work.rows = texts


def report_recall(name: str, value: float) -> None:
    for observer in _observers:
        observer.measured_recall(name, value)


def fell_back(name: str, reason: str) -> None:
    """Report that a search was repeated without its index."""
    work = _current.get()
    if work is not None:
        work.fallback = reason
    if not _muted.get():
        log.warning("A search of %s fell back to an exact one: %s", name, reason)
