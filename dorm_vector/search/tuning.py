"""Server options for a statement with searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from ..dialects.base import Dialect, version_numbers
from ..dialects.shared.facts import NOTHING
from ..exceptions import UnsupportedByDatabase
from ..steps import Execute, Steps
from .compiled import CompiledSearch
from .options import Options, checked
from .partitions.sessions import assigned, learn_servers, reset, sent_along, sessions_of
from .width import greatest

_versions: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


class Tuning:
    """The option values of a statement: those requested, widened if the searches need more rows."""

    def __init__(self, connection: Any, dialect: Dialect, asked: Options, searches: Sequence[CompiledSearch]) -> None:
        self._connection, self._dialect, self._asked = connection, dialect, asked
        self._widths: dict[str, int] = {}
        self._raised: dict[str, int] = {}
        self._goes_on = any(search.goes_on for search in searches)
        for search in searches:
            for name, width in search.widths.items():
                self._widths[name] = max(width, self._widths.get(name, 0))

    def is_needed(self) -> bool:
        """Return whether the search may need to change an option of the server."""
        options = self._dialect.tuning.options
        is_wider = any(width > int(options[name].default) for name, width in self._widths.items())
        return bool(self._asked or self._goes_on or is_wider)

    def learn(self) -> Steps[None]:
        """Read, once per connection, what the options depend on."""
        yield from learn_servers(self._connection, self._dialect)
        yield from self.learn_version()

    def assigned(self, sql: str) -> Assigned:
        """Return what to set for a statement."""
        assignments = self.assignments()
        sessions = sessions_of(sql, self._connection, bool(self._asked)) if assignments else []
        return Assigned(self._dialect, assignments, self._raised, sessions)

    def learn_version(self) -> Steps[None]:
        """Read the server's version if an option depends on it, once per connection."""
        names = {*self._asked, *(self._dialect.tuning.filtered if self._goes_on else ())}
        options = [self._dialect.tuning.options[name] for name in names if name in self._dialect.tuning.options]
        if self._connection not in _versions and any(option.since for option in options):
            rows = yield Execute(self._dialect.extension.version_query)
            if rows:
                remember_version(self._connection, str(rows[0]["version"]))

    def assignments(self) -> dict[str, str]:
        """Return the server variables to set, and their values in SQL."""
        dialect, assignments = self._dialect, {}
        wanted = {name: checked(dialect, name, value) for name, value in self._asked.items()}
        for name in wanted:
            self._require_version(name)
        if self._goes_on:
            spare = {name: value for name, value in dialect.tuning.filtered.items() if self._has(name)}
            wanted = {**spare, **wanted}
            for name, setting in dialect.tuning.filtered_settings.items():
                assignments[name] = dialect.tuning.value.format(value=setting)
        for name, value in wanted.items():
            for variable, spelled in dialect.tuning.options[name].spelled(value).items():
                assignments[variable] = dialect.tuning.value.format(value=spelled)
        return assignments | self._wide_enough(wanted)

    def _wide_enough(self, wanted: Mapping[str, Any]) -> dict[str, str]:
        """Return the assignment that lets the index find as many rows as the searches need."""
        found: dict[str, str] = {}
        for name, least in self._widths.items():
            found |= self._wide(name, least, wanted)
        return found

    def _wide(self, name: str, least: int, wanted: Mapping[str, Any]) -> dict[str, str]:
        tuning, option = self._dialect.tuning, self._dialect.tuning.options[name]
        width = min(least, greatest(option))
        if width <= int(wanted.get(name, option.default)):
            return {}
        template = tuning.value if name in wanted else tuning.at_least
        if name not in wanted:
            self._raised |= dict.fromkeys(option.variables, width)
        return {variable: template.format(variable=variable, value=width) for variable in option.variables}

    def _has(self, name: str) -> bool:
        since = self._dialect.tuning.options[name].since
        return not since or version_numbers(_versions.get(self._connection, "")) >= version_numbers(since)

    def _require_version(self, name: str) -> None:
        if not self._has(name):
            since = self._dialect.tuning.options[name].since
            raise UnsupportedByDatabase(
                f"{self._dialect.title}: the search option {name} needs {since};"
                f" this server has {_versions.get(self._connection, 'none')}. Leave it out, or upgrade the server."
            )


class Assigned:
    """The server variables to set for a statement, and the statements that do so; false if there are none.

    Args:
        dialect: The dialect.
        values: The variables, and their values in SQL.
        raised: Those that are set to at least a value.
        sessions: The tables through which they reach other servers.
    """

    def __init__(
        self,
        dialect: Dialect,
        values: Mapping[str, str] = NOTHING,
        raised: Mapping[str, int] = NOTHING,
        sessions: Sequence[str] = (),
    ) -> None:
        self._dialect, self.values, self._raised, self._sessions = dialect, values, raised, sessions

    def __bool__(self) -> bool:
        return bool(self.values)

    def written(self) -> str:
        """Return the assignments in SQL."""
        template = self._dialect.tuning.assignment
        return ", ".join(template.format(variable=name, value=value) for name, value in self.values.items())

    def setting(self) -> str:
        """Return the statement that sets the variables, here and on other servers."""
        statement = self._dialect.tuning.for_transaction.format(assignments=self.written())
        return sent_along(statement, self._sessions, assigned(self.values, self._raised), self._dialect)

    def reading(self) -> str:
        return select_each(self._dialect, self._dialect.tuning.now, self.values)

    def restored(self, before: Mapping[str, Any]) -> Execute:
        """Return the step that gives the variables the values back that they had, and resets those of other servers."""
        tuning, values = self._dialect.tuning, {name: before[name] for name in self.values}
        if not tuning.back:
            return Execute(Assigned(self._dialect, {name: _literal(value) for name, value in values.items()}).setting())
        statement = select_each(self._dialect, tuning.back, values)
        return Execute(sent_along(statement, self._sessions, reset(values), self._dialect), list(values.values()))


def select_each(dialect: Dialect, template: str, assignments: Mapping[str, str]) -> str:
    """Return a SELECT that applies the template to each of the server's variables."""
    parts = [f'{template.format(variable=name)} AS "{name}"' for name in assignments]
    return dialect.tuning.reading.format(values=", ".join(parts))


def _literal(value: Any) -> str:
    return "NULL" if value is None else "'{}'".format(str(value).replace("'", "''"))


def remember_version(connection: Any, version: str) -> None:
    _versions[connection] = version


def forget_versions() -> None:
    _versions.clear()
