"""Who else does the same, each as its documentation says; those that are not installed are left out.

A peer has ``name``, and of ``make`` with ``save``, ``read`` and ``nearest`` what it can do. Threads may search at once;
one that ends calls ``leave``, if there is one, to give its connection up, and ``disconnect`` closes those given up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks.bench import Bench
from benchmarks.data import Data, Floats


def of(bench: Bench, table: str, *, indexed: bool = False) -> list[Any]:
    """Return the peers that know this database, over the table that ours made; those with one of their own fill it."""
    found = [_made(maker, bench, table) for maker in BY_DATABASE.get(bench.name, ())]
    found = [peer for peer in found if peer is not None]
    for peer in found:
        if hasattr(peer, "fill"):
            peer.fill(indexed)
    return found


def _made(maker: Callable[[Bench, str], Any], bench: Bench, table: str) -> Any:
    try:
        return maker(bench, table)
    except ImportError as error:
        print(f"left out: {error}")
        return None


class Contrib:
    """djanorm's own ``contrib.pgvector``, which stores no packed vectors on other databases."""

    name = "djanorm contrib.pgvector"

    def __init__(self, bench: Bench, table: str) -> None:
        self.bench, self.table = bench, table
        self.model = _contrib_model(table, bench.data.dimensions)

    def make(self, data: Data) -> None:
        self.bench.bare.clear(self.table)
        rows = zip(data.ids, data.parts, data.vectors.tolist(), strict=True)
        self.made = [self.model(id=i, part=part, embedding=v) for i, part, v in rows]

    def save(self) -> None:
        self.model.objects.bulk_create(self.made)

    def read(self) -> Floats:
        return np.array([row.embedding for row in self.model.objects.all()], np.float32)

    def nearest(self, query: Floats, count: int) -> list[int]:
        from dorm.contrib.pgvector import CosineDistance

        distance = CosineDistance("embedding", query.tolist())
        return [row.pk for row in self.model.objects.annotate(distance=distance).order_by("distance")[:count]]


@cache
def _contrib_model(table: str, dimensions: int) -> Any:
    import dorm
    from dorm.contrib.pgvector import VectorField

    meta = type("Meta", (), {"app_label": "peers", "db_table": table})
    attributes = {
        "__module__": __name__,
        "Meta": meta,
        "part": dorm.IntegerField(),
        "embedding": VectorField(dimensions=dimensions),
    }
    made: Any = type(dorm.Model)
    return made(f"Contrib_{table}", (dorm.Model,), attributes)


class Django:
    """Django's ORM with pgvector-python's field."""

    name = "Django + pgvector"

    def __init__(self, bench: Bench, table: str) -> None:
        self.bench, self.table = bench, table
        self.model = _django_model(table, bench.data.dimensions)
        _connect_django(bench.settings)

    def make(self, data: Data) -> None:
        self.bench.bare.clear(self.table)
        rows = zip(data.ids, data.parts, data.vectors, strict=True)
        self.made = [self.model(id=i, part=part, embedding=v) for i, part, v in rows]

    def save(self) -> None:
        self.model.objects.bulk_create(self.made, batch_size=1_000)

    def read(self) -> Floats:
        return np.array([row.embedding for row in self.model.objects.all()], np.float32)

    def nearest(self, query: Floats, count: int) -> list[int]:
        from pgvector.django import CosineDistance

        distance = CosineDistance("embedding", query)
        return [row.pk for row in self.model.objects.annotate(distance=distance).order_by("distance")[:count]]

    def leave(self) -> None:
        from django.db import connections

        connections.close_all()


@cache
def _django_model(table: str, dimensions: int) -> Any:
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}}, USE_TZ=False)
        django.setup()
    from django.db import models
    from pgvector.django import VectorField

    meta = type("Meta", (), {"app_label": "peers", "db_table": table, "managed": False})
    attributes = {
        "__module__": __name__,
        "Meta": meta,
        "id": models.BigIntegerField(primary_key=True),
        "part": models.IntegerField(),
        "embedding": VectorField(dimensions=dimensions),
    }
    made: Any = type(models.Model)
    return made(f"Django_{table}", (models.Model,), attributes)


def _connect_django(settings: dict[str, Any]) -> None:
    from django.db import connections

    connections.close_all()
    names = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
    connections["default"].settings_dict.update({name: settings[name] for name in names})


class SqlAlchemy:
    """SQLAlchemy's ORM with pgvector-python's type, on one session for each thread."""

    name = "SQLAlchemy + pgvector"

    def __init__(self, bench: Bench, table: str) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.orm import scoped_session, sessionmaker

        self.bench, self.table = bench, table
        self.model = _sqlalchemy_model(table, bench.data.dimensions)
        # A session keeps its connection, so there is one for each thread.
        engine = create_engine(_url(bench.settings), pool_size=32)
        self.disconnect = engine.dispose
        self.session = scoped_session(sessionmaker(engine.execution_options(isolation_level="AUTOCOMMIT")))

    def make(self, data: Data) -> None:
        self.session.rollback()
        self.bench.bare.clear(self.table)
        rows = zip(data.ids, data.parts, data.vectors, strict=True)
        self.made = [{"id": i, "part": part, "embedding": v} for i, part, v in rows]

    def save(self) -> None:
        from sqlalchemy import insert

        self.session.execute(insert(self.model), self.made)
        self.session.commit()

    def read(self) -> Floats:
        from sqlalchemy import select

        self.session.expunge_all()
        return np.array([row.embedding for row in self.session.scalars(select(self.model))], np.float32)

    def nearest(self, query: Floats, count: int) -> list[int]:
        from sqlalchemy import select

        self.session.expunge_all()
        distance = self.model.embedding.cosine_distance(query).label("distance")
        rows = self.session.execute(select(self.model, distance).order_by(distance).limit(count))
        return [row[0].id for row in rows]

    def leave(self) -> None:
        self.session.remove()


@cache
def _sqlalchemy_model(table: str, dimensions: int) -> Any:
    from pgvector.sqlalchemy import Vector
    from sqlalchemy import BigInteger, Integer
    from sqlalchemy.orm import DeclarativeBase, mapped_column

    class Base(DeclarativeBase):  # type: ignore[misc,unused-ignore]  # Any where SQLAlchemy is not installed
        pass

    columns = {
        "__tablename__": table,
        "id": mapped_column(BigInteger, primary_key=True),
        "part": mapped_column(Integer),
        "embedding": mapped_column(Vector(dimensions)),
    }
    return type("Item", (Base,), columns)


class LangChain:
    """langchain-postgres: a table of its own, of a text, a JSON and a vector."""

    name = "langchain-postgres"

    def __init__(self, bench: Bench, table: str) -> None:
        from langchain_core.embeddings import DeterministicFakeEmbedding
        from langchain_postgres import PGEngine, PGVectorStore

        self.filled_from, self.table = table, f"langchain_{table}"
        engine = PGEngine.from_connection_string(_url(bench.settings))
        engine.init_vectorstore_table(self.table, bench.data.dimensions, overwrite_existing=True)
        self.execute = bench.bare.execute
        self.store = PGVectorStore.create_sync(
            engine, DeterministicFakeEmbedding(size=bench.data.dimensions), self.table
        )

    def fill(self, indexed: bool) -> None:
        from langchain_postgres.v2.indexes import HNSWIndex

        self.execute(
            f'INSERT INTO "{self.table}" (langchain_id, content, embedding)'
            f' SELECT gen_random_uuid(), id::text, embedding FROM "{self.filled_from}"'
        )
        if indexed:
            self.store.apply_vector_index(HNSWIndex(m=16, ef_construction=64))
        self.execute(f'VACUUM ANALYZE "{self.table}"')

    def nearest(self, query: Floats, count: int) -> list[int]:
        found = self.store.similarity_search_with_score_by_vector(query.tolist(), count)
        return [int(document.page_content) for document, _distance in found]

    def make(self, data: Data) -> None:
        self.execute(f'TRUNCATE "{self.table}"')
        self.texts, self.vectors = [str(number) for number in data.ids], data.vectors.tolist()

    def save(self) -> None:
        self.store.add_embeddings(self.texts, self.vectors, [{}] * len(self.texts))


def _url(settings: dict[str, Any]) -> str:
    name, user, password = settings["NAME"], settings["USER"], settings["PASSWORD"]
    return f"postgresql+psycopg://{user}:{password}@/{name}?host={settings['HOST']}&port={settings['PORT']}"


PEERS: tuple[Any, ...] = (Contrib, Django, SqlAlchemy, LangChain)
BY_DATABASE: dict[str, tuple[Callable[[Bench, str], Any], ...]] = {"postgresql": PEERS, "sqlite": (Contrib,)}
