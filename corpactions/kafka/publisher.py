"""The only place that produces records.

Every record is sent with acks=all by an idempotent producer, and its partition is murmur2(key), as Java's producers choose it: one symbol, one partition,
whoever sends. Invariant: what is reported as delivered is in the log; what is reported as unknown may be there, and must be sent again under its identity.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from corpactions.domain.errors import Rejected, Unavailable
from corpactions.domain.messages import Position
from corpactions.kafka.client_log import client_logger

Headers = Sequence[tuple[str, bytes | None]]

MAX_RECORD_BYTES: Final = 1_179_648 + 65_536
"""Largest record handed to the broker: the largest topic limit plus room for framing, so that the topic's own limit decides."""
_POLL_SECONDS: Final = 0.1
_CLOSE_MARGIN_SECONDS: Final = 1.0
_LOG: Final = logging.getLogger("corpactions.kafka.publisher")


class Outgoing(NamedTuple):
    """A record to send. Without ``partition``, the key decides."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers | None = None
    partition: int | None = None


class OutcomeUnknown(Unavailable):
    """No acknowledgement came: the record may or may not be in the log. A plain Unavailable from here means that it certainly was not sent."""

    def __init__(self, reason: str) -> None:
        super().__init__("kafka", reason)


class RecordTooLarge(Rejected):
    """A record over the producer's or the topic's limit. It is not in the log, and sending it again is useless."""

    def __init__(self, record: Outgoing) -> None:
        size = len(record.key or b"") + len(record.value or b"")
        super().__init__(
            "record_too_large", f"the record of {size} bytes is larger than topic {record.topic} takes; send less in one record"
        )
        self.record = record


class Undelivered(OutcomeUnknown):
    """Some records were not acknowledged.

    ``unknown`` holds those that may be sent again, ``refused`` those that were too large.
    """

    def __init__(self, reason: str, unknown: Sequence[Outgoing], refused: Sequence[RecordTooLarge]) -> None:
        super().__init__(f"{len(unknown)} records were not acknowledged: {reason}")
        self.unknown = tuple(unknown)
        self.refused = tuple(refused)


@dataclass(frozen=True, slots=True)
class PublisherConfig:
    """What a producer needs to know.

    ``delivery_timeout_seconds`` bounds a record's way from sending to its outcome, retries included. ``linger_seconds`` is how long a record waits for
    company: 0 answers soonest, and under load records gather all the same while earlier ones are on their way. ``security`` holds further librdkafka
    settings (TLS, SASL); they override nothing that order and durability rest on.
    """

    bootstrap: str
    delivery_timeout_seconds: float = 5.0
    linger_seconds: float = 0.0
    client_id: str = "corporate-actions"
    security: Mapping[str, str] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """The librdkafka settings."""
        delivery_ms = int(self.delivery_timeout_seconds * 1000)
        return {
            **self.security,
            "bootstrap.servers": self.bootstrap,
            "client.id": self.client_id,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "linger.ms": self.linger_seconds * 1000,
            "message.max.bytes": MAX_RECORD_BYTES,
            "delivery.timeout.ms": delivery_ms,
            # A broker that hangs is given up in time to try again, and a connection to one that came back is made at once.
            "request.timeout.ms": max(1000, delivery_ms // 2),
            "socket.timeout.ms": max(2000, delivery_ms),
            "reconnect.backoff.max.ms": 1000,
            "socket.nagle.disable": True,
            "enable.metrics.push": False,
        }


class Publisher:
    """Sends from one thread, in rounds: any number of :meth:`send`, then one :meth:`wait`."""

    def __init__(self, config: PublisherConfig) -> None:
        self._settings = {**config.settings(), "delivery.report.only.error": True}
        self._full_polls = int(config.delivery_timeout_seconds / _POLL_SECONDS) + 1
        self._unknown: list[tuple[Outgoing, str]] = []
        self._refused: list[RecordTooLarge] = []
        self._broken = False
        self._producer = Producer(self._settings, logger=client_logger(_LOG.name))

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers | None = None, partition: int | None = None
    ) -> None:
        """Hand over one record, without waiting for its outcome.

        Raises:
            RecordTooLarge: it is larger than any topic takes; nothing was sent.
            Unavailable: the send queue stayed full for the whole delivery time-out; this record was not sent.
        """
        record = Outgoing(topic, key, value, headers, partition)
        if self._broken:
            self._reconnect()
        for _ in range(self._full_polls):
            try:
                _produce(self._producer, record, partial(self._failed, record))
            except BufferError:
                self._producer.poll(_POLL_SECONDS)
            else:
                return
        raise Unavailable("kafka", "the send queue is full and nothing is acknowledged")

    def wait(self, timeout: float) -> None:
        """Wait until everything sent since the last wait is acknowledged.

        Args:
            timeout: seconds; with the delivery time-out plus one, every record's outcome is settled when this returns or raises.

        Raises:
            Undelivered: at least one record's outcome is unknown; the error holds those records. Nothing is pending any more, and the next wait
                knows nothing of them: send them again, then wait.
            RecordTooLarge: everything else is in the log, but this record (the first, if there are several) is larger than its topic takes.
            OutcomeUnknown: the time was too short and records are still on their way; call again, and send nothing twice before that.
        """
        on_their_way = self._producer.flush(timeout)
        unknown, self._unknown = self._unknown, []
        refused, self._refused = self._refused, []
        if unknown:
            raise Undelivered(unknown[0][1], [record for record, _ in unknown], refused)
        if on_their_way:
            self._refused = refused
            raise OutcomeUnknown(f"{on_their_way} records are not acknowledged after {timeout:g} s")
        if refused:
            raise refused[0]

    def _failed(self, record: Outgoing, error: KafkaError, _message: Message) -> None:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            self._refused.append(RecordTooLarge(record))
        else:
            self._unknown.append((record, error.str()))
            self._broken = self._broken or error.fatal()

    def _reconnect(self) -> None:
        """A producer that met a fatal error sends nothing more; what it still held is reported as unknown."""
        self._producer.purge()
        self._producer.flush(_POLL_SECONDS)
        self._producer = Producer(self._settings, logger=client_logger(_LOG.name))
        self._broken = False


class AsyncPublisher:
    """Sends from an event loop. Delivery reports arrive in a thread of its own and wake the loop once for many of them.

    Call :meth:`start` inside the loop before the first record and :meth:`close` at the end.
    """

    def __init__(self, config: PublisherConfig) -> None:
        self._settings = config.settings()
        self._close_seconds = config.delivery_timeout_seconds + _CLOSE_MARGIN_SECONDS
        self._settled: deque[_Round] = deque()
        self._woken = False
        self._broken = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-delivery", daemon=True)

    async def start(self) -> None:
        """Connect, and begin to listen for delivery reports."""
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(self._settings, logger=client_logger(_LOG.name))
        self._thread.start()

    async def close(self) -> None:
        """Wait for the outcome of everything sent, at most for the delivery time-out, and stop listening."""
        self._stop.set()
        await self._loop.run_in_executor(None, self._thread.join)

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> Position:
        """Send one record and wait for its acknowledgement.

        Raises:
            RecordTooLarge: the record is larger than its topic takes.
            OutcomeUnknown: no acknowledgement came within the delivery time-out; the record may be in the log.
            Unavailable: the record was not sent.
        """
        (outcome,) = await self.publish_many([Outgoing(topic, key, value, headers)])
        if isinstance(outcome, Position):
            return outcome
        raise outcome

    async def publish_many(self, records: Sequence[Outgoing]) -> list[Position | RecordTooLarge | Unavailable]:
        """Send records and wait until each has an outcome, which stands at its place: a position, or the error :meth:`publish` would raise."""
        group = _Round(self._loop.create_future(), records)
        sent = 0
        for index, record in enumerate(records):
            try:
                _produce(self._producer, record, partial(self._reported, group, index))
                sent += 1
            except BufferError:
                group.outcomes[index] = Unavailable("kafka", "the send queue is full")
            except (RecordTooLarge, Unavailable) as error:
                group.outcomes[index] = error
        group.expected = sent
        if group.reported == sent:
            self._settle(group)
        await group.future
        return group.outcomes

    def _reported(self, group: _Round, index: int, error: KafkaError | None, message: Message) -> None:
        """Runs in the polling thread, for every record; must not raise."""
        if error is None:
            group.outcomes[index] = Position(message.topic(), message.partition(), message.offset())  # type: ignore[arg-type] # a delivered record has all three
        elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            group.outcomes[index] = RecordTooLarge(group.records[index])
        else:
            group.outcomes[index] = OutcomeUnknown(error.str())
            self._broken = self._broken or error.fatal()
        group.reported += 1
        if group.reported == group.expected:
            self._settle(group)

    def _settle(self, group: _Round) -> None:
        """Queue a finished group and wake the loop, unless it is about to wake anyway. The order matters: append, then look."""
        self._settled.append(group)
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._wake)
            except RuntimeError:
                _LOG.warning("the event loop ended before the outcome of a record was known")

    def _wake(self) -> None:
        self._woken = False
        while self._settled:
            group = self._settled.popleft()
            if not group.future.done():
                group.future.set_result(None)

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(_POLL_SECONDS)
            if self._broken:
                broken, self._producer, self._broken = self._producer, Producer(self._settings, logger=client_logger(_LOG.name)), False
                broken.purge()
                broken.flush(_POLL_SECONDS)
        self._producer.flush(self._close_seconds)


class _Round:
    """The records of one call. ``expected`` is set once all are handed over; whoever then sees it reached settles the round, and twice does no harm."""

    __slots__ = ("expected", "future", "outcomes", "records", "reported")

    def __init__(self, future: asyncio.Future[None], records: Sequence[Outgoing]) -> None:
        self.future = future
        self.records = records
        self.outcomes: list[Position | RecordTooLarge | Unavailable] = [_NO_OUTCOME] * len(records)
        self.reported = 0
        self.expected = -1


_NO_OUTCOME: Final = OutcomeUnknown("no delivery report")


def _produce(producer: Producer, record: Outgoing, on_delivery: partial[None]) -> None:
    """Hand a record to the producer.

    Raises:
        BufferError: the send queue is full.
        RecordTooLarge, Unavailable: nothing was sent, and why.
    """
    try:
        producer.produce(
            record.topic,
            value=record.value,
            key=record.key,
            partition=-1 if record.partition is None else record.partition,
            headers=None if record.headers is None else list(record.headers),
            on_delivery=on_delivery,
        )
    except KafkaException as error:
        cause = error.args[0]
        if cause.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            raise RecordTooLarge(record) from error
        raise Unavailable("kafka", cause.str()) from error
