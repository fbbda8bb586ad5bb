"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from benchmarks import summary
from benchmarks.measuring import Result
from benchmarks.peers import PEERS
from benchmarks.summary import duration, number

INTRODUCTION = """# Benchmarks

<!-- Written by `python -m benchmarks.run`: change the benchmark, not this page. -->

This page compares `dorm_vector` with the bare drivers and with other libraries, on six databases, in one run on one
machine. It starts with the numbers that help you choose a database, an index and a number of rows. The
[method](#method) and every table of the run follow.

A cell is the median time of one search of the ten nearest rows, with its recall in parentheses where it is below 0.995.
Your machine has other times; the ratios are what to expect elsewhere.
"""
METHOD = """## Method

- Each database runs on its own, with one server and one configuration for everybody. The contestants of a table take
  turns, after one round that does not count, and a table shows the median of the rounds.
- A ratio is to the first line of its table. One that misses its aim is marked **✗**; where an aim is missed, the last
  table of the database shows where the time goes.
- Recall is the share of the ten exact neighbors found. They are computed with numpy.
- Clients are threads of one process, so that Python's lock is a part of what is measured, as in a threaded web server.
  The bare drivers, Django and SQLAlchemy have a connection per client. On PostgreSQL the others have their default
  pools: djanorm, also below `dorm_vector`, of 10 connections, and langchain-postgres of 15.
- An embedder is a function that sleeps, as a client of another machine does. It is busy while it sleeps.
- PostgreSQL builds indexes with `maintenance_work_mem = 512MB`, and 4 GB for a million rows.
- Left out, because it takes more than a few minutes: the indexes of MariaDB and libSQL above 10,000 rows of 384
  dimensions, more than 40,000 and 20,000 words of GloVe there, a million rows of Turso and MySQL, and an exact search
  of MySQL Community above 40,000. `--large` measures all but the last, and indexes on a million rows.

Run it yourself: `pip install -e ".[benchmarks]" && python -m benchmarks.run`.
"""
NO_LIBRARY = ("bare", "numpy")


def document(about: dict[str, Any], databases: dict[str, dict[str, Any]]) -> str:
    """Return the whole page; ``databases`` has what was found on each, by name."""
    results = [result for found in databases.values() for result in found["results"]]
    titles = {name: str(found["title"]) for name, found in databases.items()}
    parts = [INTRODUCTION, *summary.of(results, titles), *_losses(results, databases), *_aims(results, databases)]
    parts += [*_failures(databases), METHOD, *_about(about, databases)]
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
    figures = list(results[0].figures)
    more = "".join(f" {name} |" for name in figures)
    head = f"### {_sentence(results[0].group)}\n\n| | median | ratio | aim | recall |{more} |\n"
    rule = "|---|--:|--:|--:|--:|" + "--:|" * len(figures) + "---|\n"
    return head + rule + "\n".join(_line(result, figures) for result in results) + "\n"


def _line(result: Result, figures: list[str]) -> str:
    aim = ", ".join(each["aim"] for each in result.aims)
    missed = "" if all(each["met"] for each in result.aims) else " **✗**"
    recall = "" if result.recall is None else f"{result.recall:.3f}"
    ratio = f"{result.ratio:.2f}{missed}"
    more = "".join(f" {number(result.figures[name]) if name in result.figures else ''} |" for name in figures)
    return f"| {result.contestant} | {duration(result.seconds)} | {ratio} | {aim} | {recall} |{more} {result.note} |"


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
    missed = [(result, aim) for result, aim in aimed if not aim["met"]]
    yield f"## What was aimed at\n\n{len(aimed) - len(missed)} of {len(aimed)} aims were met; the tables show them.\n"
    if missed:
        yield "| database | work | who | aim | found |\n|---|---|---|--:|--:|"
    for result, aim in missed:
        where = databases[result.backend]["title"]
        yield f"| {where} | {result.group} | {result.contestant} | {aim['aim']} | {aim['found']} **✗** |"
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
