"""The end of retention: which segment comes next, its export on record, its removal by the procedure, and what is still to be told of all that.

What is asked here is only what lets a run end early with a good word. The rules themselves are the database's (``guards/removals_insert.sql``), against
its own clock, and hold against whoever calls.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from corpactions.domain.audit.entry import SEGMENT
from corpactions.domain.audit.records import AuditRecord
from corpactions.domain.audit.removals import years_after
from corpactions.domain.audit.retention import RETENTION_YEARS, Export, Hold, Removal, Segment, told
from corpactions.persistence.audit_guards import REMOVE
from corpactions.persistence.audit_holds import LegalHolds, hold_of
from corpactions.persistence.audit_tables import AuditBatch, AuditExport, AuditLog, AuditRemoval
from corpactions.persistence.engine import error_number, translated
from corpactions.ports.audit_retention import Bundle, ExportSegment, RemovalRefused

_SIGNALLED: Final = 1644
_UTC_NOW: Final = text("UTC_TIMESTAMP(6)")
_UNTOLD_YEARS: Final = RETENTION_YEARS - 1
"""A deed older than this has long been told, and the entry that tells of it may itself have been removed."""


class Standing(NamedTuple):
    """The oldest segment that a log still has, and what it waits for; None: it may go. ``segment`` is None while it is not whole."""

    origin: str
    segment: Segment | None
    waits_for: str | None


class Retired(NamedTuple):
    """What a run did, and where it left each log."""

    removed: tuple[Segment, ...]
    standing: tuple[Standing, ...]


class RetentionStore:
    """Every method raises Unavailable when MySQL does not answer.

    Args:
        engine: connections of the account ``ca_retention``.
        actor: who answers for exports and removals.
    """

    def __init__(self, engine: Engine, actor: str) -> None:
        self._engine = engine
        self._actor = actor
        self._holds = LegalHolds(engine, actor)

    def standing(self) -> tuple[Standing, ...]:
        """For each log, oldest first: what its oldest segment waits for."""
        holds = self._holds.in_force()
        with translated(), self._engine.connect() as connection:
            now = connection.execute(select(_UTC_NOW)).scalar_one()
            logs = connection.execute(select(AuditLog.log_id, AuditLog.origin).order_by(AuditLog.log_id)).all()
            return tuple(_standing(connection, row.log_id, row.origin, holds, now.replace(tzinfo=UTC)) for row in logs)

    def record_export(self, segment: Segment, bundle: Bundle) -> None:
        """Write down that a bundle was written and verifies; nothing new when that very bundle already stands there."""
        row = {"log_id": segment.log_id, "first_seq": segment.first, "bundle_sha256": bundle.sha256}
        same = [getattr(AuditExport, name) == value for name, value in row.items()]
        with translated(), self._engine.begin() as connection:
            if connection.execute(select(AuditExport.log_id).where(*same)).first() is None:
                more = {"end_seq": segment.end, "location": bundle.location, "actor": self._actor, "verified_at": _UTC_NOW}
                connection.execute(insert(AuditExport).values(**row, **more))

    def remove(self, segment: Segment, bundle_sha256: bytes) -> None:
        """Remove a segment's entries for good.

        Raises:
            RemovalRefused: a rule is not kept.
        """
        call = text(f"CALL {REMOVE}(:log_id, :first, :bundle, :actor)")
        arguments = {"log_id": segment.log_id, "first": segment.first, "bundle": bundle_sha256, "actor": self._actor}
        try:
            with translated(), self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(call, arguments)
        except DBAPIError as error:
            if error_number(error) != _SIGNALLED:
                raise
            raise RemovalRefused(f"entries {segment.first} to {segment.end - 1} of {segment.origin}: {_message(error)}") from error

    def untold(self) -> list[AuditRecord]:
        """The audit records of deeds that the log does not have yet: just done, or their records were lost on the way."""
        deeds: list[Hold | Export | Removal] = []
        with translated(), self._engine.connect() as connection:
            deeds += [hold_of(row) for row in connection.exec_driver_sql(_UNTOLD_HOLDS)]
            for row in connection.exec_driver_sql(_UNTOLD_EXPORTS):
                deeds.append(
                    Export(row.origin, row.first_seq, row.end_seq, bytes(row.bundle_sha256), row.location, row.actor, _utc(row.at))
                )
            for row in connection.exec_driver_sql(_UNTOLD_REMOVALS):
                deeds.append(Removal(row.origin, row.first_seq, row.end_seq, bytes(row.bundle_sha256), row.actor, _utc(row.at)))
        return [told(deed) for deed in sorted(deeds, key=lambda deed: deed.at)]


def retire(store: RetentionStore, export: ExportSegment, renew: Callable[[], bool]) -> Retired:
    """Export and remove every segment that may go, oldest first, one after the other.

    Args:
        store: the log.
        export: writes and verifies a bundle.
        renew: keeps the job's lease; False ends the run.

    Raises:
        RemovalRefused: the database knows better (a hold was just placed, say); what was removed until then stays removed and on record.
        Unavailable, Fatal: MySQL does not answer, or a bundle cannot be made or does not verify.
    """
    removed: list[Segment] = []
    standing = store.standing()
    while (due := _due(standing)) is not None and renew():
        bundle = export(due)
        store.record_export(due, bundle)
        store.remove(due, bundle.sha256)
        removed.append(due)
        standing = store.standing()
    return Retired(tuple(removed), standing)


def _due(standing: tuple[Standing, ...]) -> Segment | None:
    return next((item.segment for item in standing if item.waits_for is None), None)


def _standing(connection: Connection, log_id: int, origin: str, holds: list[Hold], now: datetime) -> Standing:
    removed = select(func.coalesce(func.max(AuditRemoval.end_seq), 0)).where(AuditRemoval.log_id == log_id)
    first = int(connection.execute(removed).scalar_one())
    size = connection.execute(
        select(AuditBatch.size).where(AuditBatch.log_id == log_id).order_by(AuditBatch.first_seq.desc()).limit(1)
    ).scalar_one_or_none()
    if (size or 0) <= first + SEGMENT:
        return Standing(origin, None, f"its segment from entry {first} on to be whole and followed by another entry")
    inside = (AuditBatch.log_id == log_id, AuditBatch.first_seq >= first, AuditBatch.first_seq < first + SEGMENT)
    oldest, newest = connection.execute(select(func.min(AuditBatch.recorded_at), func.max(AuditBatch.recorded_at)).where(*inside)).one()
    segment = Segment(log_id, origin, first, _utc(oldest), _utc(newest))
    until = years_after(segment.newest, RETENTION_YEARS)
    if now <= until:
        return Standing(origin, segment, f"{until:%Y-%m-%dT%H:%M:%SZ}, {RETENTION_YEARS} years after its newest entry")
    if covering := [hold.name for hold in holds if hold.covers(segment)]:
        return Standing(origin, segment, f"the release of {', '.join(covering)}")
    return Standing(origin, segment, None)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def _message(error: DBAPIError) -> str:
    return str(error.orig.args[1]) if error.orig is not None else str(error)


def _untold(columns: str, source: str, at: str, record_id: str) -> str:
    """A query for the deeds of whose record no entry has the id; compared as the column's own type, so that its unique index answers."""
    known = f"SELECT 1 FROM audit_entries e WHERE e.record_id = CONVERT({record_id} USING ascii) COLLATE ascii_bin"
    return (
        f"SELECT {columns}, {at} AS at FROM {source} WHERE {at} > UTC_TIMESTAMP(6) - INTERVAL {_UNTOLD_YEARS} YEAR AND NOT EXISTS ({known})"
    )


_UNTOLD_HOLDS: Final = _untold(
    "h.hold_no, h.name, h.placed, h.from_time, h.to_time, h.reason, h.actor",
    "audit_holds h",
    "h.at",
    "CONCAT('hold:', h.name, ':', h.hold_no)",
)
_UNTOLD_EXPORTS: Final = _untold(
    "l.origin, x.first_seq, x.end_seq, x.bundle_sha256, x.location, x.actor",
    "audit_exports x JOIN audit_logs l ON l.log_id = x.log_id",
    "x.verified_at",
    "CONCAT('export:', l.origin, ':', x.first_seq, ':', LOWER(HEX(x.bundle_sha256)))",
)
_UNTOLD_REMOVALS: Final = _untold(
    "l.origin, r.first_seq, r.end_seq, r.bundle_sha256, r.actor",
    "audit_removals r JOIN audit_logs l ON l.log_id = r.log_id",
    "r.removed_at",
    "CONCAT('removal:', l.origin, ':', r.first_seq)",
)
