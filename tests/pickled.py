"""What tests/golden/pickles holds, one file a name: pickles of commit 9d7693a, and how to make the same values today.

The models' module and names are part of the pickles, so they stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dorm
from dorm import F, OuterRef, Q

import dorm_vector as dv
from dorm_vector import conditions, exceptions, expressions, keys
from dorm_vector.values.routines import Routine

VECTOR = [1.0, -2.0, 0.5]
QUERY = [0.5, 1.0, -1.5]
BITS = "101"


class Pickled(dorm.Model):
    title = dorm.CharField(max_length=50)
    key = keys.TextKeyField(max_length=20, null=True)
    full = dv.VectorField(dimensions=3)
    spare = dv.VectorField(dimensions=3, null=True)
    half = dv.HalfVectorField(dimensions=3, null=True)
    sparse = dv.SparseVectorField(dimensions=3, null=True)
    bits = dv.BitField(length=3, null=True)
    data = dorm.JSONField(null=True)

    class Meta:
        indexes = [
            dv.HnswIndex(["full"], "pickled_full", distance="cosine"),
            dv.HnswIndex(["full"], "pickled_signs", distance="cosine", precision="bit"),
            dv.TextIndex(["title"], "pickled_title"),
        ]


# djanorm's types know no VectorManager.
OBJECTS: Any = Pickled.objects


class PickledText(dorm.Model):
    text = dorm.CharField(max_length=50)
    embedding = dv.EmbeddingField(source="text", dimensions=3, null=True)


def row(number: int = 1) -> Pickled:
    vector = [VECTOR[0] * number, *VECTOR[1:]]
    sparse = dv.SparseVector({0: number}, 3)
    values = {
        "full": vector,
        "spare": vector[::-1],
        "half": vector,
        "sparse": sparse,
        "bits": BITS,
        "data": {"page": number},
    }
    return Pickled(id=number, title=f"row {number}", key=f"k{number}", **values)


VALUES: dict[str, Callable[[], Any]] = {
    "bit": lambda: dv.Bit(BITS),
    "elements": lambda: list(dv.Element),
    "half_vector": lambda: dv.HalfVector(VECTOR),
    "metrics": lambda: list(dv.Metric),
    "routines": lambda: list(Routine),
    "sparse_vector": lambda: dv.SparseVector({1: 2.5}, 4),
    "sqlite_vec_tiers": lambda: list(dv.SqliteVecTier),
    "vector": lambda: dv.Vector(VECTOR),
}
DISTANCES: dict[str, Callable[[], Any]] = {
    "cosine_distance": lambda: dv.CosineDistance("full", QUERY),
    "cosine_similarity": lambda: dv.CosineSimilarity("full", QUERY),
    "distance_from_nothing": lambda: dv.L2Distance("full", None),
    "distance_of_a_function": lambda: dv.L2Distance(dv.L2Normalize("full"), dv.Vector(QUERY)),
    "distance_of_a_row": lambda: dv.L2Distance("full", row()),
    "distance_of_columns": lambda: dv.L2Distance("full", F("half")),
    "distance_of_halves": lambda: dv.L2Distance("half", dv.HalfVector(QUERY)),
    "distance_of_sparse": lambda: dv.L2Distance("sparse", dv.SparseVector({0: 1.0}, 3)),
    "distances_combined": lambda: dv.L2Distance("full", QUERY) * 2 + dv.L1Distance("full", QUERY),
    "hamming_distance": lambda: dv.HammingDistance("bits", dv.Bit("110")),
    "inner_product": lambda: dv.InnerProduct("full", QUERY),
    "jaccard_distance": lambda: dv.JaccardDistance("bits", "110"),
    "l1_distance": lambda: dv.L1Distance("full", QUERY),
    "l2_distance": lambda: dv.L2Distance("full", QUERY),
    "max_inner_product": lambda: dv.MaxInnerProduct("full", QUERY),
}
FUNCTIONS: dict[str, Callable[[], Any]] = {
    "binary_quantize": lambda: dv.BinaryQuantize("full"),
    "cast_vector": lambda: dv.CastVector("full", dv.HalfVectorField(dimensions=3)),
    "l2_normalize": lambda: dv.L2Normalize("full"),
    "sub_vector": lambda: dv.SubVector("full", 2, 2),
    "vector_add": lambda: dv.VectorAdd("full", QUERY),
    "vector_concat": lambda: dv.VectorConcat("full", "half"),
    "vector_dims": lambda: dv.VectorDims("full"),
    "vector_mul": lambda: dv.VectorMul("full", QUERY),
    "vector_norm": lambda: dv.VectorNorm("full"),
    "vector_sub": lambda: dv.VectorSub("full", QUERY),
}
AGGREGATES: dict[str, Callable[[], Any]] = {
    "vector_avg": lambda: dv.VectorAvg("full"),
    "vector_sum": lambda: dv.VectorSum("full"),
    "vector_sum_filtered": lambda: dv.VectorSum("full", filter=Q(title="row 1")),
}
PARTS: dict[str, Callable[[], Any]] = {
    "in_database_embedding": lambda: dv.InDatabaseEmbedding("pgml.embed", "model", "title", 3),
    "order_by": lambda: dv.L2Distance("full", QUERY).desc(),
    "outer_distance": lambda: dv.L2Distance("full", OuterRef("full")),
    "search_options": lambda: dv.search_options(ef_search=40),
    "vector_extension": dv.VectorExtension,
}
FIELDS: dict[str, Callable[[], Any]] = {
    "bit_field": lambda: dv.BitField(length=3),
    "embedding_field": lambda: dv.EmbeddingField(dimensions=3, source="text"),
    "embedding_hash_field": lambda: field(PickledText, "embedding_hash"),
    "field_of_a_model": lambda: field(Pickled, "full"),
    "generated_vector_field": lambda: dv.GeneratedVectorField(
        expression=dv.L2Normalize("full"), output_field=dv.VectorField(dimensions=3)
    ),
    "half_vector_field": lambda: dv.HalfVectorField(dimensions=3, null=True),
    "sparse_vector_field": lambda: dv.SparseVectorField(dimensions=3),
    "text_key_field": lambda: keys.TextKeyField(max_length=20, unique=True),
    "vector_field": lambda: dv.VectorField(dimensions=3, as_numpy=True, normalize=True),
}
INDEXES: dict[str, Callable[[], Any]] = {
    "hnsw_index": lambda: dv.HnswIndex(["full"], "hnsw", distance="cosine", m=8, ef_construction=32),
    "hnsw_index_of_halves": lambda: dv.HnswIndex(["full"], "halves", distance="l2", precision="half", dimensions=3),
    "ivfflat_index": lambda: dv.IvfflatIndex(["full"], "ivfflat", distance="l2", lists=10),
    "partial_index": lambda: dv.HnswIndex(["full"], "partial", "vector_l2_ops", condition=Q(title="row 1")),
    "text_index": lambda: dv.TextIndex(["title"], "words", language="english"),
    "vec0_index": lambda: dv.Vec0Index(["full"], "vec0", distance="cosine", metadata=["title"]),
}
CONDITIONS: dict[str, Callable[[], Any]] = {
    "q_of_a_distance": lambda: Q(full=dv.Vector(QUERY)) | ~Q(title__in=["row 1"]),
    "q_of_a_json_key": lambda: Q(data=conditions.JsonCompare("page", ">", 1)),
    "q_of_json_keys": lambda: Q(data=conditions.JsonIn("page", (1, 3))),
}
QUERYSETS: dict[str, Callable[[], Any]] = {
    "queryset": OBJECTS.all,
    "queryset_annotated": lambda: OBJECTS.annotate(far=dv.L2Distance("full", QUERY)).order_by("far"),
    "queryset_filtered": lambda: OBJECTS.filter(title__contains="row", full__isnull=False).order_by("-id"),
    "queryset_nearest": lambda: OBJECTS.nearest("full", QUERY)[:2],
    "queryset_nearest_exact": lambda: OBJECTS.nearest("spare", QUERY, exact=True, as_="far"),
    "queryset_nearest_filtered": lambda: OBJECTS.filter(id__gt=1).nearest("full", QUERY, max_distance=9)[:2],
    "queryset_of_distances": lambda: OBJECTS.alias(far=dv.L1Distance("full", QUERY)).filter(far__gt=1),
    "queryset_of_union": lambda: OBJECTS.filter(id=1).union(OBJECTS.filter(id=3)),
    "queryset_of_values": lambda: OBJECTS.order_by("id").values("title", "full"),
    "queryset_of_values_list": lambda: OBJECTS.order_by("id").values_list("full", "bits"),
    "queryset_reranked": lambda: OBJECTS.nearest("full", QUERY).rerank(3)[:2],
    "queryset_sliced": lambda: OBJECTS.order_by("id")[1:3],
}
ROWS: dict[str, Callable[[], Any]] = {
    "embedded_row": lambda: PickledText(id=1, text="a", embedding=VECTOR, embedding_hash="0" * 64),
    "outlier": lambda: dv.Outlier(row(), 0.5),
    "pair": lambda: dv.Pair(row(1), row(2), 0.25),
    "row": row,
    "row_annotated": lambda: with_distance(row()),
    "rows": lambda: [row(1), row(2)],
}
# From a database that holds row(1), row(2) and row(3).
READ: dict[str, Callable[[], Any]] = {
    "queryset_evaluated": lambda: evaluated(OBJECTS.order_by("id")),
    "row_deferred": lambda: OBJECTS.defer("full").get(id=1),
    "rows_nearest": lambda: list(OBJECTS.nearest("full", QUERY)[:2]),
    "rows_of_values": lambda: list(OBJECTS.order_by("id").values("title", "full", "sparse", "bits")),
}
DIAGNOSTICS: dict[str, Callable[[], Any]] = {
    "reason": lambda: dv.Reason("no-index", "problem", "remedy"),
    "recall": lambda: dv.Recall(0.98, 0.9, 10, 100, 1.5, 20.0, {"ef_search": 40}),
    "recommendation": lambda: dv.Recommendation({"ef_search": 40}, 0.98, True, (DIAGNOSTICS["recall"](),)),
    "search_plan": lambda: dv.SearchPlan(None, (dv.Reason("code", "problem", "remedy"),), "SCAN", "native"),
    "search_plan_of_an_index": lambda: dv.SearchPlan("vec0", (), "SEARCH"),
}
ERRORS: dict[str, Callable[[], Any]] = {
    "error_of_a_row": lambda: exceptions.at_row(dv.InvalidVector("not a vector"), 3),
    "errors": lambda: [each("what failed") for each in error_types()],
}
BY_NAME: dict[str, Callable[[], Any]] = {
    "public_names": lambda: {name: getattr(dv, name) for name in PUBLIC_NAMES},
    "types_of_expressions": lambda: [
        expressions.Combined,
        expressions.Expression,
        expressions.OrderBy,
        expressions.VectorDistance,
        expressions.VectorSimilarity,
    ],
}
# What dorm_vector exports in 9d7693a; more may come, and none of these may go.
PUBLIC_NAMES: list[str] = """
BinaryQuantize Bit BitField CastVector CosineDistance CosineSimilarity DimensionMismatch Element Embedder
EmbeddingError EmbeddingField GeneratedVectorField HalfPrecisionWarning HalfVector HalfVectorField HammingDistance
HnswIndex InDatabaseEmbedding IndexMissed IndexWouldWait InnerProduct InvalidVector IvfflatIndex JaccardDistance
L1Distance L2Distance L2Normalize MaxInnerProduct Metric Outlier Pair Reason Recall Recommendation SearchPlan
SparseVector SparseVectorField SqliteVecTier StaleEmbedding SubVector TextIndex UnsuitableDistance UnsuitableFunction
UnsupportedByDatabase Vec0Index Vector VectorAdd VectorAvg VectorConcat VectorDims VectorError VectorExtension
VectorField VectorManager VectorMul VectorNorm VectorQuerySet VectorSub VectorSum VectorsUnavailable
VectorsWouldBeLost abulk_load afind_duplicates ahybrid_search ameasure_recall aoutliers arecommend_search_options
areembed arerank as_embedder as_vector atext_search ato_matrix bulk_load find_duplicates hybrid_search
load_sqlite_vec_extension measure_recall mmr outliers recommend_search_options reembed rerank rich_progress
search_options sqlite_vec_tier text_search to_matrix tqdm_progress
""".split()  # noqa: SIM905  # a list of them fills a page
ALL = VALUES | DISTANCES | FUNCTIONS | AGGREGATES | PARTS | FIELDS | INDEXES | CONDITIONS | QUERYSETS | ROWS
ALL |= READ | DIAGNOSTICS | ERRORS | BY_NAME


def field(model: Any, name: str) -> Any:
    return model._meta.get_field(name)


def evaluated(queryset: Any) -> Any:
    assert len(queryset) == 3
    return queryset


def with_distance(made: Any) -> Any:
    made.distance = 0.25
    return made


def error_types() -> Iterator[type[Exception]]:
    """Yield every error and warning of 9d7693a."""
    for name in PUBLIC_NAMES:
        value = getattr(dv, name)
        if isinstance(value, type) and issubclass(value, Exception):
            yield value
