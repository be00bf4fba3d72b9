"""Audit records and batch summaries as values: what the lifecycle worker tells the rest of the house about a committed change.

Invariant: a record's id always stands for the same content. Whatever could differ between two deliveries (the time of a second decision, say) is therefore
taken from what was stored or received first, never from now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from corpactions.domain.messages import Position


class Action(StrEnum):
    """What was done to an event, to a record that became none, or to the audit log itself (the last four)."""

    APPLIED = "APPLIED"
    FILED = "FILED"
    CANCELLED = "CANCELLED"
    RETRY_SCHEDULED = "RETRY_SCHEDULED"
    FAILED = "FAILED"
    REPROCESSED = "REPROCESSED"
    DISCARDED = "DISCARDED"
    REJECTED = "REJECTED"
    HOLD_PLACED = "HOLD_PLACED"
    HOLD_RELEASED = "HOLD_RELEASED"
    SEGMENT_EXPORTED = "SEGMENT_EXPORTED"
    SEGMENT_REMOVED = "SEGMENT_REMOVED"


class Transition(NamedTuple):
    """One change of status; ``from_status`` is None for the first of an event."""

    from_status: str | None
    to_status: str
    at: datetime


class AuditRecord(NamedTuple):
    """One audit record; field by field what ``AuditRecord.avsc`` documents."""

    record_id: str
    recorded_at: datetime
    actor: str
    action: Action
    resource: str
    event_type: str | None = None
    symbol: str | None = None
    function: str | None = None
    origin: str | None = None
    version: int | None = None
    revision: int | None = None
    before: str | None = None
    after: str | None = None
    transitions: tuple[Transition, ...] = ()
    position: Position | None = None
    correlation_id: str | None = None
    payload_commitment: bytes | None = None
    flags: tuple[str, ...] = ()
    code: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """A signed change of the number of events created in ``minute`` that have this type and status."""

    minute: datetime
    event_type: str
    status: str
    count: int


class BatchSummary(NamedTuple):
    """What one transaction changed in the counts of one source partition; (partition, summary_seq) is its identity."""

    topic: str
    partition: int
    summary_seq: int
    committed_at: datetime
    deltas: tuple[Delta, ...]
    records: int
    rejected: int = 0
