"""Migration operations."""

from __future__ import annotations

import copy
import warnings
from typing import Any

from dorm.exceptions import DatabaseError
from dorm.indexes import Index
from dorm.migrations.operations import AddIndex, Operation, RemoveIndex

from ..dialects.base import Dialect, version_numbers
from ..dialects.shared.other_servers import warned_of
from ..engines import dialect_for
from ..exceptions import PgvectorTooOld, VectorsUnavailable, frames_inside
from ..indexes.vector import VectorIndex
from ..migration_state import indexes_of, model_of, table_of


class VectorExtension(Operation):
    """The migration operation that enables vectors: it installs pgvector on PostgreSQL, and checks elsewhere.

    Unapplying it drops the extension, which PostgreSQL refuses while a column needs it.

    Raises:
        VectorsUnavailable: Vector support is missing or older than the minimum. The message names what to install.
    """

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Leave the state unchanged."""

    def database_forwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        dialect = dialect_for(connection)
        _run(dialect, connection, dialect.extension.enable)
        if not _is_another_server(dialect, connection):
            require_version(dialect, connection)

    def database_backwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        for statement in dialect_for(connection).extension.disable:
            connection.execute_script(statement)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        return "dorm_vector.VectorExtension", (), {}

    def describe(self) -> str:
        return "Enable vector search"

    def __repr__(self) -> str:
        return "VectorExtension()"


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


def _run(dialect: Dialect, connection: Any, statements: tuple[str, ...]) -> None:
    try:
        for statement in statements:
            connection.execute_script(statement)
    except Exception as error:
        raise VectorsUnavailable(
            f"{dialect.title} could not enable vectors: {error} {dialect.extension.install_hint}"
        ) from error


def require_version(dialect: Dialect, connection: Any) -> None:
    """Raise VectorsUnavailable if vector support is missing, hidden or older than the minimum."""
    if not dialect.extension.version_query or getattr(connection, "captured", None) is not None:
        return
    try:
        rows = connection.execute(dialect.extension.version_query)
    except DatabaseError as error:
        raise VectorsUnavailable(f"{dialect.title} here has no vectors. {dialect.extension.install_hint}") from error
    version = str(rows[0]["version"]) if rows else ""
    hidden_in = dict(rows[0]).get("hidden_in") if rows else None
    if hidden_in:
        raise VectorsUnavailable(
            f"{dialect.title} has vectors in the schema {hidden_in!r}, which is not in the search_path."
            f" Add it to the search_path, or move them: ALTER EXTENSION vector SET SCHEMA public."
        )
    _require_minimum(dialect, version)
    _warn_of_known_bugs(dialect, version)


def _is_another_server(dialect: Dialect, connection: Any) -> bool:
    """Return whether the server only speaks the database's protocol, and warn of it; its versions are its own."""
    query = dialect.extension.server_query
    if not query or getattr(connection, "captured", None) is not None:
        return False
    return warned_of(str(connection.execute(query)[0]["version"]))


def _warn_of_known_bugs(dialect: Dialect, version: str) -> None:
    extension = dialect.extension
    if version_numbers(version) >= version_numbers(extension.sound) or version in _reported:
        return
    _reported.add(version)
    message = f"This database has pgvector {version}, older than {extension.sound}. {extension.unsound}"
    warnings.warn(message, PgvectorTooOld, stacklevel=frames_inside())


_reported: set[str] = set()


def require_recent_extension(connection: Any) -> None:
    """Raise VectorsUnavailable if the database has an extension for vectors, and it is older than the minimum."""
    dialect = dialect_for(connection)
    if dialect.extension.enable and getattr(connection, "captured", None) is None:
        for row in connection.execute(dialect.extension.version_query):
            _require_minimum(dialect, str(row["version"]))
            _warn_of_known_bugs(dialect, str(row["version"]))


def _require_minimum(dialect: Dialect, version: str) -> None:
    if version_numbers(version) < version_numbers(dialect.minimum):
        found = f"this one has {version}" if version else "this one has none"
        raise VectorsUnavailable(
            f"{dialect.title} needs vectors {dialect.minimum} or newer; {found}. {dialect.extension.install_hint}"
        )
