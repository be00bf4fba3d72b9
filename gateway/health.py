"""Whether the gateway can do its work: bounded checks of what it depends on, shared by everybody who asks at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from corpactions.domain.errors import CorporateActionsError, Unavailable
from corpactions.ports.ambient import Clock

CHECK_SECONDS = 1.0
"""A dependency that needs longer is as good as away."""
CACHE_SECONDS = 1.0
"""Probes of many kinds ask several times a second; the dependencies are asked once."""

Check = Callable[[], Awaitable[object]]


class Readiness:
    """Runs the checks.

    Args:
        checks: name of each dependency and how to ask it; an answer of any kind means that it is there, an error that it is not.
        clock: tells how old the last answer is.
    """

    def __init__(self, checks: Mapping[str, Check], clock: Clock) -> None:
        self._checks = checks
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: dict[str, str | None] = {}
        self._known_until = float("-inf")

    async def findings(self) -> dict[str, str | None]:
        """For each dependency what is wrong with it, or None. Answers within about a second."""
        async with self._lock:
            if self._clock.monotonic() >= self._known_until:
                found = await asyncio.gather(*(_finding(name, check) for name, check in self._checks.items()))
                self._known = dict(zip(self._checks, found, strict=True))
                self._known_until = self._clock.monotonic() + CACHE_SECONDS
            return self._known


async def _finding(name: str, check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except Unavailable as error:
        return str(error)[:200]
    except CorporateActionsError as error:
        return f"{name}: {error}"[:200]
    return None
