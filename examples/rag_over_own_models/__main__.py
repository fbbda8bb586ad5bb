"""Ask the documentation: python -m examples.rag_over_own_models --help."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import dorm
from dorm.db.connection import close_all, health_check
from dorm.exceptions import ImproperlyConfigured

from backends.servers.url import settings_from
from dorm_vector import VectorError
from examples.rag_over_own_models import settings

TOUR = (
    "Are rows without a vector left out of a search?",
    "How do embeddings change when the text changes?",
    "Which words does a hybrid search find?",
)
MODES = ("hybrid", "default", "text_search", "mmr")


def main() -> None:
    options = parse()
    url = options.database or settings.DATABASES["default"]
    dorm.configure(DATABASES={"default": settings_from(url)}, INSTALLED_APPS=settings.INSTALLED_APPS)
    try:
        answer(options)
    except (ConnectionError, ImproperlyConfigured, VectorError) as error:
        sys.exit(str(error))
    finally:
        close_all()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.rag_over_own_models", description=__doc__)
    parser.add_argument("question", nargs="*", default=TOUR, help="a question in quotes; without any, a tour")
    parser.add_argument("--area", help="only pages of this folder, such as howto or reference")
    parser.add_argument("--mode", choices=MODES, default=MODES[0], help="how to search (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=3, help="how many sections to read (default: %(default)s)")
    parser.add_argument("--docs", type=Path, help="another folder of Markdown files")
    parser.add_argument("--database", metavar="URL", help="such as postgresql://user:password@host/name")
    return parser.parse_args()


def answer(options: argparse.Namespace) -> None:
    """Bring the rows up to date, and print the answers."""
    # Late: the models need the settings.
    from examples.rag_over_own_models.answering import ask
    from examples.rag_over_own_models.reading import DOCS, migrate, refresh

    check_connection()
    migrate()
    changes = refresh(options.docs or DOCS)
    print(f"{changes.new} new, {changes.changed} changed, {changes.gone} gone, {changes.kept} as they were\n")
    for question in options.question:
        text, found = ask(question, area=options.area, mode=options.mode, limit=options.limit)
        print(f"{question}\n  {text or 'Nothing is written about that.'}")
        for source in found:
            print(f"    {source.similarity:.3f}  {source}")
        print()


def check_connection() -> None:
    """Raise ConnectionError, in one sentence, for what would be a driver's traceback."""
    health = health_check()
    if health["status"] != "ok":
        raise ConnectionError(f"The database does not answer: {health['error']}")


if __name__ == "__main__":
    main()
