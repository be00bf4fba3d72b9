"""Bodies of the answers, as the API's description shows them. A test holds real answers against these models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED"]
EventTypeName = Literal["DIVIDEND", "STOCK_SPLIT", "MERGER"]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class AcceptedEvent(_Answer):
    """A new event, acknowledged by the broker."""

    event_id: UUID
    version: int
    status: Literal["PENDING"]
    event_type: EventTypeName
    symbol: str
    accepted_at: datetime
    """The acceptance time of the event for ever, UTC."""


class AcceptedChange(_Answer):
    """A new version of an event, acknowledged by the broker; the worker decides about it."""

    event_id: UUID
    version: int
    """Counted by the gateway for this event."""
    status: Literal["PENDING"]


class Event(_Answer):
    """An event as it stands."""

    event_id: UUID
    event_type: EventTypeName | None
    """Null only while an event of a bulk request has not been applied."""
    symbol: str | None
    isin: str | None
    source: str | None
    source_reference: str | None
    version: int | None
    """The current version, counted within ``origin``; null when the announcement was rejected."""
    origin: str | None
    """Who numbered the current version: ``gateway``, or the sending system."""
    revision: int
    """Grows by one with every change of the event; 0 while nothing was applied."""
    status: Status
    cancel_function: Literal["CANC", "WITH"] | None
    payload: dict[str, Any] | None
    """The terms: amounts as decimal strings, dates as ISO strings."""
    effect: dict[str, Any] | None
    """The effect in force on one share."""
    flags: list[str]
    """What a person should look at."""
    attempts: int
    error: str | None
    created_at: datetime
    processing_at: datetime | None
    completed_at: datetime | None
    pending: bool
    """True while the event was accepted but not applied."""


class Page(_Answer):
    """A page of a list, newest first."""

    items: list[Event]
    next_cursor: str | None
    """Pass it as ``cursor`` for the next page; null on the last one."""


class ItemError(_Answer):
    """What is wrong with one item of a bulk request: the members of a problem document."""

    code: str
    detail: str
    errors: list[dict[str, Any]]


class BulkItem(_Answer):
    """What became of one item: 201 and its id, or 422 and what is wrong."""

    index: int
    status: Literal[201, 422]
    event_id: UUID | None = None
    error: ItemError | None = None


class BulkAnswer(_Answer):
    """One entry for each event, in the order sent."""

    items: list[BulkItem]


class Version(_Answer):
    """A filed version of an event."""

    origin: str
    version: int
    function: str
    isin: str | None
    payload: dict[str, Any] | None
    filed_revision: int
    accepted_at: datetime
    current: bool


class Transition(_Answer):
    """One change of status; ``from`` is null for the first."""

    before: Annotated[Status | None, Field(alias="from")]
    to: Status
    at: datetime


class Change(_Answer):
    """One revision of an event: who did what, and the transitions it made."""

    revision: int | None
    action: str
    actor: str
    at: datetime
    function: str | None
    origin: str | None
    version: int | None
    before: Status | None
    after: Status | None
    transitions: list[Transition]
    flags: list[str]
    code: str | None
    reason: str | None
    correlation_id: str | None


class Effect(_Answer):
    """A posted effect (POST) or the reversal of one (REVERSAL)."""

    effect_no: int
    kind: Literal["POST", "REVERSAL"]
    reverses_no: int | None
    effect: dict[str, Any]
    posted_at: datetime
    in_force: bool


class EventHistory(_Answer):
    """Everything that happened to an event, each part in order. Empty while the event is pending."""

    event: Event
    versions: list[Version]
    changes: list[Change]
    effects: list[Effect]


class FieldProblem(_Answer):
    """One wrong value."""

    pointer: str
    """JSON pointer into the body; ``/query/…``, ``/path/…``, ``/header/…`` for what stands outside of it."""
    value: str | int | bool | None
    """What was found, at most 100 characters of it."""
    detail: str
    mend: str
    """What would make it right."""


class Problem(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)
    type: str
    title: str
    status: int
    detail: str
    code: str
    """Stable name of the kind of problem."""
    errors: list[FieldProblem]


class Live(_Answer):
    """The process serves requests."""

    status: Literal["live"]


class Ready(_Answer):
    """What the gateway depends on, and whether it answers; null means that it does."""

    status: Literal["ready"]
    checks: dict[str, str | None]
