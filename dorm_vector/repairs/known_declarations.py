"""Repairs of djanorm: names in a model's Meta must be field names, and index names must be quotable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from dorm.constraints import CheckConstraint, UniqueConstraint
from dorm.exceptions import ImproperlyConfigured
from dorm.expressions import F, Q
from dorm.indexes import Index
from dorm.lookups import parse_lookup_key
from dorm.models import ModelBase, _model_registry

from ..patching.registry import repair
from .known_names import column_called
from .offline import UNKNOWN, model, refuses

_NAME = "known_names_in_declarations"
_NO_WORD, _UNQUOTABLE = r"\W", r"[^\w -]"


def _probe() -> Any:
    meta = SimpleNamespace(**{**vars(model()._meta), "indexes": [Index([UNKNOWN])]})
    meta.get_field, meta.get_fields = model()._meta.get_field, model()._meta.get_fields
    return type("Probe", (), {"_meta": meta})


@repair(
    "dorm.models:ModelBase",
    "__init__",
    name=_NAME,
    is_fixed=lambda: refuses(lambda: ModelBase.__init__(_probe(), "Probe", (), {})),
)
def known_names_in_declarations(original: Any, cls: Any, /, *arguments: Any, **options: Any) -> None:
    """Reject an index or a constraint on an unknown field when the model is defined.

    Symptom: on SQLite, ``Index(fields=["headline"])`` on a model without that field indexes a constant text, and
    ``CheckConstraint(check=Q(headline__gt=1))`` compares one; elsewhere ``dorm migrate`` fails. Quotes in an index name
    end it. Cause: the names are written unchecked. djanorm 4.3 to 4.5.
    """
    original(cls, *arguments, **options)
    meta = getattr(cls, "_meta", None)
    if meta is None or meta.abstract or meta.proxy:
        return
    try:
        for name in _declared(meta):
            column_called(cls, name)
    except Exception:
        # After any error, the model is refused, so other models must not find it by name.
        for key in [key for key, known in _model_registry.items() if known is cls]:
            del _model_registry[key]
        raise


def _declared(meta: Any) -> Iterator[str]:
    """Yield the field names in indexes and constraints, except those in expressions, which are not quoted."""
    for index in meta.indexes:
        names = [*index.fields, *getattr(index, "include", ()), *getattr(index, "filters", ())]
        names += getattr(index, "labels", ())
        yield from (name.removeprefix("-") for name in names if "(" not in name)
        yield from _compared(getattr(index, "condition", None))
    for constraint in meta.constraints:
        yield from constraint.fields if isinstance(constraint, UniqueConstraint) else ()
        yield from _compared(constraint.check if isinstance(constraint, CheckConstraint) else None)
        yield from _compared(getattr(constraint, "condition", None))
    for together in meta.unique_together:
        yield from [together] if isinstance(together, str) else together


def _compared(condition: Any) -> Iterator[str]:
    for child in getattr(condition, "children", ()):
        if isinstance(child, Q):
            yield from _compared(child)
        elif isinstance(child, tuple):
            yield parse_lookup_key(child[0])[0][0]
            yield from [child[1].name] if isinstance(child[1], F) else ()


@repair("dorm.indexes:Index", "__init__", name=_NAME, is_fixed=lambda: refuses(lambda: Index(["title"], 'a"b')))
def _quotable(original: Any, index: Any, /, fields: Any, name: Any = None, *arguments: Any, **options: Any) -> None:
    original(index, fields, name, *arguments, **options)
    is_word = getattr(index, "has_word_as_name", False)
    if name and (not isinstance(name, str) or re.search(_NO_WORD if is_word else _UNQUOTABLE, name)):
        wanted = "letters, digits and underscores" + ("" if is_word else ", spaces and hyphens")
        raise ImproperlyConfigured(f'{type(index).__name__}(name={name!r}): want {wanted}, as in name="report_title".')
