"""Makes a failing run small: fewer call faults, then fewer operations (delta debugging), as long as the same promise is broken."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tests.simulation.plan import Plan, make_plan
from tests.simulation.player import Outcome, Player


@dataclass(frozen=True)
class Shrunk:
    """What is left: operations by number, and call faults left out. ``outcome`` is that of the small run."""

    keep: tuple[int, ...]
    without: tuple[str, ...]
    outcome: Outcome
    tries: int

    def command(self) -> str:
        """What plays it again, exactly."""
        without = f" --without {','.join(self.without)}" if self.without else ""
        return f"python -m tests.simulation --seed {self.outcome.seed} --keep {','.join(map(str, self.keep)) or '0'}{without} --trace"


def kind_of(violation: str) -> str:
    """What sort of promise was broken: the names of the checks that found something, or the beginning of the message."""
    names = {line.strip().partition(":")[0] for line in violation.splitlines() if ": " in line and not line.startswith(" " * 4)}
    return (
        violation.partition(":")[0]
        if " findings" not in violation
        else min(names - {f"{violation.partition(' ')[0]} findings"}, default="")
    )


def shrink(outcome: Outcome, budget: int = 400) -> Shrunk:
    """The smallest failing part of a run that at most ``budget`` tries find."""
    plan = make_plan(outcome.seed)
    assert outcome.violation is not None, "only a failing run is made smaller"
    search = _Search(plan, kind_of(outcome.violation), budget)
    keep = [operation.number for operation in plan.operations]
    search.best = (tuple(keep), (), outcome)
    search.drop_faults()
    search.drop_operations()
    search.drop_faults()
    kept, without, last = search.best
    return Shrunk(kept, without, last, search.tries)


class _Search:
    def __init__(self, plan: Plan, kind: str, budget: int) -> None:
        self._plan = plan
        self._kind = kind
        self._budget = budget
        self.tries = 0
        self.best: tuple[tuple[int, ...], tuple[str, ...], Outcome]

    def _fails(self, keep: Collection[int], without: Collection[str]) -> bool:
        """Whether this part breaks the same promise; remembers it if so."""
        if self.tries >= self._budget:
            return False
        self.tries += 1
        outcome = Player(self._plan, frozenset(keep), frozenset(without)).play()
        if outcome.violation is None or kind_of(outcome.violation) != self._kind:
            return False
        self.best = (tuple(sorted(keep)), tuple(sorted(without)), outcome)
        return True

    def drop_faults(self) -> None:
        for kind in self._plan.rates:
            keep, without, _ = self.best
            if kind not in without:
                self._fails(keep, (*without, kind))

    def drop_operations(self) -> None:
        parts = 2
        while True:
            keep, without, _ = self.best
            if len(keep) < 2:
                break
            if any(self._fails([number for number in keep if number not in part], without) for part in _parts(keep, parts)):
                parts = max(parts - 1, 2)
            elif parts >= len(keep) or self.tries >= self._budget:
                break
            else:
                parts = min(parts * 2, len(keep))


def _parts(keep: tuple[int, ...], count: int) -> Iterator[frozenset[int]]:
    size = -(-len(keep) // count)
    return (frozenset(keep[start : start + size]) for start in range(0, len(keep), size))
