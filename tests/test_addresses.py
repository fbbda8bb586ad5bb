"""Dotted paths that migrations, pickles and documents hold still resolve: tests/golden/addresses.txt."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from inspect import signature
from typing import Any

import dorm
import pytest
from dorm.contrib import pgvector
from dorm.fields import Field
from dorm.queryset import QuerySet

import dorm_vector
from dorm_vector.exceptions import UnsupportedByDatabase
from tests import pickled
from tests.databases import Database, create_tables, drop_table
from tests.helpers import addresses, support

# How the documentation of dorm.contrib.pgvector calls each of its names.
AS_IN_CONTRIB: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "CosineDistance": (("embedding", [1.0, 2.0]), {}),
    "HnswIndex": ((), {"fields": ["embedding"], "name": "n", "opclass": "vector_cosine_ops", "m": 8}),
    "IvfflatIndex": ((), {"fields": ["embedding"], "name": "n", "opclass": "vector_l2_ops", "lists": 10}),
    "L2Distance": (("embedding", [1.0, 2.0]), {}),
    "MaxInnerProduct": (("embedding", [1.0, 2.0]), {}),
    "VectorExtension": ((), {}),
    "VectorField": ((), {"dimensions": 3, "null": True}),
    "load_sqlite_vec_extension": ((None,), {}),
}
COMPUTED = {**pickled.DISTANCES, **pickled.FUNCTIONS}
FROM_A_DATABASE = COMPUTED.keys() | pickled.AGGREGATES.keys() | pickled.QUERYSETS.keys() | pickled.READ.keys()


@pytest.fixture(scope="module")
def three_rows(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, (pickled.Pickled,))
    pickled.Pickled.objects.bulk_create([pickled.row(number) for number in (1, 2, 3)])
    yield database
    database.use()
    drop_table(database, pickled.Pickled)


def loaded(name: str) -> Any:
    return pickle.loads((addresses.PICKLES / f"{name}.pickle").read_bytes())  # noqa: S301  # our own bytes


def meaning(value: Any) -> Any:
    """Return the value's type and what it says through public names, for a comparison."""
    if isinstance(value, type) or (callable(value) and not hasattr(value, "as_sql")):
        return value
    if isinstance(value, (list, tuple)):
        return type(value), [meaning(each) for each in value]
    if isinstance(value, dict):
        return {key: meaning(each) for key, each in value.items()}
    return type(value), _said(value)


def _said(value: Any) -> Any:
    if isinstance(value, dorm.Model):
        names = [field.name for field in value._meta.fields]
        return {name: getattr(value, name) for name in names} | _annotated(value, names)
    if isinstance(value, Exception):
        return value.args, vars(value)
    if isinstance(value, QuerySet):
        return meaning(list(value))
    if isinstance(value, Field):
        return repr(value.deconstruct())
    if is_dataclass(value):
        # A field that is newer than the pickle has its default.
        return {each.name: meaning(getattr(value, each.name)) for each in fields(value)}
    if "__repr__" not in _methods(value):
        return {key: meaning(each) for key, each in vars(value).items()}
    return value if "__eq__" in _methods(value) else repr(value)


def _methods(value: Any) -> set[str]:
    """Return the names that the classes of the value define, except ``object``."""
    return set().union(*(vars(base) for base in type(value).__mro__[:-1]))


def _annotated(row: Any, names: list[str]) -> dict[str, str]:
    """Return what a query added to the row; databases may differ in the last bits of a distance."""
    added = {name: value for name, value in vars(row).items() if name not in names and name[0] != "_"}
    return {name: f"{abs(value):.5f}" for name, value in added.items()}


def outcome(ask: Callable[[], Any]) -> Any:
    """Return what the database answers, or that it cannot."""
    try:
        return meaning(ask())
    except UnsupportedByDatabase as error:
        return str(error)


def test_every_address_that_is_held_is_listed(pytestconfig: pytest.Config) -> None:
    lines = addresses.as_lines(addresses.grown())
    support.assert_golden("addresses.txt", lines, update=pytestconfig.getoption("--update-golden"))


@pytest.mark.parametrize("section", ["migrations", "pickles", "docs", "entry points", "contrib.pgvector", "modules"])
def test_every_address_resolves(section: str) -> None:
    listed = addresses.listed()[section]
    assert listed
    for address in listed:
        addresses.resolved(address)


@pytest.mark.parametrize("name", pgvector.__all__)
def test_a_name_of_contrib_pgvector_takes_the_same_arguments(name: str) -> None:
    positional, named = AS_IN_CONTRIB[name]
    for package in (pgvector, dorm_vector):
        signature(getattr(package, name)).bind(*positional, **named)
    if name != "load_sqlite_vec_extension":
        assert type(getattr(dorm_vector, name)(*positional, **named)).__name__ == name


def test_every_pickle_has_its_value() -> None:
    assert {path.stem for path in addresses.PICKLES.iterdir()} == pickled.ALL.keys()


@pytest.mark.parametrize("name", sorted(pickled.ALL.keys() - FROM_A_DATABASE))
def test_a_pickle_loads_as_what_it_was(name: str) -> None:
    assert meaning(loaded(name)) == meaning(pickled.ALL[name]())


@pytest.mark.parametrize("name", sorted(COMPUTED))
def test_a_pickled_expression_computes_the_same(three_rows: Database, name: str) -> None:
    def computed(expression: Any) -> Any:
        rows = pickled.Pickled.objects.order_by("id")
        return outcome(lambda: list(rows.annotate(value=expression).values_list("value", flat=True)))

    assert computed(loaded(name)) == computed(COMPUTED[name]())


@pytest.mark.parametrize("name", sorted(pickled.AGGREGATES))
def test_a_pickled_aggregate_computes_the_same(three_rows: Database, name: str) -> None:
    rows = pickled.Pickled.objects.all()
    made = pickled.AGGREGATES[name]()
    assert outcome(lambda: rows.aggregate(value=loaded(name))) == outcome(lambda: rows.aggregate(value=made))


@pytest.mark.parametrize("name", sorted(pickled.QUERYSETS))
def test_a_pickled_queryset_finds_the_same_rows(three_rows: Database, name: str) -> None:
    found = meaning(loaded(name))
    assert found == meaning(pickled.QUERYSETS[name]())
    assert found[1][1]


@pytest.mark.parametrize("name", sorted(pickled.READ))
def test_what_was_read_from_a_database_is_read_again(three_rows: Database, name: str) -> None:
    assert meaning(loaded(name)) == meaning(pickled.READ[name]())
