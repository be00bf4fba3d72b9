"""Audit records as the lifecycle workers publish them, in any number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from corpactions.domain.audit.records import Action, AuditRecord, Transition
from corpactions.domain.messages import Position
from corpactions.kafka.registry import Registry
from corpactions.serde.audit import AuditCodec
from corpactions.system import SystemClock
from tests.support.product import Product

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def applied(number: int, revision: int = 1, **fields: object) -> AuditRecord:
    """The record of event ``number`` having been applied; ids grow with the number, as UUIDv7 ids do."""
    event_id = str(UUID(int=(0x0192 << 112) + (7 << 76) + (2 << 62) + (number << 12)))
    at = START + timedelta(milliseconds=number // 10)
    content = {
        "actor": "feed",
        "action": Action.APPLIED,
        "resource": f"event:{event_id}",
        "event_type": "DIVIDEND",
        "symbol": f"S{number % 500:04d}",
        "function": "NEWM",
        "origin": "feed",
        "version": 1,
        "revision": revision,
        "after": "COMPLETED",
        "transitions": (
            Transition(None, "PENDING", at),
            Transition("PENDING", "PROCESSING", at),
            Transition("PROCESSING", "COMPLETED", at),
        ),
        "position": Position("corporate-actions-events", number % 12, number // 12),
        "correlation_id": str(UUID(int=number)),
        "payload_commitment": number.to_bytes(32, "big"),
        "flags": ("NO_RECORD_DATE",),
    }
    return AuditRecord(record_id=f"{event_id}:{revision}", recorded_at=at, **(content | fields))  # type: ignore[arg-type] # a test's fields may be any


class AuditRecords:
    """Encodes records for a product's audit topic."""

    def __init__(self, made: Product) -> None:
        registry = Registry(made.endpoints["registry"], SystemClock())
        self.codec = AuditCodec(registry, registry.latest_id(f"{made.topic('audit')}-value"))

    def messages(self, first: int, count: int) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of so many records."""
        for number in range(first, first + count):
            yield self.message(applied(number))

    def message(self, record: AuditRecord) -> tuple[bytes, bytes]:
        """Key and value of one record."""
        return record.resource.rpartition(":")[2].encode(), self.codec.encode(record)
