"""Senders that never give up: an upstream system on Kafka, and clients of the gateway who repeat with the same key until they have an answer."""

from __future__ import annotations

import random
import threading
import time
import uuid
from typing import Any

import httpx

from corpactions.domain.messages import GATEWAY_ORIGIN, VersionRef
from tests.chaos.script import SOUND, Script
from tests.support.product import Product
from tests.support.upstream import Upstream, day

ANSWER_SECONDS = 120.0
"""How long one request is repeated before that is a failure of its own."""
_PAUSE = 0.05


class Sender(threading.Thread):
    """Sends until told to stop, then finishes what it has begun. :meth:`finish` raises what went wrong."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.acked: set[tuple[str, VersionRef]] = set()
        self._stopping = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.step()
                time.sleep(_PAUSE)
        except BaseException as error:
            self._error = error

    def step(self) -> None:
        """Send something and wait for its answer."""
        raise NotImplementedError

    def finish(self) -> None:
        """Stop and wait for what is on its way."""
        self._stopping.set()
        self.join(ANSWER_SECONDS + 10)
        assert not self.is_alive(), f"{self.name} hangs"
        if self._error is not None:
            raise self._error


class KafkaSender(Sender):
    """Batches of records straight onto the topic."""

    def __init__(self, product: Product, script: Script) -> None:
        super().__init__("upstream")
        self._upstream = Upstream(product, ANSWER_SECONDS)
        self._script = script

    def step(self) -> None:
        batch = self._script.batch(10)
        for item in batch:
            self._upstream.post(item.key, item.value, partition=item.partition)
        self._upstream.flush()
        self.acked.update((item.message.event_id, item.message.ref) for item in batch if item.message is not None)


class RestSender(Sender):
    """One client: announces, amends and cancels its own events and, through the gateway, the upstream's."""

    def __init__(self, product: Product, chance: random.Random, script: Script, name: str) -> None:
        super().__init__(name)
        self._product = product
        self._chance = chance
        self._script = script
        self._own: list[tuple[str, int]] = []
        self._client = httpx.Client(timeout=8, trust_env=False)

    def step(self) -> None:
        dice = self._chance.random()
        if dice < 0.25 and self._own:
            self._change(self._chance.choice(self._own)[0])
        elif dice < 0.35 and self._script.events:
            self._change(self._chance.choice(self._script.events[-200:]).event_id)
        else:
            self._announce()

    def _announce(self) -> None:
        body = {
            "event_type": "DIVIDEND",
            "symbol": self._chance.choice(SOUND),
            "payload": _payload(self._chance, 5000 + self._chance.randrange(5000)),
        }
        answer = self._insist("POST", "/api/v1/events", body)
        assert answer is not None, "announcing never ends as a 404"
        self._own.append((answer["event_id"], 1))

    def _change(self, event_id: str) -> None:
        if self._chance.random() < 0.8:
            self._insist("PATCH", f"/api/v1/events/{event_id}", {"payload": _payload(self._chance, 1), "reason": "corrected"})
        else:
            self._insist("POST", f"/api/v1/events/{event_id}/cancel", {"function": "CANC", "reason": "ended"})

    def _insist(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Repeat with one key until the answer is final; None when the event is not there (yet) or has ended."""
        key = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        deadline = time.monotonic() + ANSWER_SECONDS
        answer = "no answer"
        while time.monotonic() < deadline:
            try:
                response = self._client.request(method, self._product.gateway_url + path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError as error:
                answer = repr(error)
                time.sleep(0.2)
                continue
            answer = f"{response.status_code} {response.text}"
            found = response.json()
            if response.status_code in {201, 202}:
                self.acked.add((found["event_id"], VersionRef(GATEWAY_ORIGIN, found["version"])))
                return dict(found)
            if found.get("code") == "duplicate_request":
                return {"event_id": found["event_id"]}
            if response.status_code == 404 or found.get("code") == "wrong_state":
                return None
            assert response.status_code in {503, 409}, f"{method} {path}: {answer}"
            time.sleep(min(float(response.headers.get("Retry-After", "1")), 0.5))
        raise AssertionError(f"{method} {path} has no final answer after {ANSWER_SECONDS:g} s: {answer}")


def _payload(chance: random.Random, number: int) -> dict[str, str]:
    return {"amount_per_share": f"0.{chance.randrange(1, 10_000):04}", "currency": "USD", "ex_date": day(number).isoformat()}
