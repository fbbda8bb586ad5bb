"""The reverse side of a many-to-many field: its accessor on the model that it refers to."""

from __future__ import annotations

from typing import Any

from dorm.fields import ForeignKey, ManyToManyField
from dorm.models import Options
from dorm.related_managers import ManyToManyDescriptor

from ...patching.registry import repair

# Fields whose target model, given by name, is not defined yet.
_AWAITED: list[Any] = []


class _OtherSide(ManyToManyField):
    """A many-to-many field seen from the model that it refers to; not a field of that model."""

    def __init__(self, field: Any, name: str) -> None:
        super().__init__(field.model, related_name=field.name)
        self.field: Any = field
        for attribute in ("name", "attname"):
            setattr(self, attribute, name)

    @property
    def model(self) -> Any:
        return self.field._resolve_related_model()

    @model.setter
    def model(self, _model: Any) -> None:
        """Ignore the None that djanorm's constructor sets."""

    def _get_through_table(self) -> str:
        return str(self.field._get_through_table())

    def _get_through_columns(self) -> tuple[str, str]:
        source, target = self.field._get_through_columns()
        return target, source


def _is_reversed() -> bool:
    class Target:
        pass

    class Source:
        class _meta:  # noqa: N801  # as djanorm names it
            abstract, app_label = False, "dorm_vector"

            @staticmethod
            def add_field(field: Any) -> None:
                """Ignore the field."""

    ManyToManyField(Target, related_name="sources").contribute_to_class(Source, "targets")
    return hasattr(Target, "sources")


@repair("dorm.fields:ManyToManyField", "contribute_to_class", is_fixed=_is_reversed)
def reverse_many_to_many(original: Any, field: Any, cls: Any, name: str) -> None:
    """Give the target of a many-to-many field the accessor ``related_name``, or ``model_set``.

    Symptom: ``tag.tickets`` raises AttributeError, and ``filter(tickets__title=…)`` reports an unknown field. Cause:
    only foreign keys get an accessor on the other side. djanorm 4.3 to 4.5.
    """
    original(field, cls, name)
    if cls._meta.abstract:
        return
    target = field.remote_field_to
    if target in ("self", cls.__name__, f"{cls._meta.app_label}.{cls.__name__}"):
        _connect(field, cls)
    elif not isinstance(target, str):
        _connect(field, target)
    else:
        _await(field)


def _connects_awaited() -> bool:
    class Later:
        pass

    class Source:
        pass

    field = ManyToManyField("Later", related_name="sources")
    field.name, field.model = "targets", Source  # type: ignore[assignment]
    _AWAITED.append(field)
    options = Options(None, "dorm_vector")
    options.abstract = True
    options.contribute_to_class(Later, "_meta")
    if field in _AWAITED:
        _AWAITED.remove(field)
    return hasattr(Later, "sources")


@repair("dorm.models:Options", "contribute_to_class", is_fixed=_connects_awaited)
def reverse_of_later_models(original: Any, options: Any, cls: Any, name: str) -> None:
    """Give a model the reverse accessors of the many-to-many fields that were declared before it.

    Symptom: the accessor is missing if the field names a model that is defined later. Cause: only foreign keys wait for
    such a model. djanorm 4.3 to 4.5.
    """
    original(options, cls, name)
    names = {cls.__name__, f"{options.app_label}.{cls.__name__}"}
    for field in [field for field in _AWAITED if field.remote_field_to in names]:
        _AWAITED.remove(field)
        _connect(field, cls)


def _await(field: Any) -> None:
    from dorm.models import _model_registry

    target = _model_registry.get(field.remote_field_to)
    if target is None:
        _AWAITED.append(field)
    else:
        _connect(field, target)


def _connect(field: Any, target: Any) -> None:
    name = field.related_name or f"{field.model.__name__.lower()}_set"
    if field.related_name or not hasattr(target, name):
        setattr(target, name, ManyToManyDescriptor(_OtherSide(field, name)))


def junction_columns(source: str, target: str) -> tuple[str, str]:
    """Return the columns of a junction, named after its models; equal names get different prefixes."""
    names = (f"{source.lower()}_id", f"{target.lower()}_id")
    return names if names[0] != names[1] else (f"from_{names[0]}", f"to_{names[1]}")


def _tells_its_ends_apart() -> bool:
    class Person:
        __name__ = "Person"

    field = ManyToManyField(Person)
    field.model = Person  # type: ignore[assignment]
    source, target = field._get_through_columns()
    return source != target


@repair("dorm.fields:ManyToManyField", "_get_through_columns", is_fixed=_tells_its_ends_apart)
def relations_to_itself(original: Any, field: Any) -> tuple[str, str]:
    """Give the two columns of a many-to-many relation to the same model different names.

    Symptom: ``ManyToManyField("self")`` fails with a duplicate column. Cause: both columns are named after the same
    model. djanorm 4.3 to 4.5.
    """
    source, target = original(field)
    if field.through:
        return _through_columns(field, source, target)
    return (source, target) if source != target else junction_columns(source[:-3], target[:-3])


def _through_columns(field: Any, source: str, target: str) -> tuple[str, str]:
    """Return the columns of a through model; two foreign keys to the same model are used in declaration order."""
    through = _class_of(field.through)
    to_source = [one.column for one in through._meta.fields if _refers_to(one, field.model)]
    if field._resolve_related_model() is field.model and len(to_source) > 1:
        return to_source[0], to_source[1]
    return source, target


def _refers_to(field: Any, model: Any) -> bool:
    return isinstance(field, ForeignKey) and field._resolve_related_model() is model


def _class_of(through: Any) -> Any:
    from dorm.models import _model_registry

    return _model_registry[through] if isinstance(through, str) else through
