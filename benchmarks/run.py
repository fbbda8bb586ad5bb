"""Measure everything: python -m benchmarks.run [--quick | --large] [--backend NAME] [--case NAME] [--data DIR].

Each database is measured in its own process, so a crash does not affect the results of the others. The page and the
JSON are rewritten after each database; the exit code is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import backends
from benchmarks import bare, cases, machine, tables
from benchmarks.data import SEED, origin
from benchmarks.measuring import Result

ORDER = ("postgresql", "sqlite", "libsql", "mariadb", "turso", "mysql")


def main() -> int:
    options = parsed()
    about = {**machine.described(), "data": origin(options.data), "seed": str(SEED)}
    if options.quick:
        about["size"] = "a quick run of few rows and rounds, which says only that everything runs"
    # What cannot be written is known before hours of measuring, not after them.
    databases = kept(options.out) if options.keep else {}
    write(options.out, about, databases)
    for name in options.backend or ORDER:
        databases[name] = joined(databases.get(name), measured(name, options), options.case)
        write(options.out, about, databases)
    print(f"written: {options.out / 'benchmarks.json'}, {options.out / 'benchmarks.md'}")
    failures = [f"{name}, {case}: {error}" for name, found in databases.items() for case, error in found["failures"]]
    print("\n".join(["failed:", *failures]) if failures else "nothing failed")
    return 1 if failures else 0


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one database in its own process, and return what that one wrote, as far as it came."""
    backend = backends.get(name)
    found: dict[str, Any] = {
        "title": backend.title,
        "commit": machine.commit(),
        "how": "",
        "server": "",
        "failures": [],
        "profile": "",
    }
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dorm-vector-") as folder:
        part = Path(folder) / "part.json"
        command = [sys.executable, "-m", "benchmarks.one", name, str(part), *passed_on(options)]
        try:
            ended = subprocess.run(command, check=False, timeout=60 * options.minutes).returncode
            trouble = f"its process ended with {ended}" if ended else ""
        except subprocess.TimeoutExpired:
            trouble = f"it took more than {options.minutes} minutes"
        found |= json.loads(part.read_text()) if part.exists() else {"results": []}
    if trouble:
        found["failures"].append(["its process", trouble])
    results = [Result(**result) for result in found["results"]]
    return {**found, "results": results, "minutes": (time.monotonic() - start) / 60}


def joined(before: dict[str, Any] | None, found: dict[str, Any], measured: list[str] | None) -> dict[str, Any]:
    """Return what was found, with what an earlier run found of the cases that were left out now."""
    if before is None or measured is None:
        return found
    results = [result for result in before["results"] if result.case not in measured]
    again = {*measured, "its server", "its process", *(["profile"] if found["profile"] else [])}
    failures = [failure for failure in before["failures"] if failure[0] not in again]
    return {
        **found,
        "commit": before["commit"] if found["commit"] == before["commit"] else f"{before['commit']}, {found['commit']}",
        "results": sorted([*results, *found["results"]], key=lambda result: result.case),
        "failures": [*failures, *found["failures"]],
        "profile": found["profile"] or before["profile"],
        "minutes": before["minutes"] + found["minutes"],
    }


def kept(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what an earlier run found, by database; nothing where there was none."""
    if not (folder / "benchmarks.json").exists():
        return {}
    databases = json.loads((folder / "benchmarks.json").read_text())["databases"]
    return {
        name: {**found, "results": [Result(**result) for result in found["results"]]}
        for name, found in databases.items()
    }


def passed_on(options: argparse.Namespace) -> list[str]:
    arguments = [f"--case={case}" for case in options.case or ()]
    arguments += [f"--data={options.data}"] if options.data else []
    return arguments + [
        flag for flag in ("--quick", "--large", "--no-profile") if getattr(options, flag[2:].replace("-", "_"))
    ]


def write(folder: Path, about: dict[str, Any], databases: dict[str, dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        name: {**found, "results": [vars(result) for result in found["results"]]} for name, found in databases.items()
    }
    (folder / "benchmarks.json").write_text(json.dumps({"about": about, "databases": plain}, indent=1) + "\n")
    (folder / "benchmarks.md").write_text(tables.document(about, databases))


def parser(description: str) -> argparse.ArgumentParser:
    """Return what the run and each of its processes are told alike."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="few rows and three rounds: does it run?")
    made.add_argument(
        "--large", action="store_true", help="also a million rows, and indexes that take minutes to build"
    )
    made.add_argument("--case", action="append", choices=cases.names(), help="repeatable; all of them")
    made.add_argument("--data", type=Path, help="folder with embeddings.npy and queries.npy; else seeded clusters")
    made.add_argument("--no-profile", action="store_true", help="leave out where the time goes")
    return made


def parsed() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.prog = "python -m benchmarks.run"
    made.add_argument("--backend", action="append", choices=bare.names(), help="repeatable; all of them")
    made.add_argument("--out", type=Path, default=Path("docs"), help="where the JSON and the page are written")
    made.add_argument(
        "--keep", action="store_true", help="keep what an earlier run wrote there of other databases and cases"
    )
    made.add_argument("--minutes", type=float, default=30, help="the most that one database may take")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
