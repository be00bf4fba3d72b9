"""Toxiproxy, built from its Go module once per version: TCP proxies between services and servers whose answers can be made to vanish.

The version is pinned, Go checks every module against its public checksum database, and the main module's hash is pinned here as well.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Final, NamedTuple

import httpx

from infra.local.errors import LocalStackError
from infra.local.install.atomic import install
from infra.local.layout import RunDir, cache_dir
from infra.local.part import Part
from infra.local.ports import HOST, Ports
from infra.local.process import run_to_end

VERSION: Final = "2.5.0"
MODULE: Final = "github.com/Shopify/toxiproxy/v2"
MODULE_HASH: Final = "h1:i4LPT+qrSlKNtQf5QliVjdP08GyAH8+BUIc9gT0eahc="
"""What ``go version -m`` must say of the main module."""
_FOLDER: Final = f"toxiproxy-{VERSION}"
_NO_EXCEPTIONS: Final = ("GOFLAGS", "GONOSUMDB", "GONOSUMCHECK", "GOPRIVATE", "GOSUMDB", "GOINSECURE")
"""Variables that could switch the checks off: the build does not see them."""


class Proxy(NamedTuple):
    """One way to one server: clients connect to ``listen``, and come out at ``upstream`` (ports on the loopback interface)."""

    name: str
    listen: int
    upstream: int


def can_be_had() -> bool:
    """Whether the proxy can be built on this machine, or was already."""
    return shutil.which("go") is not None or (cache_dir() / _FOLDER).is_dir()


def install_toxiproxy(cancel: Event) -> Path:
    """The server's program.

    Raises:
        LocalStackError: Go is missing, a download fails, or what was built is not what is pinned.
    """

    def build(folder: Path) -> None:
        program = shutil.which("go")
        if program is None:
            raise LocalStackError("Go is missing, and Toxiproxy is built with it", "install it (Debian: apt-get install golang-go)")
        work = folder / "work"
        places = {"GOPATH": work / "path", "GOMODCACHE": work / "modules", "GOCACHE": work / "build", "GOBIN": folder}
        clean = {name: value for name, value in os.environ.items() if name not in _NO_EXCEPTIONS}
        environment = clean | {name: str(place) for name, place in places.items()} | {"GOFLAGS": "-modcacherw"}
        log = folder.parent / f"{folder.name}.log"
        try:
            if run_to_end([program, "install", f"{MODULE}/cmd/server@v{VERSION}"], log, environment, folder, cancel) != 0:
                raise LocalStackError(f"Toxiproxy cannot be built: {log.read_text()[-300:]}", "check the network and run the command again")
        finally:
            log.unlink(missing_ok=True)
        _check(program, folder / "server")
        shutil.rmtree(work)

    return install(_FOLDER, build) / "server"


def _check(go: str, program: Path) -> None:
    told = subprocess.run([go, "version", "-m", program], capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.search(rf"^\s*mod\s+{re.escape(MODULE)}\s+v{re.escape(VERSION)}\s+(\S+)", told, re.MULTILINE)
    if found is None or found[1] != MODULE_HASH:
        raise LocalStackError(f"Toxiproxy was built from {found and found[1]}, not from {MODULE_HASH}", "do not use it; find out why")


class Toxiproxy(Part):
    """The running server with its proxies; connections pass unharmed until somebody asks for harm.

    Args:
        control: the port that it takes orders on.
        proxies: all of them, fixed.
    """

    def __init__(self, run: RunDir, ports: Ports, cancel: Event, control: int, proxies: Sequence[Proxy]) -> None:
        super().__init__("toxiproxy", run, ports, cancel)
        self._control = control
        self._proxies = tuple(proxies)
        self._client = httpx.Client(base_url=f"http://{HOST}:{control}", timeout=5, trust_env=False)

    @property
    def address(self) -> str:
        """Where it takes orders."""
        return f"{HOST}:{self._control}"

    @property
    def listens(self) -> dict[str, int]:
        """Its ports by name."""
        return {"toxiproxy": self._control} | {proxy.name: proxy.listen for proxy in self._proxies}

    def ready(self) -> bool:
        """Whether it has all its proxies."""
        try:
            return len(self._client.get("/proxies").json()) == len(self._proxies)
        except httpx.TransportError:
            return False

    @contextmanager
    def silence(self, name: str) -> Iterator[None]:
        """Requests arrive and are obeyed, but not a byte of any answer comes back; at the end every connection is closed."""
        with self._toxic(name, "timeout"):
            yield

    @contextmanager
    def deafness(self, name: str) -> Iterator[None]:
        """Not a byte of any request arrives; at the end every connection is closed."""
        with self._toxic(name, "timeout", "upstream"):
            yield

    @contextmanager
    def resets(self, name: str) -> Iterator[None]:
        """Every connection is reset as soon as the server answers anything."""
        with self._toxic(name, "reset_peer"):
            yield

    @contextmanager
    def _toxic(self, name: str, kind: str, stream: str = "downstream") -> Iterator[None]:
        toxic = {"name": kind, "type": kind, "stream": stream, "attributes": {"timeout": 0}}
        self._client.post(f"/proxies/{name}/toxics", json=toxic).raise_for_status()
        try:
            yield
        finally:
            self._client.delete(f"/proxies/{name}/toxics/{kind}").raise_for_status()

    def _launch(self) -> None:
        program = install_toxiproxy(self.cancel)
        config = self.run.data(self.name) / "proxies.json"
        config.parent.mkdir(parents=True, exist_ok=True)
        wanted = [
            {"name": proxy.name, "listen": f"{HOST}:{proxy.listen}", "upstream": f"{HOST}:{proxy.upstream}", "enabled": True}
            for proxy in self._proxies
        ]
        config.write_text(json.dumps(wanted))
        argv = [str(program), "-host", HOST, "-port", str(self._control), "-config", str(config)]
        self.process.start(argv, os.environ | {"LOG_LEVEL": "error"}, config.parent)
