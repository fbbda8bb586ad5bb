"""``dorm lint-migrations``: index builds that block writers of an existing table."""

from __future__ import annotations

from typing import Any

from ...indexes.text import TextIndex
from ...indexes.vec0 import Vec0Index
from ...indexes.vector import VectorIndex
from ...patching.on_import import Late
from ...patching.registry import hook

_CODE = "DORM-M003"

operations: Any = Late("dorm.migrations.operations")


@hook("dorm.migrations.lint", "lint_operations")
def blocking_index_builds(original: Any, found: list[Any], **options: Any) -> Any:
    """Report index builds that block writers, except on tables that the same file creates."""
    created = {operation.name.lower() for operation in found if isinstance(operation, operations.CreateModel)}
    return original([operation for operation in found if not _is_of_new_table(operation, created)], **options)


def _is_of_new_table(operation: Any, created: set[str]) -> bool:
    return isinstance(operation, operations.AddIndex) and operation.model_name.lower() in created


@hook("dorm.migrations.lint", "_check_add_index", name="blocking_index_builds")
def _check(original: Any, operation: Any, file: Any, suppressed: set[str]) -> list[Any]:
    index = operation.index
    if not isinstance(index, (VectorIndex, TextIndex)):
        return list(original(operation, file, suppressed))
    # A vec0 table cannot be built concurrently; SQLite has one writer at a time anyway.
    if operation.concurrently or isinstance(index, Vec0Index) or _CODE in suppressed:
        return []
    from dorm.migrations.lint import Finding

    name = index.get_name(operation.model_name)
    return [
        Finding(
            code=_CODE,
            file=file,
            operation=f"AddIndex(model_name={operation.model_name!r}, index={type(index).__name__}(name={name!r}))",
            message=(
                f"{name} is built while writers of its table wait, which takes minutes for a million rows. On"
                " PostgreSQL, pass concurrently=True, in a migration of its own. MariaDB and MySQL cannot: migrate when"
                f" few write. Silence it with # noqa: {_CODE}."
            ),
        )
    ]
