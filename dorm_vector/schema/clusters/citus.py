"""Migration operations that distribute a table over the workers of a Citus cluster, and back."""

from __future__ import annotations

from typing import Any

from dorm.migrations.operations import Operation

from ...dialects.clusters import citus
from ...engines.postgresql.citus import asked_again, cluster_of
from ...exceptions import UnsupportedByDatabase
from ...migration_state import column_of, model_of, table_of


class _Placement(Operation):
    """Where Citus keeps the rows of a model's table. Unapplying it moves them back to the coordinator."""

    model_name: str

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Leave the state unchanged: models are the same wherever their rows are."""

    def database_forwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        require_citus(connection, self.describe())
        connection.execute_script(self._statement(app_label, to_state))
        _forget(connection)

    def database_backwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        require_citus(connection, f"Undo: {self.describe()}")
        table = table_of(model_of(self.model_name, app_label, from_state, to_state), app_label)
        connection.execute_script(citus.UNDISTRIBUTE.format(table=table))
        _forget(connection)

    def _statement(self, app_label: str, state: Any) -> str:
        raise NotImplementedError(f"{type(self).__name__} has no statement.")

    def _options(self) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} has no options.")

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        return f"dorm_vector.{type(self).__name__}", (self.model_name,), self._options()

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self._options().items())
        return f"{type(self).__name__}({self.model_name!r}{options})"


class CreateDistributedTable(_Placement):
    """The migration operation that distributes a model's table over the workers of a Citus cluster.

    Put it behind the operations that create the table and its indexes. Unapplying it moves the rows back.

    Args:
        model_name: The model.
        distribution_column: The field whose value decides on which shard a row is. The primary key and every unique
            constraint must include it.
        colocate_with: A model that is distributed by the same values; their rows can be joined on their worker.
        shard_count: The number of shards; by default, the server's ``citus.shard_count``.

    Raises:
        UnsupportedByDatabase: The database is not the coordinator of a Citus cluster.
    """

    def __init__(
        self,
        model_name: str,
        *,
        distribution_column: str,
        colocate_with: str | None = None,
        shard_count: int | None = None,
    ) -> None:
        if colocate_with is not None and shard_count is not None:
            raise ValueError(
                f"CreateDistributedTable({model_name!r}): a table that is colocated with {colocate_with} has as many"
                " shards. Leave out shard_count."
            )
        self.model_name, self.distribution_column = model_name, distribution_column
        self.colocate_with, self.shard_count = colocate_with, shard_count

    def _statement(self, app_label: str, state: Any) -> str:
        model = model_of(self.model_name, app_label, state)
        field = model["fields"].get(self.distribution_column)
        if field is None:
            raise ValueError(
                f"{self!r}: {self.model_name} has no field {self.distribution_column!r}."
                f" It has {', '.join(model['fields']) or 'none'}."
            )
        column = column_of(self.distribution_column, field)
        return citus.DISTRIBUTE.format(
            table=table_of(model, app_label), column=column, options=self._placed(app_label, state)
        )

    def _placed(self, app_label: str, state: Any) -> str:
        if self.colocate_with is not None:
            other = table_of(model_of(self.colocate_with, app_label, state), app_label)
            return citus.COLOCATED.format(table=other)
        return "" if self.shard_count is None else citus.SHARDS.format(count=self.shard_count)

    def _options(self) -> dict[str, Any]:
        options = {"distribution_column": self.distribution_column}
        given = {"colocate_with": self.colocate_with, "shard_count": self.shard_count}
        return options | {name: value for name, value in given.items() if value is not None}

    def describe(self) -> str:
        return f"Distribute {self.model_name} by {self.distribution_column}"


class CreateReferenceTable(_Placement):
    """The migration operation that copies a model's table to every worker of a Citus cluster, and keeps the copies.

    Use it for small tables that distributed ones refer to or are joined with.

    Raises:
        UnsupportedByDatabase: The database is not the coordinator of a Citus cluster.
    """

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name

    def _statement(self, app_label: str, state: Any) -> str:
        return citus.REFERENCE.format(table=table_of(model_of(self.model_name, app_label, state), app_label))

    def _options(self) -> dict[str, Any]:
        return {}

    def describe(self) -> str:
        return f"Copy {self.model_name} to every worker"


def require_citus(connection: Any, purpose: str) -> None:
    """Raise UnsupportedByDatabase if the database is not the coordinator of a Citus cluster."""
    if getattr(connection, "captured", None) is not None:
        return
    if not asked_again(connection):
        raise UnsupportedByDatabase(
            f"{purpose}: this database has no Citus. Connect to the coordinator of a cluster, and run there:"
            " CREATE EXTENSION citus. Leave the operation out of the migrations of other databases."
        )


def _forget(connection: Any) -> None:
    cluster = cluster_of(connection)
    if cluster is not None:
        cluster.columns.clear()
