"""One fault at a time while events flow: a server frozen or killed, a worker frozen beyond its session, workers that come and go."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.local.part import Part
from infra.local.stack import Stack
from tests.chaos.script import Script
from tests.chaos.traffic import KafkaSender
from tests.support.checker import judge
from tests.support.product import Process, Product, product

pytestmark = pytest.mark.xdist_group("private-stack")
"""One process runs them all, so that one private stack is enough (with ``--dist loadgroup``)."""
OUTAGE_SECONDS = 4.0
SETTLE_SECONDS = 90.0


@pytest.fixture
def made(private_endpoints: dict[str, Any], tmp_path: Path) -> Iterator[Product]:
    """A product with two workers that own every partition."""
    with product(private_endpoints, tmp_path) as running:
        running.start_worker()
        running.start_worker()
        running.wait_for_workers()
        yield running


@contextmanager
def _traffic(made: Product) -> Iterator[KafkaSender]:
    """Events flow while the block runs; afterwards the run is judged."""
    sender = KafkaSender(made, Script(made, random.Random(4711)))
    sender.start()
    time.sleep(0.5)
    try:
        yield sender
        time.sleep(0.5)
    finally:
        sender.finish()
    made.settle(SETTLE_SECONDS)
    judge(made, acked=sender.acked)


def _has_claimed(worker: Process) -> bool:
    return "claimed" in worker.log()


def _frozen(server: Part) -> None:
    server.pause()
    time.sleep(OUTAGE_SECONDS)
    server.resume()


def _killed(server: Part) -> None:
    server.kill()
    time.sleep(OUTAGE_SECONDS)
    server.start()


@pytest.mark.parametrize("name", ["mysql", "kafka"])
@pytest.mark.parametrize("outage", [_frozen, _killed])
def test_an_outage_delays_and_loses_nothing(private_stack: Stack, made: Product, name: str, outage: Callable[[Part], None]) -> None:
    with _traffic(made):
        outage(getattr(private_stack, name))
    assert all(worker.running for worker in made.workers), "an outage ends no worker"


def test_an_outage_spends_no_attempt_of_any_event(private_stack: Stack, made: Product) -> None:
    with _traffic(made):
        _killed(private_stack.mysql)
    assert made.sql("SELECT COUNT(*) FROM events WHERE attempts > 0") == [(0,)]


def test_a_frozen_worker_that_wakes_up_changes_nothing(made: Product) -> None:
    zombie = made.workers[0]
    with _traffic(made):
        zombie.send(signal.SIGSTOP)
        epochs = dict(made.sql("SELECT `partition`, epoch FROM partition_progress"))

        def taken_over() -> bool:
            now = dict(made.sql("SELECT `partition`, epoch FROM partition_progress"))
            return bool(sum(now[partition] > epoch for partition, epoch in epochs.items()) >= 6)

        made.wait("its partitions have another owner", taken_over)
        zombie.send(signal.SIGCONT)
        time.sleep(2.0)
    assert zombie.running, "it joins again"


def test_a_frozen_worker_with_an_open_transaction_loses_it(made: Product) -> None:
    """Frozen again and again for a moment, it is caught inside transactions and between COMMIT and acknowledgement, too."""
    with _traffic(made):
        for worker in made.workers:
            for pause in (2.1, 2.3, 2.6):
                worker.send(signal.SIGSTOP)
                time.sleep(pause)
                worker.send(signal.SIGCONT)
                time.sleep(0.2)


def test_workers_come_and_go_while_events_flow(made: Product) -> None:
    with _traffic(made):
        for _ in range(3):
            joining = made.start_worker()
            made.wait("the one that joins has its part", partial(_has_claimed, joining))
            leaving = next(worker for worker in made.workers if worker.running)
            assert leaving.stop() == 0, leaving.log()


def test_all_workers_stop_at_once_and_others_go_on_where_they_were(made: Product) -> None:
    with _traffic(made):
        stopping = [threading.Thread(target=worker.stop) for worker in made.workers]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        made.start_worker()
