"""The parts of an event's history, read from where a change moved them: the head in the event's own row, everything older in tables of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from corpactions.domain.messages import CARRIES_TERMS, VersionRef
from corpactions.persistence.tables import EventEffect, EventTransition, EventVersion
from corpactions.ports.events import EffectView, VersionView


def records_of(connection: Connection, event_id: bytes, head: bytes) -> list[bytes]:
    """The audit record of every revision, oldest first."""
    older = select(EventTransition.record).where(EventTransition.event_id == event_id).order_by(EventTransition.revision)
    return [*connection.execute(older).scalars(), head]


def versions_of(connection: Connection, event_id: bytes, row: Row[Any]) -> tuple[VersionView, ...]:
    """Every filed version in the order of filing; the current one may stand in both places."""
    current = None if row.version is None else VersionRef(row.origin, row.version)
    statement = select(EventVersion.__table__).where(EventVersion.event_id == event_id)
    views = [
        VersionView(
            ref := VersionRef(older.origin, older.version),
            older.function,
            older.isin,
            older.payload,
            older.filed_revision,
            older.accepted_at.replace(tzinfo=UTC),
            ref == current,
        )
        for older in connection.execute(statement)
    ]
    if current is not None and not any(view.current for view in views):
        payload = row.payload if row.function in CARRIES_TERMS else None
        views.append(
            VersionView(current, row.function, row.isin, payload, row.version_revision, row.accepted_at.replace(tzinfo=UTC), current=True)
        )
    return tuple(sorted(views, key=lambda view: (view.filed_revision, view.accepted_at, view.ref)))


def effects_of(connection: Connection, event_id: bytes, row: Row[Any]) -> tuple[EffectView, ...]:
    """Every effect posted and every reversal, in order; the one in force stands in the event's row."""
    statement = select(EventEffect.__table__).where(EventEffect.event_id == event_id)
    views = [
        EffectView(older.effect_no, older.kind, older.reverses_no, older.effect, older.posted_at.replace(tzinfo=UTC), in_force=False)
        for older in connection.execute(statement)
    ]
    if row.effect is not None:
        posted_at = datetime.fromisoformat(row.effect["posted_at"])
        views.append(EffectView(row.effect["effect_no"], "POST", None, row.effect, posted_at, in_force=True))
    return tuple(sorted(views, key=lambda view: view.effect_no))
