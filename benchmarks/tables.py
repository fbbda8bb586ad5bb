"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from benchmarks.measuring import Result
from benchmarks.peers import PEERS

INTRODUCTION = """# Benchmarks

<!-- Written by `python -m benchmarks.run`: change the benchmark, not this page. -->

Medians of one run, in which the contestants took turns, on one server with one configuration for all of them.
A ratio is to the first line of its table; one that misses its aim is marked **✗**.
Recall is the share of the exact neighbors that the search found.
Where an aim is missed, the last table of the database shows where the time goes.

Run it yourself: `pip install -e ".[benchmarks]" && python -m benchmarks.run`.
"""
NO_LIBRARY = ("bare", "numpy")


def document(about: dict[str, Any], databases: dict[str, dict[str, Any]]) -> str:
    """Return the whole page; ``databases`` has what was found on each, by name."""
    results = [result for found in databases.values() for result in found["results"]]
    parts = [INTRODUCTION, *_about(about, databases), *_failures(databases), *_aims(results, databases)]
    parts += _losses(results, databases)
    for found in databases.values():
        parts.append(f"## {_heading(found)}\n")
        parts += [table(list(group)) for _title, group in groupby(found["results"], lambda result: result.group)]
        parts.append(found["profile"])
    return "\n".join(parts).rstrip() + "\n"


def _heading(found: dict[str, Any]) -> str:
    title, server = str(found["title"]), str(found["server"])
    return server if server.startswith(title) else f"{title} {server}".strip()


def table(results: list[Result]) -> str:
    """Return the table of one group."""
    head = f"### {_sentence(results[0].group)}\n\n| | median | ratio | aim | recall | |\n"
    return head + "|---|--:|--:|--:|--:|---|\n" + "\n".join(map(_line, results)) + "\n"


def _line(result: Result) -> str:
    aim = ", ".join(each["aim"] for each in result.aims)
    missed = "" if all(each["met"] for each in result.aims) else " **✗**"
    recall = "" if result.recall is None else f"{result.recall:.3f}"
    ratio = f"{result.ratio:.2f}{missed}"
    return f"| {result.contestant} | {duration(result.seconds)} | {ratio} | {aim} | {recall} | {result.note} |"


def duration(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _sentence(text: str) -> str:
    return text if "_" in text.partition(" ")[0] else text[0].upper() + text[1:]


def _about(about: dict[str, Any], databases: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "| | |\n|---|---|"
    for name, value in about.items():
        yield f"| {name} | {value} |"
    for found in databases.values():
        yield f"| {found['title']} | {found['how']}; commit {found['commit']}; {found['minutes']:.1f} minutes |"
    yield ""


def _failures(databases: dict[str, dict[str, Any]]) -> Iterator[str]:
    failures = [(found["title"], *failure) for found in databases.values() for failure in found["failures"]]
    if failures:
        yield "## What failed\n"
        yield from (f"- **{title}, {case}**: `{error}`" for title, case, error in failures)
        yield ""


def _aims(results: list[Result], databases: dict[str, dict[str, Any]]) -> Iterator[str]:
    aimed = [(result, aim) for result in results for aim in result.aims]
    if not aimed:
        return
    met = sum(aim["met"] for _result, aim in aimed)
    yield f"## What was aimed at\n\n{met} of {len(aimed)} aims were met.\n"
    yield "| database | work | who | aim | found | |\n|---|---|---|--:|--:|---|"
    for result, aim in aimed:
        where, mark = databases[result.backend]["title"], "met" if aim["met"] else "**✗**"
        yield f"| {where} | {result.group} | {result.contestant} | {aim['aim']} | {aim['found']} | {mark} |"
    yield ""


def _losses(results: list[Result], databases: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Say where another library was quicker than the best of ours, and found as much."""
    peers = {peer.name for peer in PEERS}
    lost = [
        f"- {databases[of_one[0].backend]['title']}, {title}: {other.contestant} took {duration(other.seconds)},"
        f" {best.contestant} {duration(best.seconds)}."
        for (_backend, title), group in groupby(results, lambda result: (result.backend, result.group))
        for of_one in [list(group)]
        for best in _fastest(each for each in of_one if each.contestant not in peers)
        for other in of_one
        if other.contestant in peers and other.seconds < best.seconds and (other.recall or 0) >= (best.recall or 0)
    ]
    if lost:
        yield "## Where another library was quicker\n"
        yield from lost
        yield ""


def _fastest(results: Iterable[Result]) -> list[Result]:
    ours = [each for each in results if not each.contestant.startswith(NO_LIBRARY)]
    return sorted(ours, key=lambda each: each.seconds)[:1]
