"""Multi-tenant bulk loads: rows belong to the active tenant, unless they name another."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def tenant_field(model: Any) -> str | None:
    """Return the name of the tenant field, or None if the model is not multi-tenant."""
    module = sys.modules.get("dorm.contrib.tenants_row")
    if module is None or not issubclass(model, module.TenantModel):
        return None
    return str(getattr(model._meta, "tenant_field", None) or "tenant_id")


def of_active_tenant(model: Any, rows: list[Any]) -> list[Any]:
    """Return the rows, each with a tenant; raise NoActiveTenantError as ``save()`` does."""
    name = tenant_field(model)
    return rows if name is None else [_of_tenant(model, name, row) for row in rows]


def columns_of_active_tenant(model: Any, columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the columns, including the tenant column."""
    name = tenant_field(model)
    if name is None or name in columns or not columns:
        return columns
    return {**columns, name: [_active_tenant(model)] * len(next(iter(columns.values())))}


def _of_tenant(model: Any, name: str, row: Any) -> Any:
    if isinstance(row, Mapping):
        return row if row.get(name) else {**row, name: _active_tenant(model)}
    if isinstance(row, model) and not getattr(row, name, None):
        setattr(row, name, _active_tenant(model))
    return row


def _active_tenant(model: Any) -> Any:
    from dorm.contrib.tenants_row import NoActiveTenantError, get_active_tenant

    tenant = get_active_tenant()
    if tenant is None:
        raise NoActiveTenantError(
            f"bulk_load({model.__name__}) was called without an active tenant."
            " Wrap it in `with current_tenant(<tenant_id>):`, or give each row its tenant."
        )
    return tenant
