"""The contract of ``ports.reservations.Reservations``, kept by MySQL and by the simulation."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple

import pytest
from sqlalchemy import Engine

from corpactions.domain.identity import nth_id
from corpactions.domain.messages import Function
from corpactions.domain.terms import EventType
from corpactions.persistence.idempotency import MysqlReservations
from corpactions.persistence.reservation_store import ReservationStore
from corpactions.ports.reservations import Claim, KeyedRequest, Reservation, Reservations, ReservationState, Subject
from tests.simulation.database import Database
from tests.simulation.reservations import SimReservations
from tests.simulation.scheduler import Process, Scheduler

LEASE_SECONDS = 0.5
SUBJECT = Subject("AAPL", EventType.DIVIDEND, "US0378331005", "desk", "R-1")


class Backend(NamedTuple):
    """Reservations, a second gateway's on the same table, and how their leases' time passes."""

    own: Reservations
    other: Reservations
    outlast: Callable[[], Awaitable[None]]


@pytest.fixture
def simulated_backend() -> Backend:
    """The simulation's, with nothing going wrong."""
    scheduler = Scheduler(random.Random(0))
    database, lease = Database(scheduler), timedelta(seconds=LEASE_SECONDS)
    own, other = (SimReservations(database, Process(scheduler, name), lease) for name in ("own", "other"))

    async def outlast() -> None:
        scheduler.now += LEASE_SECONDS + 0.01

    return Backend(own, other, outlast)


@pytest.fixture
async def mysql_backend(mysql: Engine) -> AsyncIterator[Backend]:
    """MySQL's."""
    own, other = (MysqlReservations(ReservationStore(mysql, LEASE_SECONDS)) for _ in range(2))

    async def outlast() -> None:
        await asyncio.sleep(LEASE_SECONDS + 0.05)

    yield Backend(own, other, outlast)
    await own.close()
    await other.close()


@pytest.fixture(params=["simulated", "mysql"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each of the two in turn."""
    found: Backend = request.getfixturevalue(f"{request.param}_backend")
    return found


def _request(body: int = 1) -> KeyedRequest:
    return KeyedRequest("client", str(uuid.uuid4()), bytes([body]) * 32)


def _id() -> str:
    return f"019a8a3e-5c00-7000-8000-{random.getrandbits(40):012x}"


async def _reserve(reservations: Reservations, request: KeyedRequest, event_id: str | None = None, count: int = 1) -> Claim:
    return await reservations.reserve(request, event_id or _id(), count, SUBJECT)


async def test_a_new_key_is_granted_with_what_was_asked(backend: Backend) -> None:
    request, event_id = _request(), _id()
    claim = await _reserve(backend.own, request, event_id)
    held = claim.reservation
    assert claim.granted
    assert held[:6] == (request, event_id, 1, Function.NEWM, 1, SUBJECT)
    assert held.state is ReservationState.RESERVED
    assert held.lease_until - held.accepted_at == timedelta(seconds=LEASE_SECONDS)


async def test_a_leased_key_is_nobody_else_s(backend: Backend) -> None:
    request = _request()
    first = await _reserve(backend.own, request)
    again = await _reserve(backend.other, request)
    assert (again.granted, again.reservation.event_id) == (False, first.reservation.event_id)
    assert 0 < again.lease_seconds <= LEASE_SECONDS


async def test_a_key_whose_lease_is_over_stands_for_the_same_event(backend: Backend) -> None:
    request = _request()
    first = await _reserve(backend.own, request)
    await backend.outlast()
    again = await _reserve(backend.other, request)
    assert again.granted
    assert again.reservation == first.reservation._replace(lease_until=again.reservation.lease_until)
    assert again.reservation.lease_until > first.reservation.lease_until


async def test_a_released_key_is_free_for_a_repetition_at_once(backend: Backend) -> None:
    request = _request()
    first = await _reserve(backend.own, request)
    await backend.own.release(first.reservation)
    again = await _reserve(backend.other, request)
    assert (again.granted, again.reservation.event_id) == (True, first.reservation.event_id)


async def test_a_lease_that_somebody_else_holds_by_now_is_not_released(backend: Backend) -> None:
    request = _request()
    first = await _reserve(backend.own, request)
    await backend.outlast()
    await _reserve(backend.other, request)
    await backend.own.release(first.reservation)
    assert not (await _reserve(backend.own, request)).granted


async def test_another_body_is_never_granted(backend: Backend) -> None:
    request = _request()
    await _reserve(backend.own, request)
    await backend.outlast()
    other = await _reserve(backend.other, request._replace(sha256=b"\2" * 32))
    assert not other.granted
    assert other.reservation.request.sha256 == request.sha256


async def test_a_published_key_stays_taken(backend: Backend) -> None:
    request = _request()
    held = (await _reserve(backend.own, request)).reservation
    backend.own.published(held)
    await backend.outlast()
    again = await _reserve(backend.own, request)
    assert (again.granted, again.reservation.state) == (False, ReservationState.PUBLISHED)


async def test_a_free_key_is_not_reclaimed_and_a_taken_one_as_it_stands(backend: Backend) -> None:
    request = _request()
    assert await backend.own.reclaim(request) is None
    first = await _reserve(backend.own, request)
    leased = await backend.other.reclaim(request)
    assert leased is not None
    assert not leased.granted
    await backend.outlast()
    free = await backend.other.reclaim(request)
    assert free is not None
    assert (free.granted, free.reservation.event_id) == (True, first.reservation.event_id)


async def test_versions_are_numbered_one_after_the_other_whoever_asks(backend: Backend) -> None:
    base = _id()
    await _reserve(backend.own, _request(), base, 3)
    last = nth_id(base, 2)
    numbered = [await _version(gateway, last) for gateway in (backend.own, backend.other, backend.own)]
    assert [held.version for held in numbered] == [2, 3, 4], "version 1 is the announcement, which the range covers"
    assert {held.function for held in numbered} == {Function.REPL}
    assert (await _version(backend.own, nth_id(base, 3))).version == 1, "of an event that no gateway announced"


async def test_a_version_s_key_stands_for_that_version(backend: Backend) -> None:
    request, event_id = _request(), _id()
    first = (await backend.own.reserve_version(request, event_id, Function.CANC, SUBJECT)).reservation
    await backend.outlast()
    again = await backend.other.reserve_version(request, event_id, Function.CANC, SUBJECT)
    assert (again.granted, again.reservation.version, again.reservation.accepted_at) == (True, first.version, first.accepted_at)


async def _version(reservations: Reservations, event_id: str) -> Reservation:
    claim = await reservations.reserve_version(_request(), event_id, Function.REPL, SUBJECT)
    assert claim.granted
    return claim.reservation
