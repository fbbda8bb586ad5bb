"""Vector columns. They know no SQL: the dialect of the connection names the column type."""

from __future__ import annotations

from typing import Any

from dorm.expressions import F
from dorm.fields import Field

from .dialects import dialect_for
from .djanorm.models import adopt_model
from .exceptions import DimensionMismatch, InvalidVector
from .vector import Vector, from_wire, unpack, unpack_numpy

MAX_DIMENSIONS = 16_000


class VectorField(Field[Any]):
    """Store a vector of ``dimensions`` (1 to 16,000) float32 values.

    Reads ``list[float]``, or a float32 array with ``as_numpy=True``. Takes lists, tuples, ``array.array``, numpy
    arrays, anything with ``__array__``, and pgvector's values; the rest of the options are djanorm's. Writing raises
    DimensionMismatch for a wrong length and InvalidVector for what is no vector, before anything is sent.
    """

    # djanorm keeps a field on the class only when it says so; then every assignment is converted, and a column
    # that only() or defer() left out is an absent attribute, not a None that save() would write.
    uses_class_descriptor = True

    def __init__(self, dimensions: int, *, as_numpy: bool = False, **options: Any) -> None:
        if isinstance(dimensions, bool) or not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS:
            raise ValueError(
                f"VectorField(dimensions={dimensions!r}): want a whole number from 1 to {MAX_DIMENSIONS:,}."
            )
        self.dimensions = dimensions
        self.as_numpy = as_numpy
        super().__init__(**_plain_default(options))
        # A field in a migration belongs to no model, and djanorm's operations ask it for its column all the same.
        self.column: Any = self.db_column

    @property
    def label(self) -> str:
        """``Model.field``, as errors name it."""
        model: Any = self.model
        return f"{model.__name__}.{self.name}" if model is not None else self.name or type(self).__name__

    def contribute_to_class(self, cls: Any, name: str) -> None:
        super().contribute_to_class(cls, name)
        setattr(cls, name, self)
        adopt_model(cls)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__.get(self.attname)
        if isinstance(value, Vector):
            # Unpacked at the first look, so that writing many instances costs no per-float work.
            value = instance.__dict__[self.attname] = self._as_read(value)
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.attname] = value if value is None or _is_expression(value) else self._vector(value)

    def get_default(self) -> Any:
        default = super().get_default()
        return list(default) if isinstance(default, list) else default

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        name, _path, args, options = super().deconstruct()
        own: dict[str, Any] = {"dimensions": self.dimensions}
        if self.as_numpy:
            own["as_numpy"] = True
        return name, f"dorm_vector.{type(self).__name__}", args, own | options

    def db_type(self, connection: Any) -> str:
        return dialect_for(connection).column_type(self.dimensions)

    def to_python(self, value: Any) -> Any:
        if value is None or _is_expression(value):
            return value
        return self._as_read(self._vector(value))

    def get_db_prep_value(self, value: Any) -> Any:
        if value is None or _is_expression(value):
            return value
        return self.to_vector(value)

    def from_db_value(self, value: Any) -> Any:
        if value is None:
            return None
        packed = from_wire(value, self.dimensions)
        if len(packed) != 4 * self.dimensions:
            raise DimensionMismatch(
                f"{self.label} holds {self.dimensions} dimensions; a stored value has {len(packed) / 4:g}."
                " It was written around this field: find it by its length, and rewrite or delete that row."
            )
        return self._as_read(packed)

    def to_vector(self, value: Any) -> Vector:
        """Return the bound value of ``value``; raises DimensionMismatch or InvalidVector."""
        vector = self._vector(value)
        if vector.dimensions() != self.dimensions:
            raise DimensionMismatch(
                f"{self.label} holds {self.dimensions} dimensions; this vector has {vector.dimensions()}."
            )
        return vector

    def validate(self, value: Any, model_instance: Any) -> None:
        super().validate(value, model_instance)
        if value is not None:
            self.to_vector(value)

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        if not add and self.attname not in model_instance.__dict__:
            # only() or defer() left the column out: keep what the database has.
            return F(str(self.column))
        return super().pre_save(model_instance, add)

    def _vector(self, value: Any) -> Vector:
        try:
            return Vector(value)
        except InvalidVector as error:
            raise InvalidVector(f"{self.label}: {error}") from None

    def _as_read(self, packed: bytes) -> Any:
        return unpack_numpy(packed) if self.as_numpy else unpack(packed)


def _is_expression(value: Any) -> bool:
    return isinstance(value, F) or hasattr(value, "as_sql")


def _plain_default(options: dict[str, Any]) -> dict[str, Any]:
    # An array has no truth value, and djanorm compares defaults with !=.
    default: Any = options.get("default")
    return options | {"default": default.tolist()} if hasattr(default, "tolist") else options
