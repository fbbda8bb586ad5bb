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
    """Embed text by a function of the database, such as PostgresML's ``pgml.embed(model, text)``.

    ``source`` is the field with the text, or ``Value("text")``. It stands in queries, and in a GeneratedVectorField,
    where ``source`` names a column. ``dimensions`` lets a distance check its other side. Raises ValueError for a
    function or a model that is no plain name: they become part of the statement; and UnsupportedByDatabase where no
    such function can be.
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
