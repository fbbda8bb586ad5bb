"""``dorm-vector doctor``: what is wrong with the vectors of a project, and the command that fixes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dorm.exceptions import DatabaseError

from ..engines.limits.exempt import no_statement_timeout
from .checks import indexes as index_checks
from .checks import rows, server, tables
from .checks.finding import PROBLEM, Finding
from .database import Database
from .exit_codes import DONE, FOUND
from .output import Output
from .progress import TerminalProgress
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
    named = aliases(options.database)
    with no_statement_timeout(), TerminalProgress("Checking", "checks") as progress:
        found = [
            (alias, finding)
            for place, alias in enumerate(named)
            for finding in _diagnosed(alias, _Told(progress, alias, place, len(named)))
        ]
    problems = sum(finding.severity == PROBLEM for _alias, finding in found)
    data = {
        "problems": problems,
        "notes": len(found) - problems,
        "findings": [{"database": alias, **asdict(finding)} for alias, finding in found],
    }
    output.show(data, _lines(found, problems))
    return FOUND if problems else DONE


@dataclass
class _Told:
    """Shows which check runs, on which of the databases."""

    progress: TerminalProgress
    alias: str
    place: int
    databases: int

    def __call__(self, check: str, done: int) -> None:
        self.progress.note(f"{self.alias}, {check.replace('_', ' ')}")
        self.progress(self.place * len(CHECKS) + done, self.databases * len(CHECKS))


def _diagnosed(alias: str, told: _Told) -> list[Finding]:
    try:
        return diagnose(Database(alias), told)
    except DatabaseError as error:
        problem = f"The database cannot be read: {without_secrets(str(error))}"
        return [
            Finding("connection", f"DATABASES[{alias!r}]", problem, "A database that answers.", "Start or repair it.")
        ]


def diagnose(database: Database, told: Callable[[str, int], object]) -> list[Finding]:
    """Return the findings of all checks; without vector support, only those that need none.

    ``told`` is called with the name of each check before it runs, and with the number of checks before it.
    """
    found = list(server.extension(database))
    if any(finding.severity == PROBLEM for finding in found):
        return found
    for done, check in enumerate(CHECKS):
        told(check.__name__, done)
        found += check(database)
    return found


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
