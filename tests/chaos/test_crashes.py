"""Rounds of everything that can happen to processes, servers and connections under load, each judged by recomputing the outcome from the topic.

``CA_CRASH_ROUNDS`` sets the number of rounds, ``CA_CRASH_SEED`` repeats a run as far as chance allows: what is sent and what is done when come from it.
"""

from __future__ import annotations

import os
import random
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.campaign import Campaign, RoundReport, campaign, deal, run
from tests.chaos.cuts import FAULTS
from tests.chaos.proxied import ProxiedStack
from tests.chaos.scene import Fault
from tests.chaos.script import SOUND

pytestmark = pytest.mark.xdist_group("private-stack")
"""One process runs them all, so that one private stack is enough (with ``--dist loadgroup``)."""
ROUNDS = int(os.environ.get("CA_CRASH_ROUNDS", "2"))
LONG_ROUNDS = int(os.environ.get("CA_CRASH_ROUNDS", "20"))
EACH, LONG_EACH = 8, 10
ROUNDS_PER_PRODUCT = 5
"""Judging takes longer the more a topic holds."""
SEED = int(os.environ.get("CA_CRASH_SEED", str(time.time_ns() % 1_000_000)))


def _faults(stack: ProxiedStack, *, slow: bool) -> Iterator[Fault]:
    there = [fault for fault in FAULTS if (slow or not fault.slow) and (stack.proxies is not None or not fault.cut)]
    return deal(there, random.Random(SEED))


def _tell(report: RoundReport) -> None:
    print(report.line())
    assert report.counts.statuses.get("COMPLETED", 0) > len(SOUND), "the senders sent too little for this to mean anything"


def _commits_lost(started: Campaign, faults: Iterator[Fault], rounds: range, each: int) -> Counter[str]:
    run(started, rounds, faults, each, _tell)
    return started.commits_unanswered()


@pytest.mark.timeout(600)
def test_nothing_is_lost_doubled_or_reordered_when_everything_is_killed(
    private_stack: ProxiedStack, private_endpoints: dict[str, Any], tmp_path: Path
) -> None:
    print(f"CA_CRASH_SEED={SEED}")
    if private_stack.proxies is None:
        warnings.warn("NO CONNECTION IS CUT IN THESE ROUNDS: Toxiproxy is built with Go, which is missing here", stacklevel=1)
    with campaign(private_stack, private_endpoints, tmp_path, SEED) as started:
        run(started, range(ROUNDS), _faults(private_stack, slow=False), EACH, _tell)


@pytest.mark.long
@pytest.mark.timeout(2 * 3600)
def test_many_rounds(private_stack: ProxiedStack, private_endpoints: dict[str, Any], tmp_path: Path) -> None:
    print(f"CA_CRASH_SEED={SEED}")
    assert private_stack.proxies is not None, "the long rounds cut connections: install Go (Debian: apt-get install golang-go)"
    faults = _faults(private_stack, slow=True)
    lost: Counter[str] = Counter()
    for first in range(0, LONG_ROUNDS, ROUNDS_PER_PRODUCT):
        rounds = range(first, min(first + ROUNDS_PER_PRODUCT, LONG_ROUNDS))
        with campaign(private_stack, private_endpoints, tmp_path / f"from-round-{first}", SEED) as started:
            lost += _commits_lost(started, faults, rounds, LONG_EACH)
    print(f"COMMITs without an answer: {dict(lost)}")
    for kind in ("worker", "audit"):
        assert lost[kind] or LONG_ROUNDS < ROUNDS_PER_PRODUCT, f"no COMMIT of {kind} ever lost its answer: the cuts do not hit"
