"""The broker: topics that keep what was appended, and the two ways in which the product produces.

A produced record is acknowledged, or its sender is left without an answer although it landed, did not land, or will land in a moment.

Invariant: records of one sender to one partition land in the order in which they were sent, as an idempotent producer sees to.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zlib import crc32

from corpactions.domain.errors import Unavailable
from corpactions.domain.identity import partition_of
from corpactions.domain.messages import Message
from corpactions.kafka.publisher import OutcomeUnknown, Outgoing, Undelivered
from corpactions.ports.records import Headers, Record
from tests.simulation.scheduler import Process, Scheduler, Task
from tests.support.announcing import EVENTS, START, TOPIC

DELIVERY_SECONDS: Final = 5.0
"""``delivery.timeout.ms`` of our producers."""


class Broker:
    """The cluster. ``down_until`` is when it answers again."""

    def __init__(self, scheduler: Scheduler, partitions: int) -> None:
        self.scheduler = scheduler
        self.partitions = partitions
        self.topics: dict[str, list[list[Record]]] = {}
        self.down_until = 0.0
        self._places: dict[bytes, int] = {}
        self.readers: list[Task] = []
        """Consumers that wait for records."""

    @property
    def away(self) -> bool:
        return self.scheduler.now < self.down_until

    def log(self, topic: str) -> list[list[Record]]:
        """A topic's records, partition by partition."""
        found = self.topics.get(topic)
        if found is None:
            found = self.topics[topic] = [[] for _ in range(self.partitions)]
        return found

    def append(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), partition: int | None = None) -> Record:
        """Put a record at the end of its partition: the one that its key gives, unless one is named."""
        number = self._place(topic, key or b"") if partition is None else partition
        log = self.log(topic)[number]
        record = Record(topic, number, len(log), key, value, headers, self._now())
        log.append(record)
        if topic == TOPIC and self.readers:
            for reader in self.readers:
                self.scheduler.wake(reader)
            self.readers.clear()
        return record

    def _place(self, topic: str, key: bytes) -> int:
        """Where the key leads. Nobody asks where records of ours lie on the topics that nobody reads here, so there any hash will do, and murmur2 is slow."""
        if topic != TOPIC:
            return crc32(key) % self.partitions
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = partition_of(key, self.partitions)
        return place

    def _now(self) -> datetime:
        """Kafka keeps milliseconds."""
        return START + timedelta(milliseconds=int(self.scheduler.now * 1000))

    def wait_until_back(self, process: Process, deadline: float) -> bool:
        """Wait for a broker that is away, at most until a time; whether it is there."""
        while self.away:
            if self.scheduler.now >= deadline:
                return False
            process.sleep(max(min(self.down_until, deadline) - self.scheduler.now, 1e-6))
        return True


class _Sent:
    """A record on its way."""

    __slots__ = ("landed", "record", "since")

    def __init__(self, record: Outgoing, since: float) -> None:
        self.record = record
        self.since = since
        self.landed = False


class SimSender:
    """The worker's publisher; see ``kafka.in_flight.Sender`` and ``kafka.publisher.Publisher`` for what it raises."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process
        self._on_its_way: list[_Sent] = []
        process.at_kill.append(self._die)

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] | None = None,
        partition: int | None = None,
    ) -> None:
        self._process.point("broker.send")
        if self._process.happens("queue-full"):
            raise Unavailable("kafka", "the send queue is full and nothing is acknowledged")
        self._on_its_way.append(_Sent(Outgoing(topic, key, value, headers, partition), self._broker.scheduler.now))

    def wait(self, timeout: float) -> None:
        process, broker = self._process, self._broker
        process.point("broker.flush")
        deadline = broker.scheduler.now + timeout
        if broker.away and not broker.wait_until_back(process, deadline):
            self._give_up()
        sent, self._on_its_way = self._on_its_way, []
        if broker.scheduler.rates or process.armed:
            sent = self._troubled(sent, deadline)
        for item in sent:
            self._land(item)
        process.point("broker.acked")

    def _troubled(self, sent: list[_Sent], deadline: float) -> list[_Sent]:
        """What goes wrong with this round, if anything."""
        process = self._process
        if process.happens("ack-late"):
            for item in sent:
                self._land(item)
            self._on_its_way = sent
            process.sleep(max(deadline - self._broker.scheduler.now, 0.0))
            self._give_up()
            self._on_its_way = []
        landed = process.happens("ack-lost-landed")
        if landed or process.happens("ack-lost-dropped"):
            # A connection breaks in the middle: what comes before was acknowledged, of the rest nobody knows.
            first = self._broker.scheduler.chance.randrange(len(sent)) if sent else 0
            for item in sent if landed else sent[:first]:
                self._land(item)
            process.sleep(max(deadline - self._broker.scheduler.now, 0.0))
            raise Undelivered("switched off by the simulation", [item.record for item in sent[first:]], [])
        return sent

    def _give_up(self) -> None:
        """No answer in time. Records older than the delivery time-out are given up for good, and any of them may have landed."""
        now = self._broker.scheduler.now
        old = [item for item in self._on_its_way if now - item.since >= DELIVERY_SECONDS]
        if old:
            self._land_some(old)
            self._on_its_way = [item for item in self._on_its_way if item not in old]
            raise Undelivered("timed out", [item.record for item in old], [])
        raise OutcomeUnknown(f"{len(self._on_its_way)} records are not acknowledged")

    def _land_some(self, items: list[_Sent]) -> None:
        """A prefix of each partition's records is in the log, as it was before the broker went away."""
        if items:
            for item in items[: self._broker.scheduler.chance.randrange(len(items) + 1)]:
                self._land(item)

    def _land(self, item: _Sent) -> None:
        if not item.landed:
            item.landed = True
            record = item.record
            self._broker.append(record.topic, record.key, record.value, tuple(record.headers or ()), record.partition)

    def _die(self) -> None:
        """What had been handed over may have left the process before it died."""
        self._land_some(self._on_its_way)
        self._on_its_way = []


class SimEventPublisher:
    """A gateway's publisher; see ``ports.events.EventPublisher``. Its calls never suspend: time passes inside of them."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process

    async def publish(self, message: Message) -> None:
        self._publish(message)

    async def publish_many(self, messages: Sequence[Message]) -> list[Exception | None]:
        outcomes: list[Exception | None] = []
        for message in messages:
            try:
                self._publish(message)
            except Unavailable as error:
                outcomes.append(error)
            else:
                outcomes.append(None)
        return outcomes

    def _publish(self, message: Message) -> None:
        process, broker, scheduler = self._process, self._broker, self._broker.scheduler
        value = EVENTS.encode(message)
        headers: Headers = (("ca-correlation-id", message.correlation_id.encode()),)
        process.point("broker.produce")
        deadline = scheduler.now + DELIVERY_SECONDS
        if broker.away and not broker.wait_until_back(process, deadline):
            raise OutcomeUnknown("timed out")
        if scheduler.rates or process.armed:
            self._lose(message, value, headers, deadline)
        broker.append(TOPIC, message.symbol.encode(), value, headers)
        process.point("broker.produced")

    def _lose(self, message: Message, value: bytes, headers: Headers, deadline: float) -> None:
        process, broker = self._process, self._broker
        key = message.symbol.encode()
        if process.happens("ack-lost-landed"):
            broker.append(TOPIC, key, value, headers)
        elif process.happens("ack-lost-late"):
            later = deadline + broker.scheduler.chance.uniform(0.0, 5.0)
            broker.scheduler.at(later, lambda: broker.append(TOPIC, key, value, headers))
        elif not process.happens("ack-lost-dropped"):
            return
        process.sleep(max(deadline - broker.scheduler.now, 0.0))
        raise OutcomeUnknown("no acknowledgement came")
