"""`dorm migrate APP TARGET --fake`: record migrations as applied or unapplied, and change no table."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ...patching.registry import hook, repair

_FAKES: ContextVar[bool] = ContextVar("dorm_vector_fakes", default=False)


@hook("dorm.cli", "cmd_migrate")
def fake_option(original: Any, arguments: Any) -> Any:
    """Remember whether ``dorm migrate`` was given ``--fake``, until it ends."""
    token = _FAKES.set(bool(getattr(arguments, "fake", False)))
    try:
        return original(arguments)
    finally:
        _FAKES.reset(token)


@repair("dorm.migrations.executor:MigrationExecutor", "migrate_to", fixed_in="5.0")
def faked_targets(original: Any, executor: Any, app_label: str, folder: str | Path, target: str) -> None:
    """Respect ``--fake`` of ``dorm migrate APP TARGET``.

    Symptom: ``dorm migrate shop 0001 --fake`` applies or unapplies the migrations, and drops the tables that it was to
    leave alone. Cause: the option is not passed on if a target is given. djanorm 4.3 to 4.5.
    """
    if not _FAKES.get():
        original(executor, app_label, folder, target)
        return
    from dorm.migrations import executor as djanorm

    with djanorm._migration_lock(executor.connection):
        executor.loader.load(Path(folder), app_label)
        executor.loader.load_applied(executor.recorder)
        migrations, applied = executor._sorted(app_label), executor._applied_names(app_label)
        last = executor._resolve_target_num(target, migrations, app_label)
        later = [name for number, name, _module in migrations if name in applied and number > last]
        for name in reversed(later):
            print(f"  Faking the unapplication of {app_label}.{name}... FAKED")  # noqa: T201  # as djanorm does
            executor.recorder.record_unapplied(app_label, name)
        if not later:
            executor._apply_forward(app_label, migrations, applied, last, fake=True)
