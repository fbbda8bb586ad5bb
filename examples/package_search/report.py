"""What is printed: one table per question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from examples.package_search.search import index_scan

if TYPE_CHECKING:
    from dorm.queryset import QuerySet

    from examples.package_search.packages.models import Package


def plain_console() -> Console:
    # Summaries are other people's text: "[...]" in one is no markup of ours, and ":x:" no emoji.
    return Console(markup=False, emoji=False, highlight=False)


def show(console: Console, title: str, packages: QuerySet[Package]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("package", no_wrap=True)
    table.add_column("section", no_wrap=True)
    table.add_column("summary")
    table.add_column("distance", justify="right", no_wrap=True)
    for name, section, summary, distance in packages.values_list("name", "section", "summary", "distance"):
        table.add_row(name, section, summary, f"{distance:.4f}")
    console.print(table)
    if plan := index_scan(packages):
        console.print(f"plan: {plan}\n", style="dim")
