"""Reading and publishing events, as the gateway needs it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from corpactions.domain.audit.records import AuditRecord
from corpactions.domain.messages import Message, VersionRef
from corpactions.domain.terms import EventType
from corpactions.ports.reservations import Subject


class EventView(NamedTuple):
    """An event as it stands. ``pending`` while only a reservation or a parked record tells of it.

    ``subject`` is None for an event of a bulk request that has no row yet. ``payload`` holds the terms as stored: amounts and dates as text, ``attributes``
    as the JSON text that was announced. ``ref`` is None when no version was accepted.
    """

    event_id: str
    subject: Subject | None
    ref: VersionRef | None
    revision: int
    status: str
    cancel_function: str | None
    payload: dict[str, Any] | None
    effect: dict[str, Any] | None
    flags: tuple[str, ...]
    attempts: int
    error: str | None
    created_at: datetime
    processing_at: datetime | None
    completed_at: datetime | None
    pending: bool


class VersionView(NamedTuple):
    """One filed version of an event; ``current`` marks the one that counts."""

    ref: VersionRef
    function: str
    isin: str | None
    payload: dict[str, Any] | None
    filed_revision: int
    accepted_at: datetime
    current: bool


class EffectView(NamedTuple):
    """A posted effect or the reversal of one; ``in_force`` marks the effect that counts."""

    effect_no: int
    kind: str
    reverses_no: int | None
    effect: dict[str, Any]
    posted_at: datetime
    in_force: bool


class History(NamedTuple):
    """Everything that happened to an event, each part in order."""

    event: EventView
    versions: tuple[VersionView, ...]
    changes: tuple[AuditRecord, ...]
    effects: tuple[EffectView, ...]


class PageKey(NamedTuple):
    """Where a page ended: the next one starts behind this event."""

    created_at: datetime
    event_id: str


class EventQuery(NamedTuple):
    """Which events, newest first. ``created_from`` is included, ``created_to`` is not."""

    limit: int
    symbol: str | None = None
    event_type: EventType | None = None
    status: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    after: PageKey | None = None


class EventPage(NamedTuple):
    """One page of events; ``next_key`` is None on the last one."""

    items: tuple[EventView, ...]
    next_key: PageKey | None


class EventReader(Protocol):
    """Every method raises Unavailable when the database does not answer."""

    async def find(self, event_id: str) -> EventView | None:
        """The event's row, else its oldest parked record, else its reservation; None when nothing is known."""

    async def page(self, query: EventQuery) -> EventPage:
        """Events that have a row."""

    async def history(self, event_id: str) -> History | None:
        """The event with all that happened to it; None when nothing is known. Also raises Unavailable for a schema that only the registry knows."""


class EventPublisher(Protocol):
    """Puts messages on the events topic. A failure never says that nothing arrived: the outcome is unknown until the message is repeated."""

    async def publish(self, message: Message) -> None:
        """Return after the broker's ack.

        Raises:
            Unavailable: no ack within the delivery time-out, or the registry does not tell the schema's id.
        """

    async def publish_many(self, messages: Sequence[Message]) -> list[Exception | None]:
        """Publish all; for each message None after its ack, else what went wrong.

        Raises:
            Unavailable: the registry does not tell the schema's id; nothing was sent.
        """
