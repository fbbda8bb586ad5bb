"""Run migrations: the state of each operation, squashed migrations in place of others, other apps first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from ...patching.registry import repair
from .apps import apply_to, needed_of_other_apps

_EXECUTOR = "dorm.migrations.executor:MigrationExecutor"
_LOADER = "dorm.migrations.loader:MigrationLoader"
_Migration = tuple[int, str, Any]


class _Noted:
    """An operation that records the states it is unapplied between, for probes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.states: tuple[list[str], ...] = ()

    def state_forwards(self, _app_label: str, state: Any) -> None:
        state.models[f"app.{self.name}"] = {}

    def database_forwards(self, _app_label: str, _connection: Any, before: Any, after: Any) -> None:
        self.states = (list(before.models), list(after.models))

    database_backwards = database_forwards


def _takes_back_one_by_one() -> bool:
    from dorm.migrations.executor import MigrationExecutor

    first, second = _Noted("a"), _Noted("b")
    executor: Any = object.__new__(MigrationExecutor)
    executor.connection = SimpleNamespace(atomic=nullcontext)
    executor.recorder = SimpleNamespace(record_unapplied=lambda *_names: None)
    executor.verbosity = 0
    migrations = [(1, "0001_a", SimpleNamespace(operations=[first, second]))]
    executor._rollback_to("app", migrations, {"0001_a"}, -1)
    return first.states == (["app.a"], [])


@repair(_EXECUTOR, "_rollback_to", is_fixed=_takes_back_one_by_one)
def states_one_by_one(
    original: Any, executor: Any, app_label: str, migrations: Any, applied: Any, *rest: Any, **options: Any
) -> Any:
    """Unapply each operation between the states that it was applied between.

    Symptom: an operation that follows another in the same migration is unapplied incorrectly: a rebuilt table loses a
    column, or keeps an index. Cause: all operations of a migration receive its first and its last state. djanorm 4.3 to
    4.5.
    """
    executor.recorder.dorm_vector_together = _together(migrations)
    planned = list(planned_migrations(migrations, applied))
    return original(executor, app_label, list(_with_states(planned, app_label)), applied, *rest, **options)


def _with_states(migrations: list[_Migration], app_label: str) -> Iterator[_Migration]:
    from dorm.migrations.state import ProjectState

    state = ProjectState()
    for number, name, module in sorted(migrations, key=lambda migration: migration[0]):
        wrapped = []
        for operation in getattr(module, "operations", []):
            before = state.clone()
            operation.state_forwards(app_label, state)
            wrapped.append(_Placed(operation, before, state.clone()))
        yield number, name, SimpleNamespace(operations=wrapped, replaces=getattr(module, "replaces", []))


class _Placed:
    """An operation with the states before and after it."""

    def __init__(self, operation: Any, before: Any, after: Any) -> None:
        self._operation, self._before, self._after = operation, before, after

    def state_forwards(self, app_label: str, state: Any) -> None:
        self._operation.state_forwards(app_label, state)

    def database_backwards(self, app_label: str, connection: Any, _before: Any, _after: Any) -> None:
        self._operation.database_backwards(app_label, connection, self._after, self._before)


def planned_migrations(migrations: Any, applied: Any) -> Iterator[_Migration]:
    """Yield the effective migrations in order: a squashed migration or those that it replaces, never both.

    A squashed migration takes the position of the last one that it replaces.
    """
    names = {name for _number, name, _module in migrations}
    squashed = {name: _replaced(module) for _number, name, module in migrations if _replaced(module)}
    hidden: set[str] = set()
    for name, replaced in squashed.items():
        is_new = name not in applied and not replaced & set(applied)
        hidden |= replaced if is_new or not replaced <= names else {name}
    placed = [
        (max(map(_number_of, squashed[name])) if name in squashed else number, name, module)
        for number, name, module in migrations
        if name not in hidden
    ]
    yield from sorted(placed, key=lambda migration: migration[0])


def _replaced(module: Any) -> set[str]:
    return {name for _app, name in getattr(module, "replaces", [])}


def _number_of(name: str) -> int:
    number = name.partition("_")[0]
    return int(number) if number.isdigit() else 0


def _runs_one_of_them() -> bool:
    from dorm.migrations.loader import MigrationLoader

    loader = MigrationLoader(None)
    first, again = _Noted("a"), _Noted("b")
    loader.migrations["app"] = [
        (1, "0001_a", SimpleNamespace(operations=[first])),
        (2, "0002_squashed", SimpleNamespace(operations=[again], replaces=[("app", "0001_a")])),
    ]
    return len(loader.get_migration_state("app", all_migrations=True).models) == 1


@repair(_LOADER, "get_migration_state", is_fixed=_runs_one_of_them)
def squashed_or_replaced(original: Any, loader: Any, app_label: str, all_migrations: bool = False) -> Any:
    """Run either a squashed migration or those that it replaces, never both.

    Symptom: a squashed migration next to its originals fails on a new database, and reverts later changes in the state.
    Cause: it runs after them, as an additional migration. djanorm 4.3 to 4.5.
    """
    found = loader.migrations.get(app_label, [])
    applied = {name for app, name in loader.applied if app == app_label}
    loader.migrations[app_label] = list(planned_migrations(found, applied))
    try:
        return original(loader, app_label, all_migrations)
    finally:
        loader.migrations[app_label] = found


@repair(_LOADER, "load", name="squashed_or_replaced", is_fixed=_runs_one_of_them)
def _load_once(original: Any, loader: Any, directory: Any, app_label: str) -> None:
    loader.migrations.pop(app_label, None)
    original(loader, directory, app_label)


def _records_once() -> bool:
    from dorm.migrations.recorder import MigrationRecorder

    recorder: Any = object.__new__(MigrationRecorder)
    recorded: list[Any] = []
    recorder.ensure_table = lambda: None
    recorder.applied_migrations = lambda: {("app", "0001_a")}
    recorder.connection = SimpleNamespace(execute_write=lambda *statement: recorded.append(statement))
    recorder.record_applied("app", "0001_a")
    return not recorded


@repair("dorm.migrations.recorder:MigrationRecorder", "record_applied", is_fixed=_records_once)
def recorded_once(original: Any, recorder: Any, app_label: str, name: str) -> None:
    """Record a migration once, and remove the records of a squashed migration and its originals together.

    Symptom: ``UniqueViolation`` if a squashed migration is applied after some of its originals; after unapplying, the
    one of the two that did not run still counts as applied. Cause: each is recorded separately. djanorm 4.3 to 4.5.
    """
    if (app_label, name) not in recorder.applied_migrations():
        original(recorder, app_label, name)


@repair("dorm.migrations.recorder:MigrationRecorder", "record_unapplied", name="recorded_once", is_fixed=_records_once)
def _forget_together(original: Any, recorder: Any, app_label: str, name: str) -> None:
    for one in (name, *getattr(recorder, "dorm_vector_together", {}).get(name, ())):
        original(recorder, app_label, one)


def _together(migrations: Any) -> dict[str, list[str]]:
    """Return the migrations that are recorded as unapplied together with each migration."""
    found: dict[str, list[str]] = {}
    for _number, name, module in migrations:
        for replaced in _replaced(module):
            found.setdefault(replaced, []).append(name)
            found.setdefault(name, []).append(replaced)
    return found


def _applies_one_of_them() -> bool:
    from dorm.migrations.executor import MigrationExecutor
    from dorm.migrations.state import ProjectState

    first, again = _Noted("a"), _Noted("b")
    executor: Any = object.__new__(MigrationExecutor)
    executor.connection, executor.verbosity = SimpleNamespace(atomic=nullcontext), 0
    executor.recorder = SimpleNamespace(record_applied=lambda *_names: None)
    executor.loader = SimpleNamespace(get_migration_state=lambda _label: ProjectState(), applied=set())
    original = SimpleNamespace(operations=[first])
    squashed = SimpleNamespace(operations=[again], replaces=[("app", "0001_a")])
    executor._apply_forward("app", [(1, "0001_a", original), (2, "0002_squashed", squashed)], set())
    return bool(again.states) and not first.states


@repair(_EXECUTOR, "_apply_forward", is_fixed=_applies_one_of_them)
def other_apps_first(
    original: Any, executor: Any, app_label: str, migrations: Any, applied: Any, target_num: Any = None, **options: Any
) -> Any:
    """Apply a migration's dependencies in other apps first, and run a squashed migration instead of its originals.

    Symptom: a foreign key to an app that is listed later in INSTALLED_APPS fails on PostgreSQL, MySQL and MariaDB; a
    squashed migration runs after those that it replaces. Cause: apps are migrated one after the other, and files in the
    order of their numbers. djanorm 4.3 to 4.5.
    """
    planned = list(planned_migrations(migrations, applied))
    for number, name, module in [] if options.get("dry_run") else planned:
        if name in applied or (target_num is not None and number > target_num):
            continue
        needed = list(needed_of_other_apps(executor.connection, app_label, module))
        if needed:
            before = max((one for one, _name, _module in planned if one < number), default=-1)
            _apply(original, executor, app_label, planned, before, options)
        for other in needed:
            apply_to(executor, other)
        applied = executor._applied_names(app_label) if needed else applied
    return original(executor, app_label, planned, applied, target_num, **options)


def _apply(original: Any, executor: Any, app_label: str, planned: Any, number: int, options: Any) -> None:
    applied = executor._applied_names(app_label)
    if any(one <= number and name not in applied for one, name, _module in planned):
        original(executor, app_label, planned, applied, number, **options)
        executor.loader.load_applied(executor.recorder)
