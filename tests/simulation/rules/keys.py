"""Idempotency keys: one key of one principal is one event, and is never stuck."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from itertools import count
from typing import Any

from corpactions.ports.reservations import Claim, KeyedRequest, Reservation
from gateway import handler as gateway
from gateway.handler import Handler
from gateway.problems import Refused
from gateway.validation import Document
from tests.simulation.rules.rule import Rule, replaced, wrapped


async def _freed(self: Handler, held: Reservation) -> None:
    reservations: Any = self._ports.reservations
    rows = reservations._rows if hasattr(reservations, "_rows") else reservations._database.tables["idempotency_keys"]
    rows.pop(held.request[:2], None)


async def _lease_left(_self: Handler, _held: Reservation) -> None:
    return


def _new_id_for_a_repetition(granted: Any) -> Any:
    numbers = count(1)

    def held(claim: Claim, request: KeyedRequest) -> Reservation:
        made: Reservation = granted(claim, request)
        return made._replace(event_id=f"019a8a3e-5c00-7000-8000-{next(numbers):012x}")

    return held


def _stamped_anew(granted: Any) -> Any:

    numbers = count(1)

    def held(claim: Claim, request: KeyedRequest) -> Reservation:
        made: Reservation = granted(claim, request)
        return made._replace(accepted_at=made.accepted_at + timedelta(seconds=next(numbers)))

    return held


def _any_body(granted: Any) -> Any:
    return lambda claim, request: granted(claim, request._replace(sha256=claim.reservation.request.sha256))


def _of_the_bytes(sha256: Any) -> Any:
    return lambda self, *scope: hashlib.sha256(repr(self.content).encode()).digest()


def _valid_items_only(announce_many: Any) -> Any:
    async def announced(self: Handler, caller: Any, request: KeyedRequest, items: Any) -> Any:
        return await announce_many(self, caller, request, [item for item in items if item is not None])

    return announced


def _answered_before_the_ack(publish: Any) -> Any:
    async def published(self: Handler, *arguments: Any) -> None:
        try:
            await publish(self, *arguments)
        except Refused:
            return

    return published


def _numbered_before_validation(change: Any) -> Any:
    async def changed(self: Handler, caller: Any, request: KeyedRequest, event_id: str, asked: Any) -> Any:
        event = await self.find(event_id)
        assert event.subject is not None
        await self._ports.reservations.reserve_version(request, event_id, asked.function, event.subject)
        return await change(self, caller, request, event_id, asked)

    return changed


RULES = (
    Rule(
        "a-key-is-never-freed",
        "A produce time-out is an unknown outcome: the lease ends, the key's row stays.",
        "A produce times out and has landed; its sender repeats it with the key.",
        "The key makes a second event: money is paid twice.",
        replaced((Handler, "_release", _freed)),
        "made 2 events",
    ),
    Rule(
        "a-repetition-has-the-same-id",
        "A repetition publishes the event id that its key stands for.",
        "A gateway dies between produce and answer; its sender repeats.",
        "The repetition makes a second event.",
        wrapped(gateway, "_granted", _new_id_for_a_repetition),
        "made 2 events",
    ),
    Rule(
        "a-repetition-has-the-same-time",
        "A repetition publishes the acceptance time that was stored with its key.",
        "The first produce was lost, the second one lands.",
        "The event was accepted at one time for its sender and at another for everybody else.",
        wrapped(gateway, "_granted", _stamped_anew),
        "was published with 2 acceptance times",
    ),
    Rule(
        "a-key-stands-for-one-request",
        "The same key with another request is refused.",
        "A client's bug uses one key for two announcements.",
        "The second is answered like a repetition, and is lost.",
        wrapped(gateway, "_granted", _any_body),
        "the second announcement was taken for a repetition",
    ),
    Rule(
        "a-request-is-what-it-says",
        "A request's hash covers its canonical JSON, not its bytes.",
        "A client repeats a request from its database, with the fields in another order.",
        "The repetition is refused as another request: the key is stuck.",
        wrapped(Document, "sha256", _of_the_bytes),
        "the same request in other bytes is another one",
    ),
    Rule(
        "an-unknown-outcome-ends-the-lease",
        "A produce time-out ends the lease, so that a repetition publishes at once.",
        "The broker is away for a second.",
        "The sender does what it was told and is refused.",
        replaced((Handler, "_release", _lease_left)),
        "the repetition was refused",
    ),
    Rule(
        "accepted-means-acknowledged",
        "Accepted is answered only after the broker's ack.",
        "The broker takes nothing, and the gateway is asked.",
        "What was accepted is nowhere.",
        wrapped(Handler, "_publish", _answered_before_the_ack),
        "was accepted and is not on the topic",
    ),
    Rule(
        "all-of-a-bulk-request-is-acknowledged",
        "A bulk request is accepted only when every item is acknowledged.",
        "The broker takes one half of a bulk request.",
        "Some of what was accepted is nowhere.",
        replaced((gateway, "_raise_first", lambda _outcomes: None)),
        "was accepted and is not on the topic",
    ),
    Rule(
        "bulk-ids-count-every-item",
        "In a bulk request item i has the id base + i, whether or not the items before it are valid.",
        "A newer gateway finds an item valid that the one before refused; the request is repeated.",
        "Every item behind it moves to its neighbour's id, and is rejected as a conflict.",
        wrapped(Handler, "announce_many", _valid_items_only),
        "moved to another id",
    ),
    Rule(
        "a-late-reservation-is-not-published",
        "A reservation that took so long that its lease may not outlast the publication is not published.",
        "MySQL answers after seconds; the lease ends while the record is on its way; the key is purged.",
        "The record lands for a key that is free again, and the repetition makes a second event.",
        replaced((gateway, "LEASE_MARGIN_SECONDS", 1e9)),
        "was published under a lease that may be over",
    ),
    Rule(
        "what-is-invalid-reserves-nothing",
        "What fails validation reserves no key and no version.",
        "An amendment with a wrong payload.",
        "A version is numbered that nobody will ever send: the next one carries a gap.",
        wrapped(Handler, "change", _numbered_before_validation),
        "a version was numbered",
    ),
)
