"""What the reference says of each command of ``dorm-vector``, from its parser."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dorm_vector.commands.exit_codes import ALL_IS_WELL, WRONG_USAGE
from dorm_vector.commands.main import COMMANDS, parser


def command_reference(name: str, _page: Path) -> str:
    """Return the usage and the options of a command."""
    found = subparsers()[name]
    usage = " ".join([f"dorm-vector {name} [options]", *filter(None, map(positional, found._actions))])
    rows = [f"| {spelled(action)} | {sentence(action)} |" for action in found._actions if action.dest != "help"]
    codes = enumerate((ALL_IS_WELL, COMMANDS[name].EXIT_1, WRONG_USAGE))
    return "\n".join(
        [
            *(COMMANDS[name].HELP, "", "```text", usage, "```", "", "| argument | |", "|---|---|", *rows),
            *("", "| exit code | |", "|---|---|", *(f"| {code} | {meaning} |" for code, meaning in codes)),
        ]
    )


def subparsers() -> dict[str, argparse.ArgumentParser]:
    (action,) = (each for each in parser()._actions if isinstance(each, argparse._SubParsersAction))
    return dict(action.choices)


def positional(action: argparse.Action) -> str:
    """Return an argument as the usage shows it; empty for an option. Versions of Python spell usages differently."""
    if action.option_strings:
        return ""
    name = "|".join(action.choices) if action.choices else str(action.metavar)
    return {"?": f"[{name}]", "*": f"[{name} …]"}.get(str(action.nargs), name)


def spelled(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    if action.choices is not None:
        value = f" {' | '.join(map(str, action.choices))}"
    return f"`{(', '.join(action.option_strings) + value).strip()}`".replace("|", "\\|")


def sentence(action: argparse.Action) -> str:
    text = str(action.help or "")
    return escaped(text[:1].upper() + text[1:] + ".", vars(action))


def escaped(text: str, values: dict[str, Any]) -> str:
    return (text % values if "%(" in text else text).replace("|", "\\|")
