"""Measure one database, for benchmarks.run: python -m benchmarks.one NAME FILE."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import backends
from benchmarks import bare, cases, profiles, sizes, tables
from benchmarks.bench import Bench
from benchmarks.data import load
from benchmarks.measuring import measure
from benchmarks.run import parser


class Part:
    """What was found on one database, written as it is found."""

    def __init__(self, path: Path, **found: Any) -> None:
        self.path = path
        self.found: dict[str, Any] = {"results": [], "failures": [], "server": "", "how": "", "profile": "", **found}
        self.write()

    def write(self) -> None:
        whole = self.path.with_suffix(".new")
        whole.write_text(json.dumps(self.found))
        whole.replace(self.path)

    def attempt(self, name: str, work: Callable[[], None]) -> None:
        """Do the work; what goes wrong is written down, and the next is done all the same."""
        start = time.monotonic()
        try:
            work()
        except Exception as error:  # noqa: BLE001  # whatever it is, the other cases are measured
            traceback.print_exc()
            self.found["failures"].append([name, f"{type(error).__name__}: {error}".splitlines()[0][:300]])
        print(f"{self.found['title']}, {name}: {time.monotonic() - start:.0f} s", flush=True)
        self.write()


def main() -> int:
    options = parsed()
    logging.disable(logging.WARNING)
    backend = backends.get(options.name)
    part = Part(options.file, title=backend.title)

    def measured() -> None:
        with backend.start() as running:
            part.found["how"] = running.how
            measure_all(running, part, options)

    part.attempt("its server", measured)
    return 0


def measure_all(running: backends.Running, part: Part, options: argparse.Namespace) -> None:
    chosen = sizes.of(running.name, quick=options.quick, large=options.large)
    data = load(options.data, chosen.loaded)

    def bench() -> Bench:
        return Bench(running, running.new_database(), data, options.quick, chosen, options.large)

    for case in options.case or cases.names():
        part.attempt(case, lambda case=case: measure_case(case, bench(), part))  # type: ignore[misc]  # as lambdas do
    if not options.no_profile:
        part.attempt("profile", lambda: profile(bench(), part))


def measure_case(case: str, bench: Bench, part: Part) -> None:
    with bench:
        part.found["server"] = bench.bare.version()
        for group in cases.get(case).groups(bench):
            results = measure(group, bench.name)
            print(f"\n{bench.running.title}\n{tables.table(results)}", flush=True)
            part.found["results"] += map(asdict, results)
            part.write()


def profile(bench: Bench, part: Part) -> None:
    with bench:
        part.found["profile"] = profiles.of(bench)


def parsed() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("name", choices=bare.names())
    made.add_argument("file", type=Path)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
