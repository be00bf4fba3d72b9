"""The statements behind reservations of idempotency keys: synchronous, one transaction per method.

Invariant: a key's row is only ever inserted, leased anew or marked PUBLISHED here; what it stands for never changes. Two gateways that want the same key
meet on its primary key: one inserts, the other finds the row and is told what it stands for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import MySQLdb
from sqlalchemy import Connection, Engine, PoolProxiedConnection, Row, bindparam, insert, select, text, tuple_, update
from sqlalchemy.exc import DBAPIError

from corpactions.domain.messages import GATEWAY_ORIGIN, Function
from corpactions.domain.terms import EventType
from corpactions.persistence.engine import RETRY_TRANSACTION, error_number, translated
from corpactions.persistence.tables import Event, EventVersion, GatewayVersion, IdempotencyKey, ParkedEvent
from corpactions.ports.reservations import Claim, KeyedRequest, Reservation, ReservationState, Subject

T = TypeVar("T")
LIFE = timedelta(hours=24)
"""How long a key is remembered at least; the purge job removes it later."""
MAX_IDS = 500
"""Most event ids that one key covers: the size of a bulk request."""
_DUPLICATE_KEY = 1062
_ATTEMPTS = 4
_KEYS = IdempotencyKey.__table__
_NAME = (IdempotencyKey.idempotency_key, IdempotencyKey.principal)
_NOW = text("SELECT NOW(6)")
_COLUMNS = (
    "principal, idempotency_key, event_id, id_count, `function`, origin, version, symbol, event_type, isin, source, source_reference,"
    " accepted_at, request_sha256, state, lease_until, expires_at"
)


class KeyTaken(Exception):
    """At least one key of an insert is in use already."""


class NewReservation(NamedTuple):
    """What to reserve for new events: arguments of :meth:`Reservations.reserve`."""

    request: KeyedRequest
    event_id: str
    id_count: int
    subject: Subject | None


class ReservationStore:
    """Reservations in the table ``idempotency_keys``.

    Args:
        engine: connections of the account that may write the table.
        lease_seconds: how long a lease runs; longer than a produce may take.
    """

    def __init__(self, engine: Engine, lease_seconds: float) -> None:
        self._engine = engine
        self._lease = timedelta(seconds=lease_seconds)
        self._own = threading.local()

    def insert(self, wanted: Sequence[NewReservation]) -> list[Claim]:
        """Insert all in one statement, on the expectation that every key is new.

        Raises:
            KeyTaken: some key is not, or another session is after the same ones; nothing was stored.
            Unavailable: MySQL does not answer.
        """
        with translated():
            now = self._time_on_own_session()
            claims = [Claim(self._fresh(item, now), granted=True) for item in wanted]
            try:
                self._own_session().cursor().execute(_insert_statement([claim.reservation for claim in claims]))
            except MySQLdb.Error as error:
                if error_number(error) in {_DUPLICATE_KEY, *RETRY_TRANSACTION}:
                    raise KeyTaken from error
                self._drop_own_session()
                raise
        return claims

    def insert_or_claim(self, wanted: Sequence[NewReservation]) -> list[Claim]:
        """For each in turn: insert it when its key is free, else claim what the key stands for. Raises Unavailable when MySQL does not answer."""

        def work(connection: Connection) -> list[Claim]:
            now = _now(connection)
            known = _locked(connection, [item.request for item in wanted])
            claims: list[Claim] = []
            for item in wanted:
                name = item.request[:2]
                if (held := known.get(name)) is None:
                    claim = Claim(self._fresh(item, now), granted=True)
                    _insert(connection, [claim.reservation])
                else:
                    claim = self._claim(connection, held, item.request, now)
                known[name] = claim.reservation
                claims.append(claim)
            return claims

        return self._until_settled(work)

    def reclaim(self, request: KeyedRequest) -> Claim | None:
        """Claim what the key stands for, None when it is free. Raises Unavailable when MySQL does not answer."""

        def work(connection: Connection) -> Claim | None:
            now = _now(connection)
            held = _locked(connection, [request]).get(request[:2])
            return None if held is None else self._claim(connection, held, request, now)

        return self._transaction(work)

    def insert_version(self, request: KeyedRequest, event_id: str, function: Function, subject: Subject) -> Claim:
        """Number the gateway's next version of the event and reserve the key for it. Raises Unavailable when MySQL does not answer."""

        def work(connection: Connection) -> Claim:
            now = _now(connection)
            if (held := _locked(connection, [request]).get(request[:2])) is not None:
                return self._claim(connection, held, request, now)
            version = _next_version(connection, _id(event_id))
            fresh = Reservation(request, event_id, 1, function, version, subject, now, ReservationState.RESERVED, now + self._lease)
            _insert(connection, [fresh])
            return Claim(fresh, granted=True)

        return self._until_settled(work)

    def mark_published(self, reservations: Sequence[Reservation]) -> None:
        """Note the broker's ack of each. Raises Unavailable when MySQL does not answer."""
        names = ",".join(sorted(f"(0x{_digits(item.request.key)},{_hex(item.request.principal)})" for item in reservations))
        statement = f"UPDATE idempotency_keys SET state = '{ReservationState.PUBLISHED}' WHERE (idempotency_key, principal) IN ({names})"
        self._transaction(lambda connection: connection.exec_driver_sql(statement))

    def release(self, reservation: Reservation) -> None:
        """End this lease, unless somebody else holds the key's lease by now. Raises Unavailable when MySQL does not answer."""
        statement = (
            update(IdempotencyKey)
            .where(
                IdempotencyKey.idempotency_key == _id(reservation.request.key),
                IdempotencyKey.principal == reservation.request.principal,
                IdempotencyKey.state == ReservationState.RESERVED,
                IdempotencyKey.lease_until == _naive(reservation.lease_until),
            )
            .values(lease_until=text("NOW(6)"))
        )
        self._transaction(lambda connection: connection.execute(statement))

    def _fresh(self, item: NewReservation, now: datetime) -> Reservation:
        lease_until = now + self._lease
        return Reservation(
            item.request, item.event_id, item.id_count, Function.NEWM, 1, item.subject, now, ReservationState.RESERVED, lease_until
        )

    def _claim(self, connection: Connection, held: Reservation, request: KeyedRequest, now: datetime) -> Claim:
        """What a locked row grants: its lease, when the same is asked, no ack is known and no lease runs."""
        same = held.request.sha256 == request.sha256
        if not same or held.state is ReservationState.PUBLISHED or held.lease_until > now:
            return Claim(held, granted=False, lease_seconds=max((held.lease_until - now).total_seconds(), 0.0))
        renewed = held._replace(lease_until=now + self._lease)
        statement = update(IdempotencyKey).where(_name_in([(_id(request.key), request.principal)]))
        connection.execute(statement.values(lease_until=_naive(renewed.lease_until)))
        return Claim(renewed, granted=True)

    def _time_on_own_session(self) -> datetime:
        """The database's time, asked on the session that inserts: the question also tells whether the session still lives."""
        try:
            return _time(self._own_session())
        except MySQLdb.OperationalError:
            self._drop_own_session()
            return _time(self._own_session())

    def _own_session(self) -> PoolProxiedConnection:
        """The calling thread's session for :meth:`insert`, kept open, where each statement is a transaction: two trips to the server for a whole batch."""
        session: PoolProxiedConnection | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = self._engine.raw_connection()
            session.driver_connection.autocommit(True)  # type: ignore[union-attr] # MySQLdb's own method
        return session

    def _drop_own_session(self) -> None:
        session: PoolProxiedConnection | None = getattr(self._own, "session", None)
        if session is not None:
            session.invalidate()
            self._own.session = None

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction of its own; a deadlock runs it again."""
        with translated():
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    with self._engine.begin() as connection:
                        return work(connection)
                except DBAPIError as error:
                    number = error_number(error)
                    if number == _DUPLICATE_KEY:
                        raise KeyTaken from error
                    if number not in RETRY_TRANSACTION or attempt == _ATTEMPTS:
                        raise
        raise AssertionError("the loop returns or raises")

    def _until_settled(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` again when another session took a key between its look and its insert: the next look finds it."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._transaction(work)
            except KeyTaken:
                continue
        return self._transaction(work)


def _next_version(connection: Connection, event_id: bytes) -> int:
    """The number after the highest that the gateways gave; the row stays locked until the reservation is stored with it."""
    numbers = select(GatewayVersion.last_version).where(GatewayVersion.event_id == event_id).with_for_update()
    last = connection.execute(numbers).scalar_one_or_none()
    if last is None:
        version = (1 if _made_by_gateway(connection, event_id) else 0) + 1
        connection.execute(insert(GatewayVersion).values(event_id=event_id, last_version=version))
        return version
    connection.execute(update(GatewayVersion).where(GatewayVersion.event_id == event_id).values(last_version=last + 1))
    return last + 1


def _made_by_gateway(connection: Connection, event_id: bytes) -> bool:
    """Whether version 1 of the origin ``gateway`` exists: reserved, filed or parked."""
    if covering(connection, event_id) is not None:
        return True
    first = 1
    for table in (Event, EventVersion, ParkedEvent):
        found = select(table.version).where(table.event_id == event_id, table.origin == GATEWAY_ORIGIN, table.version == first).limit(1)
        if connection.execute(found).first() is not None:
            return True
    return False


def covering(connection: Connection, event_id: bytes) -> Reservation | None:
    """The reservation of new events whose range holds this id."""
    number = int.from_bytes(event_id, "big")
    lowest = max(number - MAX_IDS + 1, 0).to_bytes(16, "big")
    statement = (
        select(_KEYS)
        .where(IdempotencyKey.event_id.between(lowest, event_id), IdempotencyKey.function == Function.NEWM)
        .order_by(IdempotencyKey.event_id.desc())
        .limit(1)
    )
    row = connection.execute(statement).first()
    if row is None or int.from_bytes(row.event_id, "big") + row.id_count <= number:
        return None
    return _reservation(row)


def _locked(connection: Connection, requests: Sequence[KeyedRequest]) -> dict[tuple[Any, ...], Reservation]:
    keys = sorted({(_id(request.key), request.principal) for request in requests})
    rows = connection.execute(select(_KEYS).where(_name_in(keys)).order_by(*_NAME).with_for_update())
    return {(found := _reservation(row)).request[:2]: found for row in rows}


def _name_in(keys: Sequence[tuple[bytes, str]]) -> Any:
    return tuple_(*_NAME).in_(bindparam("names", keys, expanding=True))


def _insert(connection: Connection, reservations: Sequence[Reservation]) -> None:
    connection.exec_driver_sql(_insert_statement(reservations))


def _insert_statement(reservations: Sequence[Reservation]) -> str:
    """One INSERT of all rows. Every value is spelled in hexadecimal digits or is ours, so that nothing in it can be read as SQL."""
    return f"INSERT INTO idempotency_keys ({_COLUMNS}) VALUES {','.join(map(_row, reservations))}"


def _row(item: Reservation) -> str:
    about = item.subject
    subject = "NULL,NULL,NULL,NULL,NULL"
    if about is not None:
        subject = f"{_hex(about.symbol)},'{about.event_type}',{_hex(about.isin)},{_hex(about.source)},{_hex(about.source_reference)}"
    accepted_at = item.accepted_at
    return (
        f"({_hex(item.request.principal)},0x{_digits(item.request.key)},0x{_digits(item.event_id)},{item.id_count:d},'{item.function}',"
        f"'{GATEWAY_ORIGIN}',{item.version:d},{subject},{_moment(accepted_at)},0x{item.request.sha256.hex()},'{item.state}',"
        f"{_moment(item.lease_until)},{_moment(accepted_at + LIFE)})"
    )


@lru_cache(maxsize=64)  # the rows of a statement have their times in common
def _moment(time: datetime) -> str:
    return f"'{_naive(time)}'"


def _hex(text_form: str | None) -> str:
    return f"0x{text_form.encode().hex()}" if text_form else "NULL"


def _digits(uuid: str) -> str:
    return _id(uuid).hex()


def _reservation(row: Row[Any]) -> Reservation:
    subject = None
    if row.symbol is not None:
        subject = Subject(row.symbol, EventType(row.event_type), row.isin, row.source, row.source_reference)
    return Reservation(
        KeyedRequest(row.principal, str(UUID(bytes=row.idempotency_key)), row.request_sha256),
        str(UUID(bytes=row.event_id)),
        row.id_count,
        Function(row.function),
        row.version,
        subject,
        row.accepted_at.replace(tzinfo=UTC),
        ReservationState(row.state),
        row.lease_until.replace(tzinfo=UTC),
    )


def _time(session: PoolProxiedConnection) -> datetime:
    with closing(session.cursor()) as cursor:
        cursor.execute("SELECT NOW(6)")
        now: datetime = cursor.fetchall()[0][0]
    return now.replace(tzinfo=UTC)


def _now(connection: Connection) -> datetime:
    now: datetime = connection.execute(_NOW).scalar_one()
    return now.replace(tzinfo=UTC)


def _naive(time: datetime) -> datetime:
    """MySQL's DATETIME has no zone; the sessions speak UTC."""
    return time.replace(tzinfo=None)


def _id(text_form: str) -> bytes:
    return bytes.fromhex(text_form.replace("-", ""))
