"""A random model, and those around it: an owner, tags, a parent and parts; with indexes and companions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

KINDS = {
    "text": "dorm.CharField(max_length=40{})",
    "integer": "dorm.IntegerField({})",
    "float": "dorm.FloatField({})",
    "boolean": "dorm.BooleanField({})",
    "date": "dorm.DateField({})",
    "uuid": "dorm.UUIDField({})",
}
NAMES = {"text": "word", "integer": "number", "float": "price", "boolean": "flag", "date": "day", "uuid": "token"}
KEYS = {"auto": "", "text": "dorm.CharField(max_length=20{})", "uuid": "dorm.UUIDField({})"}
# The metrics of every kind of index on every database.
INDEXED = ("l2", "cosine")


@dataclass(frozen=True)
class Column:
    """An ordinary column: its kind is a key of KINDS."""

    kind: str
    null: bool = False
    indexed: bool = False
    renamed: bool = False

    def source(self, name: str) -> str:
        options = [*(["null=True"] * self.null), *(["db_index=True"] * self.indexed)]
        options += [f'db_column="{name}_c"'] * self.renamed
        return _field(KINDS[self.kind], options)


@dataclass(frozen=True)
class VectorColumn:
    """A column of vectors."""

    dimensions: int
    null: bool = False
    renamed: bool = False

    def source(self, name: str) -> str:
        options = [f"dimensions={self.dimensions}", *(["null=True"] * self.null)]
        options += [f'db_column="{name}_c"'] * self.renamed
        return f"VectorField({', '.join(options)})"


@dataclass(frozen=True)
class Relation:
    """A foreign key, or a relation to many."""

    target: str
    related: str
    many: bool = False
    null: bool = False

    def source(self, suffix: str) -> str:
        if self.many:
            return f'dorm.ManyToManyField("{self.target}{suffix}", related_name="{self.related}")'
        null = ", null=True" if self.null else ""
        return f'dorm.ForeignKey("{self.target}{suffix}", on_delete=dorm.CASCADE, related_name="{self.related}"{null})'


@dataclass(frozen=True)
class VectorIndex:
    """An index of the column ``embedding``."""

    kind: str
    metric: str
    partition_by: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    precision: str = ""

    def source(self, name: str) -> str:
        options = [f'["embedding"], "{name}", distance="{self.metric}"']
        options += [f'precision="{self.precision}"'] if self.precision else []
        options += [f"partition_by={list(self.partition_by)}"] if self.partition_by else []
        options += [f"metadata={list(self.metadata)}"] if self.metadata else []
        return f"{self.kind}({', '.join(options)})"


@dataclass(frozen=True)
class Table:
    """A model."""

    name: str
    key: str = "auto"
    columns: dict[str, Column] = field(default_factory=dict)
    vectors: dict[str, VectorColumn] = field(default_factory=dict)
    relations: dict[str, Relation] = field(default_factory=dict)
    indexes: tuple[VectorIndex, ...] = ()

    def source(self, suffix: str) -> str:
        lines = [f"id = {_field(KEYS[self.key], ['primary_key=True'])}"] if self.key != "auto" else []
        lines += [f"{name} = {column.source(name)}" for name, column in self.columns.items()]
        lines += [f"{name} = {column.source(name)}" for name, column in self.vectors.items()]
        lines += [f"{name} = {relation.source(suffix)}" for name, relation in self.relations.items()]
        name = f"{self.name}{suffix}".lower()
        indexes = [index.source(f"{name}_{at}") for at, index in enumerate(self.indexes)]
        lines += [
            "",
            "class Meta:",
            '    app_label = "tests"',
            *([f"    indexes = [{', '.join(indexes)}]"] if indexes else []),
        ]
        return "\n".join([f"class {self.name}{suffix}(dorm.Model):", *(f"    {line}".rstrip() for line in lines)])

    def metrics_of(self, vector: str) -> set[str]:
        return {index.metric for index in self.indexes} if vector == "embedding" else set()


@dataclass(frozen=True)
class Shape:
    """Models that refer to each other."""

    tables: tuple[Table, ...]

    def table(self, name: str) -> Table:
        return next(table for table in self.tables if table.name == name)

    def relations_of(self, name: str) -> dict[str, tuple[str, bool]]:
        """Return the model at the other end of each relation, in both directions, and whether it may be many rows."""
        found = {key: (relation.target, relation.many) for key, relation in self.table(name).relations.items()}
        for table in self.tables:
            found |= {one.related: (table.name, True) for one in table.relations.values() if one.target == name}
        return found

    def source(self, suffix: str) -> str:
        return "\n\n\n".join(table.source(suffix) for table in self.tables)


def _field(template: str, options: list[str]) -> str:
    listed = ", ".join(options)
    return template.format(f", {listed}" if listed and "(max" in template else listed)


# strategies

COLUMNS = st.builds(
    Column,
    st.sampled_from(list(KINDS)),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3).map(lambda number: number == 0),
)


@st.composite
def columns(draw: st.DrawFn, least: int = 1) -> dict[str, Column]:
    found = draw(st.lists(COLUMNS, min_size=least, max_size=4, unique_by=lambda column: column.kind))
    return {NAMES[column.kind]: column for column in found}


@st.composite
def vector_columns(draw: st.DrawFn, dimensions: int, least: int) -> dict[str, VectorColumn]:
    names = ["embedding", "other"][: draw(st.integers(least, 2))]
    return {name: VectorColumn(dimensions, draw(st.booleans()), draw(st.booleans())) for name in names}


@st.composite
def indexes(draw: st.DrawFn, held: dict[str, Column], vector: VectorColumn) -> tuple[VectorIndex, ...]:
    metric = draw(st.sampled_from(INDEXED))
    # A companion holds no NULL, and no booleans or dates to partition by.
    filters = [name for name, column in held.items() if not column.null and column.kind in ("text", "integer", "float")]
    keys = [name for name in filters if held[name].kind in ("text", "integer")]
    partition = draw(st.lists(st.sampled_from(keys), max_size=1)) if keys else []
    metadata = [name for name in filters if name not in partition and draw(st.booleans())]
    companion = VectorIndex("Vec0Index", metric, tuple(partition), tuple(metadata))
    choices: list[tuple[VectorIndex, ...]] = [(), (companion,)]
    if not vector.null:
        # MariaDB indexes no column that may be NULL.
        choices += [(VectorIndex("HnswIndex", metric),), (VectorIndex("HnswIndex", metric), companion)]
    return draw(st.sampled_from(choices))


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    dimensions = draw(st.integers(2, 4))
    held, vectors = draw(columns()), draw(vector_columns(dimensions, 1))
    relations: dict[str, Any] = {"owner": Relation("Owner", "items", null=draw(st.booleans()))}
    relations |= {"tags": Relation("Tag", "items", many=True)} if draw(st.booleans()) else {}
    relations |= {"parent": Relation("Item", "children", null=True)} if draw(st.booleans()) else {}
    keys = st.sampled_from(list(KEYS))
    key = draw(keys)
    if "tags" in relations and key == "uuid":
        key = "text"
    return Shape(
        (
            Table("Owner", draw(keys), draw(columns()), draw(vector_columns(dimensions, 0))),
            Table("Tag", "auto", draw(columns()), draw(vector_columns(dimensions, 0))),
            Table("Item", key, held, vectors, relations, draw(indexes(held, vectors["embedding"]))),
            Table(
                "Part",
                draw(keys),
                draw(columns()),
                draw(vector_columns(dimensions, 1)),
                {"item": Relation("Item", "parts", null=draw(st.booleans()))},
            ),
        )
    )
