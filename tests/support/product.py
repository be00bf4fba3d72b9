"""The whole product as real processes with a database, topics and a consumer group of its own: lifecycle workers and gateways to start, stop, kill and freeze."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from corpactions.domain.errors import Unavailable
from corpactions.domain.securities import Security
from corpactions.kafka.inspector import Inspector
from corpactions.kafka.reader import TopicReader
from corpactions.kafka.registry import Registry
from corpactions.persistence import audit_guards, schema, securities
from corpactions.persistence.engine import connect
from corpactions.persistence.securities import SecurityFact
from corpactions.ports.records import Record
from corpactions.serde.events import EventCodec
from corpactions.system import SystemClock
from infra.local.layout import CLONE
from infra.local.ports import Ports
from tests.support.gateway import Backing

ACCOUNTS_FILE = CLONE / "infra" / "mysql" / "accounts.yaml"
START_SECONDS = 60.0
PARTITIONS = 12
_READ_SECONDS = 30.0


class Process:
    """One service process; its output goes to a file that failed assertions show."""

    def __init__(self, name: str, module: str, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log_file = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [sys.executable, "-m", module], cwd=CLONE, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def log(self, lines: int = 60) -> str:
        """The end of what it wrote."""
        written = self.log_file.read_text(errors="replace").splitlines()
        return "\n".join([line[:400] for line in written if "FAIL" not in line][-lines:])

    def send(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP freezes it, SIGCONT lets it go on."""
        self._child.send_signal(number)

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM, and wait; its exit status."""
        self._child.terminate()
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} does not stop within {seconds:g} s:\n{self.log()}") from None

    def kill(self) -> None:
        """SIGKILL, and reap it. Harmless when it has ended."""
        with suppress(ProcessLookupError):
            self._child.kill()
        self._child.wait(10)


class Product:
    """Owns everything that it makes on the servers; :func:`product` takes it away again.

    Args:
        endpoints: the servers (see the fixture ``endpoints``); with ``accounts`` (passwords by account) the services use accounts of their own.
        folder: where the services' logs go.
        settings: ``CA_`` variables for every service, on top of quick ones for tests.
    """

    def __init__(self, endpoints: Mapping[str, Any], folder: Path, **settings: str) -> None:
        self.endpoints = endpoints
        self.backing = Backing(endpoints)
        self.folder = folder
        self.settings = {
            "CA_SESSION_TIMEOUT_SECONDS": "2",
            "CA_RETRY_BASE_SECONDS": "0.2",
            "CA_DELIVERY_TIMEOUT_SECONDS": "3",
            "CA_CONSUMER_GROUP": f"{self.backing.prefix}lifecycle",
            **settings,
        }
        self.workers: list[Process] = []
        self.gateways: list[Process] = []
        self.gateway_url = ""
        self._codec: EventCodec | None = None
        self._inspector = Inspector(endpoints["kafka"])
        self._started = 0
        self._ports: Ports | None = None

    def create(self) -> None:
        """Database, topics, schemas, and accounts where the endpoints name any."""
        self.backing.create()
        if accounts := self.endpoints.get("accounts"):
            engine = connect(self.backing.mysql_config())
            services = {name: secret for name, secret in accounts.items() if name.startswith("ca_") and name != "ca_migrator"}
            audit_guards.install(engine, self.backing.database)
            schema.apply_accounts(engine, self.backing.database, ACCOUNTS_FILE, services)
            engine.dispose()

    def topic(self, name: str) -> str:
        """The real name of a topic of the catalogue, for example ``events-dlq``."""
        return f"{self.backing.prefix}corporate-actions-{name}"

    def load_securities(self, *symbols: str, isin: str | None = None, price: str | None = "100") -> None:
        """Make symbols known to the built-in security master."""
        engine = connect(self.backing.mysql_config())
        known = [Security(symbol, isin, "USD", "ACTIVE", None, None if price is None else Decimal(price)) for symbol in symbols]
        securities.load(engine, [SecurityFact(date(2000, 1, 1), item) for item in known])
        engine.dispose()

    def start_worker(self, **settings: str) -> Process:
        """One more lifecycle worker. Does not wait: partitions are claimed soon after."""
        worker = self._start("worker", "consumers.lifecycle", "ca_worker", settings)
        self.workers.append(worker)
        return worker

    def wait_for_workers(self) -> None:
        """Until every partition has an owner."""
        count = "SELECT COUNT(*) FROM partition_progress WHERE topic = %s"
        self.wait("every partition is claimed", lambda: self.sql(count, self.topic("events")) == [(PARTITIONS,)], START_SECONDS)

    def start_gateway(self, *, wait: bool = True, **settings: str) -> Process:
        """A gateway; always on the same port, so that clients find the next one after a kill."""
        self._ports = self._ports or Ports.free()
        self.gateway_url = f"http://127.0.0.1:{self._ports.gateway}"
        gateway = self._start("gateway", "gateway", "ca_gateway", {"CA_GATEWAY_PORT": str(self._ports.gateway), **settings})
        self.gateways.append(gateway)
        if wait:
            self.wait_for_gateway(gateway)
        return gateway

    def wait_for_gateway(self, gateway: Process) -> None:
        """Until it says that it is ready."""

        def ready() -> bool:
            assert gateway.running, f"the gateway ended:\n{gateway.log()}"
            with suppress(httpx.TransportError):
                return httpx.get(f"{self.gateway_url}/health/ready", timeout=2, trust_env=False).status_code == 200
            return False

        self.wait("the gateway is ready", ready, START_SECONDS)

    def stop(self) -> None:
        """End every process in good order; each must say 0."""
        for process in [*self.gateways, *self.workers]:
            if process.running:
                assert process.stop() == 0, f"{process.name} ended badly:\n{process.log()}"

    def kill(self) -> None:
        """End whatever still runs."""
        for process in [*self.gateways, *self.workers]:
            process.kill()

    # Looking.

    def sql(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of one statement, as the administrator."""
        return self.backing.sql(statement, *arguments)

    def records(self, name: str) -> list[Record]:
        """Everything on a topic of the catalogue, partition by partition."""
        topic = self.topic(name)
        ends = self._inspector.end_offsets(topic, 5.0)
        found: list[Record] = []
        deadline = time.monotonic() + _READ_SECONDS
        with TopicReader(self.endpoints["kafka"], topic, dict.fromkeys(ends, 0)) as reader:
            while len(found) < sum(ends.values()):
                assert time.monotonic() < deadline, f"{topic} holds {sum(ends.values())} records, but only {len(found)} could be read"
                found += reader.read(0.5)
        return sorted(found, key=lambda record: (record.partition, record.offset))

    def letters(self) -> list[Record]:
        """The dead letters."""
        return self.records("events-dlq")

    @property
    def codec(self) -> EventCodec:
        """Encodes and decodes messages with the registered schema."""
        if self._codec is None:
            registry = Registry(self.endpoints["registry"], SystemClock())
            self._codec = EventCodec(registry, registry.latest_id(f"{self.topic('events')}-value"))
        return self._codec

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Until a condition holds; a failure shows the ends of the logs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}\n{self.logs()}"
            time.sleep(0.05)

    def settled(self, held: Collection[str] = ()) -> bool:
        """Whether everything on the topic is decided, acknowledged and written down. Symbols in ``held`` may wait for a person, none for anything else."""
        ends = self._inspector.end_offsets(self.topic("events"), 5.0)
        rows = self.sql("SELECT `partition`, acked_offset, committed_offset FROM partition_progress WHERE topic = %s", self.topic("events"))
        acked = {partition: offset for partition, offset, committed in rows if offset == committed}
        pending = self.sql("SELECT COUNT(*) FROM pending_publications")[0][0]
        waiting = self.sql("SELECT symbol, next_attempt_at IS NULL FROM parked_symbols")
        return acked == ends and not pending and all(symbol in held and for_person for symbol, for_person in waiting)

    def settle(self, seconds: float = 60.0, held: Collection[str] = ()) -> None:
        """Wait until :meth:`settled`."""

        def done() -> bool:
            assert any(worker.running for worker in self.workers), f"no worker is left:\n{self.logs()}"
            with suppress(Unavailable):  # a broker that has just come back may not know its own ends yet
                return self.settled(held)
            return False

        self.wait("everything is decided and acknowledged", done, seconds)

    def status(self, event_id: str) -> str | None:
        """An event's status; None when it has no row."""
        rows = self.sql("SELECT status FROM events WHERE event_id = UNHEX(%s)", event_id.replace("-", ""))
        return str(rows[0][0]) if rows else None

    def wait_for(self, event_id: str, status: str, seconds: float = 30.0) -> None:
        """Until an event has a status."""
        self.wait(f"{event_id} is {status} (it is {self.status(event_id)})", lambda: self.status(event_id) == status, seconds)

    def logs(self, lines: int = 40) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {process.name}\n{process.log(lines)}" for process in [*self.workers, *self.gateways])

    def environment(self, account: str) -> dict[str, str]:
        """A service's whole environment: nothing of the tester's own CA_ variables comes through."""
        mysql = self.endpoints["mysql"]
        accounts = self.endpoints.get("accounts", {})
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CA_") or name == "CA_STARTER_MARK"}
        return inherited | {
            "CA_KAFKA_BOOTSTRAP": self.endpoints["kafka"],
            "CA_REGISTRY_URL": self.endpoints["registry"],
            "CA_TOPIC_PREFIX": self.backing.prefix,
            "CA_MYSQL_HOST": mysql["host"],
            "CA_MYSQL_PORT": str(mysql["port"]),
            "CA_MYSQL_DATABASE": self.backing.database,
            "CA_MYSQL_USER": account if account in accounts else mysql["user"],
            "CA_MYSQL_PASSWORD": accounts.get(account, mysql["password"]),
            "CA_GATEWAY_URL": self.gateway_url or "http://127.0.0.1:9",
            "PYTHONUNBUFFERED": "1",
            **self.settings,
        }

    def _start(self, kind: str, module: str, account: str, settings: Mapping[str, str]) -> Process:
        self._started += 1
        name = f"{kind}-{self._started}"
        return Process(name, module, self.environment(account) | dict(settings), self.folder / f"{name}.log")


@contextmanager
def product(endpoints: Mapping[str, Any], folder: Path, **settings: str) -> Iterator[Product]:
    """A product without processes yet; whatever it started and made is gone afterwards."""
    made = Product(endpoints, folder, **settings)
    try:
        made.create()
        yield made
    finally:
        made.kill()
        made.backing.drop()
