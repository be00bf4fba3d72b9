"""A topic, a group, a broker and a process around the real worker loop, all in memory and moved by the test."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence

from corpactions.domain.errors import Rejected, Unavailable
from corpactions.kafka.publisher import Outgoing, Undelivered
from corpactions.kafka.worker import Worker, WorkerConfig
from corpactions.ports.handler import Barrier, Handler, Result
from corpactions.ports.lifecycle import Claim
from corpactions.ports.records import Headers, Publication, Record
from corpactions.ports.source import Listener, Watermarks
from tests.support.announcing import PARTITIONS, TOPIC
from tests.support.lifecycle import TOPICS, Shop
from tests.support.memory_store import MemoryLifecycleStore


class Topic:
    """The events topic: what was written to each partition."""

    def __init__(self) -> None:
        self.partitions: dict[int, list[Record]] = {number: [] for number in range(PARTITIONS)}
        self.low: dict[int, int] = dict.fromkeys(range(PARTITIONS), 0)

    def write(self, *records: Record) -> None:
        """Append; each record gets its partition's next offset."""
        for record in records:
            log = self.partitions[record.partition]
            log.append(record._replace(offset=len(log)))


class FakeSource:
    """See ``ports.source.Source``. Rebalances that the test asks for happen inside the next ``consume``."""

    topic = TOPIC

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._rebalances: deque[tuple[str, set[int]]] = deque()
        self.listener: Listener | None = None
        self.owned: set[int] = set()
        self.positions: dict[int, int] = {}
        self.paused: set[int] = set()
        self.committed: dict[int, int] = {}
        self.strays: list[Record] = []
        self.member = True
        self.polls = 0
        self.largest_batch = 1_000_000

    def rebalance(self, what: str, partitions: Collection[int]) -> None:
        """``assigned``, ``revoked`` or ``lost`` is heard at the next poll."""
        self._rebalances.append((what, set(partitions)))

    def subscribe(self, listener: Listener) -> None:
        self.listener = listener

    def consume(self, limit: int, timeout: float) -> list[Record]:
        self.polls += 1
        while self._rebalances:
            what, partitions = self._rebalances.popleft()
            getattr(self.listener, what)(partitions)
            self.owned = self.owned | partitions if what == "assigned" else self.owned - partitions
            if what != "assigned":
                self.stop(partitions)
        found, self.strays = self.strays, []
        for partition, position in self.positions.items():
            if partition not in self.paused:
                room = min(limit, self.largest_batch) - len(found)
                taken = self._topic.partitions[partition][position : position + max(room, 0)]
                self.positions[partition] += len(taken)
                found += taken
        return found

    def start(self, positions: Mapping[int, int]) -> None:
        self.positions.update(positions)

    def stop(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self.positions.pop(partition, None)
            self.paused.discard(partition)

    def pause(self, partitions: Collection[int]) -> None:
        self.paused |= set(partitions)

    def resume(self, partitions: Collection[int]) -> None:
        self.paused -= set(partitions)

    def watermarks(self, partition: int) -> Watermarks:
        return Watermarks(self._topic.low[partition], len(self._topic.partitions[partition]))

    def commit(self, offsets: Mapping[int, int]) -> None:
        self.committed.update(offsets)

    def is_member(self, offsets: Mapping[int, int]) -> bool:
        return self.member

    def close(self) -> None:
        self.rebalance("revoked", self.owned)
        self.consume(0, 0.0)


class FakeSender:
    """A producer: what was sent waits until ``wait``, which puts it on the broker's ``log`` or, while ``failures`` last, only part of it."""

    def __init__(self, log: list[Publication]) -> None:
        self.log = log
        self.waiting: list[Publication] = []
        self.failures = 0
        self.full = False
        self.largest = 1_000_000
        self.rounds = 0

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] | None = None,
        partition: int | None = None,
    ) -> None:
        if self.full:
            raise Unavailable("kafka", "the send queue is full")
        if len(value or b"") > self.largest:
            raise Rejected("record_too_large", "too large")
        sent: Headers = tuple(headers or ())
        self.waiting.append(Publication(topic, key, value, sent, partition))

    def wait(self, timeout: float) -> None:
        self.rounds += 1
        sent, self.waiting = self.waiting, []
        if self.failures:
            self.failures -= 1
            self.log.extend(sent[::2])
            raise Undelivered("switched off by the test", [Outgoing(item.topic, item.key, item.value) for item in sent[1::2]], [])
        self.log.extend(sent)


class FaultyHandler:
    """The real handler, with a test's fault in front of some calls: each entry of ``faults`` is raised once, by the next call of that kind."""

    def __init__(self, inner: Handler) -> None:
        self._inner = inner
        self.faults: dict[str, deque[Exception]] = {"handle": deque(), "due": deque(), "settle": deque()}
        self.batches: list[list[int]] = []

    def handle(self, records: Sequence[Record], claims: Mapping[int, Claim], barrier: Barrier) -> Result:
        self.batches.append([record.offset for record in records])
        self._fail("handle")
        return self._inner.handle(records, claims, barrier)

    def refuse(self, record: Record, claims: Mapping[int, Claim], barrier: Barrier, reason: str) -> Result:
        return self._inner.refuse(record, claims, barrier, reason)

    def due(self, claims: Sequence[Claim], barrier: Barrier) -> Result | None:
        self._fail("due")
        return self._inner.due(claims, barrier)

    def settle(self, claims: Sequence[Claim], barrier: Barrier) -> Result:
        self._fail("settle")
        return self._inner.settle(claims, barrier)

    def _fail(self, call: str) -> None:
        if self.faults[call]:
            raise self.faults[call].popleft()


class Process:
    """One worker process: its own owner's name, source and sender on the shared topic, broker and database."""

    def __init__(self, shop: Shop, topic: Topic, log: list[Publication], owner: str = "one", batch_records: int = 1000) -> None:
        self.shop = shop
        self.store = MemoryLifecycleStore(shop.database, owner)
        self.source = FakeSource(topic)
        self.sender = FakeSender(log)
        self.handler = FaultyHandler(shop.new_handler(self.store))
        config = WorkerConfig(TOPICS.summaries, batch_records, due_every=0.0, commit_every=0.0, settle_every=0.0, resume_every=0.0)
        self.worker = Worker(self.source, self.store, self.handler, self.sender, shop.clock, config)
        self.source.subscribe(self.worker)

    def join(self, *partitions: int) -> Process:
        """Be given partitions (all of them unless some are named) at the next turn."""
        self.source.rebalance("assigned", partitions or range(PARTITIONS))
        return self

    def turns(self, count: int, seconds: float = 0.0) -> None:
        """So many turns of the loop, with time passing before each."""
        for _ in range(count):
            self.shop.clock.advance(seconds)
            self.worker.turn()
