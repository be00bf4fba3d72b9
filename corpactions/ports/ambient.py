"""Time and randomness, which no service may reach for by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The passing of time."""

    def now(self) -> datetime:
        """The current time, timezone-aware UTC, microseconds."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back, for deadlines and backoff; the zero is arbitrary."""

    def sleep(self, seconds: float) -> None:
        """Wait. A caller that must stay alive for the broker never passes more than a second."""


class IdSource(Protocol):
    """Fresh identities and randomness."""

    def event_id(self) -> str:
        """A new UUIDv7 as lower-case text; ids of one process never repeat and grow with time."""

    def event_id_range(self, count: int) -> str:
        """The first of ``count`` consecutive new ids, none of which :meth:`event_id` will hand out."""

    def correlation_id(self) -> str:
        """A new random UUID as lower-case text."""

    def salt(self) -> bytes:
        """16 random bytes for a payload commitment."""

    def jitter(self) -> float:
        """A number drawn evenly from [0, 1), to spread retries."""
