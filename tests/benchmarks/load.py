"""A load generator that costs little: prepared HTTP/1.1 requests over keep-alive connections, one at a time on each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import cast

import uvloop


class Connection(asyncio.Protocol):
    """One keep-alive connection; :meth:`ask` sends a request and waits for the whole answer."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are not its subclasses

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        mark = self._buffer.lower().find(b"content-length: ", 0, head_end)
        length = int(self._buffer[mark + 16 : self._buffer.index(b"\r\n", mark)])
        if len(self._buffer) >= head_end + 4 + length:
            status = int(self._buffer[9:12])
            self._buffer = b""
            assert self._answer is not None
            self._answer.set_result(status)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed by the server"))

    async def ask(self, request: bytes) -> int:
        """The status of the answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def requests(path: str, bodies: Iterator[bytes], keys: Callable[[], str]) -> Iterator[bytes]:
    """Prepared POST requests, each under a key of its own."""
    for body in bodies:
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nidempotency-key: {keys()}\r\ncontent-length: {len(body)}\r\n\r\n"
        yield head.encode() + body


def closed_loop(port: int, prepared: Iterator[bytes], connections: int, seconds: float) -> tuple[float, list[int]]:
    """As many requests as the server takes with that many connections: requests a second, and every status."""

    async def run() -> tuple[float, list[int]]:
        found: list[int] = []
        opened = [await _connect(port) for _ in range(connections)]
        started = time.perf_counter()
        end = started + seconds

        async def worker(connection: Connection) -> None:
            while time.perf_counter() < end:
                found.append(await connection.ask(next(prepared)))

        await asyncio.gather(*(worker(connection) for connection in opened))
        taken = time.perf_counter() - started
        for connection in opened:
            connection.close()
        return len(found) / taken, found

    return uvloop.run(run())


def open_loop(port: int, prepared: Iterator[bytes], rate: int, seconds: float) -> tuple[list[float], list[int]]:
    """Requests at a fixed rate, whether or not earlier ones are answered: the latencies in seconds, from when each was due, and every status."""

    async def run() -> tuple[list[float], list[int]]:
        latencies: list[float] = []
        statuses: list[int] = []
        idle = [await _connect(port) for _ in range(64)]
        opened = list(idle)
        tasks = []

        async def one(due: float) -> None:
            if not idle:
                opened.append(await _connect(port))
                idle.append(opened[-1])
            connection = idle.pop()
            statuses.append(await connection.ask(next(prepared)))
            latencies.append(time.perf_counter() - due)
            idle.append(connection)

        started = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = started + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            tasks.append(asyncio.create_task(one(due)))
        await asyncio.gather(*tasks)
        for connection in opened:
            connection.close()
        return latencies, statuses

    return uvloop.run(run())


async def _connect(port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection
