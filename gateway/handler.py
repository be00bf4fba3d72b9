r"""What the gateway does with a valid mutation: reserve the key, publish, answer. Ports in, outcome out; no HTTP, no Kafka, no SQL.

    reserve (RESERVED, leased) -> publish -> ack -> answer, and PUBLISHED soon after
                                     \-> no ack: the outcome is unknown; the lease ends, the key stays, the sender repeats with it

Invariant: whatever is published under a key says the same every time: its id, version and acceptance time come from the reservation, the rest from a
body whose hash the reservation holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

from corpactions.domain.errors import Unavailable
from corpactions.domain.identity import id_range
from corpactions.domain.messages import GATEWAY_ORIGIN, Function, Message, VersionRef
from corpactions.domain.terms import EventType, Terms
from corpactions.ports.ambient import Clock, IdSource
from corpactions.ports.events import EventPublisher, EventReader, EventView
from corpactions.ports.reservations import Claim, KeyedRequest, Reservation, Reservations, ReservationState, Subject
from gateway.problems import RETRY_SECONDS, Code, Refused
from gateway.validation import Announcement

LEASE_MARGIN_SECONDS = 5.0
"""How much longer a lease runs than a produce may take: the time between the database's clock reading and the produce must fit in it."""
_CANCELLED = "CANCELLED"


class Caller(NamedTuple):
    """Who asks. ``principal`` owns the idempotency keys, ``actor`` is answerable for the message."""

    principal: str
    actor: str
    correlation_id: str


class Precondition(NamedTuple):
    """An ``If-Match``: the version that the caller saw, or any (``*``)."""

    seen: VersionRef | None


class Change(NamedTuple):
    """A change of an existing event. ``terms_as`` reads the new terms once the event's type is known; None for a cancellation."""

    function: Function
    reason: str
    precondition: Precondition | None
    terms_as: Callable[[EventType], Terms] | None


class Ports(NamedTuple):
    """What the handler needs of the outside."""

    reservations: Reservations
    reader: EventReader
    publisher: EventPublisher
    ids: IdSource
    clock: Clock


class Handler:
    """Announces, amends and cancels events. Every method raises Refused when it did not do so, or does not know whether it did."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def announce(self, caller: Caller, request: KeyedRequest, item: Announcement) -> Reservation:
        """Announce one new event; return its reservation after the broker's ack."""
        started = self._ports.clock.monotonic()
        claim = await self._ports.reservations.reserve(request, self._ports.ids.event_id(), 1, item.subject)
        held = _granted(claim, request)
        await self._publish(held, started, [_announcement(caller, held, held.event_id, item)])
        return held

    async def announce_many(self, caller: Caller, request: KeyedRequest, items: Sequence[Announcement | None]) -> Reservation:
        """Announce the items that are not None. Item i has the id ``event_id + i`` of the reservation that is returned after all acks."""
        started = self._ports.clock.monotonic()
        first = self._ports.ids.event_id_range(len(items))
        held = _granted(await self._ports.reservations.reserve(request, first, len(items), None), request)
        ids = id_range(held.event_id, len(items))
        messages = [_announcement(caller, held, event_id, item) for event_id, item in zip(ids, items, strict=True) if item is not None]
        await self._publish(held, started, messages)
        return held

    async def change(self, caller: Caller, request: KeyedRequest, event_id: str, change: Change) -> Reservation:
        """Amend or cancel an event; return the new version's reservation after the broker's ack."""
        started = self._ports.clock.monotonic()
        claim = await self._ports.reservations.reclaim(request)
        if claim is not None:
            held = _granted(claim, request)
            subject = _subject(held.event_id, held.subject)
            terms = change.terms_as(subject.event_type) if change.terms_as else None
        else:
            event = await self.find(event_id)
            subject = _subject(event_id, event.subject)
            _check_changeable(event, change.precondition)
            terms = change.terms_as(subject.event_type) if change.terms_as else None
            claim = await self._ports.reservations.reserve_version(request, event_id, change.function, subject)
            held = _granted(claim, request)
        await self._publish(held, started, [_change(caller, held, subject, change, terms)])
        return held

    async def find(self, event_id: str) -> EventView:
        """The event as it stands. Raises Refused (event_not_found) when nothing is known of it."""
        event = await self._ports.reader.find(event_id)
        if event is None:
            raise no_such_event(event_id)
        return event

    async def _publish(self, held: Reservation, started: float, messages: list[Message]) -> None:
        try:
            if self._ports.clock.monotonic() - started > LEASE_MARGIN_SECONDS:
                raise Unavailable("mysql", "the reservation took so long that its lease may not outlast the publication")
            if len(messages) == 1:
                await self._ports.publisher.publish(messages[0])
            else:
                _raise_first(await self._ports.publisher.publish_many(messages))
        except Unavailable as error:
            await self._release(held)
            raise _outcome_unknown(error, held) from error
        self._ports.reservations.published(held)

    async def _release(self, held: Reservation) -> None:
        """End the lease, so that the sender need not wait for its end; when that fails too, it ends by itself."""
        try:
            await self._ports.reservations.release(held)
        except Unavailable as error:
            raise _outcome_unknown(error, held) from error


def _granted(claim: Claim, request: KeyedRequest) -> Reservation:
    """The reservation, when the caller may publish under it.

    Raises:
        Refused: the key stands for another request, for one that was accepted, or for one that somebody works on.
    """
    held = claim.reservation
    if claim.granted:
        return held
    if held.request.sha256 != request.sha256:
        raise Refused(
            Code.IDEMPOTENCY_KEY_REUSED,
            f"the key {request.key} was used before with another method, address, precondition or body; use a new key for a new request",
        )
    if held.state is ReservationState.PUBLISHED:
        raise Refused(
            Code.DUPLICATE_REQUEST,
            f"this request was accepted at {held.accepted_at.isoformat()} as event {held.event_id}; there is nothing more to do",
            extra={"event_id": held.event_id, "version": held.version},
        )
    raise Refused(
        Code.REQUEST_IN_PROGRESS,
        "the same request is in progress, or was and its outcome is not known yet; repeat it with the same key",
        retry_after=max(1, ceil(claim.lease_seconds)),
    )


def _check_changeable(event: EventView, precondition: Precondition | None) -> None:
    if event.status == _CANCELLED:
        raise Refused(Code.WRONG_STATE, f"event {event.event_id} is cancelled ({event.cancel_function}); announce a new event instead")
    if precondition is not None and precondition.seen is not None and precondition.seen != event.ref:
        raise Refused(
            Code.STALE_VERSION,
            f"the change is based on version {precondition.seen}, but {event.ref} is current; read the event again and decide anew",
            extra={"current": None if event.ref is None else str(event.ref)},
        )


def _subject(event_id: str, subject: Subject | None) -> Subject:
    if subject is None:
        raise Refused(
            Code.EVENT_NOT_READY,
            f"event {event_id} was accepted in a bulk request and has not been applied yet; repeat in a moment",
            retry_after=RETRY_SECONDS,
        )
    return subject


def no_such_event(event_id: str) -> Refused:
    """404 for an id that nothing is known of."""
    return Refused(Code.EVENT_NOT_FOUND, f"no event has the id {event_id}; check it, or list the symbol's events")


def _outcome_unknown(error: Unavailable, held: Reservation) -> Refused:
    return Refused(
        Code.OUTCOME_UNKNOWN,
        f"{error.dependency} did not confirm; repeat the same request with the Idempotency-Key {held.request.key}: it can never take effect twice",
        retry_after=RETRY_SECONDS,
        extra={"event_id": held.event_id},
    )


def _raise_first(outcomes: Sequence[Exception | None]) -> None:
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


def _announcement(caller: Caller, held: Reservation, event_id: str, item: Announcement) -> Message:
    subject = item.subject
    return Message(
        event_id=event_id,
        origin=GATEWAY_ORIGIN,
        version=held.version,
        function=held.function,
        event_type=subject.event_type,
        symbol=subject.symbol,
        source=subject.source,
        accepted_at=held.accepted_at,
        actor=caller.actor,
        correlation_id=caller.correlation_id,
        isin=subject.isin,
        source_reference=subject.source_reference,
        terms=item.terms,
    )


def _change(caller: Caller, held: Reservation, subject: Subject, change: Change, terms: Terms | None) -> Message:
    return Message(
        event_id=held.event_id,
        origin=GATEWAY_ORIGIN,
        version=held.version,
        function=held.function,
        event_type=subject.event_type,
        symbol=subject.symbol,
        source=subject.source,
        accepted_at=held.accepted_at,
        actor=caller.actor,
        correlation_id=caller.correlation_id,
        isin=subject.isin,
        source_reference=subject.source_reference,
        terms=terms,
        reason=change.reason,
        based_on=change.precondition.seen if change.precondition else None,
    )
