"""What befalls processes and servers: each disaster is one method, named as in the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.dice import Dice
from tests.simulation.plan import MAX_WORKERS
from tests.simulation.store import PROGRESS
from tests.simulation.traffic import SYMBOLS
from tests.support.announcing import event_id

if TYPE_CHECKING:
    from tests.simulation.world import SimGateway, SimWorker, World


class Disasters:
    """Breaks a world. Everything but clocks and refused rows mends itself, now or when the faults stop."""

    def __init__(self, world: World) -> None:
        self._world = world

    def kill_worker(self, number: int, dice: Dice) -> None:
        """``kill -9``; its successor starts at once, or somebody starts one later."""
        if running := self._running():
            dice.pick(running).process.kill()
            if dice.chance(60):
                self._world.worker()

    def freeze_worker(self, number: int, dice: Dice) -> None:
        """SIGSTOP: for a moment, beyond the session, or beyond the database's patience too."""
        if running := self._running():
            self._world.freeze(dice.pick(running).process, dice.pick((0.5, 4.0, 9.0, 15.0, 40.0)))

    def stop_worker(self, number: int, dice: Dice) -> None:
        """SIGTERM."""
        if len(running := self._running()) > 1:
            dice.pick(running).stop()

    def start_worker(self, number: int, dice: Dice) -> None:
        if len(self._running()) < MAX_WORKERS:
            self._world.worker()

    def forget_worker(self, number: int, dice: Dice) -> None:
        """The group throws a member out that is alive and well."""
        if self._world.coordinator.members:
            self._world.coordinator.expire(dice.pick(self._world.coordinator.members))

    def kill_gateway(self, number: int, dice: Dice) -> None:
        if running := self._gateways():
            dice.pick(running).process.kill()
            self._world.gateway()

    def freeze_gateway(self, number: int, dice: Dice) -> None:
        if running := self._gateways():
            dice.pick(running).process.freeze(dice.pick((0.5, 6.0, 12.0, 30.0)))

    def restart_mysql(self, number: int, dice: Dice) -> None:
        """A crash, or a failover."""
        self._world.database.restart(dice.pick((0.0, 0.5, 5.0, 20.0)))

    def kafka_away(self, number: int, dice: Dice) -> None:
        self._world.broker.down_until = self._world.scheduler.now + dice.pick((0.5, 4.0, 12.0))

    def registry_away(self, number: int, dice: Dice) -> None:
        self._world.registry.down_until = self._world.scheduler.now + dice.pick((1.0, 10.0))

    def securities_away(self, number: int, dice: Dice) -> None:
        self._world.securities.down_until = self._world.scheduler.now + dice.pick((1.0, 10.0, 30.0))

    def toggle_failing(self, number: int, dice: Dice) -> None:
        """The security master begins, or ceases, to fail for one symbol."""
        self._world.securities.failing ^= {dice.pick(SYMBOLS)}

    def toggle_unknown(self, number: int, dice: Dice) -> None:
        self._world.securities.unknown ^= {dice.pick(SYMBOLS)}

    def toggle_poison(self, number: int, dice: Dice) -> None:
        self._world.securities.poison ^= {dice.pick(SYMBOLS)}

    def step_clock(self, number: int, dice: Dice) -> None:
        """A host's wall clock jumps, back or forth: never more than five minutes off, for retries come late by what a clock was wrong."""
        hosts = [worker.process for worker in self._running()] + [gateway.process for gateway in self._gateways()]
        if hosts:
            host = dice.pick(hosts)
            host.clock_offset = max(-300.0, min(300.0, host.clock_offset + dice.pick((-300.0, -5.0, -0.1, 0.1, 5.0, 300.0))))

    def step_database_clock(self, number: int, dice: Dice) -> None:
        self._world.database.clock_offset += dice.pick((-30.0, -1.0, 1.0, 30.0))

    def small_batches(self, number: int, dice: Dice) -> None:
        """A worker's polls give little at a time."""
        if running := self._running():
            dice.pick(running).source.largest_batch = dice.pick((1, 2, 5, 1000))

    def refuse_row(self, number: int, dice: Dice) -> None:
        """The database will not take the row of an event that is yet to come."""
        about = event_id(number + 1 + dice.below(20))
        if not any(about == message for message in self._world.database.tables["events"]):
            self._world.database.refused.add(about)

    def resume(self, number: int, dice: Dice) -> None:
        """An operator resumes every paused partition."""
        self._world.resume_partitions()

    def storm(self, number: int, dice: Dice) -> None:
        """More poison in a row than a partition bears."""
        symbol = dice.pick(SYMBOLS).encode()
        for _ in range(520):
            self._world.write(b"storm", key=symbol)

    def _running(self) -> list[SimWorker]:
        return [worker for worker in self._world.workers if worker.running]

    def _gateways(self) -> list[SimGateway]:
        return [gateway for gateway in self._world.gateways if not gateway.process.dead]


def paused(world: World) -> list[int]:
    """Partitions that wait for an operator."""
    return [number for number, row in world.database.tables[PROGRESS].items() if row.paused]
