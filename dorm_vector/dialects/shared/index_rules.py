"""What a database demands of its vector indexes."""

from __future__ import annotations

from collections.abc import Mapping

from ...values.elements import Element
from ...values.metrics import Metric
from .facts import NOTHING, Facts


class IndexRules(Facts):
    """What the database's own vector index demands. The defaults demand nothing."""

    metrics: Mapping[Metric, str] | None = None
    """The distances it can be built for, and their names in CREATE; None where the opclass says it."""
    wide_metrics: Mapping[Metric, str] = NOTHING
    """Their names from ``wide`` dimensions on, where those differ."""
    wide: int = 0
    links: range = range(2, 101)
    """What ``m`` may be."""
    not_null: bool = False
    """Whether the column has to be NOT NULL."""
    whole_table: bool = False
    """Whether it takes no condition."""
    one_per_table: bool = False
    max_dimensions: Mapping[Element, int] = NOTHING
    """The most dimensions that it takes of an element type."""
    too_full: str = ""
    """What the error of a build says where a sparse vector has more numbers than the index takes."""
    casts: Mapping[Element, str] = NOTHING
    """How ``{operand}`` stands in it as ``{dimensions}`` of another type; empty where it takes only columns."""
    prefix: str = ""
    """The first ``{dimensions}`` of ``{operand}``."""
    build_option: str = ""
    """Sets ``{name}`` to ``{value}`` inside a transaction, for a build."""
    build_option_now: str = ""
    """Reads ``{name}`` as ``value``."""
    concurrent: ConcurrentBuild | None = None


class ConcurrentBuild(Facts):
    """What the database demands of a build, and of a removal, that does not stop writers."""

    set_option: str
    """Sets ``{name}`` to ``{value}`` for the session."""
    inherited: tuple[str, ...]
    """The settings of the migration's session that this one needs."""
    own_locks: str
    """Finds, as ``mode``, how the migration's transaction has locked ``{table}``."""
    exclusive: str
    """The lock under which nobody else can use the table."""
    waits_not_for: frozenset[str]
    """The locks that a build does not wait for; a removal waits for all."""
    invalid: str
    """Finds the index ``{name}`` that a failed build left behind."""
    drop_invalid: str
