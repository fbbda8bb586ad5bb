"""``dorm-vector`` without a database: usage, settings, exit codes, and what it never prints."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import dorm
import pytest

import dorm_vector
from dorm_vector.commands.exit_codes import DONE, FOUND, USAGE
from dorm_vector.commands.main import COMMANDS, main
from dorm_vector.commands.output import table
from dorm_vector.commands.progress import TerminalProgress
from dorm_vector.commands.redaction import without_secrets
from dorm_vector.commands.rows import _as
from tests.commands.reference import subparsers
from tests.helpers.project import ENVIRONMENT, ROOT, in_a_new_python

PASSWORD = "a-secret-that-nobody-may-see"  # noqa: S105  # the test looks for it


def dorm_vector_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dorm_vector", *arguments],
        cwd=folder,
        env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_wrong_usage_is_exit_code_2_and_says_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("DATABASES = {'default': {'ENGINE': 'sqlite', 'NAME': 'x.db'}}\n")
    for arguments, said in (
        (["status", "--database", "nowhere"], "DATABASES has no 'nowhere'. It has default."),
        (["status", "--settings", "none_such"], "There is no settings module 'none_such'"),
        (["none-such"], "invalid choice: 'none-such'"),
        (["status", "hat"], "unrecognized arguments: hat"),
        (["search", "Product", "--limit", "1", "--none-such"], "unrecognized arguments: --none-such"),
        (["copy", "--to", "default", "--batch-size", "0"], "argument --batch-size: invalid positive value: '0'"),
        ([], "usage: dorm-vector"),
    ):
        run = dorm_vector_in(tmp_path, *arguments)
        assert (run.returncode, run.stdout) == (USAGE, "")
        assert said in run.stderr
    version = dorm_vector_in(tmp_path, "--version")
    assert (version.returncode, version.stdout) == (DONE, f"dorm-vector {dorm_vector.__version__}\n")


def test_no_secret_of_the_settings_is_printed(tmp_path: Path) -> None:
    database = {
        "ENGINE": "postgresql",
        "HOST": "127.0.0.1",
        "PORT": 1,
        "POOL_TIMEOUT": 0.5,
        "USER": "u",
        "PASSWORD": PASSWORD,
        "NAME": PASSWORD,
    }
    (tmp_path / "settings.py").write_text(f"DATABASES = {{'default': {database!r}}}\n")
    for arguments in (["status"], ["status", "--json"], ["doctor", "--json"], ["search", "Product", "hat"]):
        run = dorm_vector_in(tmp_path, *arguments)
        assert run.returncode in (FOUND, USAGE)
        assert PASSWORD not in run.stdout + run.stderr
        if arguments == ["status", "--json"]:
            assert json.loads(run.stdout)["databases"][0]["error"]
        elif arguments == ["doctor", "--json"]:
            assert [each["check"] for each in json.loads(run.stdout)["findings"]] == ["connection"]


@pytest.mark.parametrize("secret", ["app", "postgres", "db1", "p@/s", "it's \\ 1", "hunter2hunter2", "größe"])
def test_a_secret_is_removed_wherever_it_is_written(secret: str) -> None:
    database = {"ENGINE": "postgresql", "USER": "shop", "PASSWORD": secret, "OPTIONS": {"auth_token": f"{secret}2"}}
    dorm.configure(DATABASES={"default": database, "other": {"ENGINE": "x", "URL": f"libsql://me:{secret}3@host/a"}})
    for form in (
        f"postgresql://shop:{secret}@host/db",
        f"postgresql://shop:{quote(secret, safe='')}@host/db refuses shop",
        f"host=db1.example password={secret!r} user=shop",
        f"host=db1.example password={secret} user=shop",
        f"could not connect with {secret}: refused",
        f"refused ({secret}) and {secret}2, {secret}3",
        repr(database),
        json.dumps(database),
        json.dumps(database, ensure_ascii=False),
    ):
        shown = without_secrets(form)
        assert re.search(rf"(?<!\w){re.escape(secret)}[23]?(?!\w)", shown.replace("db1.example", "")) is None, shown
        assert "***" in shown
    # The passwords of URLs and DSNs that are not in the settings are removed as well.
    assert (
        without_secrets("libsql://a:other@b?authToken=x&a=1 password=y")
        == "libsql://***@b?authToken=***&a=1 password=***"
    )


def test_a_message_stays_readable_with_a_short_password() -> None:
    dorm.configure(DATABASES={"default": {"ENGINE": "postgresql", "PASSWORD": "app"}, "b": {"PASSWORD": "postgres"}})
    for message in (
        'relation "app_article" does not exist: is shop.application mapped to the table happy_app2?',
        "PostgreSQL (postgresql) has no such index. Run: dorm migrate --settings app1",
        "the token of this text is unknown; its key: 5",
    ):
        assert without_secrets(message) == message


def test_each_command_has_help_and_documented_options() -> None:
    page = (ROOT / "docs/reference/command-line.md").read_text()
    for name, command in subparsers().items():
        options = {option for action in command._actions for option in action.option_strings}
        assert {"--json", "--database", "--settings"} <= options, name
        assert f"Exit codes: 0: All is well. 1: {COMMANDS[name].EXIT_1} 2: " in (command.epilog or "")
        assert COMMANDS[name].HELP.endswith(".")
        assert f"<!-- command: {name} -->" in page
        for action in command._actions:
            assert action.help, f"{name} {action.dest}"


def test_help_needs_no_settings(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0
        assert f"usage: dorm-vector {name}" in capsys.readouterr().out


def test_a_table_is_as_wide_as_its_cells() -> None:
    lines = list(table(["name", "rows"], [["a", 12345], ["long name", None]]))
    assert lines == ["name         rows", "---------  ------", "a          12,345", "long name       -"]


MODELS = """
import dorm
from dorm_vector import EmbeddingField, as_embedder

def embed(texts):
    return [[float(len(text)), 1.0] for text in texts]

class Note(dorm.Model):
    text = dorm.TextField()
    embedding = EmbeddingField(2, source="text", embedder=as_embedder(embed, name="lengths", dimensions=2), null=True)
"""
ROWS = """
from dorm.cli import _load_settings
_load_settings("settings")
from notes.models import Note
from dorm_vector import create_tables
create_tables(Note)
Note.objects.bulk_create([Note(text=str(n)) for n in range(7)])
Note.objects.update(embedding_hash=None)
"""


def test_progress_on_a_real_terminal_begins_before_the_first_row(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/__init__.py").touch()
    (tmp_path / "notes/models.py").write_text(MODELS)
    (tmp_path / "settings.py").write_text(
        "DATABASES = {'default': {'ENGINE': 'sqlite', 'NAME': 'notes.db'}}\nINSTALLED_APPS = ['notes']\n"
    )
    prepared = in_a_new_python(ROWS, [], tmp_path)
    assert prepared.returncode == 0, prepared.stderr
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-m", "dorm_vector", "reembed", "Note", "--batch-size", "3"]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=its_end) as run:
        drawn = read_until(terminal, rb"7 of 7 rows .*\n\Z").decode()
        assert run.stdout
        assert run.stdout.read() == b"notes.Note.embedding: 7 rows embedded.\n"
    os.close(its_end)
    os.close(terminal)
    assert run.returncode == DONE
    assert re.search(r"\rEmbedding: 0 rows, \d:\d\d elapsed", drawn)
    assert "Embedding: 0 of 7 rows (0%), " in drawn
    assert "Embedding: 3 of 7 rows (43%)" in drawn
    assert re.search(r"rows/s, 0:\d\d elapsed, 0:\d\d left", drawn)


def test_every_command_that_reads_tables_shows_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/__init__.py").touch()
    (tmp_path / "notes/models.py").write_text(MODELS)
    (tmp_path / "settings.py").write_text(
        "DATABASES = {'default': {'ENGINE': 'sqlite', 'NAME': 'notes.db'}}\nINSTALLED_APPS = ['notes']\n"
    )
    prepared = in_a_new_python(ROWS.replace("(embedding_hash=None)", "(embedding=[1, 2])"), [], tmp_path)
    assert prepared.returncode == 0, prepared.stderr
    for arguments, *shown in (
        (["status"], "Reading: 0 databases,", "Reading default, notes.Note: 0 of 1 databases"),
        (["doctor"], "Checking: 0 checks,", "Checking default, zero vectors: 8 of 9 checks (89%)"),
        (
            ["recall", "Note", "--k", "2", "--sample", "3"],
            "Measuring: 0 of 6 searches",
            "Comparing options: 6 of 6 searches",
        ),
        (["index", "optimize", "Note"], "Optimizing notes.Note: 0 steps,"),
    ):
        terminal, its_end = pty.openpty()
        command = [sys.executable, "-m", "dorm_vector", *arguments]
        environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=its_end) as run:
            drawn = read_until(terminal, re.escape(shown[-1]).encode() + rb"[^\n]*\n\Z").decode()
            assert run.wait(120) == DONE, drawn
        os.close(its_end)
        os.close(terminal)
        for line in shown:
            assert line in drawn, drawn


def read_until(terminal: int, last: bytes) -> bytes:
    """Read to the last line, with the other end open: Linux may lose what a closed end has written.

    A busy machine logs slow queries between the lines.
    """
    drawn = b""
    while not re.search(last, drawn):
        readable, _, _ = select.select([terminal], [], [], 120)
        assert readable, drawn
        drawn += os.read(terminal, 1_000)
    return drawn


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_at_once_and_only_on_a_terminal() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    with TerminalProgress("Copying", stream=terminal) as progress:
        assert re.match(r"\rCopying: 0 rows, \d:\d\d elapsed", terminal.getvalue())
        progress(0, 400)
        progress(100, 400)
        assert "Copying: 100 of 400 rows (25%)" in progress.line()
        assert progress.line().endswith(" left")
    assert terminal.getvalue().endswith("\n")
    with TerminalProgress("Copying", stream=pipe) as progress:
        progress(1, 2)
    assert pipe.getvalue() == ""


def test_a_filter_by_no_number_is_a_wrong_value() -> None:
    with pytest.raises(ValueError, match="'cheap' is no number"):
        _as(dorm.DecimalField(max_digits=5, decimal_places=2), "cheap")
