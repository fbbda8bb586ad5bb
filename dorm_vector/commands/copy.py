"""``dorm-vector copy``: copy a database to another one."""

from __future__ import annotations

from typing import Any

from .exit_codes import DONE
from .output import Output, table
from .progress import TerminalProgress
from .project import checked_alias, model_named
from .rows import positive

HELP = "Copy the rows of every model to another database, and compare both; run it again to resume."

EXIT_1 = "The target is not ready for a copy, the copy failed, or the databases differ afterwards."


def add_arguments(parser: Any) -> None:
    parser.add_argument(
        "--from", "--database", dest="source", default="default", metavar="ALIAS", help="the alias of the source"
    )
    parser.add_argument("--to", dest="target", required=True, metavar="ALIAS", help="the alias of the target")
    parser.add_argument(
        "--model",
        action="append",
        metavar="MODEL",
        help="a model to copy, such as shop.Product; repeat it for several; by default those of the installed apps",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="delete the rows of the target's tables first, and do not resume"
    )
    parser.add_argument("--no-verify", action="store_true", help="do not compare the databases afterwards")
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=2_000,
        metavar="ROWS",
        help="the maximum number of rows to hold in memory",
    )


def run(options: Any, output: Output) -> int:
    from ..bulk.copy.database import copy_database

    source, target = checked_alias(options.source), checked_alias(options.target)
    models = [model_named(name) for name in options.model] if options.model else None
    with TerminalProgress("Copying") as progress:
        report = copy_database(
            source,
            target,
            models,
            overwrite=options.overwrite,
            verify=not options.no_verify,
            batch_size=options.batch_size,
            progress=progress,
        )
    output.show(report.as_dict(), _lines(report))
    return DONE


def _lines(report: Any) -> list[str]:
    lines = table(["table", "rows", "copied now"], [[each.label, each.rows, each.copied] for each in report.tables])
    verified = f"verified with {report.searches} searches" if report.verified else "not verified"
    resumed = ", resumed" if report.resumed else ""
    return [*lines, "", f"{report.rows:,} rows in {report.seconds:.1f} s{resumed}, {verified}."]
