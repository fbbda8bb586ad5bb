"""The queries, as any djanorm application would write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dorm_vector import CosineDistance
from examples.package_search.embedding import question_vector
from examples.package_search.packages.models import EMBEDDING_INDEX, Package

if TYPE_CHECKING:
    from dorm.queryset import QuerySet


class UnknownPackage(LookupError):
    """No package has this name; the message offers some that resemble it."""


def answers(question: str, limit: int, section: str | None = None) -> QuerySet[Package]:
    """Return the packages nearest in meaning to a question, nearest first, each with its `distance`."""
    return by_distance(question_vector(question), section)[:limit]


def like(name: str, limit: int, section: str | None = None) -> QuerySet[Package]:
    """Return the packages nearest in meaning to the named one, without itself."""
    package = Package.objects.filter(name=name).first()
    if package is None:
        raise UnknownPackage(f"No package is called {name!r}.{_resembling(name)}")
    return by_distance(package.embedding, section).exclude(pk=package.pk)[:limit]


def by_distance(vector: Any, section: str | None) -> QuerySet[Package]:
    packages = Package.objects.filter(section=section) if section else Package.objects.all()
    return packages.annotate(distance=CosineDistance("embedding", vector)).order_by("distance")


def index_scan(packages: QuerySet[Package]) -> str | None:
    """Return the line of the database's own plan that reads the vector index, or None where it reads every row."""
    lines = (line.strip(" ->") for line in packages.explain().splitlines())
    return next((line for line in lines if EMBEDDING_INDEX in line), None)


def _resembling(name: str) -> str:
    names = Package.objects.filter(name__icontains=name).order_by("name").values_list("name", flat=True)
    return f" There are: {', '.join(names[:5])}." if names.exists() else ""
