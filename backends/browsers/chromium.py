"""Headless Chromium for the tests of web pages: the installed one, or Debian's package, unpacked."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backends import BackendUnavailable
from backends.servers import debian

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The oldest suite with a current Chromium: it runs with the libc of every newer system.
SUITE = "bookworm"
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")
INSTALLED = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")

MISSING = """\
no {installed} is on the PATH, and {package} could not be fetched from Debian {suite}:
{failed}
On Debian: sudo apt-get update && sudo apt-get install chromium"""


@dataclass(frozen=True)
class Browser:
    """The path of a browser, the arguments that it needs here, and its environment."""

    path: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def browser() -> Browser:
    """Return a Chromium, downloaded if necessary."""
    # Its sandbox needs rights that root in a container, and some users, do not have. It opens our own pages alone.
    arguments = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
    if own := next(filter(None, map(shutil.which, INSTALLED)), None):
        return Browser(own, arguments)
    try:
        root = debian.unpacked(SUITE, PACKAGES, without="libc6")
    except OSError as failed:
        text = MISSING.format(installed=", ".join(INSTALLED), package=PACKAGES[0], suite=SUITE, failed=failed)
        raise BackendUnavailable(text) from failed
    return Browser(str(root / "usr/lib/chromium/chromium-headless-shell"), arguments, _environment(root))


def _environment(root: Path) -> dict[str, str]:
    """Return the environment in which the program finds its libraries and its fonts."""
    found = (path for folder in ("lib", "usr/lib") for path in root.glob(f"{folder}/*-linux-gnu*/**/*.so*"))
    libraries = os.pathsep.join(sorted({str(path.parent) for path in found}))
    return {**os.environ, "LD_LIBRARY_PATH": libraries, "FONTCONFIG_SYSROOT": str(root)}
