"""The consumer behind the worker loop: cooperative group membership, explicit start positions, records as plain values.

Invariant: nothing is read of a partition before the loop has started it at a position of its own choosing; Kafka's committed offsets decide nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from corpactions.domain.errors import Fatal, Unavailable
from corpactions.kafka.client_log import client_logger
from corpactions.kafka.records import record_of
from corpactions.ports.records import Record
from corpactions.ports.source import Listener, Watermarks

_LOG: Final = logging.getLogger("corpactions.kafka.source")
_REQUEST_SECONDS: Final = 5.0
_POSITION_GONE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001 - librdkafka's local codes are named so
_NOT_A_MEMBER: Final = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001
    }
)
"""Answers to a commit after which the group will tell us that our partitions are lost; after any other one they may well be ours still."""
_AWAY: Final = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN})  # noqa: SLF001
"""Errors that come with every attempt to connect; the client's own log tells of them, sparingly."""
_GATHER_SECONDS: Final = 0.005
"""How long the first record waits for company: long enough to fill batches under load, too short to be felt."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Where to read and as whom. ``security`` holds further librdkafka settings (TLS, SASL)."""

    bootstrap: str
    group: str
    topic: str
    session_timeout_seconds: float = 10.0
    client_id: str = "corporate-actions-worker"
    security: Mapping[str, str] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """The librdkafka settings."""
        session_ms = int(self.session_timeout_seconds * 1000)
        return {
            **self.security,
            "bootstrap.servers": self.bootstrap,
            "group.id": self.group,
            "client.id": self.client_id,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": max(100, session_ms // 4),
            "max.poll.interval.ms": max(300_000, session_ms),
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # A position that the topic no longer holds must stop the worker, not move it.
            "auto.offset.reset": "error",
            # Without this a full local queue stops fetching for a second.
            "fetch.queue.backoff.ms": 2,
            "queued.min.messages": 20_000,
            "queued.max.messages.kbytes": 32_768,
            "reconnect.backoff.max.ms": 1000,
            "socket.timeout.ms": 10_000,
            "enable.metrics.push": False,
        }


class KafkaSource:
    """See ``ports.source.Source``."""

    def __init__(self, config: SourceConfig) -> None:
        self.topic = config.topic
        self._consumer = Consumer({**config.settings(), "error_cb": self._trouble}, logger=client_logger(_LOG.name))
        self._started: set[int] = set()
        self._paused: set[int] = set()
        self._error: KafkaError | None = None

    def subscribe(self, listener: Listener) -> None:
        """Join the group."""

        def assigned(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            consumer.incremental_assign([])
            listener.assigned([item.partition for item in partitions])

        def revoked(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            numbers = [item.partition for item in partitions]
            listener.revoked(numbers)
            consumer.incremental_unassign(self._forget(numbers))

        def lost(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            numbers = [item.partition for item in partitions]
            listener.lost(numbers)
            consumer.incremental_unassign(self._forget(numbers))

        self._consumer.subscribe([self.topic], on_assign=assigned, on_revoke=revoked, on_lost=lost)

    def consume(self, limit: int, timeout: float) -> list[Record]:
        """Wait for one record, then take what else is there."""
        messages = self._consumer.consume(1, timeout)
        if messages and limit > 1:
            messages += self._consumer.consume(limit - 1, _GATHER_SECONDS)
        records = []
        for message in messages:
            if (error := message.error()) is None:
                records.append(record_of(message))
            else:
                self._judge(error, message)
        return records

    def start(self, positions: Mapping[int, int]) -> None:
        """Read these partitions from these offsets."""
        self._consumer.incremental_assign([TopicPartition(self.topic, partition, offset) for partition, offset in positions.items()])
        self._started.update(positions)

    def stop(self, partitions: Collection[int]) -> None:
        """Read these no longer."""
        if going := self._forget(partitions):
            self._consumer.incremental_unassign(going)

    def pause(self, partitions: Collection[int]) -> None:
        """Give no records of these. Pausing what is paused, or resuming what is not, makes librdkafka lose its position, so neither is passed on."""
        wanted = (set(partitions) & self._started) - self._paused
        if wanted:
            self._consumer.pause(self._named(wanted))
            self._paused |= wanted

    def resume(self, partitions: Collection[int]) -> None:
        """Go on where the pause began."""
        wanted = set(partitions) & self._paused
        if wanted:
            self._consumer.resume(self._named(wanted))
            self._paused -= wanted

    def watermarks(self, partition: int) -> Watermarks:
        """The partition's ends."""
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=_REQUEST_SECONDS)
        except KafkaException as error:
            raise Unavailable("kafka", f"the ends of {self.topic}-{partition} are not to be had: {error.args[0].str()}") from error
        return Watermarks(low, high)

    def count_partitions(self) -> int:
        """How many partitions the topic has. Raises Unavailable; Fatal when there is no such topic, since creating it is a deployment step."""
        try:
            topic = self._consumer.list_topics(self.topic, timeout=_REQUEST_SECONDS).topics[self.topic]
        except KafkaException as error:
            raise Unavailable("kafka", error.args[0].str()) from error
        if topic.error is not None or not topic.partitions:
            raise Fatal(f"there is no topic {self.topic}; create it with `corpactions topics apply`")
        return len(topic.partitions)

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Tell the group how far we are."""
        try:
            self._consumer.commit(offsets=self._positions(offsets), asynchronous=True)
        except KafkaException as error:
            _LOG.debug("offsets not committed: %s", error)

    def is_member(self, offsets: Mapping[int, int]) -> bool:
        """Whether the group takes a commit from us."""
        try:
            self._consumer.commit(offsets=self._positions(offsets), asynchronous=False)
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() not in _NOT_A_MEMBER:
                raise Unavailable("kafka", f"the group does not say whether this worker belongs to it: {cause.str()}") from error
            _LOG.info("the group no longer knows this worker: %s", cause.str())
            return False
        return True

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _forget(self, partitions: Collection[int]) -> list[TopicPartition]:
        """Leave no trace of partitions that go: librdkafka would keep a pause beyond the assignment, and read nothing when they come back."""
        going = set(partitions) & self._started
        self.resume(going)
        self._started -= going
        return self._named(going)

    def _named(self, partitions: Collection[int]) -> list[TopicPartition]:
        return [TopicPartition(self.topic, partition) for partition in sorted(partitions)]

    def _positions(self, offsets: Mapping[int, int]) -> list[TopicPartition]:
        return [TopicPartition(self.topic, partition, offset) for partition, offset in offsets.items()]

    def _judge(self, error: KafkaError, message: Message) -> None:
        if error.code() in _POSITION_GONE:
            raise Fatal(
                f"{self.topic}-{message.partition()} no longer holds the position that reading must start from ({error.str()});"
                " restore the topic, or decide with a replay what was lost"
            )
        if error.fatal() or error.code() in {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}:
            raise Fatal(f"the consumer cannot go on: {error.str()}")
        _LOG.warning("consumer: %s", error.str())

    def _trouble(self, error: KafkaError) -> None:
        if error.code() not in _AWAY:
            _LOG.log(logging.ERROR if error.fatal() else logging.WARNING, "kafka: %s", error.str())
