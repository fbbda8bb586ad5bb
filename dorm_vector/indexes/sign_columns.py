"""Build, check and drop the sign bits of one vector column, as steps."""

from __future__ import annotations

from typing import Any

from dorm.exceptions import DatabaseError

from ..dialects.base import Dialect
from ..dialects.shared.sign_columns import SignColumn
from ..exceptions import UnsupportedByDatabase
from ..steps import Execute, Script, Steps, Write


class SignBits:
    """The sign bits that an index keeps of a vector column with a number of dimensions."""

    def __init__(self, index: Any, dialect: Dialect, name: str, table: str, column: str, dimensions: int) -> None:
        if dialect.sign_column is None:
            raise ValueError(f"{dialect.title} keeps no sign bits in a column.")
        self.rules: SignColumn = dialect.sign_column
        self.name, self.held = name, index.dimensions or dimensions
        self._table, self._dimensions = table, dimensions
        self.comment = self.rules.digest(column, dimensions, self.held)
        quoted = f'"{column}"'
        self._parts = {
            "name": name,
            "table": table,
            "column": column,
            "comment": self.comment,
            "bytes": str(self.rules.bytes_of(self.held)),
            "value": self.rules.value(quoted, dimensions, self.held),
            "value_of_new": self.rules.value(f"NEW.{quoted}", dimensions, self.held),
        }

    def obstacle(self) -> str:
        """Return why it cannot be built, with a fix; empty if it can."""
        if len(self.name) <= self.rules.longest_name:
            return ""
        return (
            f"its name has {len(self.name)} characters, and the names of its column and triggers begin with it."
            f" Give it a name of up to {self.rules.longest_name} characters."
        )

    def statements(self) -> list[str]:
        """Return the SQL that builds it with triggers."""
        rules, obstacle = self.rules, self.obstacle()
        if obstacle:
            raise UnsupportedByDatabase(f"{self.name} cannot be built: {obstacle}")
        return [template.format(**self._parts) for template in (rules.add, *rules.triggers, rules.fill, rules.index)]

    def build(self) -> Steps[None]:
        """Build it, over what an earlier build left; without triggers if the server refuses them."""
        add, *triggers, fill, index = self.statements()
        yield from self.drop()
        yield Script(add)
        try:
            for trigger in triggers:
                yield Script(trigger)
        except DatabaseError as error:
            if not self._is_refused(error):
                raise
            yield from self.drop()
            yield Script(self._said(self.rules.add_marked))
            fill = self._said(self.rules.fill_marked)
        yield Write(fill)
        yield Script(index)

    def drop(self) -> Steps[None]:
        """Drop whatever there is of it."""
        for template in self.rules.drop_triggers:
            yield Script(self._said(template))
        standing = {str(row["name"]) for row in (yield from self._found())}
        for part in self._columns():
            if part in standing:
                yield Script(self.rules.drop_column.format(table=self._table, part=part))

    def is_standing(self) -> Steps[bool]:
        """Return whether the database has it as it is declared; it may not be migrated yet."""
        rows = yield from self._found()
        return any(row["said"] == self.comment for row in rows)

    def has_triggers(self) -> Steps[bool]:
        """Return whether triggers keep it; if not, a changed row has no signs until they are built again."""
        rows = yield from self._found()
        return len(rows) == 1

    def has_lost_triggers(self) -> Steps[bool]:
        """Return whether it was built with triggers, and one of them was dropped: its signs can be outdated then."""
        if not (yield from self.has_triggers()):
            return False
        names = [self._said(template) for template in self.rules.trigger_names]
        rows = yield Execute(self.rules.lost_triggers, [self._table, *names])
        return bool(rows)

    def drift_query(self) -> str:
        """Return the SQL that compares the signs with the vectors, row by row."""
        return self._said(self.rules.drift)

    def column_of(self, alias: str) -> str:
        return f'"{alias}"."{self._columns()[0]}"'

    def _found(self) -> Steps[list[Any]]:
        rows: list[Any] = yield Execute(self.rules.standing, [self._table, *self._columns()])
        return rows

    def _columns(self) -> list[str]:
        return [template.format(name=self.name) for template in self.rules.columns]

    def _said(self, template: str) -> str:
        return template.format(**self._parts)

    def _is_refused(self, error: DatabaseError) -> bool:
        codes = {*error.args, *getattr(error.__cause__, "args", ())}
        return bool(codes & self.rules.refused)
