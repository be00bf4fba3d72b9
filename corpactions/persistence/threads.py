"""Waiting for the synchronous driver from asyncio, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from corpactions.domain.errors import Unavailable

T = TypeVar("T")
WAIT_SECONDS = 5.0
"""How long a request may wait for MySQL: past it the caller is told so, while the statement itself ends by the session's own time-outs."""


class Threads:
    """A few threads that talk to MySQL. Work is started in the order it was asked for."""

    def __init__(self, name: str, size: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self._executor = ThreadPoolExecutor(size, name)
        self._wait_seconds = wait_seconds

    async def call(self, work: Callable[[], T]) -> T:
        """Run ``work`` on a thread and return what it returns.

        Raises:
            Unavailable: no answer within the wait; the work may still take effect later.
        """
        try:
            async with asyncio.timeout(self._wait_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except TimeoutError:
            raise Unavailable("mysql", f"no answer within {self._wait_seconds:g} s") from None

    def close(self) -> None:
        """Take no more work and drop what has not started; running statements end on their own."""
        self._executor.shutdown(wait=False, cancel_futures=True)
