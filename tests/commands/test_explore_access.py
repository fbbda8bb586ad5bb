"""Who may use ``dorm-vector explore``: its token, its Host, its own page, and nothing that writes."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import dorm_vector
from tests.explorer.running import MAIN, Explorer, exploring
from tests.helpers.project import Project

MODELS = """
class Note(dorm.Model):
    embedding = VectorField(dimensions=2)


class Page(dorm.Model):
    book, number = dorm.IntegerField(), dorm.IntegerField()
    embedding = VectorField(dimensions=2)
    pk = dorm.CompositePrimaryKey("book", "number")
"""
STATIC = Path(dorm_vector.__file__).parent / "commands/explorer/static"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("notes")
    made = Project(folder, {"ENGINE": "sqlite", "NAME": str(folder / "notes.sqlite3")})
    made.begin(MODELS)
    made.python("Page.objects.create(book=1, number=2, embedding=[1, 2])")
    return made


@pytest.fixture(scope="module")
def explorer(project: Project) -> Iterator[Explorer]:
    with exploring(project.directory) as running:
        yield running


def test_nothing_is_shown_without_the_token(explorer: Explorer) -> None:
    assert len(explorer.token or "") >= 40
    for path in (
        "",
        "main.js",
        "api/models",
        "?token=",
        "?token=wrong",
        "?token=%FF",
        f"main.js?token={explorer.token}",
    ):
        answer = explorer.ask(path, Accept="*/*")
        assert (answer.status, b"token" in answer.body) == (401, True), path
    for header in ("Bearer wrong", "Bearer ", "Bearer é"):
        assert explorer.ask("api/models", Authorization=header).status == 401
    assert explorer.ask("api/models", Cookie=f"dorm_vector_explorer_{explorer.port}=wrong").status == 401


def test_the_address_with_the_token_sets_a_cookie(explorer: Explorer) -> None:
    opened = explorer.ask(f"?token={explorer.token}", Accept="*/*")
    assert opened.status == 200
    cookie, *attributes = opened.headers["set-cookie"].split("; ")
    assert set(attributes) == {"HttpOnly", "SameSite=Strict", "Path=/"}
    assert explorer.ask("api/models", Cookie=cookie).json["models"][0]["label"] == "shop.Note"


def test_other_hosts_and_other_sites_are_refused(explorer: Explorer) -> None:
    token = {"Authorization": f"Bearer {explorer.token}"}
    for host in ("evil.example", f"evil.example:{explorer.port}", "127.0.0.1.evil.example", "[", ""):
        assert explorer.ask("api/models", **token, Host=host).status == 403, host
    for host in (f"localhost:{explorer.port}", f"LOCALHOST:{explorer.port}", "127.0.0.1", f"[::1]:{explorer.port}"):
        assert explorer.ask("api/models", **token, Host=host).status == 200, host
    assert explorer.ask("api/models", **token, Origin="https://evil.example").status == 403
    assert explorer.ask("api/models", **token, **{"Sec-Fetch-Site": "cross-site"}).status == 403
    assert explorer.ask("api/models", **token, Origin=explorer.root.rstrip("/")).status == 200


def test_no_path_writes(explorer: Explorer) -> None:
    paths = ("models", "search", "plan", "row", "recall", "map", "colors", "marks")
    for method in ("PUT", "PATCH", "DELETE"):
        assert {explorer.ask(f"api/{path}", method=method).status for path in paths} == {405}
    assert {explorer.ask(f"api/{path}", {}).status for path in paths if path not in ("search", "plan")} == {405}
    for path in ("docs", "redoc", "openapi.json", "../app.py", "%2e%2e/app.py", "static/../app.py"):
        assert explorer.ask(path).status == 404, path


def test_a_browser_may_reach_no_other_host(explorer: Explorer) -> None:
    policy = explorer.ask("").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"https?:|\*|unsafe|blob", policy)
    for name in ("referrer-policy", "x-content-type-options", "x-frame-options", "cache-control"):
        assert explorer.ask("api/models").headers[name]
    files = [path for path in STATIC.iterdir() if path.suffix in (".html", ".css", ".js")]
    assert len(files) > 8
    for path in files:
        assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+|innerHTML|insertAdjacentHTML|\beval\b", path.read_text()) == []


def test_rows_with_a_key_of_several_columns_are_searched(explorer: Explorer) -> None:
    page = {"model": "shop.Page", "field": "embedding"}
    (found,) = explorer.post("search", **page, by="vector", query="[1, 0]")["rows"]
    assert (found["distance"], found["values"]) == (2, {"book": 1, "number": 2})
    assert explorer.get("models")["models"][1]["has_one_key"] is False
    for path in ("map?model=Page&field=embedding", "row?model=Page&key=1", "recall?model=Page&field=embedding"):
        answer = explorer.ask(f"api/{path}")
        assert (answer.status, "book, number" in answer.json["error"]["message"]) == (400, True), answer.body


def test_options_of_the_command(project: Project) -> None:
    def refused(*arguments: str) -> str:
        run = project._run(MAIN, "explore", *arguments)
        assert run.returncode == 2, run.stderr
        return run.stderr

    assert "--no-token would let everybody read" in refused("--no-token", "--host", "0.0.0.0")  # noqa: S104  # is refused
    assert "at most 30,000" in refused("--points", "30001")
    assert "DATABASES has no 'other'" in refused("--database", "other")
    assert "invalid port" in refused("--port", "65536")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "Give another --port" in refused("--port", str(taken.getsockname()[1]))
    with exploring(project.directory, "--no-token", "--allow-host", "explorer.example") as explorer:
        assert (explorer.token, explorer.url) == (None, f"http://127.0.0.1:{explorer.port}/")
        assert explorer.ask("api/models", Host="explorer.example").json["models"][0]["rows"] == 0
        assert explorer.ask("api/models", Host="evil.example").status == 403
        assert explorer.ask("api/models", **{"Sec-Fetch-Site": "same-site"}).status == 403
