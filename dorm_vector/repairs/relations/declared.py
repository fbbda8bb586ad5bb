"""Build what djanorm accepts but ignores: ``db_index``, ``unique_together`` and inherited indexes."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

from dorm.fields import CharField
from dorm.indexes import Index
from dorm.models import Options, _model_registry

from ...patching.registry import repair
from ...schema.declared import with_declared

_INHERITED = ("indexes", "constraints", "unique_together", "index_together")


def _builds_declared() -> bool:
    from dorm.migrations.state import ProjectState

    field = CharField(max_length=9, db_index=True)
    field.name = "number"
    meta = {"app_label": "dorm_vector_probe", "fields": [field], "abstract": False, "db_table": "probe", "ordering": []}
    probe = type("Probe", (), {"_meta": SimpleNamespace(**meta, unique_together=[])})
    _model_registry["dorm_vector_probe"] = probe
    try:
        state = ProjectState.from_apps(app_label="dorm_vector_probe")
    finally:
        del _model_registry["dorm_vector_probe"]
    return bool(state.models["dorm_vector_probe.probe"]["options"]["indexes"])


@repair("dorm.migrations.state:ProjectState", "from_apps", is_fixed=_builds_declared)
def declared_indexes(original: Any, *args: Any, **options: Any) -> Any:
    """Build an index for ``db_index=True`` and ``index_together``, and a constraint for ``unique_together``.

    Symptom: the database has no such index, and stores rows that ``unique_together`` forbids. Cause: migrations ignore
    the three options. djanorm 4.3 to 4.5.
    """
    state = original(*args, **options)
    together = {
        f"{cls._meta.app_label}.{cls.__name__.lower()}": getattr(cls._meta, "index_together", None)
        for cls in _model_registry.values()
    }
    for key, model in state.models.items():
        state.models[key] = {**model, "options": with_declared(model, together.get(key))}
    return state


def _inherits() -> bool:
    base = SimpleNamespace(_meta=SimpleNamespace(abstract=True, unique_together=[("a", "b")]))
    child = SimpleNamespace(__name__="Child", __mro__=(None, base))
    options = Options(None, "dorm_vector")
    options.abstract = True
    options.contribute_to_class(child, "_meta")
    return bool(options.unique_together)


@repair("dorm.models:Options", "contribute_to_class", is_fixed=_inherits)
def inherited_indexes(original: Any, options: Any, cls: Any, name: str) -> None:
    """Let a model inherit the indexes and constraints of its abstract base and of its Meta's base class.

    Symptom: a child of an abstract model has none of the base's ``Meta.indexes``, ``constraints`` and
    ``unique_together``. Cause: only ``ordering`` is inherited. djanorm 4.3 to 4.5.
    """
    original(options, cls, name)
    if options.proxy:
        return
    declared = vars(options.meta) if options.meta else {}
    for option in _INHERITED:
        inherited = None if option in declared else _inherited(option, options, cls)
        if inherited:
            setattr(options, option, [_for_child(item, options, cls) for item in inherited])


def _inherited(option: str, options: Any, cls: Any) -> Any:
    of_meta = getattr(options.meta, option, None) if options.meta else None
    bases = (getattr(base, "_meta", None) for base in cls.__mro__[1:])
    found = (getattr(meta, option, None) for meta in bases if meta is not None and meta.abstract)
    return of_meta or next(filter(None, found), None)


def _for_child(item: Any, options: Any, cls: Any) -> Any:
    """Return the index under a name for the child, because two children of one base are two tables."""
    given = getattr(item, "name", "")
    if not given:
        return copy.copy(item)
    child = copy.copy(item)
    words = {"class": cls.__name__.lower(), "app_label": options.app_label.rpartition(".")[2]}
    name = given % words if "%(" in given else f"{given}_{cls.__name__.lower()}"
    setattr(child, "_name" if isinstance(item, Index) else "name", name)
    return child
