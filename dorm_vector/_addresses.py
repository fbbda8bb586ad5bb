"""Keep the dotted paths of earlier releases importable: pickles, migrations and imports contain them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

# Old module: the modules that now define its names.
MOVED = {
    "aggregates": ("expressions.aggregates",),
    "batches": ("bulk.batches",),
    "bits": ("values.bit",),
    "build_options": ("indexes.build_options",),
    "bulk": ("bulk.load",),
    "columns": ("models.generated_fields", "expressions.database_embedding"),
    "conditions": ("expressions.conditions",),
    "diagnostics": ("search.explain",),
    "dialects": ("engines",),
    "dialects._companions": ("dialects.shared.companions",),
    "dialects._facts": ("dialects.shared.facts",),
    "dialects._index_rules": ("dialects.shared.index_rules",),
    "dialects._json": ("dialects.shared.json",),
    "dialects._operands": ("dialects.shared.operands",),
    "dialects._search_options": ("dialects.shared.search_options",),
    "dialects._text_search": ("dialects.shared.text_search",),
    "djanorm.combining": ("query.combined",),
    "djanorm.hrana": ("engines.libsql.wrappers",),
    "djanorm.querysets": ("models.querysets", "models.rows"),
    "djanorm.repairs": ("patching.registry",),
    "djanorm.searching": (
        "search.connection",
        "search.tuning",
        "search.spec",
        "search.plans.shortlist",
        "search.options",
        "engines.connections",
    ),
    "djanorm.sql": ("query.compiler", "query.where", "query.order"),
    "djanorm.sqlite_vec": ("engines.sqlite.extension",),
    "elements": ("values.elements",),
    "embedders": ("embeddings.embedders",),
    "embeddings": ("embeddings.reembedding", "models.embedding_field"),
    "expressions": ("expressions.distances",),
    "fields": ("models.fields",),
    "functions": ("expressions.functions",),
    "hrana.address": ("engines.libsql.address",),
    "hrana.asynchronous": ("engines.libsql.async_connection",),
    "hrana.connection": ("engines.libsql.connection",),
    "hrana.dialing": ("engines.libsql.dialer",),
    "hrana.embedded": ("engines.libsql.embedded",),
    "hrana.errors": ("engines.libsql.errors", "exceptions"),
    "hrana.link": ("engines.libsql.link",),
    "hrana.remote": ("engines.libsql.remote",),
    "hrana.rows": ("engines.libsql.rows",),
    "hrana.values": ("engines.libsql.values",),
    "hybrid": ("retrieval.hybrid",),
    "index_forms": ("indexes.contents",),
    "indexes": ("indexes.vector", "indexes.hnsw_ivfflat"),
    "integrations.work": ("integrations.steps",),
    "keys": ("models.fields",),
    "matrix": ("bulk.matrix",),
    "metrics": ("values.metrics",),
    "operands": ("expressions.operands",),
    "operations": ("schema.operations",),
    "outputs": ("expressions.outputs",),
    "progress": ("bulk.progress",),
    "query": ("models.managers", "models.querysets"),
    "ranking": ("retrieval.ranking",),
    "recall": ("retrieval.recall",),
    "routines": ("values.routines",),
    "search": ("search.nearest", "search.options"),
    "sparse": ("values.sparse",),
    "text_index": ("indexes.text",),
    "vec0": ("indexes.vec0",),
    "vector": ("values.vector",),
    "words": ("retrieval.query_terms",),
}


def resolver(module: str) -> Callable[[str], Any]:
    """Return a module ``__getattr__`` that looks a name up in the modules that replaced ``module``."""
    places = MOVED[module.partition(".")[2]]

    def resolve(name: str) -> Any:
        if not name.startswith("__") and _is_no_submodule(f"{module}.{name}"):
            for place in places:
                found = import_module(f"{__package__}.{place}")
                if hasattr(found, name):
                    return getattr(found, name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return resolve


def _is_no_submodule(path: str) -> bool:
    return path not in sys.modules and find_spec(path) is None


class _Finder:
    """Create a module for an old path that no longer has a file."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        package, _, old = name.partition(".")
        if package != __package__ or not any(f"{moved}.".startswith(f"{old}.") for moved in MOVED):
            return None
        loader: Any = self
        return ModuleSpec(name, loader, is_package=True)

    def create_module(self, spec: ModuleSpec) -> None:
        """Return None, so that the import system creates the module."""

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__.partition(".")[2] in MOVED:
            vars(module)["__getattr__"] = resolver(module.__name__)


def install() -> None:
    """Make the old paths importable; the finder comes last, because the paths have no files."""
    if not any(type(finder).__qualname__ == _Finder.__qualname__ for finder in sys.meta_path):
        finder: Any = _Finder()
        sys.meta_path.append(finder)
