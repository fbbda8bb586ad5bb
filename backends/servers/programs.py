"""Find a server program: the installed one if it is recent enough, otherwise the one in Debian's packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from backends import BackendUnavailable
from backends.servers import debian

MISSING = """\
{variable} is not set, no {server} or newer is on the PATH, and {source} could not be fetched:
{failed}
On Debian: sudo apt-get update && sudo apt-get install debian-archive-keyring
Anywhere:  export {variable}={url}"""


@dataclass(frozen=True)
class Programs:
    """A server and its client; `version` matches the output of `server --version` only for this database."""

    server: str
    client: str
    version: re.Pattern[str]
    lowest: tuple[int, int]
    suite: str
    packages: tuple[str, ...]

    def source(self) -> str:
        if own := self._machines_own():
            return own
        package = f"{self.packages[0]} of Debian {self.suite}"
        if debian.folder(self.suite, self.packages).exists():
            return f"{package}, from the cache"
        return f"{package}, fetched at the first start" if shutil.which("apt-get") else "not here: no apt-get"

    def command(self, program: str) -> list[str]:
        """Return the command that runs the server or the client, and download both if necessary."""
        if self._machines_own():
            return [_which(program) or program]
        try:
            return debian.command(debian.unpacked(self.suite, self.packages), program)
        except OSError as failed:
            raise BackendUnavailable(self._missing(failed)) from failed

    def _machines_own(self) -> str | None:
        program = _which(self.server)
        if program is None:
            return None
        printed = subprocess.run([program, "--no-defaults", "--version"], check=False, capture_output=True, text=True)
        found = self.version.search(printed.stdout)
        return program if found and (int(found[1]), int(found[2])) >= self.lowest else None

    def _missing(self, failed: OSError) -> str:
        variable = f"DORM_VECTOR_{self.client.upper()}_URL"
        return MISSING.format(
            variable=variable,
            server=f"{self.server} {self.lowest[0]}.{self.lowest[1]}",
            source=f"{self.packages[0]} of Debian {self.suite}",
            failed=failed,
            url=f"{self.client}://user:password@host:3306/database",
        )


def _which(program: str) -> str | None:
    # Debian installs servers in a folder that only root's PATH includes.
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")
