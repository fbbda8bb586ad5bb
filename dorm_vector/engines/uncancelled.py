"""Protect the statements that begin and end a transaction from cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

PATIENCE = 1.0
"""Seconds that a cancelled task waits for the server's response before the driver drops the connection."""


async def finished(work: Awaitable[Any], patience: float | None = None) -> Any:
    """Await the work until it is done, and only then raise a cancellation.

    Args:
        work: What to await.
        patience: Seconds to wait after a cancellation before the work is cancelled as well; None for no limit.
    """
    task, cancelled = await _to_its_end(work, patience)
    if cancelled is not None:
        failure_of(task)
        raise cancelled
    return task.result()


async def concluded(work: Callable[[], Awaitable[Any]], patience: float | None = None) -> None:
    """Complete the work; if it succeeds, a cancellation in the meantime is delivered at the next ``await``.

    A COMMIT cannot be undone, so its block ends before the cancellation is delivered. A cancellation that arrived
    before the work began is raised immediately.
    """
    if _has_loop():
        await asyncio.sleep(0)
    task, cancelled = await _to_its_end(work(), patience)
    if cancelled is None:
        task.result()
    elif failure_of(task) is not None:
        raise cancelled
    else:
        _cancel_later()


async def undone(work: Awaitable[Any], patience: float | None = None) -> BaseException | None:
    """Await the work that rolls back a block, and return its failure, if any; a cancellation is delivered later."""
    task, cancelled = await _to_its_end(work, patience)
    if cancelled is not None:
        _cancel_later()
    return failure_of(task)


async def noticed(work: Awaitable[Any]) -> Any:
    """Await the work; if it swallows a cancellation, cancel the task at its next ``await``."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    result = await work
    if task is not None and task.cancelling() > before:
        _cancel_later()
    return result


def stop_when_cancelled(pool: Any) -> None:
    """Let the tasks of a psycopg pool end with their event loop.

    They swallow a cancellation that arrives while they open or check a connection, and then wait for work for ever, as
    does ``asyncio.run()`` for them.
    """
    queue, scheduler = pool._tasks, pool._sched
    queue.get = _unless_cancelled(queue.get)
    scheduler._event.wait_timeout = _unless_cancelled(scheduler._event.wait_timeout)


def _unless_cancelled(wait: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def waited(*args: Any) -> Any:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError
        return await wait(*args)

    return waited


def failure_of(task: asyncio.Future[Any] | Future[Any]) -> BaseException | None:
    """Return the exception of a finished task, which asyncio then does not report as forgotten."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()


async def _to_its_end(
    work: Awaitable[Any], patience: float | None
) -> tuple[asyncio.Task[Any] | Future[Any], asyncio.CancelledError | None]:
    if not _has_loop():
        return await _at_once(work), None
    loop = asyncio.get_running_loop()
    task = loop.create_task(_awaited(work))
    cancelled: asyncio.CancelledError | None = None
    deadline: float | None = None
    while not task.done():
        try:
            await asyncio.wait([task], timeout=None if deadline is None else max(0, deadline - loop.time()))
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
            deadline = deadline or (None if patience is None else loop.time() + patience)
        if deadline is not None and loop.time() >= deadline:
            task.cancel()
            deadline = None
    return task, cancelled


def _has_loop() -> bool:
    """Return whether a loop is running; probes run without one, and nothing can cancel them."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _at_once(work: Awaitable[Any]) -> Future[Any]:
    done: Future[Any] = Future()
    try:
        done.set_result(await work)
    except Exception as error:  # noqa: BLE001  # result() raises it again
        done.set_exception(error)
    return done


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


def _cancel_later() -> None:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().call_soon(_cancel_again, task, task.cancelling())


def _cancel_again(task: asyncio.Task[Any], requests: int) -> None:
    """Cancel the task, unless the request was withdrawn in the meantime, as ``asyncio.timeout()`` does on exit."""
    if requests and not task.done() and task.cancelling() >= requests:
        # cancel() counts the request, which is already counted.
        task.uncancel()
        task.cancel()
