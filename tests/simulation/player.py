"""Plays a plan on a world, lets it come to rest, and judges what is left."""

from __future__ import annotations

import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from corpactions.domain.messages import Function
from corpactions.domain.state import Status
from tests.simulation.clients import Clients
from tests.simulation.dice import Dice
from tests.simulation.disasters import Disasters, paused
from tests.simulation.outside import decode_message
from tests.simulation.plan import Operation, Plan
from tests.simulation.replay import differences
from tests.simulation.traffic import Traffic
from tests.simulation.world import LAST_WORDS_SECONDS, LOOK_EVERY, QUIET_SECONDS, Violation, World
from tests.support.announcing import TOPIC
from tests.support.judgement import Circumstances

REPLAYED_OF: Final = 4
"""One run in so many is also rebuilt from its topic."""
_DESK_SECONDS: Final = 5.0
_LAST_DECISION: Final = 900_000
"""Decisions taken when the faults have stopped are numbered from here."""


@dataclass
class Outcome:
    """How a run ended. ``violation`` is None when it kept every promise; ``fingerprint`` is the same for the same run, step by step."""

    seed: int
    violation: str | None = None
    operations: int = 0
    turns: int = 0
    records: int = 0
    steps: int = 0
    virtual_seconds: float = 0.0
    fingerprint: int = 0
    met: Counter[str] = field(default_factory=Counter)


class Player:
    """One run of a plan.

    Args:
        plan: what to play.
        keep: numbers of the operations to play; all when None.
        without: call faults to leave out.
        trace: told every step and operation as (time, who, what); costs time.
    """

    def __init__(
        self,
        plan: Plan,
        keep: Collection[int] | None = None,
        without: Collection[str] = (),
        trace: Callable[[float, str, str], None] | None = None,
    ) -> None:
        self._plan = plan
        self._operations = [operation for operation in _timed(plan) if keep is None or operation[1].number in keep]
        self.world = World(plan.seed, plan.setting)
        self._clients = Clients(self.world)
        self._traffic = Traffic(self.world, self._clients)
        self._disasters = Disasters(self.world)
        self._rates = {kind: rate for kind, rate in plan.rates.items() if kind not in without}
        self._trace = trace
        self._done: Counter[str] = Counter()
        self._fingerprint = 0
        self._last_decision = _LAST_DECISION

    def play(self) -> Outcome:
        """Run it all; never raises for what the product does wrong."""
        world = self.world
        if self._trace is not None:
            world.scheduler.trace = self._tell
        try:
            self._disturb()
            self._come_to_rest()
            self._judge()
            violation = None
        except Violation as error:
            violation = str(error)
        except Exception:  # the simulation itself may be wrong: that is a finding too, with its seed
            violation = f"simulation: {traceback.format_exc()}"
        return self._outcome(violation)

    def _disturb(self) -> None:
        world, plan = self.world, self._plan
        world.scheduler.rates = dict(self._rates)
        for _ in range(plan.workers):
            world.worker()
        for _ in range(plan.gateways):
            world.gateway()
        for time, operation in self._operations:
            world.scheduler.at(time, partial(self._do, operation))
        world.run(max((time for time, _ in self._operations), default=0.0) + 0.5)

    def _do(self, operation: Operation) -> None:
        self._done[operation.kind] += 1
        if self._trace is not None:
            self._tell("plan", str(operation))
        house = self._traffic if hasattr(self._traffic, operation.kind) else self._disasters
        getattr(house, operation.kind)(operation.number, Dice(operation.dice))

    def _come_to_rest(self) -> None:
        """Faults stop; first symbols whose look-ups fail still wait, and nobody else may; then everything must be done. Each within a bounded time."""
        world = self.world
        world.calm(heal=False)
        for worker in world.workers:
            worker.source.idle_stretch = 20.0
        if all(gateway.process.dead for gateway in world.gateways):
            world.gateway()
        self._clients.insist()
        self._wait_for("waits", world.flowing, world.resume_partitions)
        world.securities.heal()
        judged = -1
        while (written := sum(map(len, world.broker.log(TOPIC)))) != judged:  # a record that its sender gave up may land only now
            judged = written
            self._wait_for("stuck", self._at_rest, self._decide_what_waits)
            world.run(LAST_WORDS_SECONDS)

    def _wait_for(self, name: str, condition: Callable[[], bool], help_on: Callable[[], None]) -> None:
        """Until a condition holds, with people who help every few seconds."""
        world = self.world
        deadline = world.scheduler.now + QUIET_SECONDS
        while world.scheduler.now < deadline:
            try:
                world.run_until(condition, _DESK_SECONDS, LOOK_EVERY)
            except Violation:
                raise
            except AssertionError:
                help_on()
            else:
                return
        raise Violation(f"{name}: {world.left_over()}, requests {[ask.request.key for ask in self._clients.asks if not ask.settled]}")

    def _at_rest(self) -> bool:
        return self.world.settled() and self._clients.done

    def _decide_what_waits(self) -> None:
        tables = self.world.database.tables
        self.world.resume_partitions()
        for parked in list(tables["parked_symbols"].values()):
            state = tables["events"].get(parked.event_id)
            if state is not None and state.status is Status.FAILED:
                self._last_decision += 1
                self.world.write(self._traffic.decision_on(state, Function.REPROCESS, self._last_decision))

    def _judge(self) -> None:
        world = self.world
        world.check(Circumstances(contested=self._traffic.contested))
        if found := list(self._clients.findings(world.published(TOPIC), decode_message)):
            raise Violation("\n  ".join(found))
        repeatable = not self._traffic.contested and self._plan.seed % REPLAYED_OF == 0
        if repeatable and (found := differences(world)):
            raise Violation("\n  ".join(found[:15]))

    def _tell(self, who: str, what: str) -> None:
        now = self.world.scheduler.now
        self._fingerprint = zlib.crc32(f"{now!r} {who} {what}".encode(), self._fingerprint)
        if self._trace is not None:
            self._trace(now, who, what)

    def _outcome(self, violation: str | None) -> Outcome:
        world = self.world
        turns = sum(worker.source.full_polls for worker in world.workers)
        records = len(world.published(TOPIC))
        done = sum(self._done.values()) - self._done["burst"] - self._done["storm"]
        met = world.scheduler.met + self._done
        met["paused-partition"] += len(paused(world))
        return Outcome(
            self._plan.seed,
            violation,
            done + turns + self._in_bursts(),
            turns,
            records,
            world.scheduler.steps,
            world.scheduler.now,
            self._fingerprint,
            met,
        )

    def _in_bursts(self) -> int:
        return self._traffic.in_bursts


def _timed(plan: Plan) -> list[tuple[float, Operation]]:
    """When each operation is due: also those of a part of the plan, so that leaving some out moves none of the others."""
    made, now = [], 0.1
    for operation in plan.operations:
        now += operation.gap
        made.append((now, operation))
    return made
