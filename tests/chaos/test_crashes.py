"""Rounds of ``kill -9`` under load, each judged by recomputing the outcome from the topic.

``CA_CRASH_ROUNDS`` sets the number of rounds, ``CA_CRASH_SEED`` repeats a run as far as chance allows: what is sent and when what is killed come from it.
"""

from __future__ import annotations

import os
import random
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from infra.local.stack import Stack
from tests.chaos.faults import Faults
from tests.chaos.script import DOWN, FLAKY, SOUND, Script
from tests.chaos.traffic import KafkaSender, RestSender, Sender
from tests.support.bank import Bank, bank
from tests.support.checker import judge
from tests.support.product import Product, product

pytestmark = pytest.mark.xdist_group("private-stack")
"""One process runs them all, so that one private stack is enough (with ``--dist loadgroup``)."""
ROUNDS = int(os.environ.get("CA_CRASH_ROUNDS", "3"))
LONG_ROUNDS = int(os.environ.get("CA_CRASH_ROUNDS", "20"))
SEED = int(os.environ.get("CA_CRASH_SEED", str(time.time_ns() % 1_000_000)))
SETTLE_SECONDS = 120.0


def _round(made: Product, stack: Stack, script: Script, chance: random.Random, acked: set[Any]) -> list[str]:
    """Senders at work while everything is broken once."""
    senders: list[Sender] = [KafkaSender(made, script)]
    senders += [RestSender(made, random.Random(chance.random()), script, f"client-{number}") for number in range(3)]
    for sender in senders:
        sender.start()
    faults = Faults(made, stack, chance)
    try:
        faults.round()
    finally:
        for sender in senders:
            sender.finish()
    for sender in senders:
        acked |= sender.acked
    return faults.log


def _run(rounds: int, stack: Stack, endpoints: dict[str, Any], folder: Path, security_master: Bank) -> None:
    print(f"CA_CRASH_SEED={SEED}")
    security_master.failing = dict.fromkeys(DOWN, -1)
    with product(endpoints, folder, CA_SECURITY_MASTER_URL=security_master.url) as made:
        script = Script(made, random.Random(SEED), failing=FLAKY + DOWN)
        acked: set[Any] = set()
        made.start_gateway()
        made.start_worker()
        made.start_worker()
        made.wait_for_workers()
        for number in range(rounds):
            chance = random.Random(SEED * 1000 + number)
            security_master.failing |= {symbol: chance.randrange(1, 4) for symbol in FLAKY}
            times = [time.monotonic()]
            done = _round(made, stack, script, chance, acked)
            times.append(time.monotonic())
            security_master.failing = dict.fromkeys(DOWN, -1)
            held = {*FLAKY, *DOWN}
            made.settle(SETTLE_SECONDS, held)
            times.append(time.monotonic())
            counts = judge(made, acked=acked, failing=held, parked=held)
            times.append(time.monotonic())
            broken, settled, judged = (f"{after - before:.0f} s" for before, after in pairwise(times))
            print(f"round {number + 1}: broken {broken}, settled {settled}, judged {judged}; {', '.join(done)}; {counts}")
            assert counts.statuses.get("COMPLETED", 0) > len(SOUND), "the senders sent too little for this to mean anything"
        made.stop()


@pytest.fixture
def security_master() -> Any:
    with bank() as running:
        yield running


@pytest.mark.timeout(400)
def test_nothing_is_lost_doubled_or_reordered_when_everything_is_killed(
    private_stack: Stack, private_endpoints: dict[str, Any], tmp_path: Path, security_master: Bank
) -> None:
    _run(ROUNDS, private_stack, private_endpoints, tmp_path, security_master)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_rounds(private_stack: Stack, private_endpoints: dict[str, Any], tmp_path: Path, security_master: Bank) -> None:
    _run(LONG_ROUNDS, private_stack, private_endpoints, tmp_path, security_master)
