"""The gateway's ports in memory: a clock that is moved by hand, reservations by the same rules as the table's, a topic that fails or dies on command."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from corpactions.domain.errors import Unavailable
from corpactions.domain.identity import nth_id
from corpactions.domain.messages import Function, Message
from corpactions.ports.events import EventPage, EventQuery, EventView, History
from corpactions.ports.reservations import Claim, KeyedRequest, Reservation, ReservationState, Subject


class Died(BaseException):
    """The process ends here: nothing after this point happens, whatever the code says."""


class ManualClock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 10, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class NumberedIds:
    """Ids that count."""

    def __init__(self) -> None:
        self._next = "019a8a3e-5c00-7000-8000-000000000000"

    def event_id(self) -> str:
        return self.event_id_range(1)

    def event_id_range(self, count: int) -> str:
        first = self._next
        self._next = nth_id(first, count)
        return first

    def correlation_id(self) -> str:
        return "00000000-0000-4000-8000-000000000000"

    def salt(self) -> bytes:
        return b"\0" * 16

    def jitter(self) -> float:
        return 0.0


class Fault(Enum):
    """What goes wrong in one attempt."""

    NONE = auto()
    DIES_BEFORE_RESERVE = auto()
    DIES_AFTER_RESERVE = auto()
    DIES_AFTER_PRODUCE = auto()
    NO_ACK_AND_NOT_WRITTEN = auto()
    NO_ACK_BUT_WRITTEN = auto()
    DIES_AFTER_ACK = auto()
    RELEASE_FAILS = auto()


class MemoryReservations:
    """Reservations as the table keeps them."""

    def __init__(self, clock: ManualClock, lease_seconds: float) -> None:
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._rows: dict[tuple[str, str], Reservation] = {}
        self.versions: dict[str, int] = {}
        self.reserve_seconds = 0.0
        self.fault = Fault.NONE

    async def reserve(self, request: KeyedRequest, event_id: str, id_count: int, subject: Subject | None) -> Claim:
        if self.fault is Fault.DIES_BEFORE_RESERVE:
            raise Died
        claim = await self.reclaim(request) or self._insert(request, event_id, id_count, Function.NEWM, 1, subject)
        self._clock.sleep(self.reserve_seconds)
        if self.fault is Fault.DIES_AFTER_RESERVE:
            raise Died
        return claim

    async def reclaim(self, request: KeyedRequest) -> Claim | None:
        held = self._rows.get(request[:2])
        if held is None:
            return None
        now = self._clock.now()
        if held.request.sha256 != request.sha256 or held.state is ReservationState.PUBLISHED or held.lease_until > now:
            return Claim(held, granted=False, lease_seconds=max((held.lease_until - now).total_seconds(), 0.0))
        return self._keep(held._replace(lease_until=now + self._lease))

    async def reserve_version(self, request: KeyedRequest, event_id: str, function: Function, subject: Subject) -> Claim:
        self.versions[event_id] = self.versions.get(event_id, 1) + 1
        return self._insert(request, event_id, 1, function, self.versions[event_id], subject)

    def published(self, reservation: Reservation) -> None:
        if self.fault is Fault.DIES_AFTER_ACK:
            raise Died
        self._keep(self._rows[reservation.request[:2]]._replace(state=ReservationState.PUBLISHED))

    async def release(self, reservation: Reservation) -> None:
        if self.fault is Fault.RELEASE_FAILS:
            raise Unavailable("mysql", "gone")
        self._keep(reservation._replace(lease_until=self._clock.now()))

    def _insert(
        self, request: KeyedRequest, event_id: str, id_count: int, function: Function, version: int, subject: Subject | None
    ) -> Claim:
        now = self._clock.now()
        return self._keep(
            Reservation(request, event_id, id_count, function, version, subject, now, ReservationState.RESERVED, now + self._lease)
        )

    def _keep(self, reservation: Reservation) -> Claim:
        self._rows[reservation.request[:2]] = reservation
        return Claim(reservation, granted=True)


class MemoryTopic:
    """The events topic."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.fault = Fault.NONE

    async def publish(self, message: Message) -> None:
        if self.fault is Fault.NO_ACK_AND_NOT_WRITTEN or self.fault is Fault.RELEASE_FAILS:
            raise Unavailable("kafka", "no ack")
        self.messages.append(message)
        if self.fault is Fault.DIES_AFTER_PRODUCE:
            raise Died
        if self.fault is Fault.NO_ACK_BUT_WRITTEN:
            raise Unavailable("kafka", "no ack")

    async def publish_many(self, messages: Sequence[Message]) -> list[Exception | None]:
        outcomes: list[Exception | None] = []
        for message in messages:
            try:
                await self.publish(message)
                outcomes.append(None)
            except Unavailable as error:
                outcomes.append(error)
        return outcomes


class OneEvent:
    """A reader that knows one event, or none."""

    def __init__(self) -> None:
        self.view: EventView | None = None

    async def find(self, _event_id: str) -> EventView | None:
        return self.view

    async def page(self, _query: EventQuery) -> EventPage:
        return EventPage((self.view,) if self.view else (), None)

    async def history(self, _event_id: str) -> History | None:
        return History(self.view, (), (), ()) if self.view else None
