"""``dorm makemigrations --rename OLD=NEW`` and ``--no-rename``; on a terminal, the command asks instead."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ...patching.registry import hook

_COMMAND = "makemigrations"
_RENAME_HELP = (
    "a field or model was renamed: write RenameField or RenameModel, which keep what is stored. OLD is a field, a"
    " Model.field or a Model. May be given several times."
)
_NO_RENAME_HELP = "nothing else was renamed: write the removal of vector columns without asking."


@dataclass(frozen=True)
class Renamed:
    """A possible rename of a model or, with ``model``, of one of its fields."""

    label: str
    old: str
    new: str
    model: str = ""

    @property
    def paths(self) -> list[str]:
        """Return each way to name the old one, the most explicit last."""
        parts = [part for part in (self.label, self.model, self.old) if part]
        return [".".join(parts[place:]) for place in range(len(parts) - 1, -1, -1)]

    @property
    def option(self) -> str:
        return f"--rename {f'{self.model}.' if self.model else ''}{self.old}={self.new}"

    @property
    def question(self) -> str:
        what = f"the vector field {self.model}.{self.old}" if self.model else f"the model {self.old}"
        return f"Was {what} renamed to {self.new}? Otherwise its vectors are dropped. [y/N] "


@dataclass
class Answers:
    """The renames that the command line names."""

    renames: list[str] = field(default_factory=list)
    no_rename: bool = False
    used: set[str] = field(default_factory=set)

    def given(self, possible: Renamed) -> str | None:
        """Return the ``--rename`` that names this one."""
        wanted = {f"{path}={possible.new}".lower() for path in possible.paths}
        return next((given for given in self.renames if given.lower() in wanted), None)

    def is_renamed(self, possible: Renamed) -> bool:
        """Ask on a terminal.

        Raises:
            SystemExit: There is no terminal to ask on; the message names the options that answer.
        """
        if self.no_rename:
            return False
        if not sys.stdin.isatty():
            raise SystemExit(
                f"{possible.question.partition('?')[0]}? Nothing was written. Answer with {possible.option}, which"
                " keeps the vectors, or with --no-rename, which drops them."
            )
        return input(possible.question).strip().lower() in ("y", "yes")


_ANSWERS: ContextVar[Answers | None] = ContextVar("dorm_vector_answers", default=None)


def answers() -> Answers | None:
    """Return the answers of the running command; None if no command runs, or if it must not ask."""
    return _ANSWERS.get()


@hook("dorm.cli", "main")
def rename_options(original: Any) -> Any:
    """Add ``--rename OLD=NEW`` and ``--no-rename`` to ``dorm makemigrations``."""
    if sys.argv[1:2] != [_COMMAND]:
        return original()
    chosen, rest = _parser().parse_known_args(sys.argv[2:])
    if {"-h", "--help"} & set(rest):
        return _with_help(original)
    for given in chosen.rename:
        if not all(part.strip() for part in given.partition("=")):
            raise SystemExit(f"--rename {given}: want OLD=NEW, such as --rename Product.embedding=vector.")
    found = Answers(chosen.rename, chosen.no_rename)
    is_silent = "--check" in rest and not (found.renames or found.no_rename)
    with _arguments([sys.argv[0], _COMMAND, *rest]), _answering(None if is_silent else found):
        result = original()
    unused = [f"--rename {given}" for given in found.renames if given not in found.used]
    if unused:
        raise SystemExit(
            f"{', '.join(unused)}: no model lost and gained such a field, and no app such a model. Check the names,"
            " and what was written above."
        )
    return result


def _with_help(original: Any) -> Any:
    try:
        return original()
    finally:
        sys.stdout.write("\n" + _parser().format_help())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, usage=argparse.SUPPRESS)
    group = parser.add_argument_group("dorm_vector")
    group.add_argument("--rename", metavar="OLD=NEW", action="append", default=[], help=_RENAME_HELP)
    group.add_argument("--no-rename", action="store_true", help=_NO_RENAME_HELP)
    return parser


@contextmanager
def _arguments(arguments: list[str]) -> Iterator[None]:
    given, sys.argv = sys.argv, arguments
    try:
        yield
    finally:
        sys.argv = given


@contextmanager
def _answering(found: Answers | None) -> Iterator[None]:
    token = _ANSWERS.set(found)
    try:
        yield
    finally:
        _ANSWERS.reset(token)
