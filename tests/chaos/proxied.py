"""A private stack whose services reach Kafka and MySQL through Toxiproxy, each kind of service on ways of its own, so that one kind alone can be cut off.

Kafka tells every client where to find its brokers, so each way has a listener of its own that advertises its proxy: no connection goes past it.
"""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from threading import Event
from typing import Final, NamedTuple

from infra.local.layout import RunDir
from infra.local.ports import HOST, Ports
from infra.local.servers.kafka import KafkaServer
from infra.local.servers.registry import RegistryServer
from infra.local.stack import Stack
from tests.chaos.toxiproxy import Proxy, Toxiproxy, can_be_had

KINDS: Final = ("worker", "gateway", "audit")


class Way(NamedTuple):
    """How one kind of service reaches the servers."""

    kafka: Proxy
    mysql: Proxy

    @property
    def settings(self) -> dict[str, str]:
        """The services' variables that lead there."""
        return {"CA_KAFKA_BOOTSTRAP": f"{HOST}:{self.kafka.listen}", "CA_MYSQL_PORT": str(self.mysql.listen)}


class ProxiedKafka(KafkaServer):
    """A broker with one more listener for each way."""

    def __init__(self, run: RunDir, ports: Ports, cancel: Event, ways: dict[str, Way]) -> None:
        super().__init__(run, ports, cancel)
        self._ways = ways

    @property
    def listens(self) -> dict[str, int]:
        """Its ports by name."""
        return super().listens | {f"kafka_{kind}": way.kafka.upstream for kind, way in self._ways.items()}

    def _settings(self, home: Path) -> dict[str, str]:
        plain = super()._settings(home)
        names = {kind.upper(): way.kafka for kind, way in self._ways.items()}
        return plain | {
            "listeners": ",".join([plain["listeners"], *(f"{name}://{HOST}:{way.upstream}" for name, way in names.items())]),
            "advertised.listeners": ",".join(
                [plain["advertised.listeners"], *(f"{name}://{HOST}:{way.listen}" for name, way in names.items())]
            ),
            "listener.security.protocol.map": ",".join([plain["listener.security.protocol.map"], *(f"{name}:PLAINTEXT" for name in names)]),
        }


class ProxiedStack(Stack):
    """Kafka, registry, MySQL, and the proxies in front of them. Where Go is missing there are none, and ``proxies`` is None."""

    def __init__(self, run_dir: Path, ports: Ports) -> None:
        super().__init__(run_dir, ports)
        self.ways: dict[str, Way] = {}
        self.proxies: Toxiproxy | None = None
        if can_be_had():
            control, *free = astuple(Ports.free())
            for kind in KINDS:
                kafka = Proxy(f"kafka-{kind}", free.pop(), free.pop())
                self.ways[kind] = Way(kafka, Proxy(f"mysql-{kind}", free.pop(), ports.mysql))
            proxies = [proxy for way in self.ways.values() for proxy in way]
            self.proxies = Toxiproxy(self.run, ports, self.cancel, control, proxies)
            self.kafka = ProxiedKafka(self.run, ports, self.cancel, self.ways)
            self.registry = RegistryServer(self.kafka, self.run, ports, self.cancel)

    def start(self) -> None:
        """Start what does not run, and wait until all are ready."""
        super().start()
        if self.proxies is not None:
            self.proxies.start()

    def stop(self) -> None:
        """Stop all in good order."""
        if self.proxies is not None:
            self.proxies.stop()
        super().stop()
