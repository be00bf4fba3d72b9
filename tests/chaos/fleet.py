"""The services of a chaos run: workers that come and go, and two gateways in front of the same clients, each kind on its own way to the servers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress

import httpx

from infra.local.ports import HOST, Ports
from tests.chaos.proxied import Way
from tests.support.product import START_SECONDS, Process, Product

GATEWAYS = 2


class Fleet:
    """Processes of one product.

    Args:
        made: a product that was created.
        ways: how each kind reaches the servers; empty: directly.
    """

    def __init__(self, made: Product, ways: Mapping[str, Way]) -> None:
        self.made = made
        self._settings = {kind: way.settings for kind, way in ways.items()}
        ports = Ports.free()
        self._ports = (ports.gateway, ports.worker_1)[:GATEWAYS]
        self._gateways: dict[int, Process] = {}

    @property
    def gateway_urls(self) -> list[str]:
        """Where clients find the gateways, running or not."""
        return [f"http://{HOST}:{port}" for port in self._ports]

    @property
    def workers(self) -> list[Process]:
        """Those that run."""
        return [worker for worker in self.made.workers if worker.running]

    def start(self, workers: int) -> None:
        """Start everything, and wait until every gateway is ready and every partition has an owner."""
        for slot in range(GATEWAYS):
            self.start_gateway(slot)
        for _ in range(workers):
            self.start_worker()
        self.made.wait_for_workers()
        for slot in range(GATEWAYS):
            self.wait_for_gateway(slot)

    def start_worker(self) -> Process:
        """One more worker. Does not wait."""
        return self.made.start_worker(**self._settings.get("worker", {}))

    def start_gateway(self, slot: int) -> Process:
        """The gateway of a place, in the stead of the one before. Does not wait."""
        settings = self._settings.get("gateway", {}) | {"CA_GATEWAY_PORT": str(self._ports[slot])}
        self._gateways[slot] = self.made.start_gateway(wait=False, **settings)
        return self._gateways[slot]

    def wait_for_gateway(self, slot: int) -> None:
        """Until it says that it is ready."""

        def ready() -> bool:
            gateway = self._gateways[slot]
            assert gateway.running, f"the gateway ended:\n{gateway.log()}"
            with suppress(httpx.TransportError):
                return httpx.get(f"{self.gateway_urls[slot]}/health/ready", timeout=2, trust_env=False).status_code == 200
            return False

        self.made.wait("the gateway is ready", ready, START_SECONDS)

    def some_worker(self, chance: random.Random) -> Process:
        """Any worker that runs."""
        return chance.choice(self.workers)

    def some_gateway(self, chance: random.Random) -> tuple[int, Process]:
        """Any gateway, with its place."""
        slot = chance.randrange(GATEWAYS)
        return slot, self._gateways[slot]
