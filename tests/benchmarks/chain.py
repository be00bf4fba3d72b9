"""The floor under the latency: one record at a time, produced and acknowledged, consumed, written as one durable row."""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.benchmarks.bare import BareTable
from tests.benchmarks.market import Announced
from tests.support.product import Product

_SECONDS = 30.0


class Chain:
    """Bare clients around a topic of its own, with one partition."""

    def __init__(self, made: Product, record: Announced) -> None:
        bootstrap = made.endpoints["kafka"]
        self._topic = f"{made.backing.prefix}bare"
        self._record = record
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        self._admin.create_topics([NewTopic(self._topic, 1, 1)])[self._topic].result(_SECONDS)
        common = {"bootstrap.servers": bootstrap, "enable.metrics.push": False}
        self._producer = Producer({**common, "acks": "all", "enable.idempotence": True, "linger.ms": 0})
        self._consumer = Consumer({**common, "group.id": "unused", "enable.auto.commit": False})
        self._consumer.assign([TopicPartition(self._topic, 0, 0)])
        self._pass_on()  # the first one waits for connections

    def run(self, statements: Sequence[bytes], table: BareTable) -> list[float]:
        """Seconds from handing a record over to the commit of its row, for each of the single-row statements."""
        found = []
        for statement in statements:
            started = time.perf_counter()
            self._pass_on()
            table.run(statement)
            found.append(time.perf_counter() - started)
        return found

    def _pass_on(self) -> None:
        self._producer.produce(self._topic, self._record.value, self._record.key)
        if self._producer.flush(_SECONDS):
            raise RuntimeError("the broker does not acknowledge")
        record = self._consumer.poll(_SECONDS)
        if record is None or record.error() is not None:
            raise RuntimeError(f"the record does not come back: {record and record.error()}")

    def close(self) -> None:
        """Close the clients and delete the topic."""
        self._consumer.close()
        self._admin.delete_topics([self._topic])[self._topic].result(_SECONDS)
