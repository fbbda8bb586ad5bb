"""Models without vectors: the count of distinct rows and of slices is the number of rows that they return."""

from __future__ import annotations

from tests.databases import Database
from tests.models import Author, Document


async def test_a_count_is_the_number_of_rows(db: Database) -> None:
    for name, documents in (("Ada", 3), ("Ada", 1), ("Bob", 0), ("Eve", 2)):
        author = Author.objects.create(name=name)
        for number in range(documents):
            Document.objects.create(title=f"{name} {number}", author=author)
    written = Author.objects.filter(documents__pages__gte=1)
    for rows in (
        Author.objects.all(),
        Author.objects.values("name").distinct(),
        Author.objects.values_list("name", flat=True).order_by("-name").distinct(),
        written,
        written.distinct(),
        written.order_by("name", "pk").distinct()[:2],
        written.values("name").distinct(),
        Document.objects.filter(author__name="Ada").order_by("pages").values("author__name", "pages").distinct(),
        Author.objects.order_by("pk")[1:3],
        Author.objects.order_by("pk")[:10],
        Author.objects.filter(name="Nobody").distinct(),
        Author.objects.values("name").distinct()[1:],
    ):
        assert rows.count() == len(list(rows)) == await rows.acount()
    assert [written.count(), written.distinct().count(), written.values("name").distinct().count()] == [6, 3, 2]
    if db.name == "postgresql":
        by_name = Author.objects.order_by("name").distinct("name")
        assert by_name.count() == len(list(by_name)) == 3
