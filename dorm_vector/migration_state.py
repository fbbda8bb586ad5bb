"""Look up models, tables, fields and indexes in the state of a migration."""

from __future__ import annotations

from typing import Any

from .indexes.vector import VectorIndex


def model_of(operation: Any, app_label: str, state: Any) -> dict[str, Any]:
    found: dict[str, Any] = state.models.get(f"{app_label}.{operation.model_name.lower()}", {})
    return found


def table_of(operation: Any, app_label: str, state: Any) -> str:
    options = model_of(operation, app_label, state).get("options", {})
    return str(options.get("db_table") or f"{app_label}_{operation.model_name.lower()}")


def field_of(operation: Any, app_label: str, state: Any) -> Any:
    return model_of(operation, app_label, state).get("fields", {}).get(operation.name)


def vector_indexes(operation: Any, app_label: str, state: Any) -> list[VectorIndex]:
    declared = model_of(operation, app_label, state).get("options", {}).get("indexes") or []
    return [index for index in declared if isinstance(index, VectorIndex)]
