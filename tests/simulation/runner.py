"""Many runs on all cores, added up, and failing ones made small."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Final

from tests.simulation.faults import CALL_FAULTS
from tests.simulation.plan import DISASTERS, STORM, TRAFFIC, make_plan
from tests.simulation.player import Outcome, Player
from tests.simulation.shrink import shrink

CHUNK: Final = 10
"""Seeds that a core takes at a time."""


class Tally:
    """Everything that was run, added up."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.runs = self.operations = self.turns = self.records = self.steps = 0
        self.virtual_seconds = 0.0
        self.cpu_seconds = 0.0
        self.met: Counter[str] = Counter()
        self.failed: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.operations += outcome.operations
        self.turns += outcome.turns
        self.records += outcome.records
        self.steps += outcome.steps
        self.virtual_seconds += outcome.virtual_seconds
        self.met += outcome.met
        if outcome.violation is not None:
            self.failed.append(outcome)

    def take(self, cpu_seconds: float, outcomes: Sequence[Outcome]) -> None:
        """Add what one core did at a time."""
        self.cpu_seconds += cpu_seconds
        for outcome in outcomes:
            self.add(outcome)
            if outcome.violation is not None:
                print(f"\nseed {outcome.seed}: {outcome.violation[:2_000]}", flush=True)

    def line(self) -> str:
        """How far it is."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        return (
            f"{self.runs:,} runs, {self.operations:,} operations, {self.operations / seconds:,.0f}/s"
            f" ({self.operations / max(self.cpu_seconds, 1e-9):,.0f} per CPU second), {len(self.failed)} failed"
        )

    def summary(self) -> str:
        """What happened, by kind."""
        lines = [
            self.line(),
            f"{self.records:,} records, {self.turns:,} turns of workers, {self.steps:,} calls of ports, {self.virtual_seconds / 3600:,.1f} simulated hours",
        ]
        for title, kinds in (("said and done", TRAFFIC), ("disasters", {**DISASTERS, STORM: 0}), ("faults inside calls", CALL_FAULTS)):
            lines.append(f"{title}: " + ", ".join(f"{kind} {self.met[kind]:,}" for kind in kinds))
        known = {*TRAFFIC, *DISASTERS, STORM, *CALL_FAULTS}
        lines.append("consequences: " + ", ".join(f"{kind} {number:,}" for kind, number in sorted(self.met.items()) if kind not in known))
        return "\n".join(lines)


def play_chunk(seeds: Sequence[int]) -> tuple[float, list[Outcome]]:
    """Run some seeds in this process: CPU seconds and how they ended."""
    gc.set_threshold(200_000, 50, 1_000)  # runs make few cycles, and looking for them takes a tenth of the time
    before = time.process_time()
    outcomes = [Player(make_plan(seed)).play() for seed in seeds]
    return time.process_time() - before, outcomes


def run_many(seeds: Iterator[int], operations: int, *, live: bool = True, stop_after: int = 3) -> Tally:
    """Run seeds on all cores until there are no more, so many operations are done, or so many runs failed."""
    tally, shown = Tally(), 0.0
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        waiting: set[Future[tuple[float, list[Outcome]]]] = set()
        going = True
        while going or waiting:
            while going and len(waiting) < 2 * cores:
                chunk = list(islice(seeds, CHUNK))
                going = bool(chunk)
                if chunk:
                    waiting.add(pool.submit(play_chunk, chunk))
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                tally.take(*future.result())
            going = going and tally.operations < operations and len(tally.failed) < stop_after
            if live and time.monotonic() - shown > 1.0:
                shown = time.monotonic()
                print(f"\r{tally.line()} ", end="", file=sys.stderr, flush=True)
    if live:
        print(file=sys.stderr)
    return tally


def report(outcome: Outcome) -> str:
    """A failing run, made small."""
    small = shrink(outcome)
    plan = make_plan(outcome.seed)
    kept = "\n".join(f"  {operation}" for operation in plan.operations if operation.number in small.keep)
    rates = ", ".join(kind for kind in plan.rates if kind not in small.without) or "none"
    return (
        f"seed {outcome.seed} broke a promise:\n{outcome.violation}\n"
        f"smallest part found in {small.tries} tries, {len(small.keep)} operations; faults inside calls: {rates}\n{kept}\n"
        f"where: {small.outcome.violation}\nagain: {small.command()}"
    )
