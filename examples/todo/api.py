"""The list as JSON: `uvicorn examples.todo.api:app`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from examples.todo.database import prepare
from examples.todo.tasks.models import Task


class TaskIn(BaseModel):
    """What somebody types."""

    text: str = Field(min_length=1, max_length=300)


class TaskOut(BaseModel):
    """A task; in a search, how far its meaning is from the question."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    text: str
    done: bool
    distance: float | None = None


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    await asyncio.to_thread(prepare)
    yield


app = FastAPI(title="To-do list", lifespan=lifespan)


@app.post("/tasks", response_model=TaskOut, status_code=201)
async def add(task: TaskIn) -> Task:
    """Add a task; its text is embedded on the way."""
    made: Task = await Task.objects.acreate(text=task.text)
    return made


@app.get("/tasks", response_model=list[TaskOut])
async def tasks(
    q: Annotated[str | None, Query(min_length=1, max_length=300)] = None,
    done: bool = False,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> list[Task]:
    """List tasks in the order they were typed; with `q`, those nearest in meaning."""
    chosen = Task.objects.nearest("embedding", q) if q else Task.objects.order_by("id")
    return list(await chosen.filter(done=done)[:limit])


@app.post("/tasks/{number}/done", response_model=TaskOut)
async def finish(number: int) -> Task:
    """Tick a task off."""
    task: Task | None = await Task.objects.filter(id=number).afirst()
    if task is None:
        raise HTTPException(404, f"No task has the number {number}.")
    task.done = True
    await task.asave()
    return task
