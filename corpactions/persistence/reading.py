"""The read side: events, lists and histories as the API shows them. Core selects, nothing locked, nothing written.

An event is looked for where it can be, in the order of how much is known: its row, a parked record that waits for its symbol, the reservation of the
request that announced it. So a read right after an accepted request finds the event.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, Select, or_, select
from sqlalchemy.engine.interfaces import IsolationLevel

from corpactions.domain.audit.records import AuditRecord
from corpactions.domain.messages import CARRIES_TERMS, GATEWAY_ORIGIN, Message, VersionRef
from corpactions.domain.terms import EventType
from corpactions.persistence.engine import translated
from corpactions.persistence.history import effects_of, records_of, versions_of
from corpactions.persistence.reservation_store import covering
from corpactions.persistence.tables import Event, ParkedEvent
from corpactions.persistence.threads import Threads
from corpactions.ports.events import EventPage, EventQuery, EventView, History, PageKey
from corpactions.ports.reservations import Reservation, Subject

T = TypeVar("T")
_EVENTS = Event.__table__
_SHOWN = [column for column in _EVENTS.columns if column.name not in {"record", "salt", "content_sha256"}]
_PENDING = "PENDING"


class MysqlEventReader:
    """``ports.EventReader`` on MySQL.

    Args:
        engine: connections of an account that may read.
        threads: where the statements run.
        decode_record: an audit record from its stored bytes.
        decode_message: a message from a parked record's bytes.
    """

    def __init__(
        self,
        engine: Engine,
        threads: Threads,
        decode_record: Callable[[bytes], AuditRecord],
        decode_message: Callable[[bytes], Message],
    ) -> None:
        self._engine = engine
        self._threads = threads
        self._decode_record = decode_record
        self._decode_message = decode_message

    async def find(self, event_id: str) -> EventView | None:
        """See :class:`corpactions.ports.events.EventReader`."""
        return await self._read(lambda connection: self._find(connection, event_id))

    async def page(self, query: EventQuery) -> EventPage:
        """See :class:`corpactions.ports.events.EventReader`."""
        rows = await self._read(lambda connection: connection.execute(_page_statement(query)).all())
        views = tuple(_view(row) for row in rows[: query.limit])
        more = len(rows) > query.limit
        return EventPage(views, PageKey(views[-1].created_at, views[-1].event_id) if more else None)

    async def history(self, event_id: str) -> History | None:
        """See :class:`corpactions.ports.events.EventReader`. All parts are read from one snapshot."""
        return await self._read(lambda connection: self._history(connection, event_id), "REPEATABLE READ")

    async def _read(self, work: Callable[[Connection], T], isolation: IsolationLevel = "READ COMMITTED") -> T:
        def run() -> T:
            with translated(), self._engine.connect() as connection:
                if isolation != "READ COMMITTED":
                    connection = connection.execution_options(isolation_level=isolation)
                return work(connection)

        return await self._threads.call(run)

    def _find(self, connection: Connection, event_id: str) -> EventView | None:
        key = UUID(event_id).bytes
        row = connection.execute(select(*_SHOWN).where(Event.event_id == key)).first()
        if row is not None:
            return _view(row)
        oldest = select(ParkedEvent.value).where(ParkedEvent.event_id == key).order_by(ParkedEvent.offset).limit(1)
        if (parked := connection.execute(oldest).scalar_one_or_none()) is not None:
            return _parked_view(self._decode_message(parked))
        reservation = covering(connection, key)
        return None if reservation is None else _reserved_view(event_id, reservation)

    def _history(self, connection: Connection, event_id: str) -> History | None:
        view = self._find(connection, event_id)
        if view is None or view.pending:
            return None if view is None else History(view, (), (), ())
        key = UUID(event_id).bytes
        row = connection.execute(select(_EVENTS).where(Event.event_id == key)).one()
        records = tuple(self._decode_record(record) for record in records_of(connection, key, row.record))
        return History(_view(row), versions_of(connection, key, row), records, effects_of(connection, key, row))


def ping(engine: Engine) -> None:
    """Ask MySQL anything at all. Raises Unavailable when it does not answer."""
    with translated(), engine.connect() as connection:
        connection.execute(select(1))


def _page_statement(query: EventQuery) -> Select[Any]:
    """Newest first, one row more than asked for, so that the last page is known as such."""
    statement = select(*_SHOWN).order_by(Event.created_at.desc(), Event.event_id.desc()).limit(query.limit + 1)
    wanted = ((Event.symbol, query.symbol), (Event.event_type, query.event_type), (Event.status, query.status))
    statement = statement.where(*(column == value for column, value in wanted if value is not None))
    if query.created_from is not None:
        statement = statement.where(Event.created_at >= _naive(query.created_from))
    if query.created_to is not None:
        statement = statement.where(Event.created_at < _naive(query.created_to))
    if query.after is not None:
        time, event_id = _naive(query.after.created_at), UUID(query.after.event_id).bytes
        # The plain bound on the time is what lets MySQL start reading in the middle of the index.
        statement = statement.where(Event.created_at <= time, or_(Event.created_at < time, Event.event_id < event_id))
    return statement


def _view(row: Row[Any]) -> EventView:
    return EventView(
        event_id=str(UUID(bytes=row.event_id)),
        subject=Subject(row.symbol, EventType(row.event_type), row.isin, row.source, row.source_reference),
        ref=None if row.version is None else VersionRef(row.origin, row.version),
        revision=row.revision,
        status=row.status,
        cancel_function=row.cancel_function,
        payload=row.payload,
        effect=row.effect,
        flags=tuple(row.flags.split(",")) if row.flags else (),
        attempts=row.attempts,
        error=row.error,
        created_at=row.created_at.replace(tzinfo=UTC),
        processing_at=_utc(row.processing_at),
        completed_at=_utc(row.completed_at),
        pending=False,
    )


def _parked_view(message: Message) -> EventView:
    subject = Subject(message.symbol, message.event_type, message.isin, message.source, message.source_reference)
    payload = json.loads(message.terms_json) if message.function in CARRIES_TERMS and message.terms_json else None
    return _pending_view(message.event_id, subject, message.ref, payload, message.accepted_at)


def _reserved_view(event_id: str, reservation: Reservation) -> EventView:
    return _pending_view(event_id, reservation.subject, VersionRef(GATEWAY_ORIGIN, reservation.version), None, reservation.accepted_at)


def _pending_view(
    event_id: str, subject: Subject | None, ref: VersionRef, payload: dict[str, Any] | None, accepted_at: datetime
) -> EventView:
    """An event that no row tells of yet."""
    return EventView(event_id, subject, ref, 0, _PENDING, None, payload, None, (), 0, None, accepted_at, None, None, pending=True)


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


def _naive(time: datetime) -> datetime:
    """MySQL's DATETIME has no zone; the sessions speak UTC."""
    return time.astimezone(UTC).replace(tzinfo=None)
