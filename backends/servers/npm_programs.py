"""Find a server program: the installed one if it is recent enough, otherwise the one in an npm package."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass

from backends import BackendUnavailable
from backends.servers import npm

# As in the names of npm packages: linux-x64, darwin-arm64.
PROCESSORS = {"x86_64": "x64", "aarch64": "arm64"}
MACHINE = f"{platform.system().lower()}-{PROCESSORS.get(platform.machine(), platform.machine())}"
MISSING = """\
{variable} is not set, no {program} {lowest} or newer is on the PATH, and npm's {package} could not be fetched:
{failed}
On Debian: sudo apt-get install npm
Anywhere:  export {variable}='{url}'"""


@dataclass(frozen=True)
class NpmProgram:
    """A server program. `version` matches the output of `program --version`; `url` is an example for the variable."""

    program: str
    version: re.Pattern[str]
    lowest: tuple[int, int]
    package: str
    package_version: str
    program_version: str
    variable: str
    url: str

    def source(self) -> str:
        if own := self._machines_own():
            return own
        carried = f"{self.program} {self.program_version} of npm's {self.package}"
        if npm.folder(self.package, self.package_version).exists():
            return f"{carried}, from the cache"
        return f"{carried}, fetched at the first start" if shutil.which("npm") else "not here: no npm"

    def path(self) -> str:
        """Return the path of the program, and download it if necessary."""
        if own := self._machines_own():
            return own
        try:
            return str(npm.unpacked(self.package, self.package_version) / self.program)
        except OSError as failed:
            lowest = ".".join(map(str, self.lowest))
            raise BackendUnavailable(MISSING.format(**{**vars(self), "lowest": lowest}, failed=failed)) from failed

    def _machines_own(self) -> str | None:
        program = shutil.which(self.program)
        if program is None:
            return None
        printed = subprocess.run([program, "--version"], check=False, capture_output=True, text=True).stdout
        found = self.version.search(printed)
        return program if found and (int(found[1]), int(found[2])) >= self.lowest else None
