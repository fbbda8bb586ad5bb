"""Searches of real vectors on libSQL's server, where only we are measured: no other driver keeps a transaction there.

python -m backends run sqld -- python -m benchmarks.remote [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import dorm
from dorm.db.connection import get_connection, reset_connections

import backends
from benchmarks import tables
from benchmarks.bench import COUNT, SHARES, Bench
from benchmarks.cases.asked import searching
from benchmarks.data import load
from benchmarks.measuring import Group, measure
from benchmarks.models import item
from dorm_vector import bulk_load

PACKAGES = Path(__file__).parents[1] / "examples/package_search/data"


def main() -> None:
    data = load(Path(sys.argv[1]) if sys.argv[1:] else PACKAGES)
    with backends.get("libsql").start() as running:
        bench = Bench(running, running.new_database(), data, quick=False)
        dorm.configure(DATABASES={"default": bench.settings}, INSTALLED_APPS=[], SLOW_QUERY_MS=None)
        model = item(data.dimensions, indexed=True)
        bench.create(model)
        bulk_load(model, data.columns(), defer_indexes=True)
        for below, share in ((200, "all"), *SHARES):
            exact = searching(bench, model, below, "exact")
            asked = searching(bench, model, below, "nearest(exact=False)", exact=False)
            title = f"k={COUNT}, {len(data):,} x {data.dimensions}, {share} of the rows pass"
            print(tables.table(measure(Group("remote", title, [exact, asked], 50), bench.name)), flush=True)
        get_connection().close()
        reset_connections()
        running.drop_database(bench.settings)


if __name__ == "__main__":
    main()
