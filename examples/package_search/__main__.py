"""Ask for Debian packages in plain words: python -m examples.package_search --help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import dorm
from dorm.db.connection import close_all, health_check
from dorm.exceptions import ImproperlyConfigured

from backends import BackendUnavailable, get
from dorm_vector import VectorError
from examples.package_search import settings
from examples.package_search.embedding import ModelMissing
from examples.package_search.loading import prepare
from examples.package_search.report import plain_console, show
from examples.package_search.search import UnknownPackage, answers, like

if TYPE_CHECKING:
    from dorm.queryset import QuerySet

    from examples.package_search.packages.models import Package

TOUR = ("play music from the terminal", "chess engine", "compile rust programs")
TOUR_IN_SECTION = ("learn to type faster", "games")
TOUR_LIKE = "vim"


class NoAnswer(ConnectionError):
    """The database that was asked for cannot be reached."""


def main() -> None:
    options = parse()
    console = plain_console()
    try:
        with database(options):
            check_connection()
            prepare(console)
            for title, packages in asked(options):
                show(console, title, packages)
    except (BackendUnavailable, ImproperlyConfigured, ModelMissing, NoAnswer, UnknownPackage, VectorError) as error:
        sys.exit(str(error))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.package_search", description=__doc__)
    parser.add_argument("question", nargs="*", help="a text in quotes; without any, a tour of what can be asked")
    parser.add_argument("--section", help="only packages of this section, such as games or editors")
    parser.add_argument("--like", metavar="NAME", help="packages like the one of this name")
    parser.add_argument("--limit", type=int, default=5, help="how many packages to print (default: %(default)s)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--database", metavar="URL", help="such as postgresql://user:password@host/name")
    where.add_argument("--postgres", action="store_true", help="start a PostgreSQL for this run")
    options = parser.parse_args()
    if options.section and not (options.question or options.like):
        parser.error("--section narrows a question: give one, or --like NAME")
    if options.limit < 1:
        parser.error(f"--limit is at least 1, not {options.limit}")
    return options


@contextmanager
def database(options: argparse.Namespace) -> Iterator[None]:
    """Let djanorm's default connection be to the database that the options name."""
    with ExitStack() as cleanup:
        entry = options.database or settings.DATABASES["default"]
        if options.postgres:
            running = cleanup.enter_context(get("postgresql").start())
            entry = running.new_database()
            cleanup.callback(running.drop_database, entry)
        dorm.configure(DATABASES={"default": entry}, INSTALLED_APPS=settings.INSTALLED_APPS)
        cleanup.callback(close_all)
        yield


def check_connection() -> None:
    """Raise NoAnswer, in one sentence, for what would be a driver's traceback."""
    health = health_check()
    if health["status"] != "ok":
        raise NoAnswer(f"The database does not answer: {health['error']}")


def asked(options: argparse.Namespace) -> Iterator[tuple[str, QuerySet[Package]]]:
    """Give each question's title and its answers; without a question, those of the tour."""
    limit, section = options.limit, options.section
    if not (options.question or options.like):
        yield from tour(limit)
    for question in options.question:
        yield titled(question, section), answers(question, limit, section)
    if options.like:
        yield titled(f"packages like {options.like}", section), like(options.like, limit, section)


def tour(limit: int) -> Iterator[tuple[str, QuerySet[Package]]]:
    for question in TOUR:
        yield question, answers(question, limit)
    question, section = TOUR_IN_SECTION
    yield titled(question, section), answers(question, limit, section)
    yield f"packages like {TOUR_LIKE}", like(TOUR_LIKE, limit)


def titled(question: str, section: str | None) -> str:
    return f"{question} (section {section})" if section else question


if __name__ == "__main__":
    main()
