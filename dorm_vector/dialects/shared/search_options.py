"""What a search may ask of an index."""

from __future__ import annotations

from collections.abc import Mapping

from .facts import Facts


class SearchOption(Facts):
    """A setting of the server that trades the speed of an index for its recall.

    ``variables`` maps the server's names for it to the values that are spelled otherwise there; ``allowed`` is a range
    of whole numbers or the words it takes; ``since`` is the version that brought it, as ``Dialect.minimum`` counts.
    """

    variables: Mapping[str, Mapping[str, str]]
    allowed: range | tuple[str, ...]
    default: int | str
    since: str = ""

    def spelled(self, value: int | str) -> dict[str, str]:
        """Return the server's variables with the value as each spells it."""
        return {name: spellings.get(str(value), str(value)) for name, spellings in self.variables.items()}
