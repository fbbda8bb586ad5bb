"""Resume interrupted migrations on MariaDB and MySQL, which commit each change of a table.

The progress of each unfinished migration is stored in a table, which exists only while there are any.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from dorm.exceptions import OperationalError

from ...patching.registry import repair
from ...patching.stand_ins import Statements

_EXECUTOR = "dorm.migrations.executor:MigrationExecutor"

_log = logging.getLogger("dorm.migrations")

TABLE = "dorm_migrations_unfinished"

_CREATE = (
    f'CREATE TABLE IF NOT EXISTS "{TABLE}" ("app" VARCHAR(255) NOT NULL, "name" VARCHAR(255) NOT NULL,'
    ' "direction" VARCHAR(10) NOT NULL, "done" INTEGER NOT NULL, "operations" LONGTEXT NOT NULL,'
    ' "running" LONGTEXT NULL, PRIMARY KEY ("app", "name"))'
)

_THERE = (
    "SELECT COUNT(*) AS found FROM information_schema.tables WHERE table_schema = DATABASE()"
    f" AND table_name = '{TABLE}'"
)

_THIS = '"app" = %s AND "name" = %s'

# Without djanorm's own tables, which are created and dropped in the meantime.
_CATALOGUE = (
    "SELECT CONCAT_WS(' ', 'column', table_name, column_name) AS thing,"
    " CONCAT_WS(' ', column_type, is_nullable, column_default, extra) AS detail FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND LEFT(table_name, 15) <> 'dorm_migrations' UNION ALL"
    " SELECT CONCAT_WS(' ', 'index', table_name, index_name), GROUP_CONCAT(column_name ORDER BY seq_in_index)"
    " FROM information_schema.statistics WHERE table_schema = DATABASE()"
    " AND LEFT(table_name, 15) <> 'dorm_migrations' GROUP BY table_name, index_name"
)


@dataclass
class _Progress:
    """The progress of one migration in one direction."""

    connection: Any
    app: str
    name: str
    direction: str
    labels: Sequence[str]

    def stored(self) -> Any | None:
        """Return the row of the migration.

        Raises:
            OperationalError: The row is for the other direction, or the migration was changed since.
        """
        rows = self.connection.execute(f'SELECT * FROM "{TABLE}" WHERE {_THIS}', [self.app, self.name])
        if not rows:
            return None
        (row,) = rows
        if row["direction"] != self.direction:
            raise OperationalError(
                f"{self.app}.{self.name} stopped half-way as it ran {row['direction']}, and cannot run"
                f" {self.direction} from there. Finish it: run the command that stopped again."
            )
        done = json.loads(row["operations"])
        if done != list(self.labels[: row["done"]]):
            raise OperationalError(
                f"{self.app}.{self.name} was changed after {len(done)} of its operations had been applied:"
                f" {', '.join(done)}. It now begins with {', '.join(self.labels[: len(done)]) or 'nothing'}."
                " Put these operations back, and change those that follow."
            )
        return row

    def begin(self, number: int) -> None:
        """Store that an operation is about to run, and the current tables."""
        values = [number, json.dumps(self.labels[:number]), json.dumps(_catalogue(self.connection))]
        self.connection.execute_write(
            f'INSERT INTO "{TABLE}" ("app", "name", "direction", "done", "operations", "running")'
            " VALUES (%s, %s, %s, %s, %s, %s)"
            ' ON DUPLICATE KEY UPDATE "done" = VALUES("done"), "operations" = VALUES("operations"),'
            ' "running" = VALUES("running")',
            [self.app, self.name, self.direction, *values],
        )

    def end(self, number: int) -> None:
        self.connection.execute_write(
            f'UPDATE "{TABLE}" SET "done" = %s, "operations" = %s, "running" = NULL WHERE {_THIS}',
            [number + 1, json.dumps(self.labels[: number + 1]), self.app, self.name],
        )

    def run(self, number: int, work: Any) -> None:
        """Run an operation unless it is already done; its rows are committed together with its progress."""
        # Create it each time, because the migrations of another app, run as dependencies, drop the table when they end.
        self.connection.execute_script(_CREATE)
        row, raw = self.stored(), self.connection.get_connection()
        if row is not None and row["done"] > number:
            return
        if row is not None and row["running"] is not None:
            self._tidy(number, json.loads(row["running"]))
        self.begin(number)
        raw.commit()
        raw.begin()
        try:
            work()
        except Exception:
            # For every error. Not as an exception note, because the command prints only the message of some exceptions.
            _log.error(self._note(number))
            raise
        self.end(number)
        raw.commit()
        raw.begin()

    def _note(self, number: int) -> str:
        return (
            f"{self.app}.{self.name} stopped at operation {number + 1} of {len(self.labels)}, {self.labels[number]}."
            f" This database commits each change of a table, so the {number} before it stay. Correct the cause and run"
            " the same command again: it goes on with this operation."
        )

    def _tidy(self, number: int, before: dict[str, str]) -> None:
        """Revert what an interrupted operation added, so that it can run again; raise if it changed anything else."""
        now = _catalogue(self.connection)
        changed = sorted(thing for thing in before.keys() | now.keys() if before.get(thing) != now.get(thing))
        added = [thing for thing in changed if thing not in before]
        if changed != added:
            raise OperationalError(self._question(number, before, now, changed))
        for statement in _dropping(added, before):
            self.connection.execute_script(statement)

    def _question(self, number: int, before: dict[str, str], now: dict[str, str], changed: list[str]) -> str:
        seen = "; ".join(f"{thing}: {before.get(thing, 'none')} -> {now.get(thing, 'none')}" for thing in changed)
        label = self.labels[number]
        where = f"WHERE \"app\" = '{self.app}' AND \"name\" = '{self.name}'"
        done = json.dumps(self.labels[: number + 1]).replace("'", "''")
        return (
            f"{self.app}.{self.name} was interrupted in operation {number + 1} of {len(self.labels)}, {label}, which"
            f" has changed: {seen}. If that is all it does, note that it is done:\n"
            f'  UPDATE "{TABLE}" SET "done" = {number + 1}, "operations" = \'{done}\', "running" = NULL {where};\n'
            "If not, take the changes back and note that it has to run:\n"
            f'  UPDATE "{TABLE}" SET "running" = NULL {where};\n'
            "Then run the same command again."
        )


def _catalogue(connection: Any) -> dict[str, str]:
    return {str(row["thing"]): str(row["detail"]) for row in connection.execute(_CATALOGUE, [])}


def _dropping(added: list[str], before: dict[str, str]) -> Iterator[str]:
    """Yield the statements that drop tables, columns and indexes that did not exist before."""
    tables = {thing.split(" ", 2)[1] for thing in before}
    for table in dict.fromkeys(thing.split(" ", 2)[1] for thing in added):
        if table not in tables:
            yield f'DROP TABLE "{table}"'
            continue
        for kind in ("index", "column"):
            for thing in added:
                what, owner, name = thing.split(" ", 2)
                if (what, owner) == (kind, table):
                    yield f'ALTER TABLE "{table}" DROP {kind.upper()} "{name}"'


def _label(operation: Any) -> str:
    """Return the name of an operation in the progress table: its class, and what it applies to."""
    operation = getattr(operation, "_operation", operation)
    index = getattr(operation, "index", None)
    named = (getattr(operation, "model_name", None), getattr(operation, "name", None), getattr(index, "name", None))
    return " ".join([type(operation).__name__, *(str(name) for name in named if name)])


def _resumable(connection: Any, app: str, migrations: Any, direction: str) -> Iterator[Any]:
    """Yield the migrations with operations that record their progress."""
    for number, name, module in migrations:
        operations = list(getattr(module, "operations", []))
        order = operations if direction == "forwards" else operations[::-1]
        progress = _Progress(connection, app, name, direction, [_label(operation) for operation in order])
        noted = [_noting(operation, place, progress) for place, operation in enumerate(order)]
        wrapped = SimpleNamespace(**vars(module))
        wrapped.operations = noted if direction == "forwards" else noted[::-1]
        yield number, name, wrapped


def _noting(operation: Any, place: int, progress: _Progress) -> Any:
    noting, attribute = copy.copy(operation), f"database_{progress.direction}"
    change = getattr(operation, attribute)

    def database(app_label: str, connection: Any, from_state: Any, to_state: Any) -> None:
        progress.run(place, lambda: change(app_label, connection, from_state, to_state))

    setattr(noting, attribute, database)
    return noting


def _forget_finished(connection: Any) -> None:
    """Delete the progress of migrations that are applied or unapplied, and drop the table when it is empty."""
    if not connection.execute(_THERE)[0]["found"]:
        return
    recorded = f'EXISTS (SELECT 1 FROM "dorm_migrations" AS "m" WHERE "m"."app" = "{TABLE}"."app"'
    recorded += f' AND "m"."name" = "{TABLE}"."name")'
    for direction, ended in (("forwards", recorded), ("backwards", f"NOT {recorded}")):
        connection.execute_write(f'DELETE FROM "{TABLE}" WHERE "direction" = %s AND {ended}', [direction])
    if not connection.execute(f'SELECT COUNT(*) AS "rows" FROM "{TABLE}"')[0]["rows"]:
        connection.execute_script(f'DROP TABLE "{TABLE}"')


class _Noted:
    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change no model."""

    def database_forwards(self, *_arguments: Any) -> None:
        """Change no table."""


class _Server(Statements):
    def get_connection(self) -> Any:
        return self

    def execute(self, sql: str, params: Any = None) -> Any:
        self.append(sql)
        return [{"found": 0}] if sql == _THERE else []

    def atomic(self) -> Any:
        return nullcontext()


def _notes_how_far_it_is() -> bool:
    from dorm.migrations.executor import MigrationExecutor
    from dorm.migrations.state import ProjectState

    executor: Any = object.__new__(MigrationExecutor)
    executor.connection, executor.verbosity = _Server("mysql"), 0
    executor.recorder = SimpleNamespace(record_applied=lambda *_names: None)
    executor.loader = SimpleNamespace(get_migration_state=lambda _label: ProjectState(), applied=set())
    executor._apply_forward("app", [(1, "0001_a", SimpleNamespace(operations=[_Noted()]))], set())
    return TABLE in "".join(executor.connection)


@repair(_EXECUTOR, "_apply_forward", is_fixed=_notes_how_far_it_is)
def unfinished_migrations(
    original: Any, executor: Any, app_label: str, migrations: Any, applied: Any, target_num: Any = None, **options: Any
) -> Any:
    """Resume a migration where it stopped, on databases that commit each change of a table.

    Symptom: on MariaDB and MySQL, a migration that failed or was killed in the middle cannot be repeated
    (``Duplicate column name``) or unapplied, and its RunPython runs twice. Cause: DDL is not transactional there, and
    djanorm records only whole migrations. djanorm 4.3 to 4.5.
    """
    if getattr(executor.connection, "vendor", "") != "mysql" or any(options.values()):
        return original(executor, app_label, migrations, applied, target_num, **options)
    migrations = list(_resumable(executor.connection, app_label, migrations, "forwards"))
    found = original(executor, app_label, migrations, applied, target_num, **options)
    _forget_finished(executor.connection)
    return found


@repair(_EXECUTOR, "_rollback_to", name="unfinished_migrations", is_fixed=_notes_how_far_it_is)
def _rollback_to(
    original: Any, executor: Any, app_label: str, migrations: Any, applied: Any, target_num: Any, **options: Any
) -> Any:
    if getattr(executor.connection, "vendor", "") != "mysql" or any(options.values()):
        return original(executor, app_label, migrations, applied, target_num, **options)
    migrations = list(_resumable(executor.connection, app_label, migrations, "backwards"))
    found = original(executor, app_label, migrations, applied, target_num, **options)
    _forget_finished(executor.connection)
    return found
