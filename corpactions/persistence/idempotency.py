"""Reservations for asyncio: concurrent ones share a transaction, acks are noted lazily.

No request waits for others to arrive: a writer takes whatever has gathered while the transactions before it ran. A COMMIT costs many times what a row does
(docs/performance.md), so beside a transaction of many rows no other begins and the next crowd gathers; beside small ones others do, and the server makes them
durable together.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import NamedTuple

from corpactions.domain.errors import Unavailable
from corpactions.domain.messages import Function
from corpactions.persistence.reservation_store import KeyTaken, NewReservation, ReservationStore
from corpactions.persistence.threads import WAIT_SECONDS, Threads
from corpactions.ports.reservations import Claim, KeyedRequest, Reservation, Subject

_log = logging.getLogger(__name__)
WRITERS = 3
"""Most transactions at once."""
CROWD = 4
"""Rows that make a transaction worth waiting for."""
STALL_SECONDS = 0.02
"""How long it is waited for: several times what it takes on a busy machine. Past it a slow disk or a lock must not hold up everybody else."""
BATCH = 128
"""Most reservations in one statement: about 50 KB of SQL, a few milliseconds."""
MAX_WAITING = 1_000
"""Most requests that may wait for the writer; beyond it the database is not keeping up and the caller is told to come back."""
MARK_SECONDS = 0.1
"""How long an ack may wait to be noted: long enough to share the COMMIT with many others."""
MARK_RETRY_SECONDS = 2.0
MARK_BATCH = 1_000
MAX_ACKED = 50_000
"""Most acks kept while the database is away. The oldest are dropped beyond it, which only means that a repetition publishes the same message again."""


class _Waiting(NamedTuple):
    wanted: NewReservation
    claim: asyncio.Future[Claim]


class MysqlReservations:
    """``ports.Reservations`` on MySQL. Belongs to one event loop; ``close`` it in the end."""

    def __init__(self, store: ReservationStore) -> None:
        self._store = store
        self._writers = Threads("reservations", WRITERS)
        self._others = Threads("amendments", 2)
        self._waiting: deque[_Waiting] = deque()
        self._acked: deque[Reservation] = deque(maxlen=MAX_ACKED)
        self._writing: set[asyncio.Task[None]] = set()
        self._crowded: set[asyncio.Task[None]] = set()
        self._marking: asyncio.Task[None] | None = None

    async def reserve(self, request: KeyedRequest, event_id: str, id_count: int, subject: Subject | None) -> Claim:
        """See :class:`corpactions.ports.reservations.Reservations`."""
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable("mysql", f"{MAX_WAITING} reservations are waiting already")
        loop = asyncio.get_running_loop()
        claim: asyncio.Future[Claim] = loop.create_future()
        self._waiting.append(_Waiting(NewReservation(request, event_id, id_count, subject), claim))
        self._need_writer()
        end_of_waiting = loop.call_later(WAIT_SECONDS, _give_up, claim)
        try:
            return await claim
        finally:
            end_of_waiting.cancel()

    async def reclaim(self, request: KeyedRequest) -> Claim | None:
        """See :class:`corpactions.ports.reservations.Reservations`."""
        await self._mark()
        return await self._others.call(lambda: self._store.reclaim(request))

    async def reserve_version(self, request: KeyedRequest, event_id: str, function: Function, subject: Subject) -> Claim:
        """See :class:`corpactions.ports.reservations.Reservations`."""
        return await self._others.call(lambda: self._store.insert_version(request, event_id, function, subject))

    def published(self, reservation: Reservation) -> None:
        """See :class:`corpactions.ports.reservations.Reservations`."""
        self._acked.append(reservation)
        if self._marking is None or self._marking.done():
            self._marking = asyncio.create_task(self._mark_soon())

    async def release(self, reservation: Reservation) -> None:
        """See :class:`corpactions.ports.reservations.Reservations`."""
        await self._others.call(lambda: self._store.release(reservation))

    async def close(self) -> None:
        """Note the acks that are still waiting, and stop. A database that is away costs them, which is safe."""
        running = [*self._writing, *([] if self._marking is None else [self._marking])]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        try:
            await self._mark()
        except Unavailable as error:
            _log.warning("acks of %d reservations were not noted: %s", len(self._acked), error)
        self._writers.close()
        self._others.close()

    def _need_writer(self) -> None:
        if not self._crowded and len(self._writing) < WRITERS:
            self._writing.add(asyncio.create_task(self._write()))

    async def _write(self) -> None:
        """Store what waits, until nothing does or another writer's transaction is worth waiting for; that one then goes on."""
        writer = asyncio.current_task()
        assert writer is not None, "runs as a task"
        try:
            while self._waiting and not self._crowded:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                if len(batch) >= CROWD:
                    self._crowded.add(writer)
                stall = asyncio.get_running_loop().call_later(STALL_SECONDS, self._on_stall, writer)
                try:
                    await self._store_batch([item for item in batch if not item.claim.done()])
                finally:
                    stall.cancel()
                    self._crowded.discard(writer)
        finally:
            self._writing.discard(writer)

    def _on_stall(self, writer: asyncio.Task[None]) -> None:
        self._crowded.discard(writer)
        if self._waiting:
            self._need_writer()

    async def _store_batch(self, batch: list[_Waiting]) -> None:
        try:
            claims = await self._store_all([item.wanted for item in batch]) if batch else []
        except Exception as error:  # noqa: BLE001 - whatever it is, every waiting request must learn of it
            for item in batch:
                _settle(item.claim, error)
        else:
            for item, claim in zip(batch, claims, strict=True):
                _settle(item.claim, claim)

    async def _store_all(self, wanted: list[NewReservation]) -> list[Claim]:
        names = {item.request[:2] for item in wanted}
        if len(names) == len(wanted):
            try:
                return await self._writers.call(lambda: self._store.insert(wanted))
            except KeyTaken:
                pass  # the ordinary answer to a repetition: look each key up below
        await self._mark()
        return await self._writers.call(lambda: self._store.insert_or_claim(wanted))

    async def _mark_soon(self) -> None:
        pause = MARK_SECONDS
        while self._acked:
            await asyncio.sleep(pause)
            try:
                await self._mark_some()
                pause = MARK_SECONDS
            except Unavailable as error:
                pause = MARK_RETRY_SECONDS
                _log.warning("acks of %d reservations wait to be noted: %s", len(self._acked), error)

    async def _mark(self) -> None:
        """Note every ack known so far, so that a repetition that follows finds its key PUBLISHED."""
        while self._acked:
            await self._mark_some()

    async def _mark_some(self) -> None:
        """Note the oldest acks: in the background one such batch at a time, so that those of one pause share a transaction under load too."""
        batch = [self._acked.popleft() for _ in range(min(MARK_BATCH, len(self._acked)))]
        try:
            await self._writers.call(lambda: self._store.mark_published(batch))
        except BaseException:
            self._acked.extendleft(reversed(batch))
            raise


def _settle(future: asyncio.Future[Claim], outcome: Claim | Exception) -> None:
    if future.done():
        return  # its request gave up waiting
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _give_up(claim: asyncio.Future[Claim]) -> None:
    _settle(claim, Unavailable("mysql", f"no answer within {WAIT_SECONDS:g} s"))
