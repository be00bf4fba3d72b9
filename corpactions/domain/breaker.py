"""The circuit breaker: when to stop asking a dependency that does not answer, and when to try again.

CLOSED while calls succeed; OPEN after a number of failures within a window, then every call is put off; HALF_OPEN when the wait is over and one call may
probe: success closes, failure opens for twice as long. Time comes in as an argument, so the machine is as testable as a table.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

_DOUBLINGS = 30
"""The ceiling is reached long before; without a bound a dependency that stays away for hours would overflow the float."""


class Circuit(StrEnum):
    """The states of a breaker."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(slots=True)
class Breaker:
    """A breaker of one dependency.

    Args:
        failures: so many within ``window`` open it.
        window: seconds.
        base: seconds of the first wait; each failing probe doubles it.
        ceiling: longest wait in seconds.
    """

    failures: int = 5
    window: float = 60.0
    base: float = 1.0
    ceiling: float = 30.0
    _recent: deque[float] = field(default_factory=deque)
    _open_until: float | None = None
    _openings: int = 0

    def state(self, now: float) -> Circuit:
        """Where the breaker stands at a monotonic time."""
        if self._open_until is None:
            return Circuit.CLOSED
        return Circuit.OPEN if now < self._open_until else Circuit.HALF_OPEN

    def failed(self, now: float) -> float:
        """Count a failure; returns the seconds to wait before the next call."""
        self._recent.append(now)
        while self._recent and self._recent[0] <= now - self.window:
            self._recent.popleft()
        if self._open_until is not None or len(self._recent) >= self.failures:
            wait = min(self.base * 2.0 ** min(self._openings, _DOUBLINGS), self.ceiling)
            self._openings += 1
            self._open_until = now + wait
            return wait
        return min(self.base * 2.0 ** (len(self._recent) - 4), self.base)

    def succeeded(self) -> None:
        """A call went through: the breaker closes and forgets."""
        if self._recent or self._open_until is not None:
            self._recent.clear()
            self._open_until = None
            self._openings = 0
