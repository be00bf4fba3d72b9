"""An event as the state machine sees it, and the rows that a change leaves behind.

Invariant: a state is a value. A change makes a new state and hands what it supersedes (version, effect) to the caller to keep; nothing is ever lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from corpactions.domain.messages import Function, VersionRef
from corpactions.domain.terms import EventType


class Status(StrEnum):
    """Where an event stands. COMPLETED means that the effect is computed and stored; it waits for no date."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class FiledVersion(NamedTuple):
    """A version of an event, whether or not it is the current one. ``filed_revision`` is the event's revision that it made."""

    ref: VersionRef
    function: Function
    isin: str | None
    terms_json: str | None
    key_date: date | None
    content_sha256: bytes
    salt: bytes
    filed_revision: int
    accepted_at: datetime


class Effect(NamedTuple):
    """An effect that was posted: its number within the event, the version it comes from and its fields (``domain.effects``)."""

    number: int
    ref: VersionRef
    posted_at: datetime
    fields: dict[str, object]


class EffectRow(NamedTuple):
    """An effect that is no longer in force (POST), or the reversal that ended it (REVERSAL, naming it)."""

    number: int
    kind: str
    reverses: int | None
    effect: Effect
    posted_at: datetime


@dataclass(slots=True)
class EventState:
    """An event: its current version (None while a rejected announcement is all there is), the effect in force, and its older versions.

    ``record`` is the audit record of the last revision, byte for byte as published; the caller fills it in after encoding.
    """

    event_id: str
    event_type: EventType
    symbol: str
    source: str
    source_reference: str | None
    current: FiledVersion | None
    revision: int
    status: Status
    created_at: datetime
    changed_at: datetime
    isin: str | None = None
    terms_json: str | None = None
    key_date: date | None = None
    cancel_function: Function | None = None
    effect: Effect | None = None
    flags: tuple[str, ...] = ()
    attempts: int = 0
    error: str | None = None
    processing_at: datetime | None = None
    completed_at: datetime | None = None
    older: dict[VersionRef, FiledVersion] = field(default_factory=dict)
    record: bytes = b""

    @property
    def ref(self) -> VersionRef | None:
        return None if self.current is None else self.current.ref

    def versions(self) -> Iterator[FiledVersion]:
        """Every version filed, the current one included, each once."""
        yield from self.older.values()
        if self.current is not None and self.current.ref not in self.older:
            yield self.current

    def find(self, ref: VersionRef) -> FiledVersion | None:
        """The filed version with that identity, or None."""
        if self.current is not None and self.current.ref == ref:
            return self.current
        return self.older.get(ref)

    def highest(self, origin: str) -> int:
        """The highest version that the origin has numbered here; 0 when there is none."""
        return max((version.ref.version for version in self.versions() if version.ref.origin == origin), default=0)
