"""The requirements of a database for its vector indexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...values.elements import Element
from ...values.metrics import Metric
from .facts import NOTHING, Facts
from .index_extensions import IndexExtension
from .unsupported import Unsupported


class IndexRules(Facts):
    """The requirements of the database's own vector index. The defaults require nothing."""

    metrics: Mapping[Metric, str] | None = None
    """The metrics that it supports, and their names in CREATE; None if the operator class determines the metric."""
    wide_metrics: Mapping[Metric, str] = NOTHING
    """The names for ``wide`` or more dimensions, if they differ."""
    wide: int = 0
    int8: bool | Unsupported = False
    """Whether ``precision="int8"`` keeps one byte of each number, with the names in ``metrics``; or why it does not."""
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
    limits_by_kind: Mapping[str, Mapping[Element, int]] = NOTHING
    """The maximum dimensions of each element type in an index of that kind, if they differ from ``max_dimensions``."""
    labels: IndexLabels | None = None
    """How its DiskANN indexes hold labels; None if they have none."""
    graph: str = ""
    """The index that a DiskAnnIndex builds where there is no pgvectorscale; empty if it builds none."""
    extensions: Mapping[str, IndexExtension] = NOTHING
    """The extension of the server that each index kind needs, if it needs one."""


class IndexLabels(Facts):
    """How an index holds the labels of a row, by which it answers filters.

    A label is a number of the index's own for the values of one or several fields. Different values may have the same
    label, so a search must test the values as well.
    """

    text: str
    """The text of a value."""
    joint: str
    """Joins the texts of several fields."""
    label: str
    """The label of a ``{text}``; ``{seed}`` tells fields apart."""
    row: str
    """The ``{labels}`` of a row."""
    condition: str
    """Tests whether a ``{row}`` has one of the ``{labels}``."""
    true: str
    false: str

    def one(self, values: Sequence[str], seed: int) -> str:
        return self.label.format(text=self.joint.join(self.text.format(value=value) for value in values), seed=seed)


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
