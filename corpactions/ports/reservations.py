"""Reservations of idempotency keys: the promise that one key of one principal stands for one event, whatever happens to the request.

    (no row) --reserve--> RESERVED, leased --published--> PUBLISHED
                             ^      | release, or the lease runs out
                             +------+ the same request again takes the lease over

A row is never deleted while its outcome is unknown: a freed key would let a repetition make a second event. All times are the database's.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from corpactions.domain.messages import Function
from corpactions.domain.terms import EventType


class ReservationState(StrEnum):
    """RESERVED until the broker's ack is known, then PUBLISHED for the rest of the key's life."""

    RESERVED = "RESERVED"
    PUBLISHED = "PUBLISHED"


class KeyedRequest(NamedTuple):
    """A mutation as its sender repeats it: who, under which key (lower-case canonical UUID), and the SHA-256 of what is asked."""

    principal: str
    key: str
    sha256: bytes


class Subject(NamedTuple):
    """What an event is about: the fields that an amendment copies and never changes."""

    symbol: str
    event_type: EventType
    isin: str | None
    source: str
    source_reference: str | None


class Reservation(NamedTuple):
    """A stored reservation.

    It covers ``id_count`` event ids from ``event_id`` on; ``subject`` is None for a range of several events. ``accepted_at`` is published unchanged on every
    repetition. ``lease_until`` also serves as the lease's identity.
    """

    request: KeyedRequest
    event_id: str
    id_count: int
    function: Function
    version: int
    subject: Subject | None
    accepted_at: datetime
    state: ReservationState
    lease_until: datetime


class Claim(NamedTuple):
    """The answer to a reservation: ``granted`` when the caller holds the lease and must publish, else how long somebody else's lease still runs."""

    reservation: Reservation
    granted: bool
    lease_seconds: float = 0.0


class Reservations(Protocol):
    """Every method raises Unavailable when the database does not answer; whether a reservation was stored is then unknown, which is safe to repeat."""

    async def reserve(self, request: KeyedRequest, event_id: str, id_count: int, subject: Subject | None) -> Claim:
        """Reserve the key for new events (NEWM, version 1), or claim what it already stands for."""

    async def reclaim(self, request: KeyedRequest) -> Claim | None:
        """Claim what the key already stands for; None when it is free. Granted when the request is the same, unpublished, and no lease runs."""

    async def reserve_version(self, request: KeyedRequest, event_id: str, function: Function, subject: Subject) -> Claim:
        """Reserve the key for the gateway's next version of an existing event, numbered in the same transaction."""

    def published(self, reservation: Reservation) -> None:
        """Note that the broker has acked; stored soon, in batches. Losing the note is safe: a repetition publishes the same message again."""

    async def release(self, reservation: Reservation) -> None:
        """End this lease, so that a repetition may publish at once. The key stays taken."""
