"""Options of index searches."""

from __future__ import annotations

from collections.abc import Mapping

from .facts import Facts


class SearchOption(Facts):
    """A setting of the server that trades the speed of an index for its recall.

    ``variables`` maps the server's variables to the values that are spelled differently there. ``allowed`` is a range
    of whole numbers, or the allowed words. ``since`` is the version that introduced it, comparable with
    ``Dialect.minimum``.
    """

    variables: Mapping[str, Mapping[str, str]]
    allowed: range | tuple[str, ...]
    default: int | str
    since: str = ""

    def spelled(self, value: int | str) -> dict[str, str]:
        """Return the server's variables, and the value as each spells it."""
        return {name: spellings.get(str(value), str(value)) for name, spellings in self.variables.items()}
