"""``python -m tests.simulation``: simulated disasters by the thousand.

    python -m tests.simulation --runs 1000             # fresh seeds, over all cores
    python -m tests.simulation --operations 1000000    # until so many operations are done
    python -m tests.simulation --seed 42               # one run; --runs N goes on from there
    python -m tests.simulation --seed 42 --keep 1,7-9 --without deadlock --trace

A failing seed prints what was broken, the smallest part of the run that still breaks it, and the command that plays exactly that again. Exit status 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from itertools import count
from typing import Final

from tests.simulation.plan import make_plan
from tests.simulation.player import Player
from tests.simulation.runner import Tally, report, run_many

FRESH: Final = 1_000_000_000
"""Fresh seeds lie below."""


def numbers(text: str) -> frozenset[int]:
    """``1,7-9`` as a set."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Simulated disasters by the thousand.")
    parser.add_argument("--seed", type=int, help="the first seed; a fresh one if left out")
    parser.add_argument("--runs", type=int, help="how many seeds; 1 with --seed, 1000 without")
    parser.add_argument("--operations", type=int, help="run until so many operations are done")
    parser.add_argument("--keep", type=numbers, help="play only these operations of the seed, e.g. 1,7-9")
    parser.add_argument("--without", default="", help="leave out these faults inside calls, separated by commas")
    parser.add_argument("--trace", action="store_true", help="print every step")
    chosen = parser.parse_args(arguments)
    if chosen.seed is not None and chosen.runs is None and chosen.operations is None:
        return _play_one(chosen)
    first = chosen.seed if chosen.seed is not None else int.from_bytes(os.urandom(8), "big") % FRESH
    runs = chosen.runs or (1000 if chosen.operations is None else None)
    print(f"seeds from {first}")
    seeds = iter(range(first, first + runs)) if runs is not None else count(first)
    tally = run_many(iter(seeds), chosen.operations or sys.maxsize)
    print(tally.summary())
    for outcome in tally.failed[:3]:
        print(report(outcome))
    return 1 if tally.failed else 0


def _play_one(chosen: argparse.Namespace) -> int:
    trace = (lambda now, who, what: print(f"{now:12.6f} {who:<12} {what}")) if chosen.trace else None
    tally, before = Tally(), time.process_time()
    outcome = Player(make_plan(chosen.seed), chosen.keep, chosen.without.split(","), trace).play()
    tally.take(time.process_time() - before, [outcome])
    print(tally.summary())
    if outcome.violation is None:
        return 0
    print(outcome.violation if chosen.keep is not None or chosen.trace else report(outcome))
    return 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an ordinary end, so that the other cores' processes end as well
    raise SystemExit(main())
