"""The FastAPI application of the explorer. No endpoint writes to a database."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from dorm.exceptions import FieldDoesNotExist, ValidationError
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

from ...exceptions import UnsuitableDistance, UnsupportedByDatabase, VectorError
from ..exit_codes import UsageError
from ..redaction import without_secrets
from . import catalog, searches
from .points import Maps
from .searches import Question, Table

STATIC = Path(__file__).parent / "static"

_THREADS = 4
"""Each has connections of its own, and a long measurement leaves the others free."""

_REFUSED = (
    *(FieldDoesNotExist, UnsuitableDistance, UnsupportedByDatabase, UsageError, ValidationError, VectorError),
    *(TypeError, ValueError, ImportError),
)
"""What is wrong with a question; every other error is a failure of the explorer or of the database."""


class Asked(BaseModel):
    """A search, as the page sends it."""

    model: str
    field: str
    by: Literal["text", "row", "vector"]
    query: str = Field(min_length=1)
    filters: list[str] = []
    distance: str | None = None
    limit: int = Field(10, ge=1, le=1_000)
    mode: Literal["auto", "exact", "approximate"] = "auto"

    def question(self) -> Question:
        table = Table(self.model, self.field, tuple(self.filters), self.distance)
        return Question(table, self.by, self.query, self.limit, self.mode)


class Pool:
    """Threads that answer questions, because djanorm's synchronous calls would block the event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="explorer")

    async def __call__(self, function: Callable[..., Any], *arguments: Any) -> Response:
        context = contextvars.copy_context()
        work = partial(context.run, _answered, function, *arguments)
        status, data = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        return _json(status, data)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


def _answered(function: Callable[..., Any], *arguments: Any) -> tuple[int, Any]:
    try:
        return 200, function(*arguments)
    except _REFUSED as error:
        return 400, _failure(error)
    except Exception as error:  # noqa: BLE001  # the page shows every error; a traceback may have secrets
        return 500, _failure(error)


def _failure(error: BaseException) -> dict[str, Any]:
    message = without_secrets(str(error) or type(error).__name__)
    return {"error": {"type": type(error).__name__, "message": message}}


def _json(status: int, data: Any) -> Response:
    content = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    # A text of a database may have half of a surrogate pair.
    return Response(content.encode("utf-8", "replace"), status, media_type="application/json")


def table_of(
    model: str,
    field: str,
    filters: Annotated[list[str] | None, Query(alias="filter")] = None,
    distance: str | None = None,
) -> Table:
    return Table(model, field, tuple(filters or ()), distance or None)


TableQuery = Annotated[Table, Depends(table_of)]


def application(alias: str, most_points: int) -> FastAPI:
    """Return the application for one database."""
    pool, maps = Pool(), Maps(alias, most_points)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        pool.close()

    # FastAPI's own pages of documentation load their code from another host.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_exception_handler(RequestValidationError, _invalid)
    _add_searches(app, pool, alias)
    _add_map(app, pool, maps)
    app.mount("/", StaticFiles(directory=STATIC, html=True))
    return app


async def _invalid(_request: Request, error: Any) -> Response:
    found = [f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors()]
    return _json(400, {"error": {"type": "ValidationError", "message": "; ".join(found)}})


def _add_searches(app: FastAPI, pool: Pool, alias: str) -> None:
    @app.get("/api/models")
    async def models() -> Response:
        return await pool(catalog.catalog, alias)

    # A POST only because a vector may be longer than an address.
    @app.post("/api/search")
    async def search(asked: Asked) -> Response:
        return await pool(searches.found, alias, asked.question())

    @app.post("/api/plan")
    async def plan(asked: Asked) -> Response:
        return await pool(searches.plan, alias, asked.question())

    @app.get("/api/row")
    async def row(model: str, key: str) -> Response:
        return await pool(searches.row, alias, model, key)

    @app.get("/api/recall")
    async def recall(
        table: TableQuery,
        k: Annotated[int, Query(ge=1, le=1_000)] = 10,
        sample: Annotated[int, Query(ge=1, le=1_000)] = 30,
    ) -> Response:
        return await pool(searches.recall, alias, table, k, sample)


def _add_map(app: FastAPI, pool: Pool, maps: Maps) -> None:
    @app.get("/api/map")
    async def points(
        table: TableQuery,
        method: Literal["pca", "umap"] = "pca",
        clusters: Annotated[int, Query(ge=1, le=10)] = 8,
    ) -> Response:
        return await pool(maps.points, table, method, clusters)

    @app.get("/api/colors")
    async def colors(table: TableQuery, column: str) -> Response:
        return await pool(maps.colors, table, column)

    @app.get("/api/marks")
    async def marks(table: TableQuery, max_distance: float | None = None) -> Response:
        return await pool(maps.marks, table, max_distance)
