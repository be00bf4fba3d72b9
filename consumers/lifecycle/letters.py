"""Dead letters and the audit records of rejections: what is told of a record that could not be applied.

Invariant: a letter carries the original key, value and headers byte for byte; Spring Kafka's ``kafka_dlt-*`` headers, with its binary encodings, come behind
them, so that existing tools read letters. Nothing depends on when the record was decided.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from corpactions.domain.audit.records import Action, AuditRecord
from corpactions.domain.errors import Rejected
from corpactions.domain.messages import Message
from corpactions.ports.records import Headers, Publication, Record

RECORD_BYTES = 1_048_576
"""The events topic's ``max.message.bytes``. Only a compressed record can be larger once it is read, and then no topic of ours could carry its bytes."""
REASON_CHARACTERS = 2_000
"""Errors are cut here: headers must fit into the 128 KiB that the dead-letter topic leaves above its source."""


_KEY_BYTES = 65_536
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Topics(NamedTuple):
    """Where the worker publishes, and the group that it is."""

    dead_letters: str
    audit: str
    summaries: str
    group: str


def dead_letter(record: Record, code: str, reason: str, revision: int, topics: Topics) -> Publication:
    """The letter of a record: into the dead-letter topic's partition of the same number, under the same key.

    Args:
        record: the original.
        code: why, as a stable identifier.
        reason: why, for a person.
        revision: the event's revision at the failure, 0 for a rejection; with the original position it is the letter's identity.
        topics: where to.
    """
    milliseconds = (record.timestamp - _EPOCH) // timedelta(milliseconds=1)
    carried = _portable(record)
    headers: Headers = (
        *carried.headers,
        ("kafka_dlt-original-topic", record.topic.encode()),
        ("kafka_dlt-original-partition", struct.pack(">i", record.partition)),
        ("kafka_dlt-original-offset", struct.pack(">q", record.offset)),
        ("kafka_dlt-original-timestamp", struct.pack(">q", milliseconds)),
        ("kafka_dlt-original-timestamp-type", b"CreateTime"),
        ("kafka_dlt-original-consumer-group", topics.group.encode()),
        ("kafka_dlt-exception-fqcn", b"corpactions.domain.errors.Rejected" if revision == 0 else b"corpactions.domain.errors.Retryable"),
        ("kafka_dlt-exception-message", f"{code}: {reason}"[:REASON_CHARACTERS].encode()),
        ("ca-code", code.encode()),
        ("ca-revision", str(revision).encode()),
    )
    return Publication(topics.dead_letters, carried.key, carried.value, headers, record.partition)


def size_of(record: Record) -> int:
    """Bytes of key, value and headers."""
    headers = sum(len(name.encode()) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


def _portable(record: Record) -> Record:
    """What a letter can carry of a record: everything, unless that is too large. The events topic keeps the original for ever, and the letter names its place."""
    if size_of(record) <= RECORD_BYTES:
        return record
    key = record.key if record.key is None or len(record.key) <= _KEY_BYTES else None
    return record._replace(key=key, value=None, headers=(("ca-omitted", f"{size_of(record)} bytes".encode()),))


def rejection(record: Record, message: Message | None, error: Rejected) -> AuditRecord:
    """The audit record of a rejection that changed no event: its id is the record's position, its time the record's own."""
    position = record.position
    return AuditRecord(
        record_id=str(position),
        recorded_at=record.timestamp,
        actor="unknown" if message is None else message.actor,
        action=Action.REJECTED,
        resource=f"record:{position}",
        event_type=None if message is None else message.event_type,
        symbol=None if message is None else message.symbol,
        function=None if message is None else message.function,
        origin=None if message is None else message.origin,
        version=None if message is None else message.version,
        position=position,
        correlation_id=None if message is None else message.correlation_id,
        code=error.code,
        reason=error.reason[:REASON_CHARACTERS],
    )
