"""Model fields that store vectors, and text keys."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from dorm.expressions import F, Value
from dorm.fields import CharField, Field, TextField

from ..engines import dialect_for
from ..engines.row_source import row_source
from ..exceptions import DimensionMismatch, InvalidVector
from ..expressions.outputs import FIELDS
from ..introspection import check_indexes
from ..values.bit import Bit
from ..values.elements import Element
from ..values.lengths import require_measurable
from ..values.sparse import MAX_DIMENSIONS as MAX_SPARSE_DIMENSIONS
from ..values.sparse import SparseVector
from ..values.vector import HalfVector, Vector, float_reader, unpack, unpack_numpy

_OF_READING = ("value_type", "from_db_value", "stored_vector", "_as_read")


class VectorField(Field[Any]):
    """Store a vector of ``dimensions`` (1 to 16,000) float32 values, or of any length with ``dimensions=None``.

    Reads return ``list[float]``, or a float32 numpy array with ``as_numpy=True``. Accepts lists, tuples,
    ``array.array``, numpy arrays, anything with ``__array__``, and pgvector's values. The other options are djanorm's.

    Raises:
        DimensionMismatch: A written vector has the wrong length. Nothing is sent to the database.
        InvalidVector: A written value is not a vector. Nothing is sent to the database.
    """

    # Makes djanorm keep the field on the class as a descriptor. Every assignment is then converted, and a column
    # deferred by only() or defer() is an absent attribute, not a None that save() would write.
    uses_class_descriptor = True
    keeps_deferred = True

    element: ClassVar[Element] = Element.FLOAT32
    value_type: ClassVar[Any] = Vector
    max_dimensions: ClassVar[int] = 16_000
    takes_any_length: ClassVar[bool] = True
    _length_name: ClassVar[str] = "dimensions"
    _reads_floats: ClassVar[bool] = True
    """Whether values are read as float32 numbers, in the way of this class."""

    def __init__(
        self, dimensions: int | None = None, *, as_numpy: bool = False, normalize: bool = False, **options: Any
    ) -> None:
        self._check_dimensions(dimensions)
        self.dimensions = dimensions
        self.as_numpy = as_numpy
        self.normalize = normalize
        super().__init__(**_plain_default(options))
        # djanorm's operations read the column of a field in a migration, which belongs to no model.
        self.column: Any = self.db_column

    @property
    def label(self) -> str:
        """``Model.field``, for error messages."""
        model: Any = self.model
        return f"{model.__name__}.{self.name}" if model is not None else self.name or type(self).__name__

    def contribute_to_class(self, cls: Any, name: str) -> None:
        super().contribute_to_class(cls, name)
        setattr(cls, name, self)
        check_indexes(self)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__.get(self.attname)
        if isinstance(value, self.value_type):
            # Unpack on first access, so that writing many instances costs no per-float work.
            value = instance.__dict__[self.attname] = self._as_read(value)
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.attname] = value if value is None or _is_expression(value) else self._vector(value)

    def get_default(self) -> Any:
        default = super().get_default()
        return self.to_python(default) if isinstance(default, (list, str)) else default

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        name, _path, args, options = super().deconstruct()
        own: dict[str, Any] = {self._length_name: self.dimensions}
        own |= {name: True for name in ("as_numpy", "normalize") if getattr(self, name)}
        return name, f"dorm_vector.{type(self).__name__}", args, own | options

    def db_type(self, connection: Any) -> str:
        return dialect_for(connection).column_type(self.element, self.dimensions, unique=self.unique)

    def to_python(self, value: Any) -> Any:
        if value is None or _is_expression(value):
            return value
        return self._as_read(self._vector(value))

    def get_db_prep_value(self, value: Any) -> Any:
        if value is None:
            return None
        if _is_expression(value):
            from .assigned import bound  # imported late, because expressions import fields

            return bound(self, value)
        return self.to_vector(value)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = [getattr(cls, name) is getattr(VectorField, name) for name in _OF_READING]
        cls._reads_floats = all(own)

    def from_db_value(self, value: Any) -> Any:
        return None if value is None else self._as_read(self.stored_vector(value))

    def row_reader(self) -> Callable[[Any], Any]:
        """Return ``from_db_value``, or a faster function that returns the same for the rows of one result."""
        if self.dimensions is None or not self._reads_floats:
            return self.from_db_value
        return float_reader(self.dimensions, self.from_db_value, as_numpy=self.as_numpy)

    def stored_vector(self, value: Any) -> Any:
        """Return a value of the driver as a packed vector."""
        if value is None:
            return None
        try:
            stored = self.value_type.from_wire(value, self.dimensions, row_source)
        except InvalidVector as error:
            raise type(error)(f"{self.label}: a stored value cannot be read: {error}") from None
        if self.dimensions is not None and stored.dimensions() != self.dimensions:
            raise DimensionMismatch(self._mismatch(stored.dimensions()))
        return stored

    def _mismatch(self, found: int) -> str:
        name, length = type(self).__name__, self._length_name
        return (
            f"{self.label} holds {self.dimensions} dimensions; a stored value has {found}. It was written around this"
            f" field. Declare {name}({length}={found}) if that is the column's length; otherwise rewrite or delete the"
            " rows of another length."
        )

    def to_vector(self, value: Any) -> Any:
        """Return ``value`` as a query parameter; raise DimensionMismatch or InvalidVector."""
        vector = self._vector(value)
        if self.dimensions is not None and vector.dimensions() != self.dimensions:
            raise DimensionMismatch(
                f"{self.label} holds {self.dimensions} dimensions; this vector has {vector.dimensions()}."
            )
        try:
            require_measurable(vector)
        except InvalidVector as error:
            raise InvalidVector(f"{self.label}: {error}") from None
        return vector

    def validate(self, value: Any, model_instance: Any) -> None:
        super().validate(value, model_instance)
        if value is not None:
            self.to_vector(value)

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        if not add and self.attname not in model_instance.__dict__:
            # The column was deferred by only() or defer(): keep the stored value.
            return F(str(self.column))
        return super().pre_save(model_instance, add)

    def _vector(self, value: Any) -> Any:
        try:
            vector = self.value_type(value)
        except InvalidVector as error:
            raise InvalidVector(f"{self.label}: {error}") from None
        return self._normalized(vector) if self.normalize else vector

    def _normalized(self, vector: Any) -> Any:
        """Scale to length 1; return a zero vector unchanged."""
        values = vector.to_list()
        norm = math.hypot(*values)
        # Normalizing a unit vector again would only add rounding error.
        return vector if norm == 0 or abs(norm - 1) < 1e-6 else self.value_type([value / norm for value in values])

    def _as_read(self, stored: Any) -> Any:
        return unpack_numpy(stored) if self.as_numpy else unpack(stored)

    def _check_dimensions(self, dimensions: Any) -> None:
        if dimensions is None and self.takes_any_length:
            return
        if (
            isinstance(dimensions, bool)
            or not isinstance(dimensions, int)
            or not 1 <= dimensions <= self.max_dimensions
        ):
            raise ValueError(
                f"{type(self).__name__}({self._length_name}={dimensions!r}):"
                f" want a whole number from 1 to {self.max_dimensions:,}."
            )


class HalfVectorField(VectorField):
    """Store a vector of ``dimensions`` (1 to 16,000) 16-bit floats, -65504 to 65504; written values are rounded.

    The column is ``halfvec`` on PostgreSQL and ``F16_BLOB`` on libSQL. Other databases store float32 values that are
    rounded to half precision. Reads and accepts the same values as VectorField.
    """

    element = Element.HALF
    value_type = HalfVector


class SparseVectorField(VectorField):
    """Store a vector of ``dimensions`` (1 to 10^9) with at most 16,000 nonzero values; reads return a SparseVector.

    The column is ``sparsevec`` on PostgreSQL. Other databases store the dense vector, up to their limit of dimensions.
    Accepts SparseVector, scipy sparse arrays, pgvector's sparse vectors, and any dense vector.
    """

    element = Element.SPARSE
    value_type = SparseVector
    max_dimensions = MAX_SPARSE_DIMENSIONS

    def _as_read(self, stored: Any) -> Any:
        return stored.to_numpy() if self.as_numpy else stored


class BitField(VectorField):
    """Store a string of ``length`` (1 to 83,886,080) bits.

    Reads return text of 0 and 1, or a boolean numpy array with ``as_numpy=True``. The column is ``bit`` on PostgreSQL
    and ``F1BIT_BLOB`` on libSQL. Other databases store the bits packed, eight to a byte. Accepts text, booleans, and
    pgvector's Bit.
    """

    element = Element.BIT
    value_type = Bit
    takes_any_length = False
    max_dimensions = 83_886_080
    _length_name = "length"

    def __init__(self, length: int, *, as_numpy: bool = False, **options: Any) -> None:
        super().__init__(length, as_numpy=as_numpy, **options)

    def _as_read(self, stored: Any) -> Any:
        return stored.to_numpy() if self.as_numpy else stored.to_text()


FIELDS.update({field.element: field for field in (VectorField, HalfVectorField, SparseVectorField, BitField)})


def _is_expression(value: Any) -> bool:
    return isinstance(value, (F, Value)) or hasattr(value, "as_sql")


def _plain_default(options: dict[str, Any]) -> dict[str, Any]:
    # Migrations can write lists and text only, and djanorm compares defaults with !=, which fails for arrays.
    default: Any = options.get("default")
    if isinstance(default, Bit):
        return options | {"default": default.to_text()}
    if hasattr(default, "indices") or hasattr(default, "tocoo"):
        return options | {"default": SparseVector(default).to_text()}
    names = [name for name in ("to_list", "tolist") if hasattr(default, name)]
    return options | {"default": getattr(default, names[0])()} if names else options


class TextKeyField(CharField):
    """Store a case-sensitive text key: ``a`` and ``A`` are different keys on every database."""

    def db_type(self, connection: Any) -> str:
        return dialect_for(connection).ddl.text_key.format(length=self.max_length)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        name, _path, args, options = super().deconstruct()
        return name, "dorm_vector.keys.TextKeyField", args, options


class LongTextField(TextField):
    """Store a text of any length: LONGTEXT on MySQL and MariaDB, where a TextField holds 65,535 bytes."""

    def db_type(self, connection: Any) -> str:
        return dialect_for(connection).ddl.long_text

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        name, _path, args, options = super().deconstruct()
        return name, "dorm_vector.LongTextField", args, options
