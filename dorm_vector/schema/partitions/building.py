"""Turn a model's table into a partitioned one, and make its partitions."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from dorm.constraints import UniqueConstraint
from dorm.fields import CompositePrimaryKey, ManyToManyField, RelatedField
from dorm.indexes import Index

from ...dialects.shared.groups import Partitions
from ...engines import dialect_for
from ...migration_state import column_of, indexes_of, table_of
from ...patching.on_import import Late
from ..declared import name_for

operations: Any = Late("dorm.migrations.operations")


def rules_of(connection: Any) -> Partitions:
    """Return the SQL of partitions; raises UnsupportedByDatabase where there are no foreign ones."""
    return dialect_for(connection).require_partitions()


def is_dry(connection: Any) -> bool:
    """Return whether the connection only records statements."""
    return getattr(connection, "captured", None) is not None


def key_of(table: str, connection: Any) -> str:
    """Return what the table is partitioned by; empty if it is not."""
    return str(connection.execute(rules_of(connection).key.format(table=table))[0]["key"] or "")


def partitions_of(table: str, connection: Any) -> list[str]:
    rows = connection.execute(rules_of(connection).names.format(table=table))
    return sorted(str(row["name"]) for row in rows)


def schema_of(connection: Any) -> str:
    """Return the schema of new tables."""
    return str(connection.execute(rules_of(connection).schema)[0]["name"])


def require_divisible(model: dict[str, Any], by: str, what: str) -> None:
    """Raise ValueError if the model declares what no table with foreign partitions can have."""
    if by not in model["fields"]:
        raise ValueError(f"{what}: {model['name']} has no field {by!r}. It has {', '.join(model['fields'])}.")
    related = [n for n, field in model["fields"].items() if isinstance(field, (RelatedField, ManyToManyField))]
    if related:
        raise ValueError(
            f"{what}: {model['name']}.{related[0]} refers to other rows, and PostgreSQL checks that on no foreign"
            f" partition. Keep the key of the other row in a field without a relation, such as"
            f" {related[0]}_id = IntegerField(db_index=True)."
        )
    unique = [index.get_name(model["name"]) for index in indexes_of(model, Index) if index.unique]
    if unique:
        raise ValueError(f"{what}: declare the unique index {unique[0]} of {model['name']} as a UniqueConstraint.")
    for names in _unique_groups(model):
        if by not in names:
            raise ValueError(
                f"{what}: PostgreSQL cannot keep {', '.join(names)} of {model['name']} unique across servers. Add {by}"
                f" to the constraint, or partition by one of its fields."
            )


def _unique_groups(model: dict[str, Any]) -> Iterator[list[str]]:
    yield from ([name] for name, field in model["fields"].items() if field.unique and not field.primary_key)
    yield from (list(each.fields) for each in _constraints(model))


def _constraints(model: dict[str, Any]) -> list[UniqueConstraint]:
    return [each for each in model["options"].get("constraints") or () if isinstance(each, UniqueConstraint)]


def divide(model: dict[str, Any], app_label: str, key: str, connection: Any, state: Any) -> None:
    """Turn the model's empty table into a partitioned one, with its indexes."""
    table, rules = table_of(model, app_label), rules_of(connection)
    for statement in rules.convert:
        connection.execute_script(statement.format(table=table, plain=name_for(table, ["plain"], "table"), key=key))
    for index in indexes_of(model, Index):
        operations.AddIndex(model["name"], index).database_forwards(app_label, connection, state, state)


def add_partition(model: dict[str, Any], app_label: str, name: str, bound: str, connection: Any) -> None:
    """Create a partition in this database, with its keys; it gets the indexes from its table."""
    rules = rules_of(connection)
    connection.execute_script(rules.add.format(partition=name, table=table_of(model, app_label), bound=bound))
    for kind, names in _keys(model):
        columns = ", ".join(f'"{column_of(each, model["fields"].get(each))}"' for each in names)
        connection.execute_script(rules.unique.format(partition=name, kind=kind, columns=columns))
    for each in _constraints(model):
        connection.execute_script(_of_partition(each, name).constraint_sql(name, connection))


def _keys(model: dict[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    for name, field in model["fields"].items():
        if field.primary_key:
            yield "PRIMARY KEY", field.field_names if isinstance(field, CompositePrimaryKey) else [name]
        elif field.unique:
            yield "UNIQUE", [name]


def _of_partition(declared: UniqueConstraint, partition: str) -> UniqueConstraint:
    """Return the constraint with a name of its own, because names are unique in a schema."""
    found = copy.copy(declared)
    found.name = name_for(partition, [declared.name], "uniq")
    return found
