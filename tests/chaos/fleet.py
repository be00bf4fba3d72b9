"""The services of a chaos run: workers that come and go, two gateways in front of the same clients, and two audit consumers with a witness.

Each kind reaches the servers on its own way; the witness needs none of them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress

import httpx
import MySQLdb

from infra.local.ports import HOST, Ports
from tests.chaos.proxied import Way
from tests.support.auditing import Auditing
from tests.support.product import START_SECONDS, Process, Product

GATEWAYS = 2
AUDITORS = 2
"""Audit consumers: one writes, the other stands by."""


class Fleet:
    """Processes of one product.

    Args:
        made: a product that was created.
        ways: how each kind reaches the servers; empty: directly.
        audit: the product's audit log.
    """

    def __init__(self, made: Product, ways: Mapping[str, Way], audit: Auditing) -> None:
        self.made = made
        self.audit = audit
        self._settings = {kind: way.settings for kind, way in ways.items()}
        ports = Ports.free()
        self._ports = (ports.gateway, ports.worker_1)[:GATEWAYS]
        self._gateways: dict[int, Process] = {}
        self._auditors: dict[str, Process] = {}

    @property
    def gateway_urls(self) -> list[str]:
        """Where clients find the gateways, running or not."""
        return [f"http://{HOST}:{port}" for port in self._ports]

    @property
    def workers(self) -> list[Process]:
        """Those that run."""
        return [worker for worker in self.made.workers if worker.running]

    def start(self, workers: int) -> None:
        """Start everything, and wait until every gateway is ready, every partition has an owner and the audit log was opened."""
        self.audit.start_witness()
        for _ in range(AUDITORS):
            self.start_auditor()
        for slot in range(GATEWAYS):
            self.start_gateway(slot)
        for _ in range(workers):
            self.start_worker()
        self.made.wait_for_workers()
        for slot in range(GATEWAYS):
            self.wait_for_gateway(slot)
        self.audit.wait_for(1)

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

    @property
    def auditors(self) -> list[Process]:
        """The audit consumers that run."""
        return [auditor for auditor in self._auditors.values() if auditor.running]

    def start_auditor(self) -> Process:
        """One more audit consumer. Does not wait."""
        name = f"auditor-{len(self._auditors) + 1}"
        self._auditors[name] = self.audit.start(CA_INSTANCE=name, **self._settings.get("audit", {}))
        return self._auditors[name]

    def audit_writer(self, chance: random.Random) -> Process:
        """The audit consumer that writes; any that runs while that cannot be told."""
        with suppress(MySQLdb.OperationalError):
            for (owner,) in self.made.sql("SELECT owner FROM audit_epochs ORDER BY epoch DESC LIMIT 1"):
                if self._auditors[owner].running:
                    return self._auditors[owner]
        return chance.choice(self.auditors)

    def stop(self) -> None:
        """End everything in good order; each must say 0."""
        self.made.stop()
        for auditor in self.auditors:
            assert auditor.stop() == 0, f"{auditor.name} ended badly:\n{auditor.log()}"
        assert self.audit.witness is not None
        assert self.audit.witness.stop() == 0, f"the witness ended badly:\n{self.audit.witness.log()}"
