"""Server options for a statement with searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from ..dialects.base import Dialect, version_numbers
from ..exceptions import UnsupportedByDatabase
from ..steps import Execute, Steps
from .compiled import CompiledSearch
from .options import Options, checked
from .width import greatest

_versions: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


class Tuning:
    """The option values of a statement: those requested, widened if the searches need more rows."""

    def __init__(self, connection: Any, dialect: Dialect, asked: Options, searches: Sequence[CompiledSearch]) -> None:
        self._connection, self._dialect, self._asked = connection, dialect, asked
        self._widths: dict[str, int] = {}
        self._goes_on = any(search.goes_on for search in searches)
        for search in searches:
            for name, width in search.widths.items():
                self._widths[name] = max(width, self._widths.get(name, 0))

    def is_needed(self) -> bool:
        """Return whether the search may need to change an option of the server."""
        options = self._dialect.tuning.options
        is_wider = any(width > int(options[name].default) for name, width in self._widths.items())
        return bool(self._asked or self._goes_on or is_wider)

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


def select_each(dialect: Dialect, template: str, assignments: Mapping[str, str]) -> str:
    """Return a SELECT that applies the template to each of the server's variables."""
    parts = [f'{template.format(variable=name)} AS "{name}"' for name in assignments]
    return dialect.tuning.for_transaction.format(assignments=", ".join(parts))


def remember_version(connection: Any, version: str) -> None:
    _versions[connection] = version


def forget_versions() -> None:
    _versions.clear()
