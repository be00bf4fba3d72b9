"""What a crash round does to processes: each fault is one method, and leaves everything running again when it returns."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

from infra.local.part import Part
from infra.local.stack import Stack
from tests.support.product import Process, Product

SESSION_SECONDS = 2.0


class Faults:
    """Breaks a product and its servers. Every wait comes from the seed."""

    def __init__(self, product: Product, stack: Stack, chance: random.Random) -> None:
        self._product = product
        self._stack = stack
        self._chance = chance
        self.log: list[str] = []

    def round(self) -> None:
        """Every fault once, workers' twice, in random order, with random time in between."""
        faults: list[Callable[[], None]] = [
            *(self.kill_worker, self.kill_worker, self.freeze_worker, self.rebalance),
            *(self.kill_gateway, self.kill_kafka, self.kill_mysql),
        ]
        self._chance.shuffle(faults)
        for fault in faults:
            time.sleep(self._chance.uniform(0.1, 0.6))
            started = time.monotonic()
            fault()
            self.log.append(f"{fault.__name__} {time.monotonic() - started:.1f} s")

    def kill_worker(self) -> None:
        """kill -9; its successor starts at once, or a little later."""
        self._pick().kill()
        time.sleep(self._chance.choice((0.0, 0.5)))
        self._product.start_worker()

    def freeze_worker(self) -> None:
        """SIGSTOP beyond the session: another one takes over while the zombie holds on to what it has fetched and to its transaction."""
        worker = self._pick()
        worker.send(signal.SIGSTOP)
        time.sleep(SESSION_SECONDS + self._chance.uniform(0.2, 1.0))
        worker.send(signal.SIGCONT)

    def rebalance(self) -> None:
        """One more worker joins, and another one leaves in good order."""
        leaving = self._pick()
        self._product.start_worker()
        time.sleep(self._chance.uniform(0.5, 1.5))
        status = leaving.stop()
        # One that was started a moment ago may not have come to listen to signals yet.
        assert status in {0, -signal.SIGTERM}, f"a worker ended badly:\n{leaving.log()}"

    def kill_gateway(self) -> None:
        self._product.gateways[-1].kill()
        time.sleep(self._chance.uniform(0.0, 0.3))
        self._product.start_gateway(wait=False)

    def kill_kafka(self) -> None:
        self._kill(self._stack.kafka)

    def kill_mysql(self) -> None:
        self._kill(self._stack.mysql)

    def _kill(self, server: Part) -> None:
        server.kill()
        time.sleep(self._chance.uniform(0.0, 1.0))
        server.start()

    def _pick(self) -> Process:
        return self._chance.choice([worker for worker in self._product.workers if worker.running])
