"""Every form of an index that a model can declare: what it is built as, which searches it serves, how well."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dorm
import numpy as np
import pytest
from dorm import Q
from dorm.migrations.operations import AddIndex, RemoveIndex
from dorm.migrations.state import ProjectState

from dorm_vector import (
    BitField,
    CosineDistance,
    HalfPrecisionWarning,
    HalfVectorField,
    HammingDistance,
    HnswIndex,
    IvfflatIndex,
    JaccardDistance,
    L1Distance,
    L2Distance,
    MaxInnerProduct,
    Metric,
    SparseVectorField,
    UnsupportedByDatabase,
    VectorField,
)
from tests.conformance.inside import Unsupported
from tests.databases import Database, create_tables
from tests.helpers.clusters.index_plans import only_indexes, serves
from tests.helpers.oracle import vectors
from tests.helpers.real_data import asked, packages

SIZE, ROWS = 16, 2000
DISTANCES = {
    Metric.L2: L2Distance,
    Metric.COSINE: CosineDistance,
    Metric.INNER_PRODUCT: MaxInnerProduct,
    Metric.L1: L1Distance,
    Metric.HAMMING: HammingDistance,
    Metric.JACCARD: JaccardDistance,
}
COLUMNS = {
    "full": [Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT, Metric.L1],
    "half": [Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT, Metric.L1],
    "sparse": [Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT, Metric.L1],
    "bits": [Metric.HAMMING, Metric.JACCARD],
}
IVFFLAT = {Metric.L2, Metric.COSINE, Metric.INNER_PRODUCT, Metric.HAMMING}
STORED, QUERY = vectors(ROWS, SIZE), vectors(1, SIZE, seed=8)[0]
BITS = ["".join(random.Random(seed).choices("01", k=SIZE)) for seed in range(ROWS)]

# One index a table, on NOT NULL float32 columns: what it refuses is in test_index_migrations.py.
pytestmark = pytest.mark.not_on("mariadb", reason="it builds one form of index")


class Form(dorm.Model):
    """A column of every element type, none of them with an index."""

    active = dorm.BooleanField(default=False)
    full = VectorField(dimensions=SIZE)
    half = HalfVectorField(dimensions=SIZE)
    sparse = SparseVectorField(dimensions=SIZE)
    bits = BitField(length=SIZE)

    class Meta:
        app_label = "tests"


class Wide(dorm.Model):
    """More dimensions than every index takes."""

    w2500 = VectorField(dimensions=2500, null=True)
    w4001 = VectorField(dimensions=4001, null=True)
    half = HalfVectorField(dimensions=4001, null=True)
    bits = BitField(length=64_001, null=True)

    class Meta:
        app_label = "tests"


def analyze(database: Database, table: str) -> None:
    if database.dialect.planning.analyze:
        database.connection.execute_script(database.dialect.planning.analyze.format(table=table))


@pytest.fixture(scope="module")
def forms(database: Database) -> Iterator[Database]:
    create_tables(database.connection, (Form,))
    made = [
        Form(active=n % 20 == 0, full=vector, half=vector, sparse=vector, bits=bits)
        for n, (vector, bits) in enumerate(zip(STORED, BITS, strict=True))
    ]
    for start in range(0, ROWS, 500):
        Form.objects.bulk_create(made[start : start + 500])
    analyze(database, "tests_form")
    yield database
    database.connection.execute_script('DROP TABLE "tests_form"')


@contextmanager
def built(database: Database, *indexes: Any, model: Any = Form) -> Iterator[None]:
    """Build the indexes as a migration does, and declare them on the model."""
    state = ProjectState.from_apps()
    for index in indexes:
        AddIndex(model.__name__, index).database_forwards("tests", database.connection, state, state)
    model._meta.indexes = list(indexes)
    try:
        yield
    finally:
        model._meta.indexes = []
        for index in indexes:
            RemoveIndex(model.__name__, index).database_forwards("tests", database.connection, state, state)


def is_built(database: Database, kind: str) -> bool:
    """Tell whether searches use such an index, unasked."""
    return database.dialect.is_approximate and not isinstance(database.dialect.indexes[kind], Unsupported)


def query_for(column: str) -> Any:
    return BITS[0] if column == "bits" else QUERY


def nearest(column: str, metric: Metric) -> Any:
    distance = DISTANCES[metric](column, query_for(column))
    return Form.objects.annotate(distance=distance).order_by("distance")


def assert_serves(database: Database, queryset: Any, name: str, kind: str = "hnsw") -> None:
    assert serves(database, queryset, name) is is_built(database, kind), queryset.explain()


# opclasses

ALL_FORMS = [
    (kind, column, metric)
    for column, metrics in COLUMNS.items()
    for metric in metrics
    for kind in ("hnsw", "ivfflat")
    if kind == "hnsw" or (metric in IVFFLAT and column != "sparse")
]
CLASSES = {"hnsw": HnswIndex, "ivfflat": IvfflatIndex}


@pytest.mark.parametrize("kind, column, metric", ALL_FORMS, ids=str)
def test_an_index_of_every_element_and_distance_serves(forms: Database, kind: str, column: str, metric: Metric) -> None:
    index = CLASSES[kind]([column], "form_index", distance=metric.value)
    with built(forms, index):
        assert_serves(forms, nearest(column, metric)[:10], "form_index", kind)
    assert not forms.dialect.uses_index(nearest(column, metric)[:10].explain(), "form_index")


@pytest.mark.parametrize("column, metric", [("half", "cosine"), ("sparse", "l1"), ("bits", "jaccard")])
def test_the_opclass_of_the_column_means_the_same(forms: Database, column: str, metric: str) -> None:
    by_distance = HnswIndex([column], "form_index", distance=metric)
    element = Form._meta.get_field(column).element.value
    by_opclass = HnswIndex([column], "form_index", opclass=f"{element}_{metric}_ops")
    assert by_distance == by_opclass
    assert hash(by_distance) == hash(by_opclass)
    statements = [
        index.statements(forms.dialect, "i", "t", "c", field=Form._meta.get_field(column))
        for index in (by_distance, by_opclass)
    ]
    assert statements[0] == statements[1]


# declarations


@pytest.mark.parametrize(
    "index, message",
    [
        (
            HnswIndex(["bits"], "i", opclass="vector_l2_ops"),
            r"HnswIndex on Wrong\.bits: bit has no l2 index\. Use distance='hamming' or distance='jaccard'\.",
        ),
        (
            HnswIndex(["half"], "i", opclass="vector_cosine_ops"),
            r"opclass='vector_cosine_ops'\) on Wrong\.half: it holds halfvec\. Use 'halfvec_cosine_ops', or d",
        ),
        (
            HnswIndex(["full"], "i", distance="hamming"),
            r"on Wrong\.full: vector has no hamming index\. Use distance='l2'",
        ),
        (IvfflatIndex(["sparse"], "i"), r"IvfflatIndex on Wrong\.sparse: sparsevec has no l2 index\. Use none\."),
        (HnswIndex(["half"], "i", precision="half"), r"\(precision='half'\) on Wrong\.half: halfvec needs none\."),
        (
            HnswIndex(["full"], "i", dimensions=4),
            r"\(dimensions=4\) on Wrong\.full: want fewer than the 4 of a VectorField",
        ),
        (HnswIndex(["sparse"], "i", dimensions=2), r"\(dimensions=2\) on Wrong\.sparse: want fewer than"),
    ],
)
def test_an_index_that_is_none_for_its_field_is_refused_with_the_model(index: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):

        class Wrong(dorm.Model):
            full = VectorField(dimensions=4)
            half = HalfVectorField(dimensions=4)
            sparse = SparseVectorField(dimensions=4)
            bits = BitField(length=4)

            class Meta:
                managed = False
                indexes = [index]


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: HnswIndex(["a"], precision="float8"),
            r"\(precision='float8'\): want one of half, bit, int8, or leave it out\.",
        ),
        (
            lambda: IvfflatIndex(["a"], precision="int8"),
            r"\(precision='int8'\): want one of half, bit, or leave it out\.",
        ),
        (
            lambda: HnswIndex(["a"], precision="int8", dimensions=8),
            r"\(precision='int8', dimensions=8\): it holds all dimensions\. Leave one out\.",
        ),
        (
            lambda: HnswIndex(["a"], precision="half", distance="hamming"),
            r"want one of l2, cosine, inner_product, l1\.",
        ),
        (
            lambda: HnswIndex(["a"], "i", "vector_l2_ops", precision="half"),
            r"want one of halfvec_l2_ops, halfvec_cosine",
        ),
        (lambda: HnswIndex(["a"], dimensions=0), r"\(dimensions=0\): want a whole number from 1 to 64000\."),
        (
            lambda: IvfflatIndex(["a"], lists="many"),
            r"""\(lists='many'\): want a whole number from 1 to 32768, or "auto"\.""",
        ),
        (lambda: IvfflatIndex(["a"], "i", "bit_jaccard_ops"), r"want one of vector_l2_ops, .*, bit_hamming_ops\."),
        (
            lambda: HnswIndex(["a"], build_options={"work_mem": "1GB"}),
            r"'work_mem' is none\. It takes maintenance_work_mem and",
        ),
        (
            lambda: HnswIndex(["a"], build_options={"maintenance_work_mem": 64}),
            r"""want a size such as "64MB" or "8GB"\.""",
        ),
        (
            lambda: HnswIndex(["a"], build_options={"max_parallel_maintenance_workers": 2000}),
            r"want a whole number from 0 to 1024\.",
        ),
    ],
)
def test_a_wrong_argument_is_refused_at_definition(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_what_means_the_same_is_the_same_index() -> None:
    same = HnswIndex(["a"], "i", distance="cosine")
    for other in (
        HnswIndex(["a"], "i", "vector_cosine_ops"),
        HnswIndex(["a"], "i", "halfvec_cosine_ops"),
        HnswIndex(["a"], "i", distance="cosine", build_options={"maintenance_work_mem": "1GB"}),
    ):
        assert same == other
    for other in (
        HnswIndex(["a"], "i"),
        HnswIndex(["a"], "i", distance="cosine", precision="half"),
        HnswIndex(["a"], "i", distance="cosine", dimensions=4),
        HnswIndex(["a"], "i", distance="cosine", condition=Q(active=True)),
    ):
        assert same != other


# limits


@pytest.mark.parametrize(
    "index, message",
    [
        (
            HnswIndex(["w4001"], "i"),
            (
                r"Wide\.w4001 has 4,001 dimensions; an hnsw index of PostgreSQL takes up to 2,000 as vector\. Choose: "
                r'index one bit of each number, precision="bit", up to 64,000; .*, dimensions=512; or store fewer\.'
            ),
        ),
        (HnswIndex(["w4001"], "i", precision="half"), r"takes up to 4,000 as halfvec\. Choose: index one bit"),
        (IvfflatIndex(["half"], "i"), r"an ivfflat index of PostgreSQL takes up to 4,000 as halfvec"),
        (HnswIndex(["bits"], "i", distance="hamming"), r"takes up to 64,000 as bit\. Store fewer\."),
    ],
)
def test_past_the_limit_is_refused_with_the_remedy(db: Database, index: Any, message: str) -> None:
    if not is_built(db, index.kind):
        create_tables(db.connection, (Wide,))
        with built(db, index, model=Wide):
            pass
        db.connection.execute_script('DROP TABLE "tests_wide"')
        return
    with pytest.raises(UnsupportedByDatabase, match=message), built(db, index, model=Wide):
        pass


def test_the_limits_are_those_of_the_server(db: Database) -> None:
    rules = db.dialect.index_rules
    for element, limit in rules.max_dimensions.items():
        opclass = "bit_hamming_ops" if element.value == "bit" else f"{element.value}_l2_ops"
        for dimensions, fits in ((limit, True), (limit + 1, False)):
            script = (
                f"CREATE TEMPORARY TABLE limits (e {element.value}({dimensions}));"
                f" CREATE INDEX ON limits USING hnsw (e {opclass}); DROP TABLE limits"
            )
            if fits:
                db.connection.execute_script(script)
                continue
            with pytest.raises(Exception, match="cannot have more than"):
                db.connection.execute_script(script)


# half precision


def test_a_half_index_serves_by_itself(forms: Database) -> None:
    index = HnswIndex(["full"], "half_index", distance="cosine", precision="half")
    exact = sorted(nearest("full", Metric.COSINE), key=lambda row: row.distance)
    with built(forms, index):
        ranked = nearest("full", Metric.COSINE)
        for queryset in (
            ranked[:10],
            ranked[5:10],
            ranked.values_list("pk", flat=True)[:10],
            Form.objects.order_by(CosineDistance("full", QUERY))[:10],
            Form.objects.nearest("full", QUERY)[:10],
            Form.objects.nearest("full", Form.objects.order_by("pk").first())[:10],
        ):
            assert_serves(forms, queryset, "half_index")
        for queryset in (nearest("full", Metric.L2)[:10], ranked, Form.objects.nearest("full", QUERY, exact=True)[:10]):
            assert not forms.dialect.uses_index(queryset.explain(), "half_index")
        found = {row.pk: row.distance for row in Form.objects.nearest("full", QUERY)[:10]}
        assert len(found.keys() & {row.pk for row in exact[:10]}) >= 9
        known = {row.pk: row.distance for row in exact}
        assert all(distance == known[pk] for pk, distance in found.items()), "the projected distance stays exact"


def test_a_question_past_a_half_is_answered_exactly(forms: Database) -> None:
    far = [70_000.0, *QUERY[1:]]
    with built(forms, HnswIndex(["full"], "half_index", precision="half")):
        assert_serves(forms, Form.objects.nearest("full", QUERY)[:3], "half_index")
        # Rows as far as each other come in any order.
        assert [row.distance for row in Form.objects.nearest("full", far)[:3]] == [
            row.distance for row in Form.objects.nearest("full", far, exact=True)[:3]
        ]


def test_a_full_index_goes_before_a_half_one(forms: Database) -> None:
    half = HnswIndex(["full"], "half_index", distance="cosine", precision="half")
    with built(forms, half, HnswIndex(["full"], "full_index", distance="cosine")):
        assert_serves(forms, nearest("full", Metric.COSINE)[:10], "full_index")


@contextmanager
def noticed(message: str) -> Iterator[None]:
    with pytest.warns(HalfPrecisionWarning, match=message):
        yield


def test_between_2001_and_4000_dimensions_half_is_chosen_with_a_notice(db: Database) -> None:
    create_tables(db.connection, (Wide,))
    index = HnswIndex(["w2500"], "wide_index", distance="l2")
    rows = [[(n * 31 + d) % 97 / 97 for d in range(2500)] for n in range(300)]
    Wide.objects.bulk_create([Wide(w2500=row) for row in rows])
    try:
        if not is_built(db, "hnsw"):
            with built(db, index, model=Wide):
                assert len(Wide.objects.nearest("w2500", rows[0])[:3]) == 3
            return
        with noticed(r"holds the 2,500 dimensions of Wide\.w2500 in half precision"), built(db, index, model=Wide):
            db.connection.execute_script('ANALYZE "tests_wide"')
            nearest_rows = Wide.objects.nearest("w2500", rows[0])[:3]
            with only_indexes(db):
                assert db.dialect.uses_index(nearest_rows.explain(), "wide_index")
            assert next(iter(nearest_rows)).distance == 0
    finally:
        db.connection.execute_script('DROP TABLE "tests_wide"')


# shortlists


@pytest.fixture(scope="module")
def real(database: Database) -> Iterator[Database]:
    create_tables(database.connection, (Text,))
    made = [Text(share=n % 100, embedding=vector) for n, vector in enumerate(packages().embeddings)]
    for start in range(0, len(made), 500):
        Text.objects.bulk_create(made[start : start + 500])
    analyze(database, "tests_text")
    yield database
    database.connection.execute_script('DROP TABLE "tests_text"')


class Text(dorm.Model):
    """The 2,000 packages of the quickstart."""

    share = dorm.IntegerField()
    embedding = VectorField(dimensions=384)

    class Meta:
        app_label = "tests"


def exact_neighbours(vector: Any, count: int, share: int = 100) -> list[int]:
    """Return the numbers, from 1, of the nearest packages by cosine distance among those below the share."""
    every = packages().embeddings.astype(np.float64)
    similarity = every @ np.asarray(vector, dtype=np.float64) / np.linalg.norm(every, axis=1)
    order = [int(n) for n in np.argsort(-similarity, kind="stable") if n % 100 < share]
    return order[:count]


def recall(queryset_of: Any, share: int = 100, *, approximate: bool = True) -> float:
    first = Text.objects.order_by("pk")[0].pk
    hits, vectors = 0, asked().embeddings[: None if approximate else 2]
    for vector in vectors:
        found = {row.pk - first for row in queryset_of(vector)[:10]}
        assert len(found) == 10
        hits += len(found & set(exact_neighbours(vector, 10, share)))
    return hits / (10 * len(vectors))


BITWISE = HnswIndex(["embedding"], "text_bits", distance="cosine", precision="bit")
FIRST_256 = HnswIndex(["embedding"], "text_first", distance="cosine", dimensions=256)


@pytest.mark.parametrize("index, shortlist, wanted", [(BITWISE, 200, 0.95), (BITWISE, 20, 0.6), (FIRST_256, 50, 0.9)])
def test_a_shortlist_is_ranked_exactly(real: Database, index: Any, shortlist: int, wanted: float) -> None:
    with built(real, index, model=Text):
        analyze(real, "tests_text")

        def search(vector: Any) -> Any:
            return Text.objects.nearest("embedding", vector).rerank(shortlist)

        is_table = index.on(real.dialect) is not index
        if is_table:
            assert search(asked().embeddings[0])[:10].explain_search().index == index.name
        else:
            assert_serves(real, search(asked().embeddings[0])[:10], index.name)
        # Two questions tell as much as all where every search is exact, and may read every row in SQL.
        found = partial(recall, approximate=is_built(real, index.kind))
        assert found(search) >= wanted
        assert found(lambda vector: search(vector).filter(share__lt=10), share=10) >= wanted
        rows = list(search(asked().embeddings[1])[:10])
        distances = [row.distance for row in rows]
        assert distances == sorted(distances)
        again = Text.objects.annotate(d=CosineDistance("embedding", asked().embeddings[1])).get(pk=rows[3].pk)
        assert rows[3].distance == again.d
        near = search(asked().embeddings[1])
        assert len(near.filter(pk__in=[rows[0].pk])[:5]) == 1, "no more rows than there are"
        if real.dialect.planning.shard_count:
            # Where bits are equally near, the shortlist has those of the shard that answered first.
            return
        assert [row.pk for row in near[4:8]] == [row.pk for row in rows[4:8]]
        values = near.values_list("pk", "distance")[:3]
        assert list(values) == [(row.pk, row.distance) for row in rows[:3]]
        bounded = Text.objects.nearest("embedding", asked().embeddings[1], max_distance=distances[2]).rerank(shortlist)
        assert [row.pk for row in bounded[:10]] == [row.pk for row in rows[:3]]


async def test_a_shortlist_is_async_too(real: Database) -> None:
    with built(real, BITWISE, model=Text):
        queryset = Text.objects.nearest("embedding", asked().embeddings[0]).rerank(200)
        assert [row.pk async for row in queryset[:5]] == [row.pk for row in queryset[:5]]


def test_a_shortlist_is_one_statement(real: Database) -> None:
    with built(real, BITWISE, model=Text):
        sql, _params = (
            Text.objects.nearest("embedding", asked().embeddings[0]).rerank(200)[:10]._query.as_select(real.connection)
        )
        assert (" <~> " in sql and "LIMIT 200" in sql) is is_built(real, "hnsw")


def test_a_shortlist_needs_an_index_of_its_own(real: Database) -> None:
    vector = asked().embeddings[0]
    with pytest.raises(ValueError, match=r"rerank\(\) ranks what nearest\(\) finds"):
        Text.objects.rerank(100)
    with pytest.raises(ValueError, match=r"Text\.embedding has no small index for the distance l2\. It has none\."):
        Text.objects.nearest("embedding", vector).rerank(100)
    with built(real, BITWISE, FIRST_256, model=Text):
        found = Text.objects.nearest("embedding", vector)
        with pytest.raises(ValueError, match=r"finds text_bits and text_first: choose, index="):
            found.rerank(100)
        with pytest.raises(ValueError, match=r"no small index for the distance l2\. It has text_bits \(cosine\), text"):
            Text.objects.nearest("embedding", vector, distance="l2").rerank(100)
        with pytest.raises(ValueError, match=r"rerank\(shortlist=0\): want a whole number of rows, at least 1"):
            found.rerank(0)
        with only_indexes(real):
            assert_serves(real, found.rerank(100, index="text_first")[:10], "text_first")
        assert len(Text.objects.filter(pk__in=found.rerank(100, index="text_bits")[:10])) == 10


# partial


def test_a_partial_index_serves_a_filter_that_implies_it(forms: Database) -> None:
    ranked = nearest("full", Metric.COSINE)
    for precision in (None, "half"):
        index = HnswIndex(["full"], "part", distance="cosine", precision=precision, condition=Q(active=True))
        with built(forms, index), only_indexes(forms):
            for queryset in (ranked.filter(active=True), ranked.filter(Q(active=True), pk__gt=0)):
                assert_serves(forms, queryset[:10], "part")
            for queryset in (ranked, ranked.filter(active=False)):
                assert not forms.dialect.uses_index(queryset[:10].explain(), "part")


def test_a_generic_plan_knows_no_partial_index(forms: Database) -> None:
    if not is_built(forms, "hnsw"):
        return
    with built(forms, HnswIndex(["full"], "part", distance="cosine", condition=Q(active=True))), only_indexes(forms):
        forms.connection.execute_script(
            'PREPARE part (boolean, vector) AS SELECT id FROM "tests_form"'
            ' WHERE active = $1 ORDER BY "full" <=> $2 LIMIT 5'
        )
        for mode, expected in (("force_custom_plan", True), ("force_generic_plan", False)):
            forms.connection.execute_script(f"SET LOCAL plan_cache_mode = {mode}")
            plan = forms.connection.execute(f"EXPLAIN EXECUTE part (true, '{list(QUERY)}')")
            assert forms.dialect.uses_index("\n".join(row["QUERY PLAN"] for row in plan), "part") is expected
        forms.connection.execute_script("DEALLOCATE part")


# how it is built


def settings_of(database: Database) -> list[str]:
    names = ("maintenance_work_mem", "max_parallel_maintenance_workers")
    return [database.connection.execute(f"SELECT current_setting('{name}') AS value")[0]["value"] for name in names]


def test_build_options_hold_for_the_build_alone(forms: Database) -> None:
    options = {"maintenance_work_mem": "77MB", "max_parallel_maintenance_workers": 0}
    index = HnswIndex(["full"], "built", build_options=options)
    if not is_built(forms, "hnsw"):
        with built(forms, index):
            return
    forms.connection.execute_script(RECORDER)
    try:
        with forms.connection.atomic():
            before = settings_of(forms)
            with built(forms, index):
                assert settings_of(forms) == before
                seen = forms.connection.execute("SELECT * FROM built_under")
        assert [(row["memory"], row["workers"]) for row in seen] == [("77MB", "0")]
        assert settings_of(forms) == before
    finally:
        forms.connection.execute_script("DROP EVENT TRIGGER recorder; DROP FUNCTION recorder(); DROP TABLE built_under")


RECORDER = """
CREATE TABLE built_under (memory text, workers text);
CREATE FUNCTION recorder() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO built_under
    VALUES (current_setting('maintenance_work_mem'), current_setting('max_parallel_maintenance_workers'));
END $$;
CREATE EVENT TRIGGER recorder ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION recorder();
"""


def test_a_failed_build_leaves_the_settings(forms: Database) -> None:
    if not is_built(forms, "hnsw"):
        return
    before = settings_of(forms)
    index = HnswIndex(["full"], "x" * 10, build_options={"maintenance_work_mem": "77MB"})
    state = ProjectState.from_apps()
    state.models["tests.form"]["options"]["db_table"] = "no_such_table"
    with forms.connection.atomic():
        with pytest.raises(Exception, match="no_such_table"):
            AddIndex("Form", index).database_forwards("tests", forms.connection, state, state)
        assert settings_of(forms) == before


@pytest.mark.parametrize(
    "rows, lists", [(0, 1), (999, 1), (2_000, 2), (1_000_000, 1000), (4_000_000, 2000), (2**40, 32768)]
)
def test_auto_lists(rows: int, lists: int) -> None:
    assert IvfflatIndex(["a"], lists="auto").parameters(rows) == {"lists": lists}
    assert IvfflatIndex(["a"], lists=7).parameters(rows) == {"lists": 7}


def test_auto_lists_are_counted_when_it_is_built(forms: Database) -> None:
    for condition, lists in ((None, 2), (Q(active=True), 1)):
        with built(forms, IvfflatIndex(["full"], "auto", lists="auto", condition=condition)):
            if is_built(forms, "ivfflat"):
                (row,) = forms.connection.execute("SELECT indexdef AS sql FROM pg_indexes WHERE indexname = 'auto'")
                assert f"lists='{lists}'" in row["sql"]
