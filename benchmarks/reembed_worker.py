"""A process that runs ``reembed(shared=True)``, as users run several: threads of one process would share its GIL."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any, Self

import dorm


class ReembedWorker:
    """It is started and connected before anything is measured, and runs ``reembed`` whenever it is told to."""

    def __init__(self, settings: dict[str, Any]) -> None:
        # Spawned, because a fork would share the driver's threads and connections.
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, settings), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._connection.recv()
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.send(None)
        self._process.join()

    def begin(self, seconds: float) -> None:
        """Embed the rows, with an embedder that takes so long for each batch."""
        self._connection.send(seconds)

    def end(self) -> tuple[int, float]:
        """Wait until all rows are embedded; return how many this process embedded, and how long its embedder worked."""
        done: tuple[int, float] = self._connection.recv()
        return done


def serve(connection: Connection, settings: dict[str, Any]) -> None:
    """Run ``reembed`` for each number of seconds that arrives, and send what it did."""
    from benchmarks.cases.embedding import EMBEDDER, note
    from dorm_vector import reembed

    dorm.configure(DATABASES={"default": settings}, INSTALLED_APPS=[], SLOW_QUERY_MS=None)
    model = note()
    reembed(model, shared=True)
    connection.send("ready")
    while (seconds := connection.recv()) is not None:
        EMBEDDER.seconds, EMBEDDER.busy = seconds, 0.0
        connection.send((reembed(model, shared=True), EMBEDDER.busy))
