"""The page about versions names what pyproject.toml and nox say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/versions.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Tools of developers, and every other extra at once.
NOT_FOR_USERS = {"all", "benchmarks", "dev"}


def row_of(name: str, section: str) -> str:
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    (found,) = re.findall(rf"^\| (?:[\w-]+, )?{re.escape(name)}(?:, [\w-]+)? \|.*$", text, re.MULTILINE)
    return str(found)


def test_the_supported_versions_are_those_of_the_matrix() -> None:
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    nox = (ROOT / "noxfile.py").read_text()
    (pythons,) = re.findall(r"python=(\[.*\])\)\ndef pythons", nox)
    (djanorms,) = re.findall(r'parametrize\("djanorm", (\[.*\])\)', nox)
    assert classified == re.findall(r"3\.\d+", pythons)
    assert ", ".join(classified) in row_of("Python", "Supported versions")
    assert ", ".join(re.findall(r"(\d\.\d)\.\d", djanorms)) in row_of("djanorm", "Supported versions")


def test_every_dependency_has_its_license() -> None:
    extras = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    for extra in extras.keys() - NOT_FOR_USERS:
        for requirement in extras[extra]:
            (name,) = re.findall(r"^[\w-]+", requirement)
            if name == "dorm-vector" or (name == "djanorm" and extra):
                continue  # an extra of ours, or of djanorm
            _, _, installed_by, license_name, _ = row_of(name, "Dependencies and their licenses").split("|")
            assert (f"`{extra}`" if extra else "always") in installed_by
            assert license_name.strip()
