"""A gateway's ports on the simulated server: reservations of idempotency keys, and the reader of events.

Their methods are coroutines, as the ports say, that never suspend: a call's time passes inside of it. :func:`finish` runs such a coroutine to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Final, TypeVar

from corpactions.domain.errors import Unavailable
from corpactions.domain.identity import id_range
from corpactions.domain.messages import GATEWAY_ORIGIN, Function, Message, VersionRef
from corpactions.domain.state import EventState
from corpactions.ports.events import EventPage, EventQuery, EventView, History
from corpactions.ports.lifecycle import CommitUnknown, DataRefused, RunAgain
from corpactions.ports.reservations import Claim, KeyedRequest, Reservation, ReservationState, Subject
from gateway.handler import LEASE_MARGIN_SECONDS
from tests.simulation.broker import DELIVERY_SECONDS
from tests.simulation.database import Database, Session
from tests.simulation.scheduler import Process
from tests.support.announcing import EVENTS

T = TypeVar("T")
LEASE: Final = timedelta(seconds=DELIVERY_SECONDS + LEASE_MARGIN_SECONDS)
MARK_SECONDS: Final = 0.1
_ATTEMPTS: Final = 4
_KEYS: Final = "idempotency_keys"


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine whose awaits all return at once."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("a simulated port suspended its caller")


class SimReservations:
    """See ``ports.reservations.Reservations``; what ``persistence.idempotency`` and ``persistence.reservation_store`` do between them."""

    def __init__(self, database: Database, process: Process, lease: timedelta = LEASE) -> None:
        self._database = database
        self._process = process
        self._lease = lease
        self._acked: list[Reservation] = []

    async def reserve(self, request: KeyedRequest, event_id: str, id_count: int, subject: Subject | None) -> Claim:
        def work(session: Session) -> Claim:
            now = self._database.now()
            if (held := self._locked(session, request)) is not None:
                return self._claim(session, held, request)
            return self._insert(session, Reservation(request, event_id, id_count, Function.NEWM, 1, subject, now, *self._fresh()))

        self._mark()
        return self._transaction(work)

    async def reclaim(self, request: KeyedRequest) -> Claim | None:
        def work(session: Session) -> Claim | None:
            held = self._locked(session, request)
            return None if held is None else self._claim(session, held, request)

        self._mark()
        return self._transaction(work)

    async def reserve_version(self, request: KeyedRequest, event_id: str, function: Function, subject: Subject) -> Claim:
        def work(session: Session) -> Claim:
            now = self._database.now()
            if (held := self._locked(session, request)) is not None:
                return self._claim(session, held, request)
            version = self._next_version(session, event_id)
            return self._insert(session, Reservation(request, event_id, 1, function, version, subject, now, *self._fresh()))

        return self._transaction(work)

    def published(self, reservation: Reservation) -> None:
        """Noted soon, by a thread of its own, unless the process dies before."""
        self._acked.append(reservation)
        if len(self._acked) == 1 and self._process.scheduler.current is not None:
            self._process.start(self._mark_soon, "mark")

    async def release(self, reservation: Reservation) -> None:
        def work(session: Session) -> None:
            held = self._locked(session, reservation.request)
            if held is not None and held.state is ReservationState.RESERVED and held.lease_until == reservation.lease_until:
                self._keep(session, held._replace(lease_until=self._database.now()))

        self._transaction(work)

    def _mark_soon(self) -> None:
        pause = MARK_SECONDS
        while self._acked:
            self._process.sleep(pause)
            try:
                self._mark()
            except Unavailable:
                pause = 2.0

    def _mark(self) -> None:
        if not (batch := list(self._acked)):
            return

        def work(session: Session) -> None:
            for item in sorted(batch, key=lambda item: item.request[:2]):
                if (held := self._locked(session, item.request)) is not None:
                    self._keep(session, held._replace(state=ReservationState.PUBLISHED))

        self._transaction(work)
        self._acked = [item for item in self._acked if item not in batch]

    def _fresh(self) -> tuple[ReservationState, Any]:
        return ReservationState.RESERVED, self._database.now() + self._lease

    def _locked(self, session: Session, request: KeyedRequest) -> Reservation | None:
        """SELECT … FOR UPDATE. A key that nobody has yet is locked too, as its INSERT would be: whoever comes second waits and then finds the row."""
        self._database.statement(session, "db.key")
        self._database.lock(session, (_KEYS, request[:2]))
        found: Reservation | None = self._database.get(session, _KEYS, request[:2])
        return found

    def _claim(self, session: Session, held: Reservation, request: KeyedRequest) -> Claim:
        now = self._database.now()
        same = held.request.sha256 == request.sha256
        if not same or held.state is ReservationState.PUBLISHED or held.lease_until > now:
            return Claim(held, granted=False, lease_seconds=max((held.lease_until - now).total_seconds(), 0.0))
        renewed = held._replace(lease_until=now + self._lease)
        self._keep(session, renewed)
        return Claim(renewed, granted=True)

    def _insert(self, session: Session, reservation: Reservation) -> Claim:
        self._database.statement(session, "db.reserve")
        self._keep(session, reservation)
        for event_id in id_range(reservation.event_id, reservation.id_count):
            if reservation.function is Function.NEWM:
                self._database.put(session, "covered_ids", event_id, reservation.request[:2])
        return Claim(reservation, granted=True)

    def _keep(self, session: Session, reservation: Reservation) -> None:
        self._database.put(session, _KEYS, reservation.request[:2], reservation)

    def _next_version(self, session: Session, event_id: str) -> int:
        database = self._database
        database.statement(session, "db.version")
        database.lock(session, ("gateway_versions", event_id))
        last: int | None = database.get(session, "gateway_versions", event_id)
        if last is None:
            last = 1 if self._made_by_gateway(session, event_id) else 0
        database.put(session, "gateway_versions", event_id, last + 1)
        return last + 1

    def _made_by_gateway(self, session: Session, event_id: str) -> bool:
        first = VersionRef(GATEWAY_ORIGIN, 1)
        state: EventState | None = self._database.get(session, "events", event_id)
        if self._database.get(session, "covered_ids", event_id) is not None or (state is not None and state.find(first) is not None):
            return True
        return any(message.ref == first for message in queued_messages(self._database, event_id))

    def _transaction(self, work: Callable[[Session], T]) -> T:
        """Deadlocks run again; whatever else goes wrong is a database that did not answer."""
        for attempt in range(1, _ATTEMPTS + 1):
            session = self._database.connect(self._process, wait_timeout=28_800.0)
            try:
                result = work(session)
                self._database.commit(session)
            except RunAgain as error:
                if attempt == _ATTEMPTS:
                    raise Unavailable("mysql", str(error)) from error
            except (CommitUnknown, DataRefused) as error:
                raise Unavailable("mysql", str(error)) from error
            else:
                return result
            finally:
                self._database.close(session)
        raise AssertionError("the loop returns or raises")


class SimEventReader:
    """See ``ports.events.EventReader``: the event's row, else its oldest parked record, else its reservation."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._process = process

    async def find(self, event_id: str) -> EventView | None:
        session = self._database.connect(self._process)
        try:
            self._database.statement(session, "db.find", locking=False)
        finally:
            self._database.close(session)
        return find(self._database, event_id)

    async def page(self, _query: EventQuery) -> EventPage:
        raise NotImplementedError("lists are no part of the simulation")

    async def history(self, _event_id: str) -> History | None:
        raise NotImplementedError("histories are no part of the simulation")


def find(database: Database, event_id: str) -> EventView | None:
    """An event as it stands in committed rows."""
    state: EventState | None = database.tables["events"].get(event_id)
    if state is not None:
        return _view(state)
    for message in queued_messages(database, event_id):
        subject = Subject(message.symbol, message.event_type, message.isin, message.source, message.source_reference)
        return _pending(event_id, subject, message.ref, message.accepted_at)
    if (key := database.tables["covered_ids"].get(event_id)) is not None:
        held: Reservation = database.tables[_KEYS][key]
        return _pending(event_id, held.subject, VersionRef(GATEWAY_ORIGIN, held.version), held.accepted_at)
    return None


def queued_messages(database: Database, event_id: str) -> list[Message]:
    """What waits of an event in its symbol's queue, oldest first."""
    found = [
        queued.record
        for rows in database.tables["parked_events"].values()
        for queued in rows.values()
        if queued.message.event_id == event_id
    ]
    return [EVENTS.decode(record.value) for record in sorted(found, key=lambda record: record.offset)]


def _view(state: EventState) -> EventView:
    subject = Subject(state.symbol, state.event_type, state.isin, state.source, state.source_reference)
    return EventView(
        state.event_id,
        subject,
        state.ref,
        state.revision,
        state.status,
        state.cancel_function,
        None,
        None,
        state.flags,
        state.attempts,
        state.error,
        state.created_at,
        state.processing_at,
        state.completed_at,
        pending=False,
    )


def _pending(event_id: str, subject: Subject | None, ref: VersionRef, accepted_at: Any) -> EventView:
    return EventView(event_id, subject, ref, 0, "PENDING", None, None, None, (), 0, None, accepted_at, None, None, pending=True)
