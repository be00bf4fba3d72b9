"""The three servers as one: what tests and commands start and stop."""

from pathlib import Path
from threading import Event
from typing import Any, Final, Self

from infra.local.layout import RunDir
from infra.local.ports import HOST, Ports
from infra.local.secrets import password
from infra.local.servers.base import Server
from infra.local.servers.kafka import KafkaServer
from infra.local.servers.mysql import MySQLServer
from infra.local.servers.registry import RegistryServer
from infra.local.together import together

DATABASE: Final = "corporate_actions"
"""The product's database."""


class Stack:
    """Kafka, registry and MySQL of one run directory.

    A second object on the same directory and ports sees the same processes. Tests give each stack a directory of its
    own and ``Ports.free()``, and open a :class:`infra.local.guard.Guard` around it so that nothing outlives them.
    """

    def __init__(self, run_dir: Path, ports: Ports) -> None:
        self.run = RunDir(run_dir)
        self.ports = ports
        self.cancel = Event()
        self.kafka = KafkaServer(self.run, ports, self.cancel)
        self.registry = RegistryServer(self.kafka, self.run, ports, self.cancel)
        self.mysql = MySQLServer(self.run, ports, self.cancel)

    @property
    def servers(self) -> tuple[Server, ...]:
        """All of them, the independent ones first."""
        return (self.kafka, self.mysql, self.registry)

    def start(self) -> None:
        """Start what does not run, all at once, and wait until all are ready.

        Raises:
            LocalStackError: one cannot start; what this call started is stopped again.
        """
        absent = [server for server in self.servers if server.pid is None]
        try:
            together([server.start for server in self.servers], self.cancel)
        except BaseException:
            for server in reversed(absent):
                server.stop()
            raise

    def stop(self) -> None:
        """Stop all in good order; their data stay."""
        self.registry.stop()  # first: without Kafka it would only complain
        together([self.kafka.stop, self.mysql.stop], self.cancel)

    def endpoints(self, account: str = "root") -> dict[str, Any]:
        """The servers' part of ``endpoints.json``, with ``account`` for MySQL."""
        return {
            "kafka": self.kafka.address,
            "kafka_client": {
                "bootstrap.servers": self.kafka.address,
                "acks": "all",
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
            },
            "registry": self.registry.address,
            "registry_client": {"url": self.registry.address},
            "mysql": {
                "host": HOST,
                "port": self.ports.mysql,
                "user": account,
                "password": password(self.run, account),
                "database": DATABASE,
            },
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
