"""Records as they stand on a topic, and records to be put there. Bytes stay bytes: whoever passes them on passes them on unchanged."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from corpactions.domain.messages import Position

Headers = tuple[tuple[str, bytes | None], ...]


class Record(NamedTuple):
    """A record read from a topic. ``timestamp`` is the record's own (CreateTime), UTC."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: datetime

    @property
    def position(self) -> Position:
        return Position(self.topic, self.partition, self.offset)


class Publication(NamedTuple):
    """A record to be published. ``partition`` None lets the key decide (murmur2); ``pending_id`` names its row in ``pending_publications``, if any."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    pending_id: int | None = None
