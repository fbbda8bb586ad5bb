"""AddIndex and RemoveIndex: our indexes are built and dropped by their own modules, all others by djanorm."""

from __future__ import annotations

from typing import Any

from ..indexes.text import TextIndex
from ..indexes.vector import VectorIndex
from ..patching.registry import hook
from . import text_indexes, vector_indexes
from .concurrently import concurrently

_OPERATIONS = "dorm.migrations.operations"

_BUILDERS = {VectorIndex: vector_indexes, TextIndex: text_indexes}


@hook(f"{_OPERATIONS}:AddIndex", "database_forwards")
@hook(f"{_OPERATIONS}:RemoveIndex", "database_backwards", name="index_ddl")
def index_ddl(original: Any, operation: Any, *arguments: Any) -> None:
    """Build and drop vector indexes and TextIndexes with the dialect of the connection."""
    builder = _builder(operation)
    if builder is None:
        original(operation, *arguments)
    else:
        concurrently(builder.add, operation, *arguments)


@hook(f"{_OPERATIONS}:RemoveIndex", "database_forwards", name="index_ddl")
@hook(f"{_OPERATIONS}:AddIndex", "database_backwards", name="index_ddl")
def _dropped(original: Any, operation: Any, *arguments: Any) -> None:
    builder = _builder(operation)
    if builder is None:
        original(operation, *arguments)
    else:
        concurrently(builder.remove, operation, *arguments)


def _builder(operation: Any) -> Any:
    return next((builder for kind, builder in _BUILDERS.items() if isinstance(operation.index, kind)), None)
