"""Programs of others that tests run, built from their Go modules once per version and kept in the cache folder.

The version is pinned, Go checks every module against its public checksum database, and the main module's hash is pinned here as well.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from threading import Event
from typing import Final, NamedTuple

from infra.local.errors import LocalStackError
from infra.local.install.atomic import install
from infra.local.layout import cache_dir
from infra.local.process import run_to_end

_NO_EXCEPTIONS: Final = ("GOFLAGS", "GONOSUMDB", "GONOSUMCHECK", "GOPRIVATE", "GOSUMDB", "GOINSECURE")
"""Variables that could switch the checks off: the build does not see them."""


class GoProgram(NamedTuple):
    """What to build.

    Args:
        name: of the folder in the cache, before the version.
        version: of the module, without its v.
        module: the main module.
        package: the program's, below the module; its last part is the file's name.
        module_hash: what ``go version -m`` must say of the main module.
    """

    name: str
    version: str
    module: str
    package: str
    module_hash: str

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.version}"

    @property
    def file(self) -> str:
        return self.package.rpartition("/")[2]

    def can_be_had(self) -> bool:
        """Whether it can be built on this machine, or was already."""
        return shutil.which("go") is not None or (cache_dir() / self.folder).is_dir()

    def install(self, cancel: Event) -> Path:
        """The program's file.

        Raises:
            LocalStackError: Go is missing, a download fails, or what was built is not what is pinned.
        """
        return install(self.folder, lambda folder: self._build(folder, cancel)) / self.file

    def _build(self, folder: Path, cancel: Event) -> None:
        go = shutil.which("go")
        if go is None:
            raise LocalStackError(f"Go is missing, and {self.name} is built with it", "install it (Debian: apt-get install golang-go)")
        work = folder / "work"
        places = {"GOPATH": work / "path", "GOMODCACHE": work / "modules", "GOCACHE": work / "build", "GOBIN": folder}
        clean = {name: value for name, value in os.environ.items() if name not in _NO_EXCEPTIONS}
        environment = clean | {name: str(place) for name, place in places.items()} | {"GOFLAGS": "-modcacherw"}
        log = folder.parent / f"{folder.name}.log"
        try:
            if run_to_end([go, "install", f"{self.module}/{self.package}@v{self.version}"], log, environment, folder, cancel) != 0:
                raise LocalStackError(
                    f"{self.name} cannot be built: {log.read_text()[-300:]}", "check the network and run the command again"
                )
        finally:
            log.unlink(missing_ok=True)
        self._check(go, folder / self.file)
        shutil.rmtree(work)

    def _check(self, go: str, program: Path) -> None:
        told = subprocess.run([go, "version", "-m", program], capture_output=True, text=True, check=True, timeout=60).stdout
        found = re.search(rf"^\s*mod\s+{re.escape(self.module)}\s+v{re.escape(self.version)}\s+(\S+)", told, re.MULTILINE)
        if found is None or found[1] != self.module_hash:
            raise LocalStackError(
                f"{self.name} was built from {found and found[1]}, not from {self.module_hash}", "do not use it; find out why"
            )
