"""Keep a to-do list that is searched by meaning: python -m examples.todo --help."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from examples.todo.database import prepare
from examples.todo.tasks.models import Task


def main() -> None:
    options = parse()
    if options.command == "serve":
        serve(options.port)
        return
    prepare()
    COMMANDS[options.command](options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.todo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("add", help="write down what is to be done").add_argument("text")
    commands.add_parser("list", help="show what is to be done")
    find = commands.add_parser("find", help="show the tasks nearest in meaning")
    find.add_argument("text")
    find.add_argument("--limit", type=int, default=3, help="how many (default: %(default)s)")
    commands.add_parser("edit", help="replace the text of a task").add_argument("number", type=int)
    commands.choices["edit"].add_argument("text")
    commands.add_parser("done", help="tick a task off").add_argument("number", type=int)
    commands.add_parser("serve", help="serve the same as JSON").add_argument("--port", type=int, default=8000)
    return parser.parse_args()


def add(options: argparse.Namespace) -> None:
    show([Task.objects.create(text=options.text)])


def listed(_options: argparse.Namespace) -> None:
    show(Task.objects.filter(done=False).order_by("id"))


def find(options: argparse.Namespace) -> None:
    show(Task.objects.nearest("embedding", options.text).filter(done=False)[: options.limit])


def edit(options: argparse.Namespace) -> None:
    task = numbered(options.number)
    task.text = options.text
    task.save()
    show([task])


def done(options: argparse.Namespace) -> None:
    task = numbered(options.number)
    task.done = True
    task.save()
    show([task])


def numbered(number: int) -> Task:
    task: Task | None = Task.objects.filter(id=number).first()
    if task is None:
        sys.exit(f"No task has the number {number}.")
    return task


def show(tasks: Any) -> None:
    for task in tasks:
        distance = vars(task).get("distance")
        near = f"  ({distance:.2f})" if distance is not None else ""
        print(f"{task.id:4} [{'x' if task.done else ' '}] {task.text}{near}")


def serve(port: int) -> None:
    import uvicorn

    uvicorn.run("examples.todo.api:app", host="127.0.0.1", port=port, log_level="warning")


COMMANDS = {"add": add, "list": listed, "find": find, "edit": edit, "done": done}

if __name__ == "__main__":
    main()
