"""Statement timeouts of PostgreSQL: the server's ``statement_timeout``, and a client timeout for a silent server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from ...dialects import dialect_named
from ..limits.calls import GAVE_UP, Calls
from ..limits.checkout import achecked_out, checked_out
from ..limits.exempt import is_exempt
from ..limits.setting import GRACE, NAME

_GUARDED, _SET = "dorm_vector_guarded", "dorm_vector_statement_timeout"


def limited(wrapper: Any, seconds: float) -> None:
    dialect = dialect_named("postgresql")
    limiter = Limiter(seconds, behind_a_pooler=bool(wrapper._pgbouncer_mode))
    vars(wrapper)[NAME] = limiter
    if not limiter.behind_a_pooler:
        given = wrapper._dsn.get("options") or ""
        wrapper._dsn["options"] = f"{given} -c statement_timeout={limiter.milliseconds}".strip()
    (_limited_async if hasattr(wrapper, "aatomic") else _limited_sync)(wrapper)
    Calls(dialect.title, seconds, dialect.limits.told).replace(wrapper)


class Limiter:
    """Limits the connections of one wrapper."""

    def __init__(self, seconds: float, *, behind_a_pooler: bool) -> None:
        self._seconds, self.milliseconds = seconds, round(seconds * 1000)
        self.behind_a_pooler = behind_a_pooler
        """Whether other clients share the session; then only the client limits statements."""

    def guard(self, connection: Any) -> None:
        """Set the client timeout as well, if the connection is new."""
        if _GUARDED not in vars(connection):
            vars(connection)[_GUARDED] = True
            watch(connection, lambda: None if is_exempt() else self._patience, cancels=self.behind_a_pooler)

    @property
    def _patience(self) -> float:
        return self._seconds + (0.0 if self.behind_a_pooler else GRACE)

    def statement(self, connection: Any) -> str:
        """Return the statement that gives an open transaction, or a session in autocommit, its limit; often empty."""
        facts, status = vars(connection), connection.info.transaction_status.name
        wanted = 0 if is_exempt() else self.milliseconds
        if self.behind_a_pooler or status in ("INERROR", "UNKNOWN", "ACTIVE"):
            return ""
        # Not remembered for an exempt one: a rollback to a savepoint brings the limit back.
        if wanted and facts.get(_SET, wanted) == wanted:
            return ""
        facts[_SET] = wanted
        return f"SET {'' if connection.autocommit else 'LOCAL '}statement_timeout = {wanted}"


def watch(connection: Any, patience: Callable[[], float | None], *, cancels: bool = False) -> None:
    """End each wait for the server after ``patience()`` seconds; None is no limit."""
    wait = connection.wait

    def waiting(work: Any, *args: Any, **options: Any) -> Any:
        seconds = patience()
        return wait(work if seconds is None else _watched(work, connection, seconds, cancels), *args, **options)

    # A coroutine on an async connection.
    vars(connection)["wait"] = waiting


@contextmanager
def watched(connection: Any, seconds: float) -> Iterator[None]:
    """Limit each wait for the server inside the block."""
    before = vars(connection).get("wait")
    watch(connection, lambda: seconds)
    try:
        yield
    finally:
        del vars(connection)["wait"]
        if before is not None:
            vars(connection)["wait"] = before


def _watched(work: Any, connection: Any, seconds: float, cancels: bool) -> Generator[Any, Any, Any]:
    """Run psycopg's generator, and end it if the server stays silent; psycopg wakes it up every 0.1 seconds."""
    deadline = monotonic() + seconds
    try:
        wanted = next(work)
        while True:
            ready = yield wanted
            if not ready and monotonic() > deadline:
                _give_up(connection, cancels)
            wanted = work.send(ready)
    except StopIteration as end:
        return end.value


def _give_up(connection: Any, cancels: bool) -> None:
    from psycopg.errors import QueryCanceled

    if cancels:
        # In a thread, because a silent pooler would not let the request end.
        threading.Thread(target=connection.pgconn.get_cancel().cancel, daemon=True).start()
    connection.pgconn.finish()
    raise QueryCanceled(f"no answer of the server: {GAVE_UP}")


def _limited_sync(wrapper: Any) -> None:
    choose, persistent = wrapper._choose_conn, wrapper._get_persistent_conn

    def choose_conn() -> Any:
        connection = choose()
        if connection is not None:
            checked_out(wrapper, connection)
        return connection

    def get_persistent_conn() -> Any:
        return checked_out(wrapper, persistent())

    wrapper._choose_conn, wrapper._get_persistent_conn = choose_conn, get_persistent_conn


def _limited_async(wrapper: Any) -> None:
    choose, script = wrapper._choose_conn, wrapper.execute_script

    async def choose_conn() -> Any:
        connection = await choose()
        if connection is not None:
            await achecked_out(wrapper, connection)
        return connection

    async def execute_script(sql: str) -> None:
        if wrapper._in_async_atomic():
            # djanorm does not choose the connection here.
            await choose_conn()
        await script(sql)

    wrapper._choose_conn, wrapper.execute_script = choose_conn, execute_script
