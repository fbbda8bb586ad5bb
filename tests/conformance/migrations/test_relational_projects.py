"""Ordinary models with relations through the real command: what is declared is what the database has and enforces."""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.catalogue import indexes_of, tables_of
from tests.helpers.project import Project

DESK = """
class Team(dorm.Model):
    name = dorm.CharField(max_length=40, unique=True)

class Customer(dorm.Model):
    name = dorm.CharField(max_length=40, db_index=True)
    parent = dorm.ForeignKey("self", on_delete=dorm.CASCADE, null=True, related_name="children")

class Tag(dorm.Model):
    label = dorm.CharField(max_length=40)
    team = dorm.ForeignKey("Team", on_delete=dorm.CASCADE, null=True)

class Ticket(dorm.Model):
    customer = dorm.ForeignKey("Customer", on_delete=dorm.CASCADE, related_name="tickets")
    number = dorm.IntegerField()
    title = dorm.CharField(max_length=80)
    tags = dorm.ManyToManyField("Tag", related_name="tickets")
    embedding = VectorField(dimensions=3)

    class Meta:
        unique_together = [("customer", "number")]
        indexes = [
            Index(fields=["customer"], name="ticket_customer"),
            Index(fields=["-number"]),
            HnswIndex(fields=["embedding"], name="ticket_hnsw", distance="l2"),
        ]

class Answer(dorm.Model):
    ticket = dorm.ForeignKey("Ticket", on_delete=dorm.CASCADE, related_name="answers")
    text = dorm.CharField(max_length=200)
    author = dorm.ForeignKey("Team", on_delete=dorm.SET_NULL, null=True)
"""
USE = """
acme = Customer.objects.create(name="Acme")
child = Customer.objects.create(name="Acme Ltd", parent=acme)
tag, other = Tag.objects.create(label="bug"), Tag.objects.create(label="idea")
first = Ticket.objects.create(customer=acme, number=1, title="broken", embedding=[1, 2, 3])
second = Ticket.objects.create(customer=child, number=1, title="slow", embedding=[3, 2, 1])
first.tags.add(tag)
second.tags.add(tag, other)
Answer.objects.create(ticket=first, text="fixed")
try:
    Ticket.objects.create(customer=acme, number=1, title="again", embedding=[0, 0, 0])
    print("not refused")
except dorm.IntegrityError:
    pass
"""
READ = """
import json
print(json.dumps([
    sorted(ticket.title for ticket in Tag.objects.get(label="bug").tickets.all()),
    sorted(tag.label for tag in Ticket.objects.get(title="slow").tags.all()),
    sorted(Tag.objects.filter(tickets__title="slow").values_list("label", flat=True)),
    [child.name for child in Customer.objects.get(name="Acme").children.all()],
    [answer.text for answer in Answer.objects.filter(ticket__title="broken")],
    [ticket.title for ticket in Ticket.objects.nearest("embedding", [1, 2, 3])[:1]],
]))
"""
FOUND = [["broken", "slow"], ["bug", "idea"], ["bug", "idea"], ["Acme Ltd"], ["fixed"], ["broken"]]


# A column and its index that another program has added; SQLite, Turso and libSQL rebuild the table for AlterField.
BY_HAND = """
from dorm.db.connection import get_connection
for statement in (
    "ALTER TABLE shop_ticket ADD COLUMN by_hand VARCHAR(20) DEFAULT 'a, (b'",
    "CREATE INDEX by_hand ON shop_ticket (by_hand)",
    "UPDATE shop_ticket SET by_hand = 'mine' WHERE title = 'slow'",
):
    get_connection().execute_script(statement)
"""
HELD = """
from dorm.db.connection import get_connection
rows = get_connection().execute("SELECT title, by_hand FROM shop_ticket ORDER BY title")
print([tuple(dict(row).values()) for row in rows])
"""


def migrated(project: Project, models: str) -> None:
    if not project.migrations():
        project.dorm("makemigrations", "--enable-pgvector", "shop")
    project.models(models)
    project.dorm("makemigrations", "shop")
    project.dorm("migrate", "shop")
    assert "No changes" in project.dorm("makemigrations", "shop")


def read(project: Project) -> Any:
    return json.loads(project.python(READ))


def test_five_models_there_and_back(project: Project) -> None:
    migrated(project, DESK)
    found = indexes_of(project.database, "shop_ticket")
    assert found["ticket_customer"] == (["customer_id"], False)
    assert found["shop_ticket_customer_number_uniq"] == (["customer_id", "number"], True)
    assert found["idx_ticket_number"] == (["number"], False)
    assert indexes_of(project.database, "shop_customer")["shop_customer_name_idx"] == (["name"], False)
    assert project.python(USE) == ""
    assert read(project) == FOUND
    project.dorm("migrate", "shop", "zero")
    project.dorm("migrate", "shop")
    assert project.python(USE) == ""
    assert read(project) == FOUND


CHANGES = {
    "number = dorm.IntegerField()": "number = dorm.BigIntegerField()",
    "max_length=80": "max_length=90, db_index=True",
    'dorm.CASCADE, related_name="tickets"': 'dorm.PROTECT, related_name="tickets"',
    "max_length=40, db_index=True": "max_length=60",
    '("customer", "number")': '("customer", "number", "title")',
    "text = dorm": 'readers = dorm.ManyToManyField("Team", related_name="read")\n    text = dorm',
    "author = dorm": 'owner = dorm.OneToOneField("Customer", on_delete=dorm.CASCADE, null=True)\n    author = dorm',
}
CHANGED = reduce(lambda models, change: models.replace(*change), CHANGES.items(), DESK)


def test_changed_relations_keep_rows_and_references(project: Project) -> None:
    migrated(project, DESK)
    assert project.python(USE + BY_HAND) == ""
    migrated(project, CHANGED)
    assert read(project) == FOUND
    found = indexes_of(project.database, "shop_ticket")
    assert found["shop_ticket_title_idx"] == (["title"], False)
    assert found["shop_ticket_customer_number_title_uniq"] == (["customer_id", "number", "title"], True)
    assert "shop_ticket_customer_number_uniq" not in found
    assert "shop_customer_name_idx" not in indexes_of(project.database, "shop_customer")
    project.python("answer = Answer.objects.get(); answer.readers.add(Team.objects.create(name='core'))")
    held = "[('broken', 'a, (b'), ('slow', 'mine')]"
    assert project.python("print(Team.objects.get().read.all()[0].text)" + HELD) == f"fixed\n{held}"
    project.dorm("migrate", "shop", "0002")
    assert "shop_answer_readers" not in tables_of(project.database)
    project.models(DESK)
    assert read(project) == FOUND
    found = indexes_of(project.database, "shop_ticket")
    assert "shop_ticket_title_idx" not in found
    assert found["by_hand"] == (["by_hand"], False)
    assert project.python(HELD) == held
    assert found["shop_ticket_customer_number_uniq"] == (["customer_id", "number"], True)


CIRCLE = """
class Company(dorm.Model):
    name = dorm.CharField(max_length=40)
    head = dorm.ForeignKey("Person", on_delete=dorm.SET_NULL, null=True, db_index=True)
    friends = dorm.ManyToManyField("self", related_name="befriended_by")

class Person(dorm.Model):
    name = dorm.CharField(max_length=40)
    company = dorm.ForeignKey("Company", on_delete=dorm.CASCADE, related_name="people")
    mentors = dorm.ManyToManyField("Person", through="Mentoring", related_name="pupils")

class Mentoring(dorm.Model):
    pupil = dorm.ForeignKey("Person", on_delete=dorm.CASCADE, related_name="as_pupil")
    mentor = dorm.ForeignKey("Person", on_delete=dorm.CASCADE, related_name="as_mentor")
    since = dorm.IntegerField(default=2026)
"""
CIRCLE_USE = """
company = Company.objects.create(name="Acme")
ada, bob = (Person.objects.create(name=name, company=company) for name in ("Ada", "Bob"))
company.head = ada
company.save()
other = Company.objects.create(name="Other")
company.friends.add(other)
Mentoring.objects.create(pupil=bob, mentor=ada)
print([p.name for p in bob.mentors.all()], [p.name for p in ada.pupils.all()], [p.name for p in ada.mentors.all()])
print([c.name for c in company.friends.all()], [c.name for c in other.befriended_by.all()], len(other.friends.all()))
print(sorted(p.name for p in Person.objects.filter(company__head__name="Ada")))
"""
CIRCLE_FOUND = "['Ada'] ['Bob'] []\n['Other'] ['Acme'] 0\n['Ada', 'Bob']"


def test_a_circle_of_models(project: Project) -> None:
    migrated(project, CIRCLE)
    assert project.python(CIRCLE_USE) == CIRCLE_FOUND
    assert indexes_of(project.database, "shop_company")["shop_company_head_idx"] == (["head_id"], False)
    assert "shop_person_mentors" not in tables_of(project.database)
    migrated(project, "")
    assert {table for table in tables_of(project.database) if table.startswith("shop_")} == set()
    project.dorm("migrate", "shop", "0002")
    project.models(CIRCLE)
    assert project.python(CIRCLE_USE) == CIRCLE_FOUND
    project.dorm("migrate", "shop", "zero")


def test_the_file_is_the_same_for_every_hash_seed(tmp_path: Path) -> None:
    written = set()
    for seed in range(8):
        (tmp_path / str(seed)).mkdir()
        project = Project(tmp_path / str(seed), {"ENGINE": "sqlite", "NAME": str(tmp_path / "any.sqlite3")})
        project.is_new, project.hash_seed = True, str(seed)
        project.models(DESK + CIRCLE)
        project.dorm("makemigrations", "shop")
        project.models(CHANGED)
        project.dorm("makemigrations", "shop")
        written.add(tuple(project.source(number).partition("from dorm.migrations")[2] for number in (1, 2)))
    assert len(written) == 1


LEDGER = """
import dorm
class Account(dorm.Model):
    owner = dorm.ForeignKey("{owner}", on_delete=dorm.CASCADE, related_name="accounts")
class Bank(dorm.Model):
    name = dorm.CharField(max_length=40)
"""
OWNERS = """
class Owner(dorm.Model):
    name = dorm.CharField(max_length=40)
    bank = dorm.ForeignKey("Bank", on_delete=dorm.CASCADE, null=True)
"""


@pytest.mark.parametrize("apps", [["ledger", "shop"], ["shop", "ledger"]])
def test_two_apps_that_refer_to_each_other(project: Project, apps: list[str]) -> None:
    project.install("ledger", LEDGER.format(owner="Owner"), apps)
    project.models(OWNERS)
    project.dorm("makemigrations")
    project.dorm("migrate")
    assert project.dorm("makemigrations").count("No changes") == 2
    use = "from ledger.models import Account, Bank\nowner = Owner.objects.create(name='Ada')\n"
    use += "Account.objects.create(owner=owner)\nprint(owner.accounts.count())"
    assert project.python(use) == "1"


BASES = """
class Stamped(dorm.Model):
    year = dorm.IntegerField(db_index=True)
    code = dorm.CharField(max_length=20, db_column="stamp_code")
    embedding = VectorField(dimensions=3)

    class Meta:
        abstract = True
        unique_together = ("year", "code")
        indexes = [Index(fields=["code"], name="by_code"), HnswIndex(fields=["embedding"], distance="l2")]
        constraints = [dorm.CheckConstraint(check=Q(year__gte=1900) & Q(code__in={"a", "b"}), name="sane")]

class Letter(Stamped):
    text = dorm.CharField(max_length=20)

class Parcel(Stamped):
    class Meta(Stamped.Meta):
        db_table = "parcels"
"""


def test_a_child_has_what_its_abstract_base_declares(project: Project) -> None:
    migrated(project, BASES)
    for table, model in (("shop_letter", "letter"), ("parcels", "parcel")):
        found = indexes_of(project.database, table)
        assert found[f"{table}_year_idx"] == (["year"], False)
        assert found[f"by_code_{model}"] == (["stamp_code"], False)
        assert found[f"{table}_year_code_uniq"] == (["year", "stamp_code"], True)
    attempt = "try:\n    {}\n    print('stored')\nexcept dorm.IntegrityError:\n    print('refused')\n"
    rows = [(2000, "a"), (2000, "a"), (1800, "b"), (2000, "c"), (2000, "b")]
    source = "".join(
        attempt.format(f"Parcel.objects.create(year={year}, code={code!r}, embedding=[1, 2, 3])") for year, code in rows
    )
    assert project.python(source).split() == ["stored", "refused", "refused", "refused", "stored"]
    project.dorm("migrate", "shop", "zero")


KEYED = """
import datetime
from decimal import Decimal

class Line(dorm.Model):
    order = dorm.IntegerField()
    number = dorm.IntegerField()
    price = dorm.DecimalField(max_digits=8, decimal_places=2, default=Decimal("1.50"))
    day = dorm.DateField(default=datetime.date(2026, 11, 29))
    pk = dorm.CompositePrimaryKey("order", "number")

    class Meta:
        constraints = [dorm.CheckConstraint(check=Q(number__lte=dorm.F("order")), name="not_beyond")]
"""
KEYED_USE = """
Line.objects.create(order=2, number=1)
for order, number in ((2, 1), (1, 2)):
    try:
        Line.objects.create(order=order, number=number)
        print("stored")
    except dorm.IntegrityError:
        print("refused")
print(*Line.objects.values_list("order", "number", "price"))
"""


def test_keys_and_constraints_are_written_to_be_loaded(project: Project) -> None:
    migrated(project, KEYED)
    assert project.python(KEYED_USE).split("\n")[:2] == ["refused", "refused"]
    changed = KEYED.replace("number__lte", "number__lt")
    migrated(project, changed.replace("    day", "    note = dorm.CharField(max_length=9, null=True)\n    day"))
    project.dorm("migrate", "shop", "0002")
    project.dorm("migrate", "shop")
    assert project.python("print(Line.objects.count())") == "1"


def test_a_squash_runs_in_place_of_its_originals(project: Project) -> None:
    migrated(project, DESK)
    migrated(project, DESK.replace("max_length=200", "max_length=250"))
    assert project.python(USE) == ""
    project.dorm("squashmigrations", "shop", "1", "2")
    applied = project.dorm("migrate", "shop")
    assert "squashed" not in applied
    assert read(project) == FOUND
    project.dorm("migrate", "shop", "zero")
    applied = project.dorm("migrate", "shop")
    assert "squashed" in applied
    assert "0001" not in applied
    assert "0003" in applied
    assert "No changes" in project.dorm("makemigrations", "shop")
    assert project.python(USE) == ""
    assert read(project) == FOUND
    project.dorm("migrate", "shop", "zero")


def test_a_squash_over_the_operation_of_another_package(tmp_path: Path) -> None:
    project = Project(tmp_path, {"ENGINE": "sqlite", "NAME": str(tmp_path / "any.sqlite3")})
    folder = project.directory / "shop" / "migrations"
    folder.mkdir()
    (folder / "__init__.py").touch()
    first = "from dorm.contrib.pgvector import VectorExtension\ndependencies = []\noperations = [VectorExtension()]\n"
    (folder / "0001_extension.py").write_text(first)
    project.models("class Note(dorm.Model):\n    text = dorm.CharField(max_length=9)\n")
    project.dorm("makemigrations", "shop")
    project.dorm("squashmigrations", "shop", "1", "2")
    assert "from dorm.contrib.pgvector" in project.source(3)
    assert "0003_squashed" in project.dorm("showmigrations", "shop")
    assert "No changes" in project.dorm("makemigrations", "shop")
