"""Embeddings that the database computes from a text column."""

from __future__ import annotations

import re
from typing import Any

from dorm.expressions import Value

from ..dialects.shared.operands import Operand
from ..values.elements import Element
from .functions import VectorExpression
from .operands import Shape
from .scope import CompileScope, FieldResolver

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

_MODEL = re.compile(r"[\w./:@+ -]+")


class InDatabaseEmbedding(VectorExpression):
    """Embed text with a database function, such as PostgresML's ``pgml.embed(model, text)``.

    Use it in queries, or in a GeneratedVectorField, where ``source`` names a column.

    Args:
        function: The name of the function; it becomes part of the statement, so only a plain name is allowed.
        model: The name of the model; only a plain name is allowed, for the same reason.
        source: The field with the text, or ``Value("text")``.
        dimensions: The dimensions of the result, so that a distance can check its other side.

    Raises:
        ValueError: ``function`` or ``model`` is not a plain name.
        UnsupportedByDatabase: The database cannot have such a function.
    """

    def __init__(self, function: str, model: str, source: Any, dimensions: int | None = None) -> None:
        for name, allowed in ((function, _FUNCTION), (model, _MODEL)):
            if not allowed.fullmatch(name):
                raise ValueError(f"InDatabaseEmbedding: {name!r} is not a plain name.")
        self.function, self.model, self.source, self.dimensions = function, model, source, dimensions

    def shape(self, names: FieldResolver) -> Shape:
        return Shape(Element.FLOAT32, self.dimensions, repr(self))

    def operand(self, where: CompileScope) -> Operand:
        where.dialect.require_embedding(self.function, in_column=where.assumed is not None)
        text = Operand("%s", (self.source.value,)) if isinstance(self.source, Value) else where.column(self.source)
        call = f"{self.function}('{self.model}', {text.sql})"
        return Operand(f"({where.dialect.computed.format(operand=call)})", text.params)

    def _arguments(self) -> list[Any]:
        return [self.function, self.model, self.source, *([self.dimensions] if self.dimensions else [])]
