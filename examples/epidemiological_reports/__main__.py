"""Serve the reports: python -m examples.epidemiological_reports --help."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

import uvicorn

from backends import get
from examples.epidemiological_reports import settings
from examples.epidemiological_reports.api import app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.epidemiological_reports", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="of 127.0.0.1 (default: %(default)s)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--database", metavar="URL", help="such as postgresql://user:password@host/name")
    where.add_argument("--postgres", action="store_true", help="start a PostgreSQL for this run")
    options = parser.parse_args()
    with ExitStack() as cleanup:
        if options.database:
            settings.DATABASES["default"] = options.database
        if options.postgres:
            running = cleanup.enter_context(get("postgresql").start())
            settings.DATABASES["default"] = entry = running.new_database()
            cleanup.callback(running.drop_database, entry)
        uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
