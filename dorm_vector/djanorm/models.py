"""What a model gets when it declares a vector field: a manager that knows vectors, and honest deferred columns."""

from __future__ import annotations

from typing import Any

from dorm.exceptions import FieldDoesNotExist
from dorm.expressions import Q
from dorm.manager import Manager
from dorm.query import SQLQuery
from dorm.queryset import QuerySet

from .deferred import keep_deferred_columns
from .query_texts import texts_in
from .repairs import repair


def adopt_model(cls: Any) -> None:
    """Prepare the model class while djanorm's metaclass is still building it."""
    keep_deferred_columns(cls)
    if not cls._meta.abstract and not _has_own_objects(cls):
        cls._meta.managers = _Managers(cls._meta.managers)


class _Managers(list[Any]):
    """``Meta.managers``; turns the Manager that the metaclass adds by itself into a VectorManager."""

    def append(self, manager: Any) -> None:
        # Late: the query module needs the fields, and the fields need this one.
        from ..query import VectorManager

        if type(manager) is Manager and manager.name == "objects":
            manager.__class__ = VectorManager
        super().append(manager)


def _has_own_objects(cls: Any) -> bool:
    if isinstance(cls._meta.managers, _Managers) or isinstance(vars(cls).get("objects"), Manager):
        return True
    inherited = (getattr(getattr(base, "_meta", None), "managers", ()) for base in cls.__mro__[1:])
    return any(manager.name == "objects" for managers in inherited for manager in managers)


def rows_of(source: Any) -> Any:
    """Return the queryset of a model, a manager or a queryset; TypeError for what is none of these."""
    found = getattr(source, "_default_manager", source) if isinstance(source, type) else source
    if not hasattr(found, "all") or not hasattr(found, "filter"):
        raise TypeError(f"{source!r} has no rows. Give a model, or a queryset of it: Report.objects.filter(year=2024).")
    return found.all()


def vector_fields(model: Any) -> list[Any]:
    """Return the model's vector fields."""
    return [field for field in model._meta.concrete_fields if hasattr(field, "to_vector")]


def reads_vectors(field: Any) -> bool:
    """Tell whether the values of a column are vectors, or arrays of them."""
    return hasattr(getattr(field, "base_field", field), "to_vector")


def vector_field(model: Any, path: str) -> Any:
    """Return the vector field at the end of ``path``; raises FieldDoesNotExist, with those that there are."""
    from .compiling import Names

    if not isinstance(path, str):
        raise TypeError(f"A vector field goes by its name; got {path!r}.")
    try:
        field = Names(SQLQuery(model), model).field(path)
    except FieldDoesNotExist:
        field = None
    if not hasattr(field, "to_vector"):
        names = ", ".join(field.name for field in vector_fields(model)) or "none of its own"
        raise FieldDoesNotExist(f"{model.__name__} has no vector field {path!r}. It has {names}.")
    return field


def field_names(model: Any) -> list[str]:
    return [field.name for field in model._meta.get_fields()]


def fields_of(model: Any) -> dict[str, Any]:
    return {field.name: field for field in model._meta.get_fields()}


def primary_key(model: Any) -> str:
    return str(model._meta.pk.name)


def indexes_of(field: Any) -> list[Any]:
    """Return the vector indexes that the field's model declares for it."""
    from ..indexes import VectorIndex

    declared = field.model._meta.indexes if field.model is not None else ()
    return [index for index in declared if isinstance(index, VectorIndex) and index.fields == [field.name]]


def text_indexes_of(model: Any) -> list[Any]:
    """Return the text indexes that the model declares."""
    from ..text_index import TextIndex

    return [index for index in model._meta.indexes if isinstance(index, TextIndex)]


def has_companions(model: Any, kinds: Any) -> bool:
    """Tell whether the model declares an index of those kinds that are a table beside it."""
    return bool(kinds) and any(getattr(index, "kind", None) in kinds for index in model._meta.indexes)


def check_indexes(field: Any) -> None:
    """Raise ValueError where an index that the model declares is not one for this field."""
    for index in indexes_of(field):
        index.check(field)


def _plain_new(cls: Any, *args: Any, **kwargs: Any) -> Any:
    return object.__new__(cls)


if QuerySet.__new__ is object.__new__:
    # object's own refuses the arguments once a class has a __new__ of its own.
    QuerySet.__new__ = _plain_new  # type: ignore[method-assign]


@repair("dorm.queryset:QuerySet", "__new__")
def vector_querysets(original: Any, cls: Any, model: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Give related managers, prefetches and plain managers a queryset that can filter and order by a distance.

    Symptom: ``author.documents.annotate(distance=…).filter(distance__lt=…)`` fails, or compares with a string literal
    on SQLite. Cause: djanorm builds a plain ``QuerySet`` in thirteen places. djanorm 4.3 to 4.5.
    """
    if cls is QuerySet and model is not None and any(map(reads_vectors, model._meta.concrete_fields)):
        from ..query import VectorQuerySet

        return original(VectorQuerySet)
    return original(cls)


@repair("dorm.queryset:QuerySet", "annotate", name="upgrade_on_distance")
@repair("dorm.queryset:QuerySet", "alias", name="upgrade_on_distance")
@repair("dorm.queryset:QuerySet", "aggregate", name="upgrade_on_distance")
@repair("dorm.queryset:QuerySet", "aaggregate", name="upgrade_on_distance")
def upgrade_on_distance(original: Any, queryset: Any, **expressions: Any) -> Any:
    """Let a model without a vector of its own be ranked by one of a related model.

    Symptom: ``Comment.objects.annotate(distance=L2Distance("document__embedding", …)).order_by("distance")`` fails.
    Cause: a plain QuerySet neither filters nor orders by an annotation once a relation is joined. djanorm 4.3 to 4.5.
    """
    found = expressions.values()
    if type(queryset) is QuerySet and (any(map(_mentions_a_vector, found)) or any(texts_in(list(found)))):
        from .querysets import upgraded

        return getattr(upgraded(queryset), original.__name__)(**expressions)
    return original(queryset, **expressions)


@repair("dorm.queryset:QuerySet", "order_by", name="upgrade_on_distance")
def _upgrade_on_order(original: Any, queryset: Any, *fields: Any) -> Any:
    if type(queryset) is not QuerySet or all(isinstance(field, str) for field in fields):
        return original(queryset, *fields)
    from .querysets import upgraded

    return upgraded(queryset).order_by(*fields)


@repair("dorm.queryset:QuerySet", "filter")
@repair("dorm.queryset:QuerySet", "exclude", name="upgrade_on_text")
def upgrade_on_text(original: Any, queryset: Any, *conditions: Any, **lookups: Any) -> Any:
    """Let a model without a vector of its own be filtered by a search of a text, without blocking the event loop.

    Symptom: ``await Author.objects.filter(pk__in=reports.nearest("embedding", "a text")[:9].values("author"))`` embeds
    the text inside the loop. Cause: a plain QuerySet compiles what it holds, and awaits nothing before. djanorm 4.3 to
    4.5.
    """
    if type(queryset) is QuerySet and any(texts_in(Q(*conditions, **lookups))):
        from .querysets import upgraded

        queryset = upgraded(queryset)
    return original(queryset, *conditions, **lookups)


def _mentions_a_vector(expression: Any) -> bool:
    from ..expressions import Expression

    return isinstance(expression, Expression) or any(map(_mentions_a_vector, _parts_of(expression)))


def _parts_of(expression: Any) -> list[Any]:
    """Return what an operator, a function, a Case or an aggregate is made of."""
    names = ("lhs", "rhs", "expression", "default", "then")
    found = [getattr(expression, name, None) for name in names]
    found += [part for name in ("expressions", "whens") for part in getattr(expression, name, ())]
    return [part for part in found if hasattr(part, "as_sql")]
