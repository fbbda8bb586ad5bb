"""nearest(): rank rows by their distance from a vector."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dorm.exceptions import FieldDoesNotExist
from dorm.expressions import F
from dorm.models import Model

from ..exceptions import InvalidVector
from ..expressions.distances import DISTANCES, SIMILARITIES, VectorDistance
from ..expressions.query_text import QueryText
from ..expressions.scope import FieldResolver, vector_field
from ..introspection import field_names, indexes_of, is_row_of, key_of_row, vector_fields
from ..values.metrics import Metric
from .spec import Search, SearchCondition, Within, as_search, with_options

if TYPE_CHECKING:
    from .explain import SearchPlan


def what_is_called(queryset: Any, name: str) -> str:
    """Return what a name already means on the rows of a queryset: "a field", "an attribute", "an annotation" or ""."""
    held = getattr(queryset.model, name, None)
    if name in field_names(queryset.model):
        return "a field"
    if name == "pk" or callable(held) or hasattr(held, "__get__"):
        return "an attribute"
    return "an annotation" if name in queryset._query.annotations else ""


def require_known(queryset: Any, reference: F) -> None:
    """Raise FieldDoesNotExist for a reference to an unknown name, which some databases would read as text."""
    if FieldResolver(queryset._query, queryset.model).source(reference) is None:
        there = ", ".join(field.name for field in vector_fields(queryset.model)) or "none of its own"
        raise FieldDoesNotExist(
            f"{queryset.model.__name__} has no vector field {reference.name!r} for F(). It has {there}."
        )


def holder_of(instance: Any, path: str) -> Any:
    """Follow the path through relations that are already loaded, and return the instance that has its last field."""
    *relations, _name = path.split("__")
    for relation in relations:
        related = vars(instance).get(f"_cache_{relation}")
        if related is None:
            raise InvalidVector(
                f"nearest({path!r}, ...): {relation!r} of {instance!r} is not loaded."
                f" Read it with select_related({'__'.join(relations)!r}), or give a vector."
            )
        instance = related
    return instance


_Found = TypeVar("_Found")


class SearchMethods(Generic[_Found]):
    """The search methods of VectorQuerySet, which return another queryset."""

    model: Any

    def nearest(
        self,
        field: str,
        to: Any,
        *,
        distance: str | Metric | None = None,
        max_distance: float | None = None,
        min_similarity: float | None = None,
        exact: bool | None = None,
        as_: str = "distance",
        group_by: str | None = None,
        combine: str | None = None,
    ) -> _Found:
        """Sort the rows by their distance from ``to``, nearest first; slice the result like any queryset.

        Rows without a vector are left out. A slice is filled if enough rows pass the filters: when the index finds too
        few, the search is repeated without it.

        Args:
            field: The vector field; its path may cross relations (``"document__embedding"``).
            to: A vector, ``F("other_field")``, a Subquery of one vector, an instance, which is itself left out, text if
                the field has an embedder, or a list of vectors with ``combine``.
            distance: The metric; by default that of the field's index, or L2 without one.
            max_distance: A bound in the units of the metric.
            min_similarity: A bound in the units of CosineSimilarity or InnerProduct.
            exact: True never uses an index. By default the database decides; libSQL uses an index only with
                ``exact=False``, because its index can lose rows.
            as_: The name under which each row has its distance.
            group_by: Keep the nearest row of each group: of each parent (``"document"``), or of each row of this model
                if the path crosses a relation to many rows (``nearest("chunks__embedding", to, group_by="pk")``). Such
                a row has the key of its nearest related row as ``nearest_pk``. Rows whose group is NULL are left out.
            combine: How to combine the distances from several vectors: ``"min"``, ``"mean"``, or ``"maxsim"`` for late
                interaction with the vectors of related rows or of an array.
        """
        require_names(self, as_, exact)
        search = Search(as_, field, exact=bool(exact), approximate=exact is False)
        bounds = (max_distance, min_similarity)
        found: _Found = (
            by_one_vector(self, search, to, distance, bounds, group_by)
            if combine is None
            else by_several_vectors(self, search, to, distance, bounds, group_by, combine)
        )
        return found

    def search_options(self, **options: int | str) -> _Found:
        """Set index options for this queryset only, such as ``ef_search=200``; they end with its statement.

        PostgreSQL has ef_search, probes, iterative_scan, max_scan_tuples, scan_mem_multiplier and max_probes; MariaDB
        has ef_search. Running the queryset raises UnsupportedByDatabase for an option that the database does not have,
        and ValueError for a value outside the option's range.
        """
        found: _Found = with_options(self, options)
        return found

    def explain_search(self) -> SearchPlan:
        """Return which index serves this queryset, or each reason why none does; reads its plan, and no rows."""
        from .explain import explained

        return explained(self)

    async def aexplain_search(self) -> SearchPlan:
        """Return which index serves this queryset; the async form of ``explain_search()``."""
        from .explain import aexplained

        return await aexplained(self)

    def rerank(self, shortlist: int, *, index: str | None = None) -> _Found:
        """Find a shortlist with a small index, and rerank it by exact distance, in one statement.

        The rows have their exact distances and are sorted by them. If the shortlist, after filtering, is too short for
        the slice, the search is repeated exactly. If the database has no such index, the search is exact.

        Args:
            shortlist: How many rows the index finds.
            index: The name of the index; by default the field's only one with ``precision`` or ``dimensions`` for the
                distance of the search.

        Raises:
            ValueError: There is no such index, or several are possible.
        """
        from .plans.shortlist import with_shortlist

        found: _Found = with_shortlist(self, shortlist, index)
        return found


def require_names(queryset: Any, as_: Any, exact: Any) -> None:
    require_free_name(queryset, as_)
    require_choice(exact)
    require_ungrouped(queryset)


Bounds = tuple[float | None, float | None]
"""``max_distance`` and ``min_similarity``."""


def by_one_vector(
    queryset: Any, search: Search, to: Any, distance: str | Metric | None, bounds: Bounds, group_by: str | None
) -> Any:
    """Return the rows by their distance from a vector."""
    target = vector_field(queryset.model, search.field_path)
    metric = chosen_metric(target, distance)
    bound = greatest_distance(metric, *bounds)
    measured = distance_to(metric, target, search.field_path, searched_by(queryset, to, search.field_path))
    ranked = queryset.annotate(**{search.name: measured}).order_by(search.name)
    conditions = conditions_of(target, search, bound)
    if group_by is not None:
        from .grouping import grouped  # imported late, because few searches group

        ranked, own = grouped(ranked, search, group_by)
        conditions += own
    itself = left_out(queryset.model, to)
    search.excluded = len(itself)
    return as_search(ranked, search, conditions + itself)


def by_several_vectors(
    queryset: Any,
    search: Search,
    to: Any,
    distance: str | Metric | None,
    bounds: Bounds,
    group_by: str | None,
    combine: str,
) -> Any:
    """Return the rows by their combined distance from several vectors."""
    from .combining import Asked, nearest_to_several  # imported late, because few searches combine

    max_distance, min_similarity = bounds
    if min_similarity is not None or group_by is not None:
        taken = "min_similarity" if min_similarity is not None else "group_by"
        raise ValueError(f"nearest(combine={combine!r}) takes no {taken}: it returns each row once, by max_distance.")
    bound = None if max_distance is None else required_number("max_distance", max_distance)
    return nearest_to_several(queryset, search, Asked(to, combine, distance, bound, chosen_metric))


def conditions_of(target: Any, search: Search, bound: float | None) -> list[SearchCondition]:
    """Return the conditions on a row to have a vector, and to be near enough."""
    may_be_null = target.null or "__" in search.field_path
    conditions = [SearchCondition(**{f"{search.field_path}__isnull": False})] if may_be_null else []
    return conditions if bound is None else [*conditions, Within(**{f"{search.name}__lte": bound})]


def chosen_metric(field: Any, distance: str | Metric | None) -> Metric:
    """Return the requested metric, or that of the field's index, or L2."""
    if distance is not None:
        if distance not in DISTANCES:
            raise ValueError(f"nearest(distance={distance!r}): want one of {', '.join(DISTANCES)}.")
        return Metric(distance)
    metrics = sorted({index.metric for index in indexes_of(field)})
    if len(metrics) > 1:
        raise ValueError(
            f"{field.label} has indexes for {' and '.join(metrics)}."
            f" Choose one: nearest(..., distance={metrics[0].value!r})."
        )
    return metrics[0] if metrics else Metric.L2


def greatest_distance(metric: Metric, max_distance: float | None, min_similarity: float | None) -> float | None:
    """Return the bound as a distance; raises ValueError if the metric has no similarity."""
    if min_similarity is None:
        return None if max_distance is None else required_number("max_distance", max_distance)
    if max_distance is not None:
        raise ValueError("nearest() takes max_distance or min_similarity, not both.")
    if metric not in SIMILARITIES:
        raise ValueError(
            f"{metric.value} has no similarity, so min_similarity={min_similarity!r} is meaningless. Use max_distance."
        )
    return SIMILARITIES[metric].distance_of(required_number("min_similarity", min_similarity))


def required_number(name: str, value: Any) -> float:
    """Return a bound as a float, which every driver can bind; raises ValueError if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"nearest({name}={value!r}): want a finite number.")
    return float(value)


def require_choice(exact: Any) -> None:
    if exact is not None and not isinstance(exact, bool):
        raise ValueError(f"nearest(exact={exact!r}): want True, False, or None to let the database decide.")


def distance_to(metric: Metric, target: Any, field: str, to: Any) -> VectorDistance:
    """Return the distance expression between a field and any ``to`` that ``nearest()`` accepts."""
    kind = DISTANCES[metric]
    if not isinstance(to, str):
        return kind(field, to)
    if not getattr(target, "fills", False):
        return _of_vector_text(kind, field, to)
    return kind(field, QueryText(target, to))


def _of_vector_text(kind: type[VectorDistance], field: str, text: str) -> VectorDistance:
    try:
        return kind(field, text)
    except InvalidVector as error:
        raise InvalidVector(
            f"nearest({field!r}, ...): {error} To search by what a text means, declare"
            f" {field.rpartition('__')[2]} as EmbeddingField(..., source=…, embedder=…)."
        ) from None


def require_ungrouped(queryset: Any) -> None:
    """Raise ValueError for a search of the rows that another one chose from their groups."""
    if queryset._query.group is not None:
        raise ValueError(
            "nearest() after nearest(group_by=…) would choose other rows of the groups. Search those by their keys:"
            f" {queryset.model.__name__}.objects.filter(pk__in=found).nearest(…)."
        )


def require_free_name(queryset: Any, name: Any) -> None:
    if not isinstance(name, str) or not name.isidentifier() or "__" in name or name.startswith("_"):
        raise ValueError(f'nearest(as_={name!r}): want the name of an attribute, such as "distance".')
    taken = what_is_called(queryset, name)
    if taken:
        raise ValueError(
            f"{queryset.model.__name__} has {taken} {name!r}, where nearest() would put the distance."
            f' Name it otherwise: nearest(..., as_="distance_to").'
        )


def searched_by(queryset: Any, to: Any, path: str) -> Any:
    """Return the vector, expression or instance to measure from.

    Raises:
        InvalidVector: ``to`` is None, or an instance without a vector in that field.
        FieldDoesNotExist: ``to`` refers to an unknown field.
    """
    if type(to) is F:
        require_known(queryset, to)
    if not isinstance(to, Model):
        return require_vector(to, path)
    holder = holder_of(to, path) if is_row_of(to, queryset.model) else to
    name = path.rpartition("__")[2]
    if name not in field_names(type(holder)):
        raise InvalidVector(f"nearest({path!r}, ...): {type(holder).__name__} has no field {name!r}. Give a vector.")
    # A field that only() or defer() left out raises its own error later.
    return require_vector(vars(holder)[name], path, to) if vars(holder).get(name, to) is None else holder


def require_vector(to: Any, path: str, holder: Any = None) -> Any:
    if to is None:
        what = "None" if holder is None else f"{holder!r}, which has no {path.rpartition('__')[2]}"
        raise InvalidVector(f"nearest({path!r}, ...) needs a vector to search by; got {what}.")
    return to


def left_out(model: Any, to: Any) -> list[SearchCondition]:
    """Return the condition that excludes the instance being searched by."""
    if not is_row_of(to, model) or to.pk is None:
        return []
    condition = SearchCondition(**key_of_row(to))
    condition.negated = True
    return [condition]
