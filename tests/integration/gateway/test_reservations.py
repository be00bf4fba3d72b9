"""How reservations share transactions: a crowd shares one, and one that stalls holds up nobody who comes after it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from corpactions.persistence.engine import Engine, connect
from corpactions.persistence.idempotency import CROWD, WRITERS, MysqlReservations
from corpactions.persistence.reservation_store import NewReservation, ReservationStore
from corpactions.ports.reservations import Claim, KeyedRequest
from corpactions.system import SystemIdSource
from tests.support.gateway import Backing, key

IDS = SystemIdSource()


class Watched(ReservationStore):
    """The real one; remembers how many rows each insert had, and holds those of many rows until the gate opens."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, 5.0)
        self.sizes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.gated_rows = CROWD

    def insert(self, wanted: Sequence[NewReservation]) -> list[Claim]:
        self.sizes.append(len(wanted))
        if len(wanted) >= self.gated_rows:
            self.gate.wait(10)
        return super().insert(wanted)


@pytest.fixture
async def store(made: Backing) -> AsyncIterator[Watched]:
    engine = connect(made.mysql_config())
    store = Watched(engine)
    yield store
    store.gate.set()
    engine.dispose()


@pytest.fixture
async def reservations(store: Watched) -> AsyncIterator[MysqlReservations]:
    found = MysqlReservations(store)
    yield found
    store.gate.set()
    await found.close()


async def _reserve(reservations: MysqlReservations) -> Claim:
    return await reservations.reserve(KeyedRequest("p", key(), b"\0" * 32), IDS.event_id(), 1, None)


def _reserve_many(reservations: MysqlReservations, count: int) -> asyncio.Task[list[Claim]]:
    async def all_of_them() -> list[Claim]:
        return await asyncio.gather(*(_reserve(reservations) for _ in range(count)))

    return asyncio.create_task(all_of_them())


async def _until_inserts(store: Watched, count: int) -> None:
    async with asyncio.timeout(5):
        while len(store.sizes) < count:  # noqa: ASYNC110 - they are appended by other threads
            await asyncio.sleep(0.001)


async def test_a_crowd_shares_a_transaction(store: Watched, reservations: MysqlReservations) -> None:
    claims = await _reserve_many(reservations, 20)
    assert store.sizes == [20]
    assert all(claim.granted for claim in claims)
    assert len({claim.reservation.event_id for claim in claims}) == 20


async def test_what_comes_meanwhile_gathers_for_the_next_one(store: Watched, reservations: MysqlReservations) -> None:
    store.gate.clear()
    crowd = _reserve_many(reservations, CROWD)
    await _until_inserts(store, 1)
    late = [_reserve_many(reservations, 1) for _ in range(CROWD)]
    await asyncio.sleep(0)
    store.gate.set()
    await asyncio.gather(crowd, *late)
    assert store.sizes == [CROWD, CROWD]


async def test_small_transactions_run_side_by_side(store: Watched, reservations: MysqlReservations) -> None:
    store.gated_rows = 1
    store.gate.clear()
    lone = []
    for number in range(WRITERS):
        lone.append(_reserve_many(reservations, 1))
        await _until_inserts(store, number + 1)
    store.gate.set()
    await asyncio.gather(*lone)
    assert store.sizes == [1] * WRITERS


async def test_a_stalled_transaction_holds_up_nobody_else(store: Watched, reservations: MysqlReservations) -> None:
    store.gate.clear()
    crowd = _reserve_many(reservations, CROWD)
    await _until_inserts(store, 1)
    async with asyncio.timeout(2):
        assert (await _reserve(reservations)).granted
        assert (await _reserve(reservations)).granted
    assert not crowd.done()
    store.gate.set()
    assert all(claim.granted for claim in await crowd)
    assert (await _reserve(reservations)).granted
