"""Generated vector columns, which the database computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dorm.expressions import F
from dorm.fields import GeneratedField

from ..engines import dialect_for
from ..expressions.distances import Expression
from ..expressions.scope import CompileScope
from ..patching.registry import hook
from .fields import VectorField


class GeneratedVectorField(VectorField, GeneratedField):
    """A vector column that the database computes from other columns whenever the row is written.

    You can read it, index it and measure distances to it like any vector column. Assigning to it raises
    AttributeError. A saved instance has the value only after ``refresh_from_db()``.

    Args:
        expression: A function of columns, such as ``L2Normalize("embedding")``, which is compiled for each database;
            or SQL as a string.
        output_field: The vector field that describes the result.
        stored: Whether the database stores the value.
        options: The options of ``VectorField``.
    """

    def __init__(self, *, expression: Any, output_field: VectorField, stored: bool = True, **options: Any) -> None:
        self.element, self.value_type = output_field.element, output_field.value_type  # type: ignore[misc]  # ours here
        self.max_dimensions = output_field.max_dimensions  # type: ignore[misc]  # as above
        checked = expression if isinstance(expression, str) else "computed"
        options |= {"expression": checked, "output_field": output_field, "stored": stored}
        super().__init__(output_field.dimensions, as_numpy=output_field.as_numpy, **options)
        self.expression = expression

    def contribute_to_class(self, cls: Any, name: str) -> None:
        super().contribute_to_class(cls, name)
        # The output field decodes the values, and names this column in its errors.
        self.output_field.model, self.output_field.name = cls, name

    def from_db_value(self, value: Any) -> Any:
        return self.output_field.from_db_value(value)

    def to_python(self, value: Any) -> Any:
        return self.output_field.to_python(value)

    def db_type(self, connection: Any) -> str:
        dialect = dialect_for(connection)
        column_type = dialect.column_type(self.element, self.dimensions)
        return dialect.generated_column(column_type, self._sql(connection), stored=self.stored)

    def _sql(self, connection: Any) -> str:
        if isinstance(self.expression, str):
            return self.expression
        # In DDL, columns have no table alias and parameters cannot be bound.
        scope = CompileScope(None, None, dialect_for(connection), connection, None, assumed=self.dimensions)
        operand = self._over_columns().operand(scope)
        if operand.params:
            raise ValueError(f"{self.label} is computed from {self.expression!r}: a column takes columns and numbers.")
        return str(operand.sql)

    def _over_columns(self) -> Any:
        """Return the expression with columns in place of fields, which the model knows and a migration does not."""
        fields = getattr(getattr(self, "model", None), "_meta", None)
        columns = {field.name: field.column for field in getattr(fields, "fields", ()) if field.column}
        is_needed = any(name != column for name, column in columns.items())
        return _renamed(self.expression, columns) if is_needed else self.expression

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        name, path, args, options = super().deconstruct()
        for implied in ("dimensions", "as_numpy", "editable", "null"):
            options.pop(implied, None)
        own = {"expression": self._over_columns(), "output_field": self.output_field}
        return name, path, args, options | own | ({} if self.stored else {"stored": False})

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        return None

    def __set__(self, instance: Any, value: Any) -> None:
        raise AttributeError(f"{self.label} is computed by the database. Write the columns it is computed from.")


def _renamed(part: Any, columns: dict[str, str]) -> Any:
    if isinstance(part, F):
        return F(columns.get(part.name, part.name))
    if not isinstance(part, Expression) or not hasattr(part, "deconstruct"):
        return part
    _path, arguments, options = part.deconstruct()
    over = [columns.get(each, each) if isinstance(each, str) else _renamed(each, columns) for each in arguments]
    return type(part)(*over, **options)


class _Written:
    """A model's ``_meta`` without the columns that the database computes."""

    def __init__(self, meta: Any, is_computed: Callable[[Any], bool]) -> None:
        self._meta = meta
        self.fields = [field for field in meta.fields if not is_computed(field)]
        self.concrete_fields = [field for field in meta.concrete_fields if not is_computed(field)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._meta, name)


def _written(meta: Any, is_computed: Callable[[Any], bool]) -> Any:
    return _Written(meta, is_computed) if any(map(is_computed, meta.fields)) else meta


def _is_generated_vector(field: Any) -> bool:
    return isinstance(field, GeneratedField) and hasattr(field, "to_vector")


@hook("dorm.models:Model", "_do_insert", name="generated_vectors")
@hook("dorm.models:Model", "_ado_insert", name="generated_vectors")
@hook("dorm.models:Model", "_do_update", name="generated_vectors")
@hook("dorm.models:Model", "_ado_update", name="generated_vectors")
def generated_vectors(original: Any, instance: Any, connection: Any, meta: Any, *rest: Any) -> Any:
    """Omit a GeneratedVectorField from every INSERT and UPDATE."""
    return original(instance, connection, _written(meta, _is_generated_vector), *rest)


@hook("dorm.query:SQLQuery", "as_bulk_insert", name="generated_vectors")
def _without_generated_vectors(
    original: Any, query: Any, fields: list[Any], rows: list[list[Any]], *rest: Any, **options: Any
) -> Any:
    return original(query, *_kept(fields, rows, _is_generated_vector), *rest, **options)


def _kept(
    fields: list[Any], rows: list[list[Any]], is_computed: Callable[[Any], bool]
) -> tuple[list[Any], list[list[Any]]]:
    kept = [position for position, field in enumerate(fields) if not is_computed(field)]
    if len(kept) == len(fields):
        return fields, rows
    return [fields[i] for i in kept], [[row[i] for i in kept] for row in rows]
