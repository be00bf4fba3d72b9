"""worker.apply and worker.apply.two: from prepared records on the topic to committed rows, with one worker process and with two.

The workers are frozen while the records are produced, so that nothing but their own work lies in the interval: from the first commit, whose records are not
counted, to the last. The floor then writes the very same rows by bare statements and reads the same records, on as many connections.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from corpactions.kafka.inspector import Inspector
from tests.benchmarks import bare
from tests.benchmarks.machine import Meter, Reading, Usage, listener, resident_mib
from tests.benchmarks.market import Market
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

    def __init__(self, made: Product, workers: int) -> None:
        self.made = made
        self.market = Market(made)
        self.market.open()
        self._connection = made.backing.connection()
        for _ in range(workers):
            made.start_worker()
        made.wait("each worker has its share of the partitions", lambda: self._shared(workers), 60.0)
        self.worker_pids = [worker.pid for worker in made.workers]
        servers = {"mysqld": made.endpoints["mysql"]["port"], "kafka": int(made.endpoints["kafka"].rpartition(":")[2])}
        self.servers = {name: [listener(port)] for name, port in servers.items()}
        self.meter = Meter({**self.servers, "worker": self.worker_pids})

    def close(self) -> None:
        """Check that everything was applied, since a run that lost its way has no figures, and let go."""
        self.made.settle()
        completed = self.made.sql("SELECT COUNT(*) FROM events WHERE status = 'COMPLETED'")[0][0]
        self._connection.close()
        if completed != self.market.announced or self.made.letters():
            raise RuntimeError(f"{completed} of {self.market.announced} events are COMPLETED:\n{self.made.logs()}")

    def apply(self, count: int) -> Interval:
        """Announce so many dividends and watch the workers apply them."""
        records = list(self.market.dividends(count))
        before = self.committed()
        with self._frozen():
            self.market.send(records)
        return self.watch(before, before + count)

    def watch(self, start: int, end: int) -> Interval:
        """From the first commit after ``start`` events to that of the last of ``end``."""
        first = self._wait_beyond(start)
        opened = self.meter.read()
        last = self._wait_beyond(end - 1)
        return Interval(opened, self.meter.read(), last - first)

    def committed(self) -> int:
        """How many records were decided, as of the last commit."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT SUM(committed_offset) FROM partition_progress")
            return int(cursor.fetchone()[0])

    def _wait_beyond(self, count: int) -> int:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (committed := self.committed()) <= count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the workers stand still at {committed} of {count + 1} records:\n{self.made.logs()}")
            time.sleep(_POLL_SECONDS)
        return committed

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        for worker in self.made.workers:
            worker.send(signal.SIGSTOP)
        try:
            yield
        finally:
            for worker in self.made.workers:
                worker.send(signal.SIGCONT)

    def _shared(self, workers: int) -> bool:
        rows = self.made.sql("SELECT COUNT(*), COUNT(DISTINCT owner) FROM partition_progress WHERE owner <> ''")
        return rows == [(PARTITIONS, workers)]


@contextmanager
def line(endpoints: Mapping[str, Any], workers: int) -> Iterator[Line]:
    """Workers that each have their share of an empty topic."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as logs, product(endpoints, Path(logs), **_SETTINGS) as made:
        with closing(Line(made, workers)) as started:
            yield started
        made.stop()


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
        ends = Inspector(bootstrap).end_offsets(self._topic, 5.0)
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


def apply(endpoints: Mapping[str, Any], workers: int, name: str, *, quick: bool) -> None:
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
        spread: dict[str, Any] = {"rounds": [round(rate) for rate in rates], "floor_rounds": [round(rate) for rate in floors]}
        report(name, median(rates), "events/s", median(floors), **usage.keys(), **floor.keys(), **spread)
        report(f"{name}.memory", resident_mib(started.worker_pids), "MiB", processes=workers)
