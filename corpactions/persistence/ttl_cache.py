"""A bounded cache whose entries end after a fixed time, for answers that rarely change and may be a little old."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from corpactions.ports import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """Keeps at most ``capacity`` answers, each for ``seconds``; the oldest leave first.

    Since every entry lives equally long, the order of insertion is the order of expiry and one dictionary does it all. Not for sharing between threads.
    """

    def __init__(self, clock: Clock, capacity: int, seconds: float) -> None:
        self._clock = clock
        self._capacity = capacity
        self._seconds = seconds
        self._entries: dict[K, tuple[float, V]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def fresh(self, keys: list[K]) -> dict[K, V]:
        """The answers that are still good, for those of ``keys`` that have one."""
        now = self._clock.monotonic()
        found = {}
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None and entry[0] > now:
                found[key] = entry[1]
        return found

    def put(self, key: K, value: V) -> None:
        """Keep an answer from now on."""
        self._entries.pop(key, None)
        self._entries[key] = (self._clock.monotonic() + self._seconds, value)
        if len(self._entries) > self._capacity:
            del self._entries[next(iter(self._entries))]
