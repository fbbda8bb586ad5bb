"""Measure everything: python -m benchmarks.run [--quick] [--backend NAME] [--case NAME] [--data DIR]."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import backends
from benchmarks import bare, cases, machine, profiles, tables
from benchmarks.bench import Bench
from benchmarks.data import SEED, Data, load
from benchmarks.measuring import Result, measure

EVERYWHERE = ("sqlite", "postgresql")


def main() -> int:
    options = parsed()
    logging.disable(logging.WARNING)
    data = load(options.data)
    if options.quick:
        data = data.first(5_000)
    about: dict[str, Any] = {**machine.described(), "commit": machine.commit(), "data": data.origin, "seed": str(SEED)}
    about["servers"] = {}
    results: list[Result] = []
    profiled: list[str] = []
    for name in options.backend or EVERYWHERE:
        with backends.get(name).start() as running:
            for result in measured(running, data, options, about, profiled):
                results.append(result)
                write(options.out, results, about, "\n".join(profiled))
    write(options.out, results, about, "\n".join(profiled))
    print(f"written: {options.out / 'benchmarks.json'}, {options.out / 'benchmarks.md'}")
    return 0


def measured(running: Any, data: Data, options: Any, about: dict[str, Any], profiled: list[str]) -> Iterator[Result]:
    """Run the cases on one server, and print each group as it is done."""
    for case in options.case or cases.names():
        with Bench(running, running.new_database(), data, options.quick) as bench:
            about["servers"][running.name] = bench.bare.version()
            for group in cases.get(case).groups(bench):
                results = measure(group, running.name)
                print(f"\n{running.title}\n{tables.table(results)}", flush=True)
                yield from results
    if not options.no_profile:
        with Bench(running, running.new_database(), data, options.quick) as bench:
            profiled.append(profiles.of(bench))


def write(folder: Path, results: list[Result], about: dict[str, Any], profiled: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = {"about": about, "results": [asdict(result) for result in results]}
    (folder / "benchmarks.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "benchmarks.md").write_text(tables.document(results, about, profiled))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5,000 rows and three rounds: does it run?")
    parser.add_argument("--backend", action="append", choices=bare.names(), help=f"repeatable; {', '.join(EVERYWHERE)}")
    parser.add_argument("--case", action="append", choices=cases.names(), help="repeatable; all of them")
    parser.add_argument("--data", type=Path, help="folder with embeddings.npy and queries.npy; else seeded clusters")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where the JSON and the page are written")
    parser.add_argument("--no-profile", action="store_true", help="leave out where the time goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
