"""recovery.start, recovery.drain, recovery.takeover: how long a worker's end and beginning hold anything up, beside the bound that the settings allow.

Every line has ``bound_seconds`` and says in ``bound`` what it is made of; ``within`` tells whether the slowest round kept to it.
"""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Final, Self

import MySQLdb

from corpactions.settings import Settings
from tests.benchmarks.filling import History, lay_history, skip_to_the_end
from tests.benchmarks.output import report
from tests.benchmarks.worker import Line, line
from tests.support.product import Process, product

SESSION: Final = float(Settings.model_fields["session_timeout_seconds"].default)
HEARTBEAT: Final = SESSION / 4
"""How late a member may hear of a rebalance."""
TRANSACTION: Final = 10.0
"""MySQL ends a worker's transaction when its session has been idle for so long (``wait_timeout`` of the worker's sessions)."""
LOCK_WAIT: Final = 5.0
"""The longest wait of a statement for a row (``innodb_lock_wait_timeout``)."""
ACKS: Final = 3.0
"""The longest wait of a transaction for the acks of the one before."""
START: Final = 10.0
"""Imports, connections and joining the group, on a machine that does other work as well."""
SEEDS, HISTORY, QUICK_HISTORY = 9_600, 1_000_000, 50_000
_NEW_EVENTS = 100
_ROUNDS, _QUICK_ROUNDS = 3, 1
_BACKLOG = 40_000
_FEED, _FEED_SECONDS = 40, 0.2
_PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.01


def start(endpoints: Mapping[str, Any], *, quick: bool) -> None:
    """From starting a worker to its first commit of a new event, with a long history behind it; the floor is the same with hardly any."""
    history, rounds = (QUICK_HISTORY if quick else HISTORY), (_QUICK_ROUNDS if quick else _ROUNDS)
    with line(endpoints, 1) as started:
        started.apply(SEEDS)
        floors = [_started_again(started) for _ in range(rounds)]
        started.made.stop()
        History(started.made.backing, SEEDS).grow(history)
        lay_history(started.market, history - started.expected)
        skip_to_the_end(started.made.backing, started.ends())
        started.expected = history
        found = [_started_again(started) for _ in range(rounds)]
        _report(
            "recovery.start",
            found,
            START,
            "imports, connections, joining the group; nothing for the events behind it",
            median(floors),
            events=history,
        )
        started.made.settle(_PATIENCE_SECONDS)


def _started_again(started: Line) -> float:
    started.made.stop()
    before = started.committed()
    started.announce(started.market.dividends(_NEW_EVENTS), _NEW_EVENTS)
    began = time.monotonic()
    started.made.start_worker()
    started.wait_beyond(before)
    seconds = time.monotonic() - began
    started.wait_beyond(before + _NEW_EVENTS - 1)
    return seconds


def drain(endpoints: Mapping[str, Any], *, quick: bool) -> None:
    """From SIGTERM to a worker's end in the middle of full load; everything that is sent is then found applied once."""
    found = []
    with line(endpoints, 2) as started:
        for _ in range(_QUICK_ROUNDS if quick else _ROUNDS):
            before = started.committed()
            with started.frozen():
                started.announce(started.market.dividends(_BACKLOG), _BACKLOG)
            started.wait_beyond(before + 2_000)
            leaving = started.made.workers.pop(0)
            began = time.monotonic()
            status = leaving.stop()
            found.append(time.monotonic() - began)
            if status != 0:
                raise RuntimeError(f"it ended with status {status}:\n{leaving.log()}")
            started.made.start_worker()
            started.wait_beyond(before + _BACKLOG - 1)
        bound = "the batch at work with one wait for a row, the acks before it and its own"
        _report("recovery.drain", found, LOCK_WAIT + 2 * ACKS, bound)


def takeover(endpoints: Mapping[str, Any], *, quick: bool) -> None:
    """From a worker's end to the first commit of its heirs on the last of its partitions, while events flow: killed, and stopped inside a transaction."""
    rounds = _QUICK_ROUNDS if quick else _ROUNDS
    settings = {"CA_SESSION_TIMEOUT_SECONDS": f"{SESSION:g}"}
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as logs,
        product(endpoints, Path(logs), **settings) as made,
        closing(Line(made)) as started,
    ):
        started.start(2)
        with _Feed(started):
            killed = [_taken_over(started, _kill) for _ in range(rounds)]
            stopped = [_taken_over(started, _stop_in_transaction) for _ in range(rounds)]
        started.check()
    heard = "the group's session, and one heartbeat until the heir hears of it"
    _report("recovery.takeover.killed", killed, SESSION + HEARTBEAT + ACKS, f"{heard}; the acks of the batch at work", SESSION)
    longest = max(SESSION + HEARTBEAT, TRANSACTION)
    bound = (
        f"the longer of {heard}, and MySQL's patience with an idle transaction; then one wait for a row and the acks of the batch at work"
    )
    _report("recovery.takeover.stopped", stopped, longest + LOCK_WAIT + ACKS, bound, max(SESSION, TRANSACTION))


@contextmanager
def _kill(_started: Line, worker: Process) -> Iterator[float]:
    worker.kill()
    yield time.monotonic()


@contextmanager
def _stop_in_transaction(started: Line, worker: Process) -> Iterator[float]:
    """SIGSTOP, until it is caught with the rows of its partitions locked; in the end it goes on, and finds that they are gone."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        worker.send(signal.SIGSTOP)
        began = time.monotonic()
        time.sleep(0.05)  # what was already on its way to the server ends meanwhile
        if _holds_rows(started, worker):
            break
        worker.send(signal.SIGCONT)
        if time.monotonic() > deadline:
            raise RuntimeError("the worker was never caught inside a transaction")
        time.sleep(0.01)
    yield began
    worker.send(signal.SIGCONT)
    time.sleep(1.0)
    if not worker.running:
        raise RuntimeError(f"the worker that was stopped did not go on:\n{worker.log()}")
    worker.stop()


def _holds_rows(started: Line, worker: Process) -> bool:
    partitions = ", ".join(str(partition) for partition in _owned(started, worker))
    try:
        started.made.sql(f"SELECT epoch FROM partition_progress WHERE `partition` IN ({partitions}) FOR UPDATE NOWAIT")
    except MySQLdb.OperationalError as error:
        if error.args[0] == 3572:  # locked by somebody else
            return True
        raise
    return False


def _owned(started: Line, worker: Process) -> dict[int, int]:
    """How far each partition of a worker is."""
    rows = started.made.sql("SELECT `partition`, committed_offset FROM partition_progress WHERE owner LIKE %s", f"%:{worker.pid}:%")
    return dict(rows)


def _taken_over(started: Line, end: Callable[[Line, Process], AbstractContextManager[float]]) -> float:
    worker = started.made.workers.pop(0)
    with end(started, worker) as began:
        left = _owned_by_the_dead(started, worker)
        deadline = began + _PATIENCE_SECONDS
        while left:
            time.sleep(_POLL_SECONDS)
            rows = started.made.sql(
                "SELECT `partition`, committed_offset FROM partition_progress WHERE owner NOT LIKE %s", f"%:{worker.pid}:%"
            )
            left = {partition: offset for partition, offset in left.items() if dict(rows).get(partition, 0) <= offset}
            if time.monotonic() > deadline:
                raise RuntimeError(f"partitions {sorted(left)} were not taken over:\n{started.made.logs()}")
        seconds = time.monotonic() - began
    _fill_up(started)
    return seconds


def _fill_up(started: Line) -> None:
    """A successor, and both have partitions again."""
    started.made.start_worker()
    alive = [f":{worker.pid}:" for worker in started.made.workers]

    def shared() -> bool:
        owners = [str(owner) for (owner,) in started.made.sql("SELECT DISTINCT owner FROM partition_progress")]
        return len(owners) == len(alive) and all(any(mark in owner for mark in alive) for owner in owners)

    started.made.wait("both workers have partitions", shared, _PATIENCE_SECONDS)


def _owned_by_the_dead(started: Line, worker: Process) -> dict[int, int]:
    if not (owned := _owned(started, worker)):
        raise RuntimeError("the worker had no partition")
    return owned


def _report(name: str, found: list[float], bound: float, why: str, floor: float | None = None, **more: Any) -> None:
    rounds = [round(seconds, 2) for seconds in found]
    limits = {"bound_seconds": bound, "bound": why, "within": max(found) <= bound}
    report(name, max(found), "s", floor, less_is_better=True, p50=round(median(found), 3), rounds=rounds, **limits, **more)


class _Feed(threading.Thread):
    """Announces a steady few hundred events a second."""

    def __init__(self, started: Line) -> None:
        super().__init__(name="feed", daemon=True)
        self._line = started
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(_FEED_SECONDS):
            self._line.announce(self._line.market.dividends(_FEED), _FEED)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        self.join()
