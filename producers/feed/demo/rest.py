"""The sample's first part through the REST gateway: single announcements, bulk, an amendment, a cancellation, a repetition, and what is refused.

Idempotency keys are made from the bodies, so that a second demonstration repeats the requests of the first instead of announcing everything twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Any, Final, NamedTuple

from corpactions.commands.gateway_client import GatewayClient, Json, Refused, Unreachable
from corpactions.domain.identity import feed_event_id, nth_id
from corpactions.ports import Clock
from producers.feed.demo.expectations import CANCELLED, COMPLETED, Expectation
from producers.feed.reader import Line

SINGLE: Final = 50
"""Events announced one by one, for the latency of a request; the others go in bulk."""
BULK: Final = 100
TRIES: Final = 20
"""Repetitions of a request whose outcome stayed open; with the same key they are safe. Together they outlast the lease of a gateway that was killed."""
PAUSE_SECONDS: Final = 1.0
_EVENTS: Final = "/api/v1/events"
_WHOLE: Final = frozenset({"ratio_new", "ratio_old", "shares_new", "shares_old"})


class Accepted(NamedTuple):
    """An accepted request: the (first) event id, whether the gateway had accepted the same request before, and the seconds it took."""

    event_id: str
    before: bool
    seconds: float


class Refusal(NamedTuple):
    """One field that the gateway refused."""

    field: str
    value: object
    detail: str
    mend: str


class RestRun:
    """Sends the sample's lines and remembers what must become of them."""

    def __init__(self, gateway: GatewayClient, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock
        self.expectations: list[Expectation] = []
        self.single_seconds: list[float] = []
        self.bulk_events = 0
        self.bulk_seconds = 0.0
        self.accepted_before = 0

    def announce(self, lines: Iterable[Line]) -> None:
        """Announce every line, the first 50 one by one. Raises Refused or Unreachable."""
        submissions = [submission_of(line) for line in lines]
        for submission in submissions[:SINGLE]:
            accepted = self._send("POST", _EVENTS, submission)
            self.single_seconds.append(accepted.seconds)
            self._expect(accepted, 1)
        for start in range(SINGLE, len(submissions), BULK):
            chunk = submissions[start : start + BULK]
            accepted = self._send("POST", f"{_EVENTS}/bulk", {"events": chunk})
            self.bulk_events += len(chunk)
            self.bulk_seconds += accepted.seconds
            self._expect(accepted, len(chunk))

    def repeat(self, line: Line) -> bool:
        """Send a line's announcement again under its key; True when the gateway knows it and names the same event."""
        known = {expectation.event_id for expectation in self.expectations}
        accepted = self._send("POST", _EVENTS, submission_of(line))
        return accepted.before and accepted.event_id in known

    def correct_and_cancel(self, reference: str) -> str:
        """Announce an invented dividend, amend it and cancel it again: one event, three versions. Returns its id.

        Args:
            reference: source reference, new for each demonstration.
        """
        payload = {"amount_per_share": "9.99", "currency": "USD", "ex_date": "2021-06-21"}
        announcement = {"event_type": "DIVIDEND", "symbol": "QQQ", "source": "demo", "source_reference": reference, "payload": payload}
        event_id = self._send("POST", _EVENTS, announcement).event_id
        path = f"{_EVENTS}/{event_id}"
        self._send("PATCH", path, {"payload": payload | {"amount_per_share": "0.999"}, "reason": "the decimal point was misplaced"})
        self._send("POST", f"{path}/cancel", {"function": "CANC", "reason": "invented for the demonstration"})
        self.expectations.append(Expectation(event_id, "REST", CANCELLED, 3))
        return event_id

    def refusals(self, lines: Iterable[Line]) -> list[Refusal]:
        """Submit wrong lines, all in one bulk request, and return the fields that the gateway refused, one for each line."""
        body = {"events": [submission_of(line) for line in lines]}
        answer = self._gateway.post(f"{_EVENTS}/bulk", _bytes(body), _key(body))
        found = []
        for item in answer["items"]:
            for error in item.get("error", {}).get("errors", [])[:1]:
                field = error["pointer"].rpartition("/")[2]
                found.append(Refusal(field, error["value"], error["detail"], error["mend"]))
        return found

    def _expect(self, accepted: Accepted, count: int) -> None:
        self.accepted_before += count if accepted.before else 0
        self.expectations += [Expectation(nth_id(accepted.event_id, index), "REST", COMPLETED, 1) for index in range(count)]

    def _send(self, method: str, path: str, body: Json) -> Accepted:
        """One mutation, repeated with its key while its outcome is open."""
        send = self._gateway.patch if method == "PATCH" else self._gateway.post
        started = self._clock.monotonic()
        for attempt in range(1, TRIES + 1):
            try:
                answer = send(path, _bytes(body), _key(body, path))
            except Refused as refused:
                if refused.problem.get("code") == "duplicate_request":
                    return Accepted(refused.problem["event_id"], True, self._clock.monotonic() - started)
                if refused.problem.get("code") not in {"request_in_progress", "event_not_ready"} or attempt == TRIES:
                    raise
            except Unreachable:
                if attempt == TRIES:
                    raise
            else:
                event_id = answer["items"][0]["event_id"] if "items" in answer else answer["event_id"]
                return Accepted(event_id, False, self._clock.monotonic() - started)
            self._clock.sleep(PAUSE_SECONDS)
        raise AssertionError("the last attempt returns or raises")


def submission_of(line: Line) -> Json:
    """A CSV line as the gateway's JSON: terms into the payload, whole numbers and attributes as JSON, everything else as the text it is."""
    fields = {name: value for name, value in line.fields.items() if name not in {"function", "version", "reason"}}
    return {**fields, "payload": {name: _json_value(name, value) for name, value in line.payload.items()}}


def _json_value(name: str, value: object) -> Any:
    if name in _WHOLE and isinstance(value, str) and value.isdigit():
        return int(value)
    if name == "attributes" and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _bytes(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _key(body: Json, path: str = "") -> str:
    return feed_event_id(date.min, "demo", path, _bytes(body).decode())
