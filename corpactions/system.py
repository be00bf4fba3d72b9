"""The real clock and the real randomness: the only place, with settings, that reads the ambient world."""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from datetime import UTC, datetime

from corpactions.domain.identity import nth_id, time_ordered_id


class SystemClock:
    """The operating system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class SystemIdSource:
    """UUIDv7 ids that grow within a process, and the operating system's entropy.

    A range of ids reserves its numbers by stepping over them: the next id starts above the range even when the clock has not moved.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = ""

    def event_id(self) -> str:
        return self.event_id_range(1)

    def event_id_range(self, count: int) -> str:
        with self._lock:
            fresh = time_ordered_id(time.time_ns() // 1_000_000, os.urandom(10))
            first = fresh if fresh > self._last else nth_id(self._last, 1)
            self._last = first if count == 1 else nth_id(first, count - 1)
            return first

    def correlation_id(self) -> str:
        return str(uuid.UUID(bytes=os.urandom(16), version=4))

    def salt(self) -> bytes:
        return os.urandom(16)

    def jitter(self) -> float:
        return random.random()
