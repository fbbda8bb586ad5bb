"""RenameIndex: an index keeps what it holds under another name."""

from __future__ import annotations

import copy
from typing import Any

from dorm.indexes import Index
from dorm.migrations.operations import AddIndex, Operation, RemoveIndex

from ..engines import dialect_for
from ..indexes.vector import VectorIndex
from ..migration_state import indexes_of, model_of, table_of


class RenameIndex(Operation):
    """The migration operation that renames an index of a model; it builds the index again where it cannot be renamed.

    ``dorm makemigrations`` writes it where only the name of an index has changed, also with that of a field or model.
    """

    def __init__(self, model_name: str, old_name: str, new_name: str) -> None:
        self.model_name, self.old_name, self.new_name = model_name, old_name, new_name

    def state_forwards(self, app_label: str, state: Any) -> None:
        options = model_of(self.model_name, app_label, state)["options"]
        options["indexes"] = [self._renamed(index) for index in options.get("indexes") or ()]

    def _renamed(self, index: Any) -> Any:
        if index.get_name(self.model_name) != self.old_name:
            return index
        found = copy.copy(index)
        # A name that follows from the fields is not kept, because the model declares none.
        found._name = None
        if found.get_name(self.model_name) != self.new_name:
            found._name = self.new_name
        return found

    def database_forwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        self._rename(self.old_name, self.new_name, app_label, connection, from_state, to_state)

    def database_backwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        self._rename(self.new_name, self.old_name, app_label, connection, from_state, to_state)

    def _rename(self, old: str, new: str, app_label: str, connection: Any, before: Any, after: Any) -> None:
        models = [model_of(self.model_name, app_label, state) for state in (before, after)]
        index, renamed = (
            next((each for each in indexes_of(model, Index) if each.get_name(model["name"]) == name), None)
            for model, name in zip(models, (old, new), strict=True)
        )
        if index is None or renamed is None:
            raise ValueError(f"{self!r}: {self.model_name} has no index {old if index is None else new!r}.")
        dialect = dialect_for(connection)
        if not dialect.ddl.rename_index:
            RemoveIndex(self.model_name, index).database_forwards(app_label, connection, before, before)
            AddIndex(self.model_name, renamed).database_forwards(app_label, connection, after, after)
        elif not isinstance(index, VectorIndex) or index.is_built_by(dialect):
            table = table_of(models[0], app_label)
            connection.execute_script(dialect.ddl.rename_index.format(table=table, old=old, new=new))

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        options = {"model_name": self.model_name, "old_name": self.old_name, "new_name": self.new_name}
        return "dorm_vector.RenameIndex", (), options

    def describe(self) -> str:
        return f"Rename index {self.old_name} of {self.model_name} to {self.new_name}"

    def __repr__(self) -> str:
        return f"RenameIndex({self.model_name!r}, {self.old_name!r}, {self.new_name!r})"
