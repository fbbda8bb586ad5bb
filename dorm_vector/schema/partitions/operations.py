"""Migration operations that split a table into partitions, of which some are on other servers."""

from __future__ import annotations

from typing import Any

from dorm.db.connection import get_connection
from dorm.migrations.operations import CreateModel, Operation
from dorm.migrations.state import ProjectState

from ...dialects.shared.groups import Partitions
from ...engines import dialect_for
from ...exceptions import VectorsWouldBeLost
from ...migration_state import column_of, model_of, table_of
from ...search.partitions.sessions import forget_servers
from ..operations import VectorExtension
from .bounds import Bound
from .building import add_partition, divide, is_dry, key_of, partitions_of, require_divisible, rules_of, schema_of


class PartitionTable(Operation):
    """The migration operation that turns a model's table, while it is empty, into a partitioned one.

    Put it after the model's ``CreateModel``, and after it an ``AddPartition`` or ``AddForeignPartition`` for each part.

    Args:
        model_name: The model.
        by: The field whose value decides the partition.
        method: ``list``, ``hash`` or ``range``.
    """

    def __init__(self, model_name: str, by: str, method: str = "list") -> None:
        self.model_name, self.by, self.method = model_name, by, method

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Leave the state unchanged: the fields and indexes of the model are the same."""

    def database_forwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        rules, model = rules_of(connection), model_of(self.model_name, app_label, to_state)
        if self.method not in rules.methods:
            raise ValueError(f"{self!r}: want a method of {', '.join(rules.methods)}; got {self.method!r}.")
        require_divisible(model, self.by, repr(self))
        self._require_empty(table_of(model, app_label), rules, connection)
        key = f'{self.method.upper()} ("{column_of(self.by, model["fields"][self.by])}")'
        divide(model, app_label, key, connection, to_state)

    def _require_empty(self, table: str, rules: Partitions, connection: Any) -> None:
        if not is_dry(connection) and connection.execute(rules.has_rows.format(table=table))[0]["found"]:
            raise ValueError(
                f"{self!r}: the table {table!r} has rows, and only an empty one can be divided. Nothing was changed."
                " Export them with export_parquet(), delete them, migrate, and import them again."
            )

    def database_backwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        model = model_of(self.model_name, app_label, from_state, to_state)
        table = table_of(model, app_label)
        names = [] if is_dry(connection) else partitions_of(table, connection)
        if names:
            # Dropping the table would drop them, with their rows.
            raise ValueError(f"{self!r}: {table!r} still has the partitions {', '.join(names)}. Nothing was changed.")
        connection.execute_script(rules_of(connection).drop.format(partition=table))
        create(model, table, app_label, connection, from_state)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        options = {"model_name": self.model_name, "by": self.by, "method": self.method}
        return "dorm_vector.PartitionTable", (), options

    def describe(self) -> str:
        return f"Partition the table of {self.model_name} by {self.method} of {self.by}"

    def __repr__(self) -> str:
        return f"PartitionTable({self.model_name!r}, {self.by!r}, {self.method!r})"


class AddPartition(Operation):
    """The migration operation that adds a partition in the same database, with its keys and the model's indexes.

    Args:
        model_name: The model.
        name: The name of the partition's table.
        values: The values of ``by`` whose rows it holds, for ``list``.
        modulus: The number of parts, for ``hash``.
        remainder: Which of them this is, from 0.
        start: The least value, for ``range``.
        end: The value above its greatest.
        default: Whether it holds the rows of no other partition; there is none for ``hash``.
    """

    def __init__(self, model_name: str, name: str, **rows: Any) -> None:
        self.model_name, self.name = model_name, name
        self.bound = Bound(f"{type(self).__name__}({model_name!r}, {name!r})", **rows)

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Leave the state unchanged: a partition has no model."""

    def database_forwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        model = model_of(self.model_name, app_label, to_state)
        add_partition(model, app_label, self.name, self.bound.sql(), connection)

    def database_backwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        connection.execute_script(rules_of(connection).drop.format(partition=self.name))

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        options = {"model_name": self.model_name, "name": self.name, **self.bound.options()}
        return f"dorm_vector.{type(self).__name__}", (), options

    def describe(self) -> str:
        return f"Add partition {self.name} to {self.model_name}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model_name!r}, {self.name!r})"


class AddForeignPartition(AddPartition):
    """The migration operation that adds a partition on another server, with its table, keys and indexes there.

    The other server gets the partitioned table, too, with this partition alone: it refuses rows of other partitions,
    and the model can be searched there with ``using(server)``.

    Args:
        model_name: The model.
        name: The name of the partition's table, here and there.
        server: The alias of the other database, which a ``CreateForeignServer`` has named.
        rows: The arguments of ``AddPartition``.

    Raises:
        ValueError: The other server has a table of that name, divided in another way or with other columns.
    """

    def __init__(self, model_name: str, name: str, server: str, **rows: Any) -> None:
        super().__init__(model_name, name, **rows)
        self.server = server

    def database_forwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        rules, model = rules_of(connection), model_of(self.model_name, app_label, to_state)
        schema = "public"
        if not is_dry(connection):
            remote = get_connection(self.server)
            schema = schema_of(remote)
            VectorExtension().database_forwards(app_label, remote, from_state, to_state)
            with remote.atomic():
                self._add_there(model, app_label, key_of(table_of(model, app_label), connection), remote, to_state)
            self._require_same_columns(table_of(model, app_label), connection, remote)
        parts = {"table": table_of(model, app_label), "server": self.server, "schema": schema}
        connection.execute_script(rules.add_foreign.format(partition=self.name, bound=self.bound.sql(), **parts))
        forget_servers()

    def _add_there(self, model: dict[str, Any], app_label: str, key: str, remote: Any, state: Any) -> None:
        table, rules = table_of(model, app_label), rules_of(remote)
        if not remote.table_exists(table):
            create(model, table, app_label, remote, state)
            divide(model, app_label, key, remote, state)
            for row in remote.execute(rules.counted.format(table=table)):
                # Two servers that count would give the same keys to different rows.
                remote.execute_script(rules.forget_count.format(table=table, column=row["name"]))
        elif (found := key_of(table, remote)) != key:
            raise ValueError(
                f"{self!r}: the table {table!r} on {self.server!r} is {f'divided by {found}' if found else 'whole'};"
                f" want one that is divided by {key}. Rename or drop it there."
            )
        # A run that failed later has made it already.
        if self.name not in partitions_of(table, remote):
            add_partition(model, app_label, self.name, self.bound.sql(), remote)

    def _require_same_columns(self, table: str, connection: Any, remote: Any) -> None:
        here, there = (_columns(table, each) for each in (connection, remote))
        if here != there:
            other = ", ".join(sorted(here ^ there))
            raise ValueError(
                f"{self!r}: the table {table!r} on {self.server!r} has other columns: {other}."
                " Change it there, or drop it if it is empty, and migrate again."
            )

    def database_backwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        rules = rules_of(connection)
        connection.execute_script(rules.drop_foreign.format(partition=self.name))
        if is_dry(connection):
            return
        remote, table = (
            get_connection(self.server),
            table_of(model_of(self.model_name, app_label, from_state), app_label),
        )
        with remote.atomic():
            if self.name in partitions_of(table, remote):
                remote.execute_script(rules.drop.format(partition=self.name))
            if key_of(table, remote) and not partitions_of(table, remote):
                remote.execute_script(rules.drop.format(partition=table))

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        path, arguments, options = super().deconstruct()
        return path, arguments, {**options, "server": self.server}

    def describe(self) -> str:
        return f"Add partition {self.name} to {self.model_name} on {self.server}"

    def __repr__(self) -> str:
        return f"AddForeignPartition({self.model_name!r}, {self.name!r}, {self.server!r})"


class RemovePartition(Operation):
    """The migration operation that drops a partition with its rows, here or on another server.

    Unapplying it adds the partition again, empty.

    Args:
        model_name: The model.
        name: The name of the partition's table.
        server: The alias of its server; None if it is in this database.
        allow_vector_loss: Whether it may hold rows.
        rows: The arguments that it was added with.

    Raises:
        VectorsWouldBeLost: The partition holds rows, and ``allow_vector_loss`` is False.
    """

    def __init__(
        self, model_name: str, name: str, server: str | None = None, *, allow_vector_loss: bool = False, **rows: Any
    ) -> None:
        self.model_name, self.name, self.server, self.allow_vector_loss = model_name, name, server, allow_vector_loss
        is_here = server is None
        self.added = (
            AddPartition(model_name, name, **rows)
            if is_here
            else AddForeignPartition(model_name, name, str(server), **rows)
        )

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Leave the state unchanged: a partition has no model."""

    def database_forwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        if not (self.allow_vector_loss or is_dry(connection)):
            self._require_empty(connection)
        self.added.database_backwards(app_label, connection, from_state, to_state)

    def _require_empty(self, connection: Any) -> None:
        held = int(connection.execute(f'SELECT COUNT(*) AS "held" FROM "{self.name}"')[0]["held"])
        if held:
            raise VectorsWouldBeLost(
                f"{self!r}: the partition holds {held:,} row{'s' * (held != 1)}. Nothing was dropped. Delete them"
                f" first, or allow it in the migration: {repr(self)[:-1]}, allow_vector_loss=True)"
            )

    def database_backwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        self.added.database_forwards(app_label, connection, from_state, to_state)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        options = self.added.deconstruct()[2]
        if self.allow_vector_loss:
            options["allow_vector_loss"] = True
        return "dorm_vector.RemovePartition", (), options

    def describe(self) -> str:
        return f"Remove partition {self.name} from {self.model_name}"

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.added.bound.options().items())
        place = "" if self.server is None else f", {self.server!r}"
        return f"RemovePartition({self.model_name!r}, {self.name!r}{place}{options})"


def create(model: dict[str, Any], table: str, app_label: str, connection: Any, state: Any) -> None:
    """Create the model's table, whole."""
    options = {**model["options"], "db_table": table}
    operation = CreateModel(model["name"], list(model["fields"].items()), options)
    operation.database_forwards(app_label, connection, ProjectState(), state)


def _columns(table: str, connection: Any) -> set[str]:
    rows = connection.execute(dialect_for(connection).ddl.declarations, [table])
    return {str(row["declaration"]) for row in rows}
