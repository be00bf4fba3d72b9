"""The client's messages as plain records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from confluent_kafka import Message

from corpactions.ports.records import Record

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_TIMESTAMP: Final = 253_370_764_800_000
"""9999-01-01 in milliseconds: a record's time is its producer's word, and MySQL holds no later year."""


def record_of(message: Message) -> Record:
    """A fetched message, which carries no error, as a record."""
    _, milliseconds = message.timestamp()
    timestamp = _EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), _LATEST_TIMESTAMP))
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None and partition is not None and offset is not None, "a fetched record has a position"  # noqa: PT018 - one fact
    headers: Any = message.headers() or ()
    return Record(topic, partition, offset, _bytes(message.key()), _bytes(message.value()), tuple(headers), timestamp)


def _bytes(value: Any) -> bytes | None:
    """The client's type hints allow text; without deserialisers it hands out bytes."""
    return None if value is None else bytes(value)
