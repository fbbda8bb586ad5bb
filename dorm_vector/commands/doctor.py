"""``dorm-vector doctor``: what is wrong with the vectors of a project, and the command that fixes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from dorm.exceptions import DatabaseError

from ..engines.limits.exempt import no_statement_timeout
from .checks import indexes as index_checks
from .checks import rows, server, tables
from .checks.finding import PROBLEM, Finding
from .database import Database
from .exit_codes import DONE, FOUND
from .output import Output
from .project import add_database_argument, aliases
from .redaction import without_secrets

HELP = "Find what is wrong with vectors, and print the command that fixes it."

EXIT_1 = "There are problems; notes do not count."

CHECKS: Sequence[Callable[[Database], Iterator[Finding]]] = (
    server.journal,
    server.timeouts,
    server.sequences,
    tables.missing_tables,
    tables.columns,
    tables.precision,
    index_checks.indexes,
    rows.other_models,
    rows.zero_vectors,
)

_ALSO = "dorm doctor checks djanorm's own settings: pools, retries, foreign keys without an index. Run both."


def add_arguments(parser: Any) -> None:
    add_database_argument(parser, several=True)


def run(options: Any, output: Output) -> int:
    """Check each database, and print the findings; problems set the exit code, notes do not."""
    with no_statement_timeout():
        found = [(alias, finding) for alias in aliases(options.database) for finding in _diagnosed(alias)]
    problems = sum(finding.severity == PROBLEM for _alias, finding in found)
    data = {
        "problems": problems,
        "notes": len(found) - problems,
        "findings": [{"database": alias, **asdict(finding)} for alias, finding in found],
    }
    output.show(data, _lines(found, problems))
    return FOUND if problems else DONE


def _diagnosed(alias: str) -> list[Finding]:
    try:
        return diagnose(Database(alias))
    except DatabaseError as error:
        problem = f"The database cannot be read: {without_secrets(str(error))}"
        return [
            Finding("connection", f"DATABASES[{alias!r}]", problem, "A database that answers.", "Start or repair it.")
        ]


def diagnose(database: Database) -> list[Finding]:
    """Return the findings of all checks; without vector support, only those that need none."""
    # A server that does not answer would look like one without vectors.
    database.ask("SELECT 1 AS answers")
    missing = list(server.extension(database))
    if any(finding.severity == PROBLEM for finding in missing):
        return missing
    return [*missing, *(finding for check in CHECKS for finding in check(database))]


def _lines(found: list[tuple[str, Finding]], problems: int) -> Iterator[str]:
    for alias, finding in sorted(found, key=lambda pair: pair[1].severity != PROBLEM):
        yield f"{finding.severity} [{finding.check}] {alias}: {finding.subject}"
        yield f"  {finding.problem}"
        yield f"  expected: {finding.expected}"
        yield f"  fix: {finding.fix}"
        yield ""
    yield f"{_counted(problems, 'problem')}, {_counted(len(found) - problems, 'note').lower()}."
    yield _ALSO


def _counted(count: int, what: str) -> str:
    return f"{count or 'No'} {what}{'' if count == 1 else 's'}"
