"""One `db` fixture; every case of tests/conformance runs on each chosen database, and on nothing else."""

from __future__ import annotations

import compileall
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from dorm.db.connection import reset_connections
from hypothesis import settings

import backends
import dorm_vector
from tests.databases import SPEAKS, Database, create_tables
from tests.helpers.clusters import citus_refusals
from tests.helpers.project import Project
from tests.helpers.remote_suite import RemoteSuite
from tests.helpers.sharing import MOST_PROCESSES, ByDatabase, place_of

WITHOUT_DOWNLOAD = ("sqlite", "postgresql", "turso")
IMPLEMENTED = ("sqlite", "postgresql", "turso", "libsql", "mariadb", "mysql")
MEMORY = "/dev/shm"  # noqa: S108  # Linux's file system in memory; nothing is kept there after the run
if "TMPDIR" not in os.environ and os.path.isdir(MEMORY) and shutil.disk_usage(MEMORY).free > 6 << 30:  # noqa: PTH112
    # Otherwise each CREATE TABLE waits for the disk, which takes up to twenty times as long.
    os.environ["TMPDIR"] = tempfile.tempdir = MEMORY
# Haystack reports what runs to its makers unless this is set before it is imported; subprocesses of tests inherit it.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
# The same cases in every run: a failure is one that can be seen again.
settings.register_profile("seeded", derandomize=True)
settings.load_profile("seeded")

REMOTE_SUITE = pytest.StashKey[RemoteSuite]()
_running: dict[str, backends.Running] = {}
_elsewhere: dict[str, None] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend", action="append", default=[], help="database to run on, or all; repeatable; default: no download"
    )
    parser.addoption("--no-skips", action="store_true", help="fail where a test was skipped")
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden SQL and the support table")


@pytest.hookimpl(tryfirst=True)  # xdist reads its options in this same hook
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite in a process for each processor, and a part of it in this one, unless `-n` says otherwise."""
    options = config.option
    if is_one_of_many(config) or not config.pluginmanager.hasplugin("xdist"):
        return
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not (
        options.keyword or options.lf or options.markexpr == "embed" or options.update_golden or options.usepdb
    )
    if options.numprocesses is None and is_whole:
        options.numprocesses = min(os.cpu_count() or 1, MOST_PROCESSES)
    if options.numprocesses and options.dist == "no":
        options.dist, options.loadscopereorder = "loadscope", False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByDatabase | None:
    return ByDatabase(config, log) if config.option.dist == "loadscope" else None


def chosen_backends(config: pytest.Config) -> tuple[str, ...]:
    asked = config.getoption("--backend") or WITHOUT_DOWNLOAD
    return IMPLEMENTED if "all" in asked else tuple(dict.fromkeys(asked))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend_name" in metafunc.fixturenames:
        elsewhere = {name for mark in metafunc.definition.iter_markers("not_on") for name in mark.args}
        chosen = [name for name in chosen_backends(metafunc.config) if not {name, SPEAKS.get(name)} & elsewhere]
        metafunc.parametrize("backend_name", chosen, scope="session")


def pytest_sessionstart(session: pytest.Session) -> None:
    if not is_one_of_many(session.config):
        # Hundreds of processes import the package, and many are told to write no bytecode.
        compileall.compile_dir(Path(dorm_vector.__file__).parent, quiet=2)


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [f"{name}: {backends.get(name).how()}" for name in chosen_backends(config)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about databases that were not chosen, which is no skip: nothing is missing."""
    elsewhere = [item for item in items if "NOTSET" in item.name]
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = [item for item in items if item not in elsewhere]
    if is_one_of_many(config):
        items.sort(key=lambda item: place_of(item.nodeid))


def is_one_of_many(config: pytest.Config) -> bool:
    """Tell whether this process runs a part of what another one was asked for."""
    return hasattr(config, "workerinput")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the longest test first, so that it runs in parallel with the others; one process waits for it."""
    is_asked = any(item.name == "test_the_suite_passes" for item in session.items)
    if is_asked and not session.config.getoption("--collect-only") and not is_one_of_many(session.config):
        remote_suite(session.config)


def remote_suite(config: pytest.Config) -> RemoteSuite:
    if REMOTE_SUITE not in config.stash:
        config.stash[REMOTE_SUITE] = RemoteSuite(chosen_backends(config))
    return config.stash[REMOTE_SUITE]


def pytest_sessionfinish(session: pytest.Session) -> None:
    getattr(session.config, "workeroutput", {})["ran_on"] = ran_on()
    if REMOTE_SUITE in session.config.stash:
        session.config.stash[REMOTE_SUITE].stop()
    reset_connections()
    for running in _running.values():
        running.stop()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Hear from a process that ends which servers it had."""
    _elsewhere.update(dict.fromkeys(getattr(node, "workeroutput", {}).get("ran_on", ())))


def ran_on() -> list[str]:
    return [f"{running.title} {running.version} ({running.how})" for running in _running.values()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in dict.fromkeys([*ran_on(), *_elsewhere]):
        terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    citus_refusals.judge(item, report)
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--no-skips"):
        report.outcome, report.longrepr = "failed", f"skipped, and --no-skips forbids it: {report.longrepr}"
    return report


def started(name: str) -> backends.Running:
    """Return the server, started once for the whole run."""
    if name not in _running:
        _running[name] = backends.get(name).start()
    return _running[name]


@pytest.fixture(scope="session")
def running(backend_name: str) -> backends.Running:
    return started(backend_name)


@pytest.fixture
def empty_project(running: backends.Running, tmp_path: Path) -> Iterator[Project]:
    """A project without models, on a new database."""
    settings = running.new_database()
    yield Project(tmp_path, settings)
    running.drop_database(settings)


@pytest.fixture
def project(empty_project: Project) -> Project:
    """An empty project; modules fill theirs."""
    return empty_project


@pytest.fixture(scope="session")
def several(pytestconfig: pytest.Config) -> Iterator[dict[str, Database]]:
    """A database of each chosen server, and of each that needs no download, by the server's name."""
    names = dict.fromkeys([*WITHOUT_DOWNLOAD, *chosen_backends(pytestconfig)])
    made = {name: Database(started(name), started(name).new_database()) for name in names}
    for database in made.values():
        database.use()
        create_tables(database.connection)
    yield made
    reset_connections()
    for database in made.values():
        database.running.drop_database(database.settings)


@pytest.fixture(scope="session")
def database(running: backends.Running) -> Iterator[Database]:
    """A database with the suite's tables."""
    settings = running.new_database()
    made = Database(running, settings)
    made.use()
    create_tables(made.connection)
    yield made
    reset_connections()
    running.drop_database(settings)


@pytest.fixture
def db(database: Database) -> Database:
    """A database whose tables are empty."""
    database.use()
    database.clear()
    return database
