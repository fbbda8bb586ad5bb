"""Parse the arguments of ``dorm-vector``, and run a command.

To add a command, add its module here. The module has a docstring, ``HELP``, ``EXIT_1`` (what exit code 1 means),
``add_arguments(parser)`` and ``run(options, output)``, which returns an exit code. Import what a command needs inside
``run``.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from dorm.exceptions import ImproperlyConfigured

from ..exceptions import UnsuitableDistance
from . import copy, doctor, explain, explore, index, recall, reembed, search, status
from .exit_codes import ALL_IS_WELL, DONE, FOUND, USAGE, WRONG_USAGE, UsageError
from .output import Output
from .project import load_project

COMMANDS: Mapping[str, ModuleType] = {
    "status": status,
    "doctor": doctor,
    "search": search,
    "explain": explain,
    "recall": recall,
    "explore": explore,
    "index": index,
    "reembed": reembed,
    "copy": copy,
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with a subparser for each command."""
    made = argparse.ArgumentParser(
        prog="dorm-vector",
        description="Show, check and repair the vectors of a djanorm project.",
        epilog=_exit_codes("Something was found that needs attention, or the command failed."),
    )
    made.add_argument("--version", action="store_true", help="print the version and exit")
    commands = made.add_subparsers(dest="command", metavar="command")
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.HELP, description=module.HELP, epilog=_exit_codes(module.EXIT_1)
        )
        module.add_arguments(command)
        command.add_argument("--json", action="store_true", help="print one JSON object")
        command.add_argument(
            "--settings", help="the settings module; by default that of DORM_SETTINGS, or settings, as for dorm"
        )
        command.set_defaults(run=module.run)
    return made


def _exit_codes(one: str) -> str:
    """Return what the exit codes mean; ``one`` is the meaning of 1."""
    return f"Exit codes: 0: {ALL_IS_WELL} 1: {one} 2: {WRONG_USAGE}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 all is well, 1 something was found or failed, 2 wrong usage."""
    made = parser()
    options, more = made.parse_known_args(arguments)
    _take(more, options, made)
    if options.version:
        return _print_version()
    if options.command is None:
        made.print_help(sys.stderr)
        return USAGE
    return _run(options, Output(as_json=options.json))


def _take(more: list[str], options: Any, made: argparse.ArgumentParser) -> None:
    """Add the texts and filters that follow options, which argparse leaves: it fills optional places at the first."""
    unknown = [each for each in more if each.startswith("-")]
    if unknown or (more and not hasattr(options, "filters")):
        made.error(f"unrecognized arguments: {' '.join(unknown or more)}")
    if more and getattr(options, "text", "") is None:
        options.text = more.pop(0)
    if more:
        options.filters += more


def _print_version() -> int:
    from .. import __version__

    sys.stdout.write(f"dorm-vector {__version__}\n")
    return DONE


def _run(options: Any, output: Output) -> int:
    with warnings.catch_warnings():
        warnings.showwarning = output.show_warning  # type: ignore[assignment]  # it takes the rest as *_rest
        try:
            load_project(options.settings)
            code: int = options.run(options, output)
        except (UsageError, ImproperlyConfigured, UnsuitableDistance) as error:
            output.fail(error)
            return USAGE
        except KeyboardInterrupt:
            output.fail(KeyboardInterrupt("Stopped."))
            return FOUND
        except Exception as error:  # noqa: BLE001  # a command reports every error; DORM_VECTOR_TRACEBACK=1 shows where
            output.fail(error)
            return FOUND
    return code
