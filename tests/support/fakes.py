"""Small stand-ins for the ambient world and the security master, all driven by the test."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from corpactions.domain.errors import Unavailable
from corpactions.domain.identity import time_ordered_id
from corpactions.domain.securities import Lookup, LookupFailure, SecurityKey
from tests.support.announcing import AAPL, START, event_id


class FakeClock:
    """Time that passes only when told to; ``tick`` makes every reading a microsecond later than the one before."""

    def __init__(self, start: datetime = START) -> None:
        self._start = self._now = start
        self.tick = timedelta(microseconds=1)

    def now(self) -> datetime:
        self._now += self.tick
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class FakeIds:
    """Ids and salts that count, and a jitter that the test sets (0.5 is none)."""

    def __init__(self) -> None:
        self._count = 0
        self.spread = 0.5

    def event_id(self) -> str:
        return self.event_id_range(1)

    def event_id_range(self, count: int) -> str:
        self._count += count
        return time_ordered_id(1, (self._count - count).to_bytes(10, "big"))

    def correlation_id(self) -> str:
        return event_id(self._next())

    def salt(self) -> bytes:
        return self._next().to_bytes(16, "big")

    def jitter(self) -> float:
        return self.spread

    def _next(self) -> int:
        self._count += 1
        return self._count


class FakeSecurities:
    """Knows AAPL-like securities for every symbol but those told otherwise.

    ``failing`` symbols have an error of their own, ``poison`` symbols make any call that holds them fail, ``unknown`` ones are unknown; ``away`` fails all.
    """

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.poison: set[str] = set()
        self.unknown: set[str] = set()
        self.known: dict[str, Lookup] = {}
        self.away = False
        self.calls: list[list[SecurityKey]] = []

    def lookup(self, keys: Sequence[SecurityKey]) -> Mapping[SecurityKey, Lookup]:
        self.calls.append(list(keys))
        if self.away or self.poison & {key.symbol for key in keys}:
            raise Unavailable("security-master", "switched off by the test")
        return {key: self._answer(key.symbol) for key in keys}

    def asked(self) -> Collection[str]:
        """Every symbol that was ever asked for."""
        return {key.symbol for call in self.calls for key in call}

    def _answer(self, symbol: str) -> Lookup:
        if symbol in self.failing:
            return LookupFailure("the vendor has no answer")
        if symbol in self.unknown:
            return None
        return self.known.get(symbol, AAPL)
