"""Features that a database lacks."""

from __future__ import annotations

from .facts import Facts


class Unsupported(Facts):
    """A feature that the database lacks.

    ``reason`` is the sentence that users read, ``instead`` is what to use, ``probe`` is a statement that fails on the
    server as long as this is true, and ``see`` is the documentation.
    """

    reason: str
    instead: str
    probe: str
    see: str


NO_ARRAYS = Unsupported(
    reason="it has no arrays of vectors.",
    instead="Store the vectors in a model with a ForeignKey, and search by its related name: 'tokens__embedding'.",
    probe="SELECT * FROM unnest('{1,2}')",
    see="docs/reference/search.md",
)

NO_ROW_LOCKS = Unsupported(
    reason="it locks the database for a writer, not rows, so that workers cannot share reembed().",
    instead="Run one worker at a time, without shared=True.",
    probe="SELECT 1 AS one FROM sqlite_master FOR UPDATE SKIP LOCKED",
    see="https://www.sqlite.org/lockingv3.html",
)

NO_FOREIGN_PARTITIONS = Unsupported(
    reason="it has no tables whose partitions are on other servers.",
    instead="Keep each shard in a database of its own, and search them with federated_nearest().",
    probe="CREATE FOREIGN TABLE probe (id INT) SERVER nowhere",
    see="docs/howto/scale-out.md",
)
