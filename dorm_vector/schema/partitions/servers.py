"""Migration operations that name another server, and that change a table on all of its servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dorm.db.connection import get_connection
from dorm.migrations.operations import Operation

from ...dialects.shared.groups import Partitions
from ...engines import dialect_for
from ...search.options import checked
from ..requirements.extensions import enable_extension
from .bounds import quoted
from .building import is_dry, rules_of, schema_of

# The names of settings in DATABASES, and of options of libpq.
_ADDRESS = {"HOST": "host", "PORT": "port", "NAME": "dbname"}
_LOGIN = {"USER": "user", "PASSWORD": "password"}

# use_remote_estimate is left out: it requests several plans per search from the other server, which takes 5 x as long.
_DEFAULTS = {
    # Lets the other server sort by distance.
    "extensions": "vector",
    "async_capable": "true",
    "batch_size": "1000",
    # Vectors are sent as text, and a search seldom needs the 100 rows that are fetched otherwise.
    "fetch_size": "50",
}


class CreateForeignServer(Operation):
    """The migration operation that lets this database read the tables of another one of ``DATABASES``.

    It enables postgres_fdw. The address and the login are those of the alias when the migration runs, and are not
    written to it.

    Args:
        alias: The other database, which is also the name of the server in SQL.
        options: Options of postgres_fdw that are added, or replace those of the alias: ``host``, if this server
            reaches the other one by another name; ``fetch_size``; ``sslmode``.
        search_options: Search options of each session there, which the options of a search replace.
        role: Who may use it: ``CURRENT_USER``, ``PUBLIC`` or a role. A login without a password requires a superuser.
    """

    def __init__(
        self,
        alias: str,
        options: Mapping[str, str] | None = None,
        search_options: Mapping[str, int | str] | None = None,
        role: str = "CURRENT_USER",
    ) -> None:
        self.alias, self.options, self.search_options = alias, dict(options or {}), dict(search_options or {})
        self.role = role

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Leave the state unchanged."""

    def database_forwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        rules, settings = rules_of(connection), get_connection(self.alias).settings
        enable_extension(rules.extension, f"the foreign server {self.alias}", connection)
        address, login = ({name: settings.get(key) for key, name in names.items()} for names in (_ADDRESS, _LOGIN))
        if is_dry(connection):
            login = {name: "…" if name == "password" and value else value for name, value in login.items()}
        options = {**address, **_DEFAULTS, **self._session(connection), **self.options}
        connection.execute_script(rules.create_server.format(server=self.alias, options=_written(options)))
        mapping = {"server": self.alias, "role": self._role(), "options": _written(login)}
        connection.execute_script(rules.create_mapping.format(**mapping))
        self._add_session(rules, connection)

    def _add_session(self, rules: Partitions, connection: Any) -> None:
        """Add what passes search options on."""
        schema, name = "public", rules.session.format(server=self.alias)
        if not is_dry(connection):
            remote = get_connection(self.alias)
            schema = schema_of(remote)
            with remote.atomic():
                for statement in rules.create_session:
                    remote.execute_script(statement)
        connection.execute_script(rules.add_session.format(session=name, server=self.alias, schema=schema))
        if self.role != "CURRENT_USER":
            connection.execute_script(rules.grant_session.format(session=name, role=self._role()))

    def _session(self, connection: Any) -> dict[str, str]:
        """Return the option of libpq that sets the search options of a session."""
        tuning, dialect = dialect_for(connection).tuning, dialect_for(connection)
        variables = [
            f"-c {variable}={spelled}"
            for name, value in self.search_options.items()
            for variable, spelled in tuning.options[name].spelled(checked(dialect, name, value)).items()
        ]
        return {"options": " ".join(variables)} if variables else {}

    def _role(self) -> str:
        return self.role if self.role in ("CURRENT_USER", "PUBLIC") else f'"{self.role}"'

    def database_backwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        rules = rules_of(connection)
        connection.execute_script(rules.drop_foreign.format(partition=rules.session.format(server=self.alias)))
        connection.execute_script(rules.drop_mapping.format(server=self.alias, role=self._role()))
        connection.execute_script(rules.drop_server.format(server=self.alias))
        for statement in () if is_dry(connection) else rules.drop_session:
            get_connection(self.alias).execute_script(statement)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        given = {"options": self.options, "search_options": self.search_options}
        options = {"alias": self.alias, **{name: value for name, value in given.items() if value}, "role": self.role}
        return "dorm_vector.CreateForeignServer", (), options

    def describe(self) -> str:
        return f"Add the foreign server {self.alias}"

    def __repr__(self) -> str:
        return f"CreateForeignServer({self.alias!r})"


class OnEachServer(Operation):
    """The migration operation that runs another one here, and on the servers of a model's foreign partitions.

    Each server has its own transaction. Where one fails, those before it keep the change, and the error names them.

    Args:
        operation: An operation over a partitioned model, such as ``AddIndex`` or ``AddField``.
        servers: The aliases of the other servers.
    """

    def __init__(self, operation: Any, servers: Sequence[str]) -> None:
        self.operation, self.servers = operation, list(servers)
        self.reversible = operation.reversible

    def state_forwards(self, app_label: str, state: Any) -> None:
        self.operation.state_forwards(app_label, state)

    def database_forwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        self._run("database_forwards", app_label, connection, from_state, to_state)

    def database_backwards(self, app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        self._run("database_backwards", app_label, connection, from_state, to_state)

    def _run(self, way: str, app_label: str, connection: Any, *states: Any) -> None:
        # First here, where the transaction of the migration undoes what fails.
        getattr(self.operation, way)(app_label, connection, *states)
        if is_dry(connection):
            return
        changed: list[str] = []
        try:
            for alias in self.servers:
                remote = get_connection(alias)
                with remote.atomic():
                    getattr(self.operation, way)(app_label, remote, *states)
                changed.append(alias)
        except Exception as error:
            done = f"{', '.join(changed)} kept the change" if changed else "no server was changed"
            error.add_note(f"{self!r} failed on {self.servers[len(changed)]}; {done}.")
            raise

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        return "dorm_vector.OnEachServer", (), {"operation": self.operation, "servers": self.servers}

    def describe(self) -> str:
        return f"{self.operation.describe()}, here and on {', '.join(self.servers)}"

    def __repr__(self) -> str:
        return f"OnEachServer({self.operation!r}, {self.servers!r})"


def _written(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {quoted(value)}" for name, value in options.items() if value not in (None, ""))
