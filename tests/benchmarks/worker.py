"""worker.apply and worker.apply.two: from prepared records on the topic to committed rows, with one worker process and with two.

The workers are frozen while the records are produced, so that nothing but their own work lies in the interval: from the first commit, whose records are not
counted, to the last. The floor then writes the very same rows by bare statements and reads the same records, on as many connections.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from corpactions.kafka.inspector import Inspector
from tests.benchmarks import bare
from tests.benchmarks.flame import Flames
from tests.benchmarks.machine import Meter, Reading, Usage, listener, resident_mib
from tests.benchmarks.market import Announced, Market
from tests.benchmarks.output import report
from tests.support.product import PARTITIONS, Product, product

EVENTS = 60_000
QUICK_EVENTS = 10_000
ROUNDS = 3
_WARM_UP = 3_000
_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 300.0
_SETTINGS = {"CA_SESSION_TIMEOUT_SECONDS": "20"}
"""A frozen worker must still belong to its group when it goes on."""


class Interval(NamedTuple):
    """A stretch of steady work."""

    before: Reading
    after: Reading
    events: int

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / (self.after.at - self.before.at)


class Line:
    """Workers on a topic, and the instruments that watch them."""

    def __init__(self, made: Product) -> None:
        self.made = made
        self.market = Market(made)
        self.market.open()
        self.expected = 0
        self._connection = made.backing.connection()
        ports = {"mysqld": made.endpoints["mysql"]["port"], "kafka": int(made.endpoints["kafka"].rpartition(":")[2])}
        self.servers = {name: [listener(port)] for name, port in ports.items()}

    def start(self, workers: int) -> None:
        """Start workers in the place of those before, and wait until each has its share of the partitions."""
        self.made.stop()
        owners = self._owners()
        del self.made.workers[:]
        for _ in range(workers):
            self.made.start_worker()

        def shared() -> bool:
            found = self._owners()
            return len(found) == workers and found.isdisjoint(owners)

        self.made.wait("each worker has its share of the partitions", shared, 60.0)

    @property
    def groups(self) -> dict[str, list[int]]:
        """The processes, by what they are."""
        gateways = {"gateway": [gateway.pid for gateway in self.made.gateways]} if self.made.gateways else {}
        return {**self.servers, "worker": [worker.pid for worker in self.made.workers], **gateways}

    def check(self) -> None:
        """Everything was applied: a run that lost its way has no figures."""
        self.made.settle(_PATIENCE_SECONDS)
        completed = self.made.sql("SELECT COUNT(*) FROM events WHERE status = 'COMPLETED'")[0][0]
        letters = len(self.made.letters())
        if completed != self.expected or letters:
            raise RuntimeError(f"{completed} of {self.expected} events are COMPLETED, {letters} dead letters:\n{self.made.logs()}")

    def close(self) -> None:
        """Let go."""
        self._connection.close()

    def announce(self, records: Iterable[Announced], count: int) -> None:
        """Put so many prepared dividends on the topic."""
        self.market.send(records)
        self.expected += count

    def apply(self, count: int) -> Interval:
        """Announce so many dividends and watch the workers apply them: from the first commit to the last."""
        records = list(self.market.dividends(count))
        before = self.committed()
        with self.frozen():
            self.announce(records, count)
        meter = Meter(self.groups)
        first = self.wait_beyond(before)
        opened = meter.read()
        last = self.wait_beyond(before + count - 1)
        return Interval(opened, meter.read(), last - first)

    def records_per_transaction(self) -> float:
        """How full the batches were, over everything so far: all events of one have the same time of beginning."""
        events, batches = self.made.sql("SELECT COUNT(*), COUNT(DISTINCT processing_at) FROM events")[0]
        return round(float(events / batches), 1)

    def committed(self) -> int:
        """How many records were decided, as of the last commit."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT SUM(committed_offset) FROM partition_progress")
            return int(cursor.fetchone()[0])

    def ends(self) -> dict[int, int]:
        """Where each partition of the topic ends."""
        return Inspector(self.made.endpoints["kafka"]).end_offsets(self.made.topic("events"), 5.0)

    def left(self, ends: Mapping[int, int]) -> dict[str, int]:
        """How many records before these ends each worker has still to decide."""
        found: dict[str, int] = {}
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT owner, `partition`, committed_offset FROM partition_progress")
            for owner, partition, committed in cursor.fetchall():
                found[owner] = found.get(owner, 0) + ends[partition] - committed
        return found

    def wait_beyond(self, count: int) -> int:
        """Until a commit has brought more than so many records; how many there are then."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (committed := self.committed()) <= count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the workers stand still at {committed} of {count + 1} records:\n{self.made.logs()}")
            time.sleep(_POLL_SECONDS)
        return committed

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The workers hold still. Not for longer than half of their session, or the group gives them up."""
        for worker in self.made.workers:
            worker.send(signal.SIGSTOP)
        try:
            yield
        finally:
            for worker in self.made.workers:
                worker.send(signal.SIGCONT)

    def _owners(self) -> set[str]:
        """Which processes have the partitions; empty before each of them has an owner. An owner's name ends with the number of its thread."""
        owners = [str(owner).rpartition(":")[0] for (owner,) in self.made.sql("SELECT owner FROM partition_progress")]
        return set(owners) if len(owners) == PARTITIONS else set()


@contextmanager
def line(endpoints: Mapping[str, Any], workers: int) -> Iterator[Line]:
    """Workers that each have their share of an empty topic."""
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as logs,
        product(endpoints, Path(logs), **_SETTINGS) as made,
        closing(Line(made)) as started,
    ):
        started.start(workers)
        yield started
        started.check()


class Floor:
    """The bare work for what a line did, one stretch after another."""

    def __init__(self, started: Line, connections: int) -> None:
        self._line = started
        self._table = bare.BareTable(started.made.backing, connections)
        self._meter = Meter({"mysqld": started.servers["mysqld"]})
        self._usage = Usage()
        self._topic = started.made.topic("events")
        self._starts: dict[int, int] = dict.fromkeys(range(PARTITIONS), 0)

    def rate(self, chunk: int) -> float:
        """Events a second of the bare work for everything that was applied since the last call."""
        seconds = 0.0
        for statements in self._table.copied(chunk):
            before = self._meter.read()
            seconds += self._table.insert(statements)
            self._usage.add(before, self._meter.read(), len(statements) * bare.STATEMENT_ROWS)
        bootstrap = self._line.made.endpoints["kafka"]
        ends = self._line.ends()
        count = sum(ends.values()) - sum(self._starts.values())
        seconds += bare.consume(bootstrap, self._topic, self._starts, count)
        self._starts = ends
        return count / seconds

    def keys(self) -> dict[str, Any]:
        """What MySQL took for a bare row."""
        return {"floor_cpu_us_per_event": self._usage.per_event()}

    def close(self) -> None:
        """Close its connections."""
        self._table.close()


def apply(endpoints: Mapping[str, Any], name: str, workers: int, flames: Flames, *, quick: bool) -> None:
    """Measure and print."""
    events = QUICK_EVENTS if quick else EVENTS
    usage = Usage()
    rates: list[float] = []
    floors: list[float] = []
    with line(endpoints, workers) as started, closing(Floor(started, workers)) as floor:
        started.apply(_WARM_UP)
        floor.rate(_WARM_UP)
        for _ in range(ROUNDS):
            interval = started.apply(events)
            usage.add(*interval)
            rates.append(interval.rate)
            floors.append(floor.rate(events))
        more: dict[str, Any] = {
            "rounds": [round(rate) for rate in rates],
            "floor_rounds": [round(rate) for rate in floors],
            "records_per_transaction": started.records_per_transaction(),
        }
        if flames:
            with flames.of(name, [worker.pid for worker in started.made.workers]):
                started.apply(events)
        report(name, median(rates), "events/s", median(floors), **usage.keys(), **floor.keys(), **more)
        report_memory(name, started)


def report_memory(name: str, started: Line) -> None:
    """One line for each kind of process."""
    for kind, pids in started.groups.items():
        report(f"{name}.memory.{kind}", resident_mib(pids), "MiB", processes=len(pids))
