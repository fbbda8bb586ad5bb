"""How to look after a database: its version, the state of its indexes, and settings that matter for vectors."""

from __future__ import annotations

from .facts import Facts


class Upkeep(Facts):
    """The queries of ``dorm-vector``. One is empty if the database cannot answer it, or needs no check."""

    quote: str = '"'
    """Quotes names in the shell of the database."""
    version: str = ""
    """Returns the ``version`` of the server, or of the library."""
    index_bytes: str = ""
    """Returns the ``bytes`` of the vector index ``{name}`` of ``{table}``; NULL if the account may not read it."""
    text_index_bytes: str = ""
    """Returns those of a text index."""
    no_index_bytes: str = "The account may not read it."
    """Why a size is not known, if it is not."""
    index_definition: str = ""
    """Returns how the index ``{name}`` of ``{table}`` is built, in the last column, perhaps among other lines."""
    index_metric: str = ""
    """A regular expression: its group is the metric, in that definition and in the CREATE statement of an index."""
    text_index: str = ""
    """Returns whether the text index ``{name}`` of ``{table}`` is ``valid``, if it exists."""
    building: str = ""
    """Returns the ``phase`` of each running build on the bound table, and how much is ``done`` of a ``total``."""
    building_index: str = ""
    """Returns a row if the index ``{name}`` is being built, where the database does not list it before it is done."""
    build_memory: str = ""
    """Returns the ``bytes`` that an index build may use, and the ``setting`` as it is written."""
    build_memory_option: str = ""
    """The name of that setting, also in ``build_options``."""
    sequence_behind: str = ""
    """Returns the ``name`` of the sequence of ``{table}`` and ``{key}``, its ``last`` and the ``top`` key, if the next
    generated key would be taken."""
    sequence_fix: str = ""
    """Moves the sequence ``{name}`` to ``{top}``."""
    journal_mode: str = ""
    """Returns the ``mode`` and the ``file`` of a database that may use a slower journal than WAL."""
    statement_limit: str = ""
    """Returns the server's own ``seconds`` that a statement may take; 0 is no limit."""
    optimize: tuple[str, ...] = ()
    """Updates the statistics of ``{table}``, and frees space without blocking writers where the database can."""
    outside_transactions: bool = False
    """Whether ``optimize`` cannot run in a transaction."""
