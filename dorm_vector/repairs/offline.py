"""A model and a queryset that probes of repairs use without a database."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from dorm.exceptions import FieldDoesNotExist, ImproperlyConfigured
from dorm.fields import CASCADE, BigAutoField, BooleanField, CharField, DateField, ForeignKey, ManyToManyField
from dorm.models import Options
from dorm.queryset import QuerySet
from dorm.related_managers import ManyToManyDescriptor

UNKNOWN = "no_such_field"


class Sent(Exception):
    """Raised when a statement is about to be sent."""


class Offline(QuerySet[Any]):
    """A queryset without a connection."""

    def _get_connection(self) -> Any:
        raise Sent

    def _get_async_connection(self) -> Any:
        raise Sent


class Connection:
    vendor = "sqlite"


def unregistered(name: str) -> Any:
    """Return a model with an ``id`` that is not in djanorm's model registry."""
    made: Any = type(name.title(), (), {})
    Options(None, name).contribute_to_class(made, "_meta")
    made._meta.db_table = name
    BigAutoField(primary_key=True).contribute_to_class(made, "id")
    return made


@cache
def model() -> Any:
    """Return a model with the fields ``id`` and ``title`` that is not in djanorm's model registry."""
    made = unregistered("probe")
    CharField(max_length=9).contribute_to_class(made, "title")
    return made


@cache
def decided_model() -> Any:
    """Return a model with the fields ``title``, ``decided``, ``day``, and ``other``, a foreign key to itself."""
    made = unregistered("decision")
    fields: dict[str, Any] = {"title": CharField(max_length=9), "decided": BooleanField(), "day": DateField()}
    fields["other"] = ForeignKey(made, on_delete=CASCADE)
    for name, field in fields.items():
        field.contribute_to_class(made, name)
    return made


@cache
def related_model() -> Any:
    """Return a model with a many-to-many field ``others``, without a reverse accessor on the other model."""
    made = unregistered("related")
    field: Any = ManyToManyField(model())
    field.name, field.attname, field.model = "others", "others", made
    made._meta.add_field(field)
    made.others = ManyToManyDescriptor(field)
    return made


def rows() -> Any:
    return Offline(model())


def refuses(call: Callable[[], Any]) -> bool:
    """Return whether a call rejects the unknown name in it before it sends anything."""
    try:
        call()
    except (FieldDoesNotExist, ImproperlyConfigured, ValueError):
        return True
    except (Sent, AttributeError, TypeError):  # an older or newer djanorm with other arguments
        return False
    return False
