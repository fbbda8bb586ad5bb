"""A Python that has imported djanorm and this package, for tests/helpers/project.py: each program runs in a copy of it.

A copy is a process of its own, as new as one that was started, without the second that its imports take.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import types
from collections.abc import Sequence

# What every copy has imported: the command, and what its subcommands and the drivers need.
import dorm.cli  # noqa: F401
import numpy as np  # noqa: F401

import dorm_vector  # noqa: F401

LATER = (
    *(f"dorm.migrations.{name}" for name in ("autodetector", "executor", "lint", "loader", "operations", "recorder")),
    *(f"dorm.migrations.{name}" for name in ("squasher", "state", "writer")),
    *(f"dorm.db.backends.{name}" for name in ("libsql", "mysql", "postgresql", "sqlite")),
    *(f"dorm.{name}" for name in ("inspect", "serialize", "transaction")),
    *(f"dorm_vector.{name}" for name in ("schema.operations", "indexes.vec0", "engines.libsql.wrappers")),
    *("psycopg_pool", "pymysql"),
)
for name in LATER:
    importlib.import_module(name)


def main() -> None:
    gc.freeze()  # the end of a copy does not count what all of them share
    for line in sys.stdin:
        if not os.fork():
            # Out of this loop, so that it ends as a Python does: with its traceback, its exit code, its atexit.
            run(**json.loads(line))
            return
        _, status = os.wait()
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(program: str, arguments: Sequence[str], folder: str, output: Sequence[str], seconds: int) -> None:
    """Do what `python -c program arguments` does in the folder, and write what it prints to the two files."""
    for number, path in enumerate((os.devnull, *output)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    signal.alarm(seconds)
    os.chdir(folder)
    sys.stdin, sys.argv, sys.path[:0] = open(0), ["-c", *arguments], ["", folder]  # noqa: SIM115
    sys.modules["__main__"] = module = types.ModuleType("__main__")
    exec(compile(program, "<string>", "exec"), vars(module))  # noqa: S102  # the test's own


if __name__ == "__main__":
    main()
