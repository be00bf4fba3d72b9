"""Clients of two gateways: they repeat with the same key, at either of them, until the answer is final; and sometimes once more after that."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Sequence
from typing import Any

import httpx

from corpactions.domain.messages import GATEWAY_ORIGIN, VersionRef
from tests.chaos.script import ALL, SOUND, Script
from tests.chaos.traffic import ANSWER_SECONDS, Sender
from tests.support.upstream import day

_PATIENCE_SECONDS = 3.0
"""How long a client waits for one answer before it asks again."""
_ANNOUNCE, _BULK = "/api/v1/events", "/api/v1/events/bulk"


class RestSender(Sender):
    """One client: announces, singly and in bulk, amends and cancels its own events and, through the gateway, the upstream's."""

    def __init__(self, urls: Sequence[str], chance: random.Random, script: Script, name: str) -> None:
        super().__init__(name)
        self._urls = urls
        self._chance = chance
        self._script = script
        self._own: list[str] = []
        self._client = httpx.Client(timeout=_PATIENCE_SECONDS, trust_env=False)

    def step(self) -> None:
        dice = self._chance.random()
        if dice < 0.25 and self._own:
            self._change(self._chance.choice(self._own))
        elif dice < 0.35 and self._script.events:
            self._change(self._chance.choice(self._script.events[-200:]).event_id)
        elif dice < 0.45:
            self._announce_many()
        else:
            self._own.append(self._insist("POST", _ANNOUNCE, self._submission())["event_id"])

    def _announce_many(self) -> None:
        answer = self._insist("POST", _BULK, {"events": [self._submission() for _ in range(self._chance.randrange(2, 20))]})
        self._own += [item["event_id"] for item in answer.get("items", [])]

    def _change(self, event_id: str) -> None:
        if self._chance.random() < 0.8:
            self._insist("PATCH", f"{_ANNOUNCE}/{event_id}", {"payload": self._payload(1), "reason": "corrected"})
        else:
            self._insist("POST", f"{_ANNOUNCE}/{event_id}/cancel", {"function": "CANC", "reason": "ended"})

    def _submission(self) -> dict[str, Any]:
        symbols = ALL if self._chance.random() < 0.05 else SOUND
        return {
            "event_type": "DIVIDEND",
            "symbol": self._chance.choice(symbols),
            "payload": self._payload(5000 + self._chance.randrange(5000)),
        }

    def _payload(self, number: int) -> dict[str, str]:
        amount = f"0.{self._chance.randrange(1, 10_000):04}"
        return {"amount_per_share": amount, "currency": "USD", "ex_date": day(number).isoformat()}

    def _insist(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Repeat with one key until the answer is final. Empty when the event is not there (yet) or has ended."""
        key = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        deadline = time.monotonic() + ANSWER_SECONDS
        answer = "no answer"
        while time.monotonic() < deadline:
            response = self._ask(method, path, body, key)
            if response is None:
                time.sleep(0.2)
                continue
            found = response.json()
            answer = f"{response.status_code} {response.text}"
            if response.is_success:
                self._accepted(found)
                if self._chance.random() < 0.1:
                    self._once_more(method, path, body, key, found)
                return dict(found)
            if found.get("code") == "duplicate_request":
                return {"event_id": found["event_id"]}
            if response.status_code == 404 or found.get("code") == "wrong_state":
                return {}
            assert response.status_code in {503, 409}, f"{method} {path}: {answer}"
            time.sleep(min(float(response.headers.get("Retry-After", "1")), 0.5))
        raise AssertionError(f"{method} {path} has no final answer after {ANSWER_SECONDS:g} s: {answer}")

    def _ask(self, method: str, path: str, body: dict[str, Any], key: str) -> httpx.Response | None:
        """One try, at any gateway; None when there is no answer."""
        try:
            return self._client.request(method, self._chance.choice(self._urls) + path, json=body, headers={"Idempotency-Key": key})
        except httpx.TransportError:
            return None

    def _accepted(self, found: dict[str, Any]) -> None:
        told = found.get("items", [found])
        self.acked.update((item["event_id"], VersionRef(GATEWAY_ORIGIN, item.get("version", 1))) for item in told)

    def _once_more(self, method: str, path: str, body: dict[str, Any], key: str, before: dict[str, Any]) -> None:
        """An impatient client: whatever the second answer is, it must not be about another event."""
        response = self._ask(method, path, body, key)
        again = {} if response is None else response.json()
        first, second = (found.get("items", [found])[0] for found in (before, again))
        assert second.get("event_id", first["event_id"]) == first["event_id"], f"{method} {path} under {key}: first {before}, then {again}"
