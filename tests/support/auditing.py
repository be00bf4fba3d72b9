"""The audit log's processes beside a product: its consumer and, where it is wanted, its witness, with keys and stores of their own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
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

    def start_witness(self) -> Process:
        """The witness, which consumers started afterwards ask; started again it finds its store and its key."""
        trusted = self.made.folder / "witness-trusted"
        trusted.write_text(f"{ORIGIN} {self.key.vkey}\n")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CA_")} | {
            "CA_WITNESS_PORT": str(self.ports.witness),
            "CA_WITNESS_STORE": str(self.witness_store),
            "CA_WITNESS_TRUSTED": str(trusted),
        }
        self.witness = Process("witness", "consumers.witness", environment, self.made.folder / "witness.log")
        self.settings |= {"CA_WITNESS_URL": self.witness_url, "CA_WITNESS_VKEY": str(self.witness_store / "public" / "vkey")}
        self.made.wait("the witness answers", self._witness_answers, START_SECONDS)
        return self.witness

    @property
    def witness_store(self) -> Path:
        """What the witness keeps."""
        return self.made.folder / "witness"

    @property
    def witness_url(self) -> str:
        """Where the witness answers."""
        return f"http://127.0.0.1:{self.ports.witness}"

    def _witness_answers(self) -> bool:
        assert self.witness is not None
        assert self.witness.running, self.witness.log()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.witness_url}/health/ready", timeout=2, trust_env=False).status_code == 200
        return False

    def wait_for_witness(self, size: int, seconds: float = 30.0) -> None:
        """Until the log's own copies include a witnessed checkpoint of so many entries."""
        newest = "SELECT COALESCE(MAX(size), 0) FROM audit_checkpoints WHERE witnessed = 1"
        self.made.wait(f"{size} entries are witnessed", lambda: int(self.made.sql(newest)[0][0]) >= size, seconds)

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


@contextmanager
def auditing(made: Product, **settings: str) -> Iterator[Auditing]:
    """The audit log of a product, without processes yet; whatever it started is gone afterwards."""
    log = Auditing(made, **settings)
    try:
        yield log
    finally:
        log.kill()
