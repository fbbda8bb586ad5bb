"""What ``import dorm_vector`` adds to ``import dorm``, with bytecode cached; asked on one database, as it uses none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.measuring import Aim, Contestant, Group


def groups(bench: Bench) -> Iterator[Group]:
    if bench.name != "sqlite":
        return
    yield Group(
        "importing",
        "start Python and import",
        [
            Contestant("import dorm", lambda _: start("import dorm")),
            Contestant("import dorm, dorm_vector", lambda _: start("import dorm, dorm_vector")),
        ],
        bench.rounds(15),
        aims=[Aim("import dorm, dorm_vector", seconds=0.03)],
    )


def start(code: str) -> None:
    # An interpreter that was told to keep no bytecode would compile this package each time, and its neighbours not.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
