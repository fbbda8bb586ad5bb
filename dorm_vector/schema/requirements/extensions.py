"""Extensions of the server that indexes need, and what is built where a database has none."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ...dialects.base import Dialect, version_numbers
from ...dialects.shared.index_extensions import IndexExtension
from ...dialects.shared.unsupported import Unsupported
from ...engines import dialect_for
from ...exceptions import IndexBuiltOtherwise, VectorsUnavailable, frames_inside
from ...indexes.vector import VectorIndex


def enable_extension(extension: IndexExtension, index: str, connection: Any, minimum: str = "", what: str = "") -> None:
    """Enable the extension that an index needs; ``minimum`` is the version that ``what`` needs beyond its own.

    Raises:
        VectorsUnavailable: The server does not have it, or an older version, or does not allow it.
    """
    require_extension(extension, index, connection, minimum, what)
    try:
        connection.execute_script(extension.enable)
    except Exception as error:
        raise _unavailable(extension, index, connection, f"it could not be enabled: {error}") from error


def require_extension(
    extension: IndexExtension, index: str, connection: Any, minimum: str = "", what: str = ""
) -> None:
    """Raise VectorsUnavailable if the server does not have the extension, or only an older version."""
    if getattr(connection, "captured", None) is not None:
        return
    rows = connection.execute(extension.version)
    if not rows:
        raise _unavailable(extension, index, connection, "this server does not have it.")
    version = str(rows[0]["version"])
    for needed, by in ((extension.minimum, ""), (minimum, f" for {what}")):
        if needed and version_numbers(version) < version_numbers(needed):
            reason = f"version {needed} or newer is needed{by}; this server has {version}."
            raise _unavailable(extension, index, connection, reason)


def _unavailable(extension: IndexExtension, index: str, connection: Any, reason: str) -> VectorsUnavailable:
    title = dialect_for(connection).title
    return VectorsUnavailable(
        f"{title} cannot build {index} without the extension {extension.name}: {reason} {extension.install_hint}"
    )


def warn_of_other_graph(index: VectorIndex, name: str, dialect: Dialect) -> None:
    """Warn of what a DiskAnnIndex is on a database without pgvectorscale."""
    if index.kind != "diskann" or index.kind in dialect.index_rules.extensions:
        return
    graph = dialect.index_rules.graph
    built = f"builds its own {graph} index for {name}" if graph else f"builds no index for {name}: searches are exact"
    labels = f"; filters by {enumerated(index.labels)} are ordinary filters" if index.labels else ""
    warnings.warn(f"{dialect.title} {built}{labels}.", IndexBuiltOtherwise, stacklevel=frames_inside())


def enumerated(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def warn_of_other_form(index: str, dialect: Dialect, lacking: Unsupported) -> None:
    """Warn that the index is built in the database's own form."""
    message = f"{dialect.title} builds {index} in its own form: {lacking.reason} {lacking.instead}"
    warnings.warn(message, IndexBuiltOtherwise, stacklevel=frames_inside())
