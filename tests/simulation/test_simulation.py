"""Fresh seeds each time, every seed that ever failed, and that the simulation is worth its name: it repeats itself exactly and meets every kind of fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from tests.simulation.faults import CALL_FAULTS
from tests.simulation.plan import DISASTERS, TRAFFIC, make_plan
from tests.simulation.player import Player
from tests.simulation.shrink import kind_of

SEEDS = Path(__file__).with_name("seeds.txt")
CONSEQUENCES = (
    *("fenced", "lock-wait", "lock-wait-timed-out", "session-timed-out", "member-expired", "no-longer-a-member"),
    *("lookup-poisoned", "registry-asked"),
)
SECONDS = 900


def run(*arguments: str) -> str:
    """``python -m tests.simulation`` in processes of its own, unmeasured: tracing every line would take longer than all other tests together."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return done.stdout


def recorded() -> list[int]:
    """The seeds that failed once."""
    return [int(line.split()[0]) for line in SEEDS.read_text().splitlines() if line.strip() and not line.startswith("#")]


@pytest.mark.timeout(SECONDS)
def test_fresh_seeds_keep_every_promise() -> None:
    print(run("--runs", "50"))


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_million_operations_keep_every_promise() -> None:
    print(run("--operations", "1000000"))


@pytest.mark.timeout(SECONDS)
def test_every_seed_that_ever_failed_passes() -> None:
    failed = {seed: outcome.violation for seed in recorded() if (outcome := Player(make_plan(seed)).play()).violation is not None}
    assert failed == {}


def _fingerprint(seed: int) -> int:
    return Player(make_plan(seed), trace=lambda *_: None).play().fingerprint


def test_the_same_seed_gives_the_same_run_step_by_step() -> None:
    assert _fingerprint(7) == _fingerprint(7)
    assert _fingerprint(7) != _fingerprint(8)


def test_a_run_is_the_same_in_another_process_whatever_its_hashes() -> None:
    program = "from tests.simulation.test_simulation import _fingerprint; print([_fingerprint(seed) for seed in range(20, 26)])"
    found = set()
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1, found


@pytest.mark.timeout(SECONDS)
def test_a_hundred_seeds_meet_every_kind_of_trouble() -> None:
    summary = run("--seed", "1", "--runs", "120")
    counts: dict[str, int] = {}
    for line in summary.splitlines():
        for item in line.partition(": ")[2].split(", "):
            kind, _, number = item.rpartition(" ")
            if number.replace(",", "").isdigit():
                counts[kind] = int(number.replace(",", ""))
    missing = [kind for kind in (*TRAFFIC, *DISASTERS, *CALL_FAULTS, *CONSEQUENCES) if not counts.get(kind)]
    assert missing == []


def test_what_a_violation_is_about_is_told_from_its_text() -> None:
    assert kind_of("2 findings:\n  summaries: they count\n  audit: record 1 is missing") == "audit"
    assert kind_of("stuck: partitions") == "stuck"
    assert kind_of("crash: worker-1 ended") == "crash"
