"""A gateway of a test's own: its database, its topics, its process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import MySQLdb
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from corpactions.domain.errors import Fatal, Unavailable
from corpactions.domain.messages import Message
from corpactions.kafka import topics as kafka_topics
from corpactions.kafka.inspector import Inspector
from corpactions.kafka.registry import Registry
from corpactions.persistence import schema
from corpactions.persistence.engine import MysqlConfig, connect
from corpactions.serde.events import EventCodec
from corpactions.serde.schemas import schema_text
from corpactions.system import SystemClock
from infra.local.ports import Ports

START_SECONDS = 60.0
DIVIDEND: dict[str, Any] = {
    "event_type": "DIVIDEND",
    "symbol": "AAPL",
    "isin": "US0378331005",
    "payload": {"amount_per_share": "0.25", "currency": "USD", "ex_date": "2026-11-10", "record_date": "2026-11-10"},
}


class Backing:
    """A database and topics that only this test run uses."""

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        name = uuid.uuid4().hex[:8]
        self.endpoints = endpoints
        self.database = f"t_gw_{name}"
        self.prefix = f"t-gw-{name}-"
        self.topic = f"{self.prefix}corporate-actions-events"
        self._registry = Registry(endpoints["registry"], SystemClock())
        self._topics: list[str] = []
        self._codec: EventCodec | None = None

    def create(self) -> None:
        """Make the database with its tables, the topics and their schemas."""
        self.sql(f"CREATE DATABASE {self.database}", database="")
        engine = connect(self.mysql_config())
        schema.upgrade(engine)
        engine.dispose()
        specs = kafka_topics.catalogue()
        self._topics = [applied.topic for applied in kafka_topics.apply(self.endpoints["kafka"], specs, self.prefix)]
        for spec in specs:
            if spec.schema is not None:
                self._registry.register(kafka_topics.subject_of(self.prefix + spec.name), schema_text(spec.schema))

    def drop(self) -> None:
        """Leave nothing on the servers."""
        self.sql(f"DROP DATABASE IF EXISTS {self.database}", database="")
        if self._topics:
            admin = AdminClient({"bootstrap.servers": self.endpoints["kafka"]})
            for deleted in admin.delete_topics(self._topics).values():
                deleted.result()

    def mysql_config(self) -> MysqlConfig:
        """The administrator's way into the database."""
        mysql = self.endpoints["mysql"]
        return MysqlConfig(mysql["host"], mysql["port"], self.database, mysql["user"], mysql["password"])

    def connection(self, database: str | None = None) -> Any:
        """A bare connection, autocommitting."""
        mysql = self.endpoints["mysql"]
        return MySQLdb.connect(
            host=mysql["host"],
            port=mysql["port"],
            user=mysql["user"],
            password=mysql["password"],
            database=self.database if database is None else database,
            autocommit=True,
        )

    def sql(self, statement: str, *arguments: object, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        connection = self.connection(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, arguments or None)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def messages(self) -> list[Message]:
        """Everything on the events topic, partition by partition in the order of its offsets."""
        self._codec = self._codec or EventCodec(self._registry, self._registry.latest_id(f"{self.topic}-value"))
        ends = Inspector(self.endpoints["kafka"]).end_offsets(self.topic, 5.0)
        wanted = sum(ends.values())
        consumer = Consumer({"bootstrap.servers": self.endpoints["kafka"], "group.id": "unused", "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition(self.topic, partition, 0) for partition in ends])
            found: list[Message] = []
            deadline = time.monotonic() + 15
            while len(found) < wanted and time.monotonic() < deadline:
                found += [self._codec.decode(record.value()) for record in consumer.consume(500, 0.2) if record.error() is None]
            return found
        finally:
            consumer.close()

    def take_topic_away(self) -> None:
        """Delete the events topic: the broker answers, but acknowledges nothing."""
        admin = AdminClient({"bootstrap.servers": self.endpoints["kafka"]})
        admin.delete_topics([self.topic])[self.topic].result()
        self._wait_for_topic(there=False)

    def bring_topic_back(self) -> None:
        """Make the events topic anew, empty."""
        kafka_topics.apply(self.endpoints["kafka"], kafka_topics.catalogue(), self.prefix)
        self._wait_for_topic(there=True)

    def _wait_for_topic(self, *, there: bool) -> None:
        inspector, deadline = Inspector(self.endpoints["kafka"]), time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                found = bool(inspector.partitions(self.topic, 1.0))
            except (Fatal, Unavailable):
                found = False
            if found == there:
                return
            time.sleep(0.05)
        raise AssertionError(f"the topic should {'' if there else 'not '}be there")


class Gateway:
    """A gateway process."""

    def __init__(self, backing: Backing, port: int, **settings: str) -> None:
        mysql = backing.endpoints["mysql"]
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = tempfile.NamedTemporaryFile(prefix="gateway-", suffix=".log", delete=False)  # noqa: SIM115 - open as long as the process
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CA_")},
            "CA_KAFKA_BOOTSTRAP": backing.endpoints["kafka"],
            "CA_REGISTRY_URL": backing.endpoints["registry"],
            "CA_TOPIC_PREFIX": backing.prefix,
            "CA_MYSQL_HOST": mysql["host"],
            "CA_MYSQL_PORT": str(mysql["port"]),
            "CA_MYSQL_DATABASE": backing.database,
            "CA_MYSQL_USER": mysql["user"],
            "CA_MYSQL_PASSWORD": mysql["password"],
            "CA_GATEWAY_PORT": str(port),
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it serves."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway"], env=self._environment, stdout=self._log, stderr=self._log, start_new_session=True
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the gateway ended: {self.log()}"
            try:
                if httpx.get(f"{self.url}/health/live", timeout=1, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the gateway does not serve: {self.log()}")

    def stop(self) -> int:
        """Ask the process to stop (SIGTERM) and wait; its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End the process at once (SIGKILL)."""
        return self._end(signal.SIGKILL)

    def log(self) -> str:
        """What the process has written."""
        return Path(self._log.name).read_text()

    def close(self) -> None:
        """Leave no process and no file."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self._log.close()
        Path(self._log.name).unlink(missing_ok=True)

    def _end(self, how: signal.Signals) -> int:
        assert self.process is not None, "started before"
        self.process.send_signal(how)
        return self.process.wait(timeout=30)


@contextmanager
def backing(endpoints: Mapping[str, Any]) -> Iterator[Backing]:
    """A database and topics, gone afterwards."""
    made = Backing(endpoints)
    try:
        made.create()
        yield made
    finally:
        made.drop()


@contextmanager
def gateway(made: Backing, **settings: str) -> Iterator[Gateway]:
    """A running gateway on a free port, stopped afterwards."""
    process = Gateway(made, Ports.free().gateway, **settings)
    try:
        process.start()
        yield process
    finally:
        process.close()


def key() -> str:
    """A fresh idempotency key."""
    return str(uuid.uuid4())


def post(client: httpx.Client, path: str, body: object, idempotency_key: str | None = None, **headers: str) -> httpx.Response:
    """Send a mutation."""
    sent = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key or key(), **headers}
    return client.post(path, content=json.dumps(body), headers=sent)
