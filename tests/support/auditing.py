"""The audit log's processes beside a product: its consumer and, where it is wanted, its witness, with keys and stores of their own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from corpactions.domain.audit.notes import ED25519, Key
from corpactions.security.signing import FileSigner, create
from infra.local.ports import Ports
from tests.support.product import Process, Product

ORIGIN = "corporate-actions/audit"
START_SECONDS = 60.0


class Auditing:
    """Audit consumers and a witness of one product; :meth:`kill` ends them.

    ``key`` is the log's first key, which verifiers trust.
    """

    def __init__(self, made: Product, **settings: str) -> None:
        self.made = made
        self.keys = made.folder / "audit-keys"
        self.keys.mkdir(mode=0o700, exist_ok=True)
        self.add_key()
        first = FileSigner(ORIGIN, self.keys / "0001.pem")
        self.key = Key(ORIGIN, ED25519, first.public_key)
        self.settings = {"CA_AUDIT_KEYS": str(self.keys), "CA_AUDIT_TRUSTED_KEY": self.key.vkey, **settings}
        self.consumers: list[Process] = []
        self.witness: Process | None = None
        self.ports = Ports.free()

    def add_key(self) -> Path:
        """One more key in the folder; a writer that starts afterwards takes it into use."""
        path = self.keys / f"{len(list(self.keys.iterdir())) + 1:04d}.pem"
        create(path)
        return path

    def start(self, **settings: str) -> Process:
        """One more audit consumer. Does not wait."""
        consumer = self.made._start("audit", "consumers.audit", "ca_audit", {**self.settings, **settings})
        self.consumers.append(consumer)
        return consumer

    @property
    def size(self) -> int:
        """Entries of the log, by its newest batch."""
        return int(self.made.sql("SELECT COALESCE(MAX(size), 0) FROM audit_batches")[0][0])

    def wait_for(self, size: int, seconds: float = 60.0) -> None:
        """Until the log has so many entries."""
        self.made.wait(f"the log has {size} entries", lambda: self.size >= size, seconds)

    def logs(self, lines: int = 40) -> str:
        """The ends of the consumers' logs."""
        return "\n".join(f"--- {process.name}\n{process.log(lines)}" for process in self.consumers)

    def send(self, records: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Put keys and values on the audit topic."""
        producer = Producer(
            {"bootstrap.servers": self.made.endpoints["kafka"], "acks": "all", "partitioner": "murmur2_random", "linger.ms": 20}
        )
        for key, value in records:
            while True:
                try:
                    producer.produce(self.made.topic("audit"), value, key)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(60) == 0

    def bodies(self) -> list[bytes]:
        """All entries in order."""
        return [bytes(row[0]) for row in self.made.sql("SELECT body FROM audit_entries ORDER BY seq")]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows as the administrator sees them."""
        return self.made.sql(statement)

    def kill(self) -> None:
        """End whatever still runs."""
        for process in [*self.consumers, *([self.witness] if self.witness else [])]:
            process.kill()
