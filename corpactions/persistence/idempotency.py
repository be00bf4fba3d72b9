"""Reservations for asyncio: concurrent ones share a transaction, acks are noted lazily.

No request waits for others to arrive: a writer takes whatever has gathered while the transactions before it ran, so a lone request is stored at once and a
crowd shares durable COMMITs.
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
"""Transactions at once: while one waits for its COMMIT to reach the disk, the next one already gathers, and the server makes several durable together."""
BATCH = 128
"""Most reservations in one statement: about 50 KB of SQL, a few milliseconds."""
MAX_WAITING = 1_000
"""Most requests that may wait for the writer; beyond it the database is not keeping up and the caller is told to come back."""
MARK_SECONDS = 0.1
"""How long an ack may wait to be noted: long enough to share the COMMIT with many others."""
MARK_RETRY_SECONDS = 2.0
MARK_BATCH = 500
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
        self._marking: asyncio.Task[None] | None = None

    async def reserve(self, request: KeyedRequest, event_id: str, id_count: int, subject: Subject | None) -> Claim:
        """See :class:`corpactions.ports.reservations.Reservations`."""
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable("mysql", f"{MAX_WAITING} reservations are waiting already")
        claim: asyncio.Future[Claim] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(NewReservation(request, event_id, id_count, subject), claim))
        if len(self._writing) < WRITERS:
            writing = asyncio.create_task(self._write())
            self._writing.add(writing)
            writing.add_done_callback(self._writing.discard)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await claim
        except TimeoutError:
            raise Unavailable("mysql", f"no answer within {WAIT_SECONDS:g} s") from None

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

    async def _write(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            batch = [item for item in batch if not item.claim.done()]
            if not batch:
                continue
            try:
                claims = await self._store_all([item.wanted for item in batch])
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
                await self._mark()
                pause = MARK_SECONDS
            except Unavailable as error:
                pause = MARK_RETRY_SECONDS
                _log.warning("acks of %d reservations wait to be noted: %s", len(self._acked), error)

    async def _mark(self) -> None:
        """Note every ack known so far, so that a repetition that follows finds its key PUBLISHED."""
        while self._acked:
            batch = [self._acked.popleft() for _ in range(min(MARK_BATCH, len(self._acked)))]
            try:
                await self._writers.call(lambda batch=batch: self._store.mark_published(batch))  # type: ignore[misc]
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
