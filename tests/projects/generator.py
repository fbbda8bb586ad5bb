"""Random projects, the same for a seed: models with relations of every kind, constraints, indexes and vectors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

CHARACTERS = 'dorm.CharField(max_length={size}, default="x"{options})'
NUMBER = "dorm.IntegerField(default=0{options})"
VECTOR = "VectorField(dimensions=3, default=[1, 2, 3])"


@dataclass(frozen=True)
class Model:
    """A model: its columns by name, its relations (kind, target, options), and the options of its Meta."""

    name: str
    columns: dict[str, str] = field(default_factory=dict)
    relations: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)
    is_stamped: bool = False

    def source(self) -> str:
        lines = [f"    {name} = {column}" for name, column in self.columns.items()]
        lines += [
            f'    {name} = dorm.{kind}("{target}"{options})' for name, (kind, target, options) in self.relations.items()
        ]
        meta = [f"        {name} = [{', '.join(values)}]" for name, values in self.options.items() if values]
        base = "Stamped" if self.is_stamped else "dorm.Model"
        body = [*lines, *(["", "    class Meta:", *meta] if meta else [])]
        return f"class {self.name}({base}):\n" + "\n".join(body) + "\n"


STAMPED = """class Stamped(dorm.Model):
    stamp = dorm.IntegerField(default=0, db_index=True)

    class Meta:
        abstract = True
        indexes = [Index(fields=["-stamp"], name="stamped")]

"""


def source_of(models: list[Model]) -> str:
    """Return the module of these models."""
    return STAMPED + "\n".join(model.source() for model in models)


class Generator:
    """Makes a project from a seed, and changes it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # to be the same again, not to be secret
        self.made = 0
        self.renamed_models: dict[str, str] = {}
        self.renamed_fields: dict[str, dict[str, str]] = {}  # by the new name of the model

    @property
    def answers(self) -> list[str]:
        """Return the options of ``makemigrations`` that say what was renamed."""
        pairs = [f"{old}={new}" for old, new in self.renamed_models.items()]
        pairs += [f"{model}.{old}={new}" for model, names in self.renamed_fields.items() for old, new in names.items()]
        return ["--no-rename", *(option for pair in pairs for option in ("--rename", pair))]

    def models(self) -> list[Model]:
        names = [f"Thing{number}" for number in range(self.random.randint(2, 8))]
        return [self._model(name, names) for name in names]

    def changed(self, models: list[Model]) -> list[Model]:
        """Return the models with some of them changed: columns, relations, options; one may come and one may go."""
        found = [self._once_changed(model, models) if self.random.random() < 0.6 else model for model in models]
        if len(found) > 2 and self.random.random() < 0.4:
            found = self._without(self.random.choice(found).name, found)
        if self.random.random() < 0.3:
            found = self._with_renamed_model(self.random.choice(found).name, found)
        if self.random.random() < 0.4:
            self.made += 1
            found.append(self._model(f"Later{self.made}", [model.name for model in found]))
        self._forget_what_went(found)
        return found

    def _model(self, name: str, names: list[str]) -> Model:
        columns = {"name": CHARACTERS.format(size=40, options=self._maybe(", db_index=True"))}
        columns |= {f"number{place}": self._number() for place in range(self.random.randint(1, 3))}
        if self.random.random() < 0.4:
            columns["embedding"] = VECTOR
        relations = {}
        for _ in range(self.random.randint(0, 3)):
            field_name, relation = self._relation(self.random.choice(names))
            relations[field_name] = relation
        return Model(name, columns, relations, self._options(name, columns, relations), self.random.random() < 0.3)

    def _number(self) -> str:
        return NUMBER.format(options=self._maybe(", db_index=True") + self._maybe(f', db_column="n{self._next()}"'))

    def _relation(self, target: str) -> tuple[str, tuple[str, str, str]]:
        number = self._next()
        kind = self.random.choice(["ForeignKey", "ForeignKey", "OneToOneField", "ManyToManyField"])
        related = f', related_name="back{number}"'
        if kind == "ManyToManyField":
            return f"many{number}", (kind, target, related)
        delete = self.random.choice(["CASCADE", "SET_NULL", "PROTECT"])
        index = self._maybe(", db_index=True") if kind == "ForeignKey" else ""
        return f"to{number}", (kind, target, f", on_delete=dorm.{delete}, null=True{related}{index}")

    def _options(
        self, name: str, columns: dict[str, str], relations: dict[str, tuple[str, str, str]]
    ) -> dict[str, list[str]]:
        plain = [*columns, *(key for key, (kind, *_rest) in relations.items() if kind != "ManyToManyField")]
        plain = [column for column in plain if column != "embedding"]
        options: dict[str, list[str]] = {"indexes": [], "constraints": [], "unique_together": []}
        if self.random.random() < 0.5:
            options["indexes"].append(f'Index(fields=["{self.random.choice(plain)}"], name="{name}_i{self._next()}")')
        if "embedding" in columns and self.random.random() < 0.7:
            options["indexes"].append(f'HnswIndex(fields=["embedding"], name="{name}_v{self._next()}", distance="l2")')
        if self.random.random() < 0.4:
            options["unique_together"].append(repr(("name", "number0")))
        if self.random.random() < 0.4:
            check = f'Q(number0__gte=-{self.random.randint(1, 9)}) | Q(name="x")'
            options["constraints"].append(f'dorm.CheckConstraint(check={check}, name="{name}_c{self._next()}")')
        keys = [key for key, (kind, *_rest) in relations.items() if kind == "ForeignKey"]
        if keys and self.random.random() < 0.5:
            fields = [self.random.choice(keys), "name"]
            options["constraints"].append(f'dorm.UniqueConstraint(fields={fields}, name="{name}_u{self._next()}")')
        return options

    def _once_changed(self, model: Model, models: list[Model]) -> Model:
        return self._with_renamed_field(model) if self.random.random() < 0.2 else self._changed(model, models)

    def _changed(self, model: Model, models: list[Model]) -> Model:
        columns, relations = dict(model.columns), dict(model.relations)
        change = self.random.choice(["wider", "added", "removed", "related", "unrelated", "options", "nullable"])
        if change == "wider":
            columns["name"] = CHARACTERS.format(size=90, options=self._maybe(", db_index=True"))
        elif change == "added":
            columns[f"number{self._next()}"] = self._number()
        elif change == "removed":
            columns.pop("number1", None)
        elif change == "related":
            field_name, relation = self._relation(self.random.choice(models).name)
            relations[field_name] = relation
        elif change == "unrelated" and relations:
            relations.pop(self.random.choice(list(relations)))
        elif change == "nullable":
            columns["number0"] = NUMBER.format(options=", null=True")
        options = self._kept(model, columns, relations)
        if change == "options":
            options = self._options(model.name, columns, relations)
        return replace(model, columns=columns, relations=relations, options=options)

    def _forget_what_went(self, models: list[Model]) -> None:
        """Keep the renames of the fields that are still there: a model may have gone since, or a relation with it."""
        kept = {model.name: {*model.columns, *model.relations} for model in models}
        self.renamed_fields = {
            name: {old: new for old, new in names.items() if new in kept[name]}
            for name, names in self.renamed_fields.items()
            if name in kept
        }

    def _with_renamed_field(self, model: Model) -> Model:
        names = [name for name in [*model.columns, *model.relations] if name not in ("name", "number0")]
        if not names:
            return model
        old, new = self.random.choice(names), f"renamed{self._next()}"
        self.renamed_fields.setdefault(model.name, {})[old] = new
        columns = {new if name == old else name: column for name, column in model.columns.items()}
        relations = {new if name == old else name: relation for name, relation in model.relations.items()}
        options = {option: [_renamed(value, old, new) for value in values] for option, values in model.options.items()}
        return replace(model, columns=columns, relations=relations, options=options)

    def _with_renamed_model(self, old: str, models: list[Model]) -> list[Model]:
        new = f"Renamed{self._next()}"
        self.renamed_models[old] = new
        if old in self.renamed_fields:
            self.renamed_fields[new] = self.renamed_fields.pop(old)
        found = []
        for model in models:
            relations = {
                name: (kind, new if target == old else target, rest)
                for name, (kind, target, rest) in model.relations.items()
            }
            found.append(replace(model, name=new if model.name == old else model.name, relations=relations))
        return found

    def _kept(
        self, model: Model, columns: dict[str, str], relations: dict[str, tuple[str, str, str]]
    ) -> dict[str, list[str]]:
        gone = [name for name in [*model.columns, *model.relations] if name not in columns and name not in relations]
        quoted = [quote + name + quote for name in gone for quote in "'\""]
        return {
            option: [value for value in values if not any(name in value for name in quoted)]
            for option, values in model.options.items()
        }

    def _without(self, name: str, models: list[Model]) -> list[Model]:
        found = []
        for model in models:
            relations = {key: relation for key, relation in model.relations.items() if relation[1] != name}
            if model.name != name:
                kept = self._kept(model, model.columns, relations)
                found.append(replace(model, relations=relations, options=kept))
        return found

    def _maybe(self, text: str) -> str:
        return text if self.random.random() < 0.4 else ""

    def _next(self) -> int:
        self.made += 1
        return self.made


def _renamed(value: str, old: str, new: str) -> str:
    for quote in "'\"":
        value = value.replace(f"{quote}{old}{quote}", f"{quote}{new}{quote}")
    return value
