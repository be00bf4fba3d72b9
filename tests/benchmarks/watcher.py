"""Sees events become COMPLETED, as any reader of the database would: by asking for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from tests.support.gateway import Backing

RESOLUTION_SECONDS = 0.005
"""How often it asks: a latency is at most so much too long, never too short."""
_CLOCK_MARGIN_SECONDS = 0.1
_PATIENCE_SECONDS = 60.0
_QUERY = "SELECT source_reference FROM events WHERE status = 'COMPLETED' AND created_at >= %s"


class Watcher(threading.Thread):
    """Watches in a thread of its own while a load generator sends what :meth:`watched` hands on."""

    def __init__(self, backing: Backing) -> None:
        super().__init__(name="watcher", daemon=True)
        self._connection = backing.connection()
        self._waiting: dict[str, float] = {}
        self._latencies: list[float] = []
        self._stopping = threading.Event()

    def watched(self, prepared: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
        """Bodies, each to be sent at once: its time runs from the moment it is taken."""
        for reference, body in prepared:
            self._waiting[reference] = time.time()
            yield body

    def latencies(self, count: int) -> list[float]:
        """Wait until so many events were seen; the seconds that each one took."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(self._latencies) < count:
            if time.monotonic() > deadline or not self.is_alive():
                raise RuntimeError(f"{len(self._latencies)} of {count} events are COMPLETED")
            time.sleep(RESOLUTION_SECONDS)
        return self._latencies

    def run(self) -> None:
        """Look, again and again."""
        while not self._stopping.wait(RESOLUTION_SECONDS):
            if self._waiting:
                self._look()

    def _look(self) -> None:
        oldest = min(tuple(self._waiting.values())) - _CLOCK_MARGIN_SECONDS
        with self._connection.cursor() as cursor:
            cursor.execute(_QUERY, (datetime.fromtimestamp(oldest, UTC).replace(tzinfo=None),))
            rows = cursor.fetchall()
        now = time.time()
        for (reference,) in rows:
            if (sent := self._waiting.pop(reference, None)) is not None:
                self._latencies.append(now - sent)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        self.join()
        self._connection.close()
