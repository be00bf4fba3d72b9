"""What a finished run leaves behind, as one value: the records of all topics and the rows of all tables, whoever made them.

The real product and the simulated one both come down to this, so that one judge decides about both (:mod:`tests.support.judgement`).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from corpactions.domain.audit.records import AuditRecord, BatchSummary
from corpactions.domain.messages import Message, Position, VersionRef
from corpactions.domain.state import Effect, EventState
from corpactions.ports.records import Record


class EventRow(NamedTuple):
    """A row of ``events``. ``terms_json`` is canonical; ``effect`` is the one in force."""

    symbol: str
    event_type: str
    status: str
    ref: VersionRef | None
    revision: int
    cancel_function: str | None
    terms_json: str | None
    created_at: datetime
    record: bytes
    effect: Effect | None


def row_of(state: EventState) -> EventRow:
    """The row of an event that a store in memory keeps as the domain's value."""
    return EventRow(
        state.symbol,
        state.event_type,
        state.status,
        state.ref,
        state.revision,
        state.cancel_function,
        state.terms_json,
        state.created_at,
        state.record,
        state.effect,
    )


class PastEffect(NamedTuple):
    """A row of ``event_effects``; ``content`` is anything that is equal for equal effects."""

    number: int
    kind: str
    reverses: int | None
    content: Any


class Progress(NamedTuple):
    """A row of ``partition_progress``."""

    acked: int
    committed: int
    summary_seq: int


class Decoders(NamedTuple):
    """Bytes to values. ``message`` raises Rejected."""

    message: Callable[[bytes | None], Message]
    audit: Callable[[bytes | None], AuditRecord]
    summary: Callable[[bytes | None], BatchSummary]


class Letter(NamedTuple):
    """A dead letter, with the original that it names and the event's revision at the failure."""

    original: Position
    revision: int
    code: str
    record: Record


def _recorded_at(told: AuditRecord) -> Any:
    return told.recorded_at


@dataclass
class Evidence:
    """Everything durable, when nothing moves any more.

    ``versions`` maps each event's filed versions, the current one included, to content hash and the revision that they made; ``transitions`` its superseded
    revisions to their audit records. ``waiting`` are the symbols that are parked or queued. ``decided_at`` gives what orders decisions: the time told, where
    clocks can be trusted.
    """

    decoders: Decoders
    partitions: int
    events: list[Record]
    letters: list[Record]
    audit: list[Record]
    summaries: list[Record]
    rows: dict[str, EventRow] = field(default_factory=dict)
    versions: dict[str, dict[VersionRef, tuple[bytes, int]]] = field(default_factory=lambda: defaultdict(dict))
    transitions: dict[str, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    effects: dict[str, list[PastEffect]] = field(default_factory=dict)
    queued: set[Position] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    pending: int = 0
    progress: dict[int, Progress] = field(default_factory=dict)
    decided_at: Callable[[AuditRecord], Any] = _recorded_at


def letter_of(record: Record) -> Letter:
    """What a record of the dead-letter topic says of its original."""
    headers = dict(record.headers)
    topic, partition, offset, revision, code = (
        headers[name] or b""
        for name in (
            "kafka_dlt-original-topic",
            "kafka_dlt-original-partition",
            "kafka_dlt-original-offset",
            "ca-revision",
            "ca-code",
        )
    )
    position = Position(topic.decode(), struct.unpack(">i", partition)[0], struct.unpack(">q", offset)[0])
    return Letter(position, int(revision), code.decode(), record)
