"""Toxiproxy: TCP proxies between services and servers whose answers can be made to vanish."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Final, NamedTuple

import httpx

from infra.local.layout import RunDir
from infra.local.part import Part
from infra.local.ports import HOST, Ports
from tests.support.go_programs import GoProgram

TOXIPROXY: Final = GoProgram(
    name="toxiproxy",
    version="2.5.0",
    module="github.com/Shopify/toxiproxy/v2",
    package="cmd/server",
    module_hash="h1:i4LPT+qrSlKNtQf5QliVjdP08GyAH8+BUIc9gT0eahc=",
)
can_be_had = TOXIPROXY.can_be_had


class Proxy(NamedTuple):
    """One way to one server: clients connect to ``listen``, and come out at ``upstream`` (ports on the loopback interface)."""

    name: str
    listen: int
    upstream: int


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
        program = TOXIPROXY.install(self.cancel)
        config = self.run.data(self.name) / "proxies.json"
        config.parent.mkdir(parents=True, exist_ok=True)
        wanted = [
            {"name": proxy.name, "listen": f"{HOST}:{proxy.listen}", "upstream": f"{HOST}:{proxy.upstream}", "enabled": True}
            for proxy in self._proxies
        ]
        config.write_text(json.dumps(wanted))
        argv = [str(program), "-host", HOST, "-port", str(self._control), "-config", str(config)]
        self.process.start(argv, os.environ | {"LOG_LEVEL": "error"}, config.parent)
