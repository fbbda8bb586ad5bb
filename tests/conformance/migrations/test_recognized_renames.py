"""``makemigrations`` recognizes what was renamed, and everything that was stored is there afterwards."""

from __future__ import annotations

import pytest

from tests.helpers.catalogue import indexes_of, tables_of
from tests.helpers.project import Project

MODELS = """
from dorm_vector import TextIndex


class Tag(dorm.Model):
    word = dorm.CharField(max_length=20)


class Item(dorm.Model):
    title = dorm.CharField(max_length=20, db_index=True)
    parent = dorm.ForeignKey("Item", on_delete=dorm.CASCADE, null=True)
    tags = dorm.ManyToManyField("Tag", related_name="items")
    alike = dorm.ManyToManyField("Item")
    pages = dorm.IntegerField(default=1)
    embedding = VectorField(dimensions=2)

    class Meta:
        constraints = [dorm.CheckConstraint(check=Q(pages__gte=0), name="item_check")]
        indexes = [
            HnswIndex(fields=["embedding"], name="item_hnsw", distance="l2"),
            Index(fields=["-pages", "title"]),
            Vec0Index(fields=["embedding"], name="item_vec0", distance="l2", metadata=["id"]),
            TextIndex(fields=["title"], name="item_text"),
        ]


class Note(dorm.Model):
    item = dorm.ForeignKey("Item", on_delete=dorm.CASCADE, related_name="notes")
    about = dorm.ManyToManyField("Item", related_name="mentions")
"""
RENAMED = [("pages", "leaves"), ("embedding", "vector")]
FILL = """
tag = Tag.objects.create(word="new")
for place in (1, 2, 3):
    item = Item.objects.create(title=f"word{place} common", embedding=[place, 0])
item.parent = Item.objects.get(pk=1)
item.save()
item.tags.add(tag)
item.alike.add(Item.objects.get(pk=1))
Note.objects.create(item=item).about.add(item)
"""
READ = """
from dorm_vector import text_search
rows = Item.objects.nearest("embedding", [2.9, 0])[:2]
item = rows[0]
note = Note.objects.get()
found = [row.title for row in text_search(Item, text="word2", text_fields=["title"], limit=1)]
print(item.title, item.parent.title, [tag.word for tag in item.tags.all()], [one.pk for one in item.alike.all()])
print(note.item.title, [one.pk for one in note.about.all()], found, [row.pk for row in Tag.objects.get().items.all()])
plan = rows.explain_search()
# A planner reads three rows with or without an index; what it would not say of one is that it is not built.
print([list(row.embedding) for row in rows], plan.index == "item_vec0", "not-built" in str(plan.reasons))
"""


@pytest.fixture
def project(empty_project: Project) -> Project:
    empty_project.begin(MODELS)
    empty_project.python(FILL)
    return empty_project


def migrated(project: Project, models: str, *options: str) -> str:
    """Make the migration of the models, apply it, and return it."""
    project.models(models)
    project.dorm("makemigrations", "shop", *options)
    project.dorm("migrate")
    assert "No changes detected" in project.dorm("makemigrations", "shop")
    return project.source(len(project.migrations()))


def renamed_index(model: str, old: str, new: str) -> str:
    return f"dorm_vector.RenameIndex(model_name={model!r}, old_name={old!r}, new_name={new!r}),"


def test_fields_models_and_tables_keep_what_they_hold(project: Project) -> None:
    kept = project.python(READ)
    assert kept.startswith("word3 common word1 common ['new'] [1]\nword3 common [3] ['word2 common'] [3]\n[[3.0, 0.0]")
    renamed = MODELS.replace("embedding", "vector")
    project.models(renamed)
    run = project.try_dorm("makemigrations", "shop")
    assert run.returncode == 1
    assert "Was the vector field Item.embedding renamed to vector? Nothing was written." in run.stderr
    assert len(project.migrations()) == 2
    renamed = renamed.replace("pages", "leaves")
    source = migrated(project, renamed, "--rename", "embedding=vector", "--rename", "pages=leaves")
    both = [f"RenameField(model_name='Item', old_name='{old}', new_name='{new}')," for old, new in RENAMED]
    both.append(renamed_index("Item", "idx_item_pages_title", "idx_item_leaves_title"))
    assert f"operations = [ {' '.join(both)} ]" in source
    assert project.python(READ.replace("embedding", "vector")) == kept

    products = renamed.replace("Item", "Product")
    source = migrated(project, products, "--rename", "Item=Product")
    assert "RenameModel(old_name='Item', new_name='Product')" in source
    assert renamed_index("Product", "idx_item_leaves_title", "idx_product_leaves_title") in source
    assert "AddIndex" not in source
    assert indexes_of(project.database, "shop_product")["idx_product_leaves_title"] == (["leaves", "title"], False)
    read = READ.replace("embedding", "vector").replace("Item", "Product")
    assert project.python(read) == kept

    goods = products.replace("class Meta:\n", 'class Meta:\n        db_table = "goods"\n')
    wider = goods.replace("    vector = ", "    weight = dorm.IntegerField(default=1)\n    vector = ", 1)
    source = migrated(project, wider)
    assert "AlterModelTable(name='Product', table='goods')" in source
    assert "RemoveField" not in source
    assert project.python(read) == kept
    assert project.python("print(Product.objects.create(title='x', vector=[0, 0]).pk)") == "4"
    refused = (
        "try: Product.objects.create(title='y', vector=[0, 0], leaves=-1)\nexcept dorm.IntegrityError: print('no')"
    )
    assert project.python(refused) == "no"
    assert any(columns == ["title"] for columns, _is_unique in indexes_of(project.database, "goods").values())

    project.dorm("migrate", "shop", "2")
    project.models(MODELS)
    project.python("Item.objects.get(pk=4).delete()")
    assert project.python(READ) == kept
    project.dorm("migrate", "shop", "zero")
    assert {table for table in tables_of(project.database) if table.startswith(("shop_", "goods"))} == set()


GENERATED = """
from dorm_vector import GeneratedVectorField, SubVector


class Item(dorm.Model):
    embedding = VectorField(dimensions=3)
    head = GeneratedVectorField(expression=SubVector("embedding", 1, 2), output_field=VectorField(dimensions=2))
"""


@pytest.mark.not_on(
    "turso", "libsql", "mysql", reason="they generate no vectors: tests/conformance/fields/test_columns.py"
)
def test_what_is_generated_from_a_renamed_field(empty_project: Project) -> None:
    project = empty_project
    project.begin(GENERATED)
    project.python("Item.objects.create(embedding=[1, 2, 3])")
    source = migrated(project, GENERATED.replace("embedding", "vector"), "--rename", "embedding=vector")
    assert "operations = [ RenameField(model_name='Item', old_name='embedding', new_name='vector'), ]" in source
    changed = "Item.objects.update(vector=[4, 5, 6]); print(*[list(item.head) for item in Item.objects.all()])"
    assert project.python(f"print(list(Item.objects.get().head)); {changed}") == "[1.0, 2.0]\n[4.0, 5.0]"
    project.dorm("migrate", "shop", "2")


ORDERS = """
import dorm


class Order(dorm.Model):
    item = dorm.ForeignKey("shop.Item", on_delete=dorm.CASCADE, null=True, related_name="orders")
    items = dorm.ManyToManyField("shop.Item", related_name="listed")
"""
SHOP = """
class Item(dorm.Model):
    title = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=2)
"""
ORDERED = """
from orders.models import Order
for order in Order.objects.all():
    print(order.item.title, [item.title for item in order.items.all()], list(order.item.embedding))
"""


def test_relations_of_another_app(empty_project: Project) -> None:
    project = empty_project
    apps = ["dorm_vector", "orders", "shop"]
    project.models(SHOP)
    project.install("orders", ORDERS, apps)
    project.dorm("makemigrations", "shop", "--enable-pgvector")
    project.dorm("makemigrations")
    project.dorm("migrate")
    fill = "item = Item.objects.create(title='a', embedding=[1, 2])\norder = Order.objects.create(item=item)\n"
    fill = f"from orders.models import Order\n{fill}order.items.add(item)\n"
    project.python(fill)
    kept = project.python(ORDERED)
    assert kept == "a ['a'] [1.0, 2.0]"
    project.models(SHOP.replace("Item", "Product"))
    (project.directory / "orders" / "models.py").write_text(ORDERS.replace("Item", "Product"))
    project.dorm("makemigrations", "shop", "--rename", "Item=Product")
    assert "No changes" in project.dorm("makemigrations", "orders")
    project.dorm("migrate")
    assert project.python(ORDERED) == kept
    # A new database, on which the other app's migrations run before or after the model is renamed.
    project.dorm("migrate", "orders", "zero")
    project.dorm("migrate", "orders")
    project.dorm("migrate", "orders", "zero")
    project.dorm("migrate", "shop", "zero")
    project.dorm("migrate")
    project.python(fill.replace("Item", "Product"))
    assert project.python(ORDERED) == kept
