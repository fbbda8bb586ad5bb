"""Run a query on a database; print one that failed as a program that shows it again."""

from __future__ import annotations

import ast
import asyncio
import datetime as dt
from typing import Any
from uuid import UUID

import dorm

import dorm_vector
from tests.differential.model import Shape
from tests.differential.queries import Project, Query
from tests.differential.rows import Rows

NAMES: dict[str, Any] = {
    **{
        name: getattr(dorm, name)
        for name in ("Avg", "Count", "Exists", "F", "Max", "Min", "OuterRef", "Q", "Subquery", "Sum")
    },
    **{name: getattr(dorm_vector, name) for name in dorm_vector.__all__},
    "UUID": UUID,
    "datetime": dt,
    "dorm": dorm,
}

PROGRAM = """\
import asyncio
import datetime
import os
from uuid import UUID

import dorm
from dorm import *
from dorm_vector import *

dorm.configure(DATABASES={{"default": os.environ["DATABASE_URL"]}}, INSTALLED_APPS=[])

{models}


{rows}


async def main():
    return {source}


create_tables({names})
{writes}
print(asyncio.run(main()))
# expected: {expected}
# got:      {got}
"""


def declared(shape: Shape, suffix: str) -> dict[str, Any]:
    """Return the models of a shape, by the names of its tables, and what their queries may name."""
    namespace = {**NAMES, "__name__": "tests.differential.generated"}
    exec(shape.source(suffix), namespace)  # noqa: S102  # the tests wrote it
    return namespace


def asked(query: Query, suffix: str, namespace: dict[str, Any], runner: asyncio.Runner | None) -> Any:
    """Return what the database answers; asynchronously with a runner."""
    source = query.program(suffix, is_async=runner is not None)
    code = compile(source, "<query>", "eval", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    found = eval(code, namespace)  # noqa: S307  # as above
    return runner.run(found) if runner is not None else found


def shown(query: Query, rows: list[Any]) -> list[dict[str, Any]]:
    """Return rows in the form that the interpreter shows them in."""
    project = next((step for step in query.steps if isinstance(step, Project)), None)
    if project is None:
        return [instance_shown(row) for row in rows]
    names = [*project.names, *(name for name, _aggregate in project.groups)]
    if project.kind == "values":
        return rows
    return [dict(zip(names, (row,) if project.kind == "flat" else row, strict=True)) for row in rows]


def instance_shown(row: Any) -> dict[str, Any]:
    fields = {field.attname: field.name for field in row._meta.concrete_fields}
    found = {fields[name]: getattr(row, name) for name in fields}
    return found | {name: value for name, value in vars(row).items() if name not in fields and not name.startswith("_")}


def program(shape: Shape, rows: Rows, query: Query, *, is_async: bool, expected: Any, got: Any) -> str:
    """Return the program that shows a difference."""
    names = [table.name for table in shape.tables]
    return PROGRAM.format(
        models=shape.source(""),
        rows="ROWS = " + repr(rows),
        names=", ".join(names),
        writes="\n".join(_writes(shape, name) for name in names),
        source=query.program("", is_async=is_async),
        expected=expected,
        got=got,
    )


def _writes(shape: Shape, name: str) -> str:
    relations = shape.table(name).relations
    many = [key for key, relation in relations.items() if relation.many]
    keys = {key: f"{key}_id" for key, relation in relations.items() if not relation.many}
    given = f"{{{keys}.get(key, key): value for key, value in row.items() if key not in {many}}}"
    lines = [f'for row in ROWS["{name}"]:', f"    made = {name}.objects.create(**{given})"]
    lines += [f'    made.{key}.add(*row["{key}"])' for key in many]
    return "\n".join(lines)
