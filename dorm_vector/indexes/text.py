"""Full-text index declarations, the same for every database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from dorm.fields import CharField, TextField
from dorm.indexes import Index

from ..dialects.base import Dialect
from ..dialects.shared.text_search import TextSearch
from ..engines import dialect_of_index_sql
from ..exceptions import UnsupportedByDatabase

_LANGUAGE = re.compile(r"[a-z][a-z0-9_]*\Z")

_METHODS = (None, "bm25")


class TextIndex(Index):
    """A full-text index of one or more text fields, for ``hybrid_search`` and ``text_search``.

    ``language`` ("english", "german", "simple" for no stemming, …) selects how words are stemmed. PostgreSQL takes any
    of its configurations; SQLite and libSQL stem English only; the other databases match words as written.

    ``method="bm25"`` ranks by BM25: on PostgreSQL with pg_textsearch, while SQLite, libSQL and Turso rank by it in any
    case. MariaDB and MySQL have no BM25: ``migrate`` builds their own index, and warns.

    Raises:
        ValueError: ``language`` is not a name, or ``method`` is not known.
    """

    has_word_as_name: ClassVar[bool] = True
    """As in VectorIndex."""
    ranking: str | None = None
    """The ``method``; the default is that of pickles of earlier releases."""

    def __init__(
        self,
        fields: Sequence[str],
        name: str | None = None,
        *,
        language: str = "english",
        method: Literal["bm25"] | None = None,
    ) -> None:
        if not fields or isinstance(fields, str) or len(set(fields)) != len(fields):
            raise ValueError(f'TextIndex(fields={fields!r}): want the names of text fields, such as ["title", "body"].')
        if not _LANGUAGE.match(str(language)):
            raise ValueError(f'TextIndex(language={language!r}): want a name such as "english", or "simple".')
        if method not in _METHODS:
            raise ValueError(
                f'TextIndex(method={method!r}): want "bm25", or leave it out for the ranking of the database.'
            )
        super().__init__(list(fields), name)
        self.language, self.ranking = language, method

    def search(self, dialect: Dialect) -> TextSearch:
        """Return the full-text search that the index is for."""
        return dialect.text_search_by(self.ranking)

    def check(self, model: str, fields: dict[str, Any]) -> None:
        """Raise ValueError if a field of the index is not a text field of the model."""
        texts = [name for name, field in fields.items() if isinstance(field, (CharField, TextField))]
        for name in self.fields:
            if name not in texts:
                raise ValueError(f"{self!r}: {model} has no text field {name!r}. It has {', '.join(texts) or 'none'}.")

    def create(self, dialect: Dialect, name: str, table: str, columns: list[str], key: str) -> list[str]:
        """Return the SQL that builds the index; raise UnsupportedByDatabase if it cannot have one of the names."""
        search = self.search(dialect)
        if refused := search.refused_names(table, columns):
            raise UnsupportedByDatabase(
                f"{dialect.title} cannot build {name}: its {search.title} does not take the name of"
                f" {' and '.join(refused)}. Give the field another db_column, or the model another db_table, and"
                " rename it in a migration."
            )
        parts = {
            "name": name,
            "table": table,
            "key": key,
            "columns": ", ".join(f'"{column}"' for column in columns),
            "new": ", ".join(f'new."{column}"' for column in columns),
            "document": search.document(columns),
            "language": search.language(self.language),
        }
        return [statement.format(**parts) for statement in search.create]

    def drop(self, dialect: Dialect, name: str, table: str) -> list[str]:
        """Return the SQL that drops the index."""
        return [statement.format(name=name, table=table) for statement in self.search(dialect).drop]

    def create_sql(self, table: str, *, vendor: str = "") -> tuple[str, str]:
        """Return the SQL that builds and drops the index; ``SELECT 1`` on SQLite and Turso (migrations build it)."""
        dialect = dialect_of_index_sql(vendor)
        name = self.get_name(table.partition("_")[2] or table)
        made = self.create(dialect, name, table, self.fields, "id") if dialect else []
        return (made[0], self.drop(dialect, name, table)[0]) if dialect and len(made) == 1 else ("SELECT 1", "SELECT 1")

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the path, arguments and keywords that reconstruct this index."""
        options = {"fields": self.fields, "name": self.name or None, "language": self.language}
        # Left out by default, so that migrations of earlier releases stay equal.
        return "dorm_vector.TextIndex", (), options | ({"method": self.ranking} if self.ranking else {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextIndex) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash((self.name, *self.fields, self.language, self.ranking))

    def __repr__(self) -> str:
        method = f", method={self.ranking!r}" if self.ranking else ""
        return f"TextIndex(fields={self.fields!r}, name={self.name!r}, language={self.language!r}{method})"
