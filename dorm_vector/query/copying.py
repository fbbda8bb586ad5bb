"""Copy the state of a query as djanorm's ``clone()`` does, without building two empty queries first."""

from __future__ import annotations

from typing import Any

from dorm.query import SQLQuery

_LISTS = (
    *("where_nodes", "order_by_fields", "distinct_on_fields", "joins", "group_by_fields", "having_nodes"),
    *("select_related_fields", "prefetch_related_fields", "ctes"),
)
_OTHERS = ("annotations", "alias_only_names", "filtered_relations", "selected_fields", "selected_related_fields")
_SHARED = (
    *("model", "limit_val", "offset_val", "deferred_loading", "distinct_flag", "for_update_flag"),
    *("for_update_skip_locked", "for_update_no_wait", "for_update_of", "_outer_alias", "_outer_model"),
)
_OF_A_COMPILATION = ("_last_resolved_leaf_field", "_self_alias")


def is_known() -> bool:
    """Return whether this djanorm's queries have the attributes that are copied here, and no others."""
    return vars(SQLQuery(None)).keys() == {*_LISTS, *_OTHERS, *_SHARED, *_OF_A_COMPILATION}


def copied(state: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the attributes of a query; a change of its lists, dicts and sets changes no other query."""
    found = state.copy()
    for name in _LISTS:
        found[name] = [*state[name]]
    found["annotations"] = state["annotations"].copy()
    found["alias_only_names"] = {*state["alias_only_names"]}
    found["filtered_relations"] = state["filtered_relations"].copy()
    if state["selected_fields"] is not None:
        found["selected_fields"] = [*state["selected_fields"]]
    related = state["selected_related_fields"]
    found["selected_related_fields"] = {name: {*fields} for name, fields in related.items()} if related else {}
    # What a compilation left is not the copy's.
    found["_last_resolved_leaf_field"] = found["_self_alias"] = None
    for name in ("_join_params", "outer_references"):
        found.pop(name, None)
    return found
