"""The searches as a web page and as JSON: `uvicorn examples.epidemiological_reports.api:app`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import dorm
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict

from examples.epidemiological_reports import search, settings
from examples.epidemiological_reports.loading import prepare
from examples.epidemiological_reports.reports.models import Report
from examples.epidemiological_reports.search import Filters


class ReportOut(BaseModel):
    """A report, and what the search says of it."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    disease: str
    region: str
    reported_on: date
    cases: int
    title: str
    text: str


class NearOut(ReportOut):
    """One found by meaning."""

    distance: float


class HybridOut(ReportOut):
    """One found by words, by meaning or by both; None from the search that missed it."""

    score: float
    text_rank: int | None
    text_score: float | None
    vector_rank: int | None
    vector_distance: float | None


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    dorm.configure(DATABASES=settings.DATABASES, INSTALLED_APPS=settings.INSTALLED_APPS)
    await asyncio.to_thread(prepare)
    yield


app = FastAPI(title="Epidemiological reports", lifespan=lifespan)
Wanted = Annotated[Filters, Depends()]
Question = Annotated[str, Query(min_length=1, max_length=1000, description="Anything: nothing in it is an operator")]
Limit = Annotated[int, Query(ge=1, le=100)]


@app.get("/", include_in_schema=False)
def page() -> FileResponse:
    """Return the page that searches with the functions below."""
    return FileResponse(Path(__file__).with_name("page.html"))


@app.get("/reports", response_model=list[ReportOut])
async def reports(filters: Wanted, limit: Limit = 10) -> list[Report]:
    """Find reports by what is known of them, newest first."""
    return await search.structured(filters, limit)


@app.get("/reports/semantic", response_model=list[NearOut])
async def semantic(q: Question, filters: Wanted, limit: Limit = 10) -> list[Report]:
    """Find reports by meaning."""
    return await search.semantic(q, filters, limit)


@app.get("/reports/hybrid", response_model=list[HybridOut])
async def hybrid(q: Question, filters: Wanted, limit: Limit = 10) -> list[Report]:
    """Find reports by words and by meaning at once."""
    return await search.hybrid(q, filters, limit)


@app.get("/reports/{code}/similar", response_model=list[NearOut])
async def similar(code: str, filters: Wanted, limit: Limit = 10) -> list[Report]:
    """Find reports like this one."""
    report = await Report.objects.filter(code=code).afirst()
    if report is None:
        raise HTTPException(404, f"No report has the code {code!r}.")
    return await search.similar(report, filters, limit)
