"""How much is measured on each database: what it does in some minutes."""

from __future__ import annotations

from dataclasses import dataclass, replace

MILLION = 1_000_000


@dataclass(frozen=True)
class Sizes:
    """Rows; of the data that is given, no more than it has."""

    loaded: int = 40_000
    """Written from a matrix, and read into one."""
    saved: int = 1_000
    """Written as instances."""
    searched: int = 40_000
    """Searched without an index."""
    indexed: int = 10_000
    """Searched with one."""
    growth: tuple[int, ...] = (1_000, 10_000, 100_000)
    """Searched as there are more of them."""
    exact: int = 1_000_000
    """The most of those that are searched without an index."""
    words: int = 40_000
    """Of GloVe, searched with filters."""
    wide: int = 10_000
    """Searched as they have more dimensions."""
    streamed: int = 100_000
    """Loaded from a generator, while memory is watched."""


BY_DATABASE = {
    "sqlite": Sizes(streamed=MILLION),
    "postgresql": Sizes(indexed=40_000, words=400_000, streamed=MILLION),
    "mariadb": Sizes(),
    "turso": Sizes(),
    "libsql": Sizes(words=20_000),
    # Above 64 MiB of vectors SQL ranks, at 0.3 ms a row and more.
    "mysql": Sizes(growth=(1_000, 10_000, 40_000, 100_000), exact=40_000),
}
QUICK = Sizes(2_000, 100, 2_000, 2_000, growth=(100, 1_000), words=2_000, wide=500, streamed=20_000)


def of(name: str, *, quick: bool, large: bool) -> Sizes:
    """Return what is measured on a database; with ``large``, also what takes more than some minutes."""
    sizes = QUICK if quick else BY_DATABASE.get(name, Sizes())
    return replace(sizes, growth=(*sizes.growth, MILLION), words=10 * sizes.words) if large else sizes
