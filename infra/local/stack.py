"""The three servers as one: what tests and commands start and stop."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Self

from infra.local.layout import RunDir
from infra.local.ports import HOST, Ports
from infra.local.servers.base import Server
from infra.local.servers.kafka import KafkaServer
from infra.local.servers.mysql import MySQLServer
from infra.local.servers.registry import RegistryServer

DATABASE = "corporate_actions"
"""The product's database."""


class Stack:
    """Kafka, registry and MySQL of one run directory.

    A second object on the same directory and ports sees the same processes. Tests give each stack a directory of its
    own and ``Ports.free()``, and open a :class:`infra.local.guard.Guard` around it so that nothing outlives them.
    """

    def __init__(self, run_dir: Path, ports: Ports, cancel: Event | None = None) -> None:
        self.run = RunDir(run_dir)
        self.ports = ports
        cancel = cancel or Event()
        self.kafka = KafkaServer(self.run, ports, cancel)
        self.registry = RegistryServer(self.run, ports, cancel)
        self.mysql = MySQLServer(self.run, ports, cancel)

    @property
    def servers(self) -> tuple[Server, ...]:
        """All of them, in the order of their dependence."""
        return (self.kafka, self.mysql, self.registry)

    def start(self) -> None:
        """Start what does not run, all at once, and wait until all are ready.

        Raises:
            LocalStackError: one cannot start; what this call started is stopped again.
        """
        running = {server.name for server in self.servers if server.pid is not None}
        try:
            with ThreadPoolExecutor(len(self.servers)) as pool:
                for started in [pool.submit(server.start) for server in self.servers]:
                    started.result()
        except BaseException:
            for server in reversed(self.servers):
                if server.name not in running:
                    server.stop()
            raise

    def stop(self) -> None:
        """Stop all in good order; their data stay."""
        self.registry.stop()  # first: without Kafka it would only complain
        with ThreadPoolExecutor(2) as pool:
            for stopped in [pool.submit(server.stop) for server in (self.kafka, self.mysql)]:
                stopped.result()

    def endpoints(self) -> dict[str, Any]:
        """The servers' part of ``endpoints.json``; MySQL's account is the administrator's."""
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
                "user": "root",
                "password": self.mysql.root_password,
                "database": DATABASE,
            },
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
