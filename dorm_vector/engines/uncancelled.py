"""Statements that a cancellation must not cut in half: those by which a transaction begins and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

PATIENCE = 1.0
"""Seconds that a cancelled task waits for a server's answer; then the driver gives up the connection."""


async def finished(work: Awaitable[Any], patience: float | None = None) -> Any:
    """Await the work to its end, and only then let a cancellation through.

    Args:
        work: What to await.
        patience: Seconds to wait after a cancellation before the work is cancelled, too; None for no limit.
    """
    task, cancelled = await _to_its_end(work, patience)
    if cancelled is not None:
        failure_of(task)
        raise cancelled
    return task.result()


async def concluded(work: Callable[[], Awaitable[Any]], patience: float | None = None) -> None:
    """Do the work to its end; where it has succeeded, a cancellation meanwhile arrives at the next ``await``.

    What a COMMIT has stored cannot be taken back, so its block has ended before the cancellation. A cancellation that
    came before the work began comes through.
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
    """Await what undoes a block to its end, and return what kept it from succeeding; a cancellation arrives later."""
    task, cancelled = await _to_its_end(work, patience)
    if cancelled is not None:
        _cancel_later()
    return failure_of(task)


def failure_of(task: asyncio.Task[Any] | Future[Any]) -> BaseException | None:
    """Return what a task that is done has raised."""
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
    """Tell whether anybody could cancel; a probe runs without a loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _at_once(work: Awaitable[Any]) -> Future[Any]:
    done: Future[Any] = Future()
    try:
        done.set_result(await work)
    except Exception as error:  # noqa: BLE001  # who asks for the result gets it
        done.set_exception(error)
    return done


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


def _cancel_later() -> None:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().call_soon(_cancel_again, task, task.cancelling())


def _cancel_again(task: asyncio.Task[Any], requests: int) -> None:
    """Cancel the task, unless who had asked for it has taken that back, as ``asyncio.timeout()`` does at its end."""
    if requests and not task.done() and task.cancelling() >= requests:
        # The request is counted already.
        task.uncancel()
        task.cancel()
