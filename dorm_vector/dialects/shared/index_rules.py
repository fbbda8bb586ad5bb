"""The requirements of a database for its vector indexes."""

from __future__ import annotations

from collections.abc import Mapping

from ...values.elements import Element
from ...values.metrics import Metric
from .facts import NOTHING, Facts


class IndexRules(Facts):
    """The requirements of the database's own vector index. The defaults require nothing."""

    metrics: Mapping[Metric, str] | None = None
    """The metrics that it supports, and their names in CREATE; None if the operator class determines the metric."""
    wide_metrics: Mapping[Metric, str] = NOTHING
    """The names for ``wide`` or more dimensions, if they differ."""
    wide: int = 0
    links: range = range(2, 101)
    """The allowed values of ``m``."""
    not_null: bool = False
    """Whether the column must be NOT NULL."""
    whole_table: bool = False
    """Whether it must cover the whole table, without a condition."""
    one_per_table: bool = False
    max_dimensions: Mapping[Element, int] = NOTHING
    """The maximum dimensions of each element type."""
    too_full: str = ""
    """The text in a build error if a sparse vector has more non-zero numbers than the index allows."""
    casts: Mapping[Element, str] = NOTHING
    """How to index ``{operand}`` as ``{dimensions}`` of another type; empty if the index accepts only columns."""
    prefix: str = ""
    """The first ``{dimensions}`` of ``{operand}``."""
    build_option: str = ""
    """Sets ``{name}`` to ``{value}`` for a build, inside a transaction."""
    build_option_now: str = ""
    """Reads the setting ``{name}`` as ``value``."""
    concurrent: ConcurrentBuild | None = None


class ConcurrentBuild(Facts):
    """How to build and remove an index without blocking writers."""

    set_option: str
    """Sets ``{name}`` to ``{value}`` for the session."""
    inherited: tuple[str, ...]
    """The settings that the build's session copies from the migration's session."""
    own_locks: str
    """Returns, as ``mode``, the locks that the migration's transaction holds on ``{table}``."""
    exclusive: str
    """The lock that blocks all other use of the table."""
    waits_not_for: frozenset[str]
    """The locks that a build does not wait for; a removal waits for all locks."""
    invalid: str
    """Finds the invalid index ``{name}`` that a failed build left behind."""
    drop_invalid: str
