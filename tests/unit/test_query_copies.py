"""A copy of a vector query is what djanorm's own copy would be."""

from __future__ import annotations

from typing import Any

from dorm.query import SQLQuery
from dorm.queryset import QuerySet

from dorm_vector.query.combined import CombinedQuery
from dorm_vector.query.compiler import VectorSQLQuery
from dorm_vector.query.copying import is_known
from tests.models import Document


def marked(query: Any) -> dict[str, Any]:
    """Give each attribute a value of its own, and return the values."""
    for name, value in vars(query).items():
        mark: Any = (name,)
        if isinstance(value, dict):
            mark = {name: {name}}
        elif isinstance(value, (list, set)) or name == "selected_fields":
            mark = {name} if isinstance(value, set) else [name]
        vars(query)[name] = mark
    return dict(vars(query))


def kept(copy: Any, marks: dict[str, Any]) -> dict[str, tuple[Any, bool]]:
    return {name: (vars(copy)[name], vars(copy)[name] is mark) for name, mark in marks.items()}


def test_a_copy_has_what_djanorms_has() -> None:
    assert is_known()
    theirs = SQLQuery(Document)
    marks = marked(theirs)
    ours = VectorSQLQuery(Document)
    vars(ours).update(marks)
    assert kept(ours.clone(), marks) == kept(SQLQuery.clone(theirs), marks)


def test_a_copy_is_not_changed_with_its_original() -> None:
    query: Any = VectorSQLQuery(Document, "other")
    query.selected_related_fields = {"author": {"name"}}
    query.options, query._join_params, query.outer_references = {"ef_search": 9}, [1], [2]
    copy: Any = query.clone()
    query.selected_related_fields["author"].add("id")
    for name in ("where_nodes", "order_by_fields", "joins", "ctes", "having_nodes", "group_by_fields"):
        getattr(query, name).append(name)
    query.annotations["a"] = query.filtered_relations["b"] = 1
    query.alias_only_names.add("a")
    left = SQLQuery(Document)
    assert {name: vars(copy)[name] for name in vars(left) if name != "selected_related_fields"} == {
        name: value for name, value in vars(left).items() if name != "selected_related_fields"
    }
    assert copy.selected_related_fields == {"author": {"name"}}
    assert (copy.using, copy.options, copy.outer_references) == ("other", {"ef_search": 9}, None)
    assert "_join_params" not in vars(copy)


def test_a_copy_is_of_its_class() -> None:
    query = CombinedQuery(Document)
    query.parts, query.operator = [1], "EXCEPT"
    copy = query.clone()
    assert (type(copy), copy.parts, copy.operator) == (CombinedQuery, [1], "EXCEPT")


def test_a_chained_queryset_keeps_its_cache_and_its_class() -> None:
    class Counting(type(Document.objects.all())):  # type: ignore[misc]  # a class that is made at run time
        def __init__(self, model: Any, using: str = "default") -> None:
            super().__init__(model, using)
            self.made = True

    cached = Document.objects.using("default").cache(timeout=7, using="redis").filter(title="a")
    assert {**vars(cached), "_query": None} == {
        **vars(QuerySet(Document)),
        "_query": None,
        "_cache_alias": "redis",
        "_cache_timeout": 7,
    }
    assert Counting(Document).filter(title="a").order_by("id").made
