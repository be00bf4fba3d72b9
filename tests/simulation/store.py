"""The lifecycle worker's store on the simulated server: the statements of ``corpactions.persistence.lifecycle``, in their order, with their locks.

The contract suite (``tests/contract/lifecycle_store``) holds it to what MySQL does.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

from corpactions.domain.change import Change
from corpactions.domain.state import EventState, Status
from corpactions.ports.lifecycle import Advance, Claim, DataRefused, Fenced, LikenessKey, Parked, Queued, ReferenceKey, Writes
from corpactions.ports.records import Record
from tests.simulation.database import Database, Session
from tests.simulation.scheduler import Process

LONGEST_REFERENCE: Final = 128
PROGRESS: Final = "partition_progress"


class Progress(NamedTuple):
    """A row of ``partition_progress``."""

    epoch: int
    owner: str
    acked_offset: int
    committed_offset: int
    summary_seq: int = 0
    recent: int = 0
    summary: bytes | None = None
    paused: bool = False


class SimLifecycleStore:
    """See ``ports.lifecycle.LifecycleStore``."""

    def __init__(self, database: Database, process: Process, owner: str) -> None:
        self._database = database
        self._process = process
        self._owner = owner

    def claim(self, topic: str, earliest: Mapping[int, int]) -> list[Claim]:
        database = self._database
        session = database.connect(self._process)
        try:
            claims = [self._claim_one(session, topic, partition, earliest[partition]) for partition in sorted(earliest)]
            database.commit(session)
        finally:
            database.close(session)
        return claims

    def _claim_one(self, session: Session, topic: str, partition: int, earliest: int) -> Claim:
        database = self._database
        database.statement(session, "db.claim")
        database.lock(session, (PROGRESS, partition))
        row: Progress = database.get(session, PROGRESS, partition) or Progress(0, "", earliest, earliest)
        database.statement(session)
        database.put(session, PROGRESS, partition, row._replace(epoch=row.epoch + 1, owner=self._owner))
        database.statement(session)
        pending = database.get(session, "pending_publications", partition) or {}
        claim = Claim(
            topic, partition, row.epoch + 1, row.acked_offset, row.committed_offset, row.summary_seq, row.recent, row.paused, row.summary
        )
        claim.to_publish = [publication._replace(pending_id=number) for number, (_, publication) in sorted(pending.items())]
        return claim

    @contextmanager
    def transaction(self, claims: Sequence[Claim]) -> Iterator[SimLifecycleTransaction]:
        database = self._database
        session = database.connect(self._process)
        try:
            self._fence(session, claims)
            yield SimLifecycleTransaction(database, session)
        finally:
            database.close(session)

    def _fence(self, session: Session, claims: Sequence[Claim]) -> None:
        """One statement that locks row by row, in partition order, and waits for each, ours or not: only then does it see whose it is."""
        database = self._database
        database.statement(session, "db.fence")
        lost = []
        for claim in sorted(claims, key=lambda item: item.partition):
            database.lock(session, (PROGRESS, claim.partition))
            row: Progress | None = database.get(session, PROGRESS, claim.partition)
            if row is None or (row.epoch, row.owner) != (claim.epoch, self._owner):
                lost.append(claim.partition)
        if lost:
            database.scheduler.met["fenced"] += 1
            raise Fenced(f"partitions {lost} were claimed by another worker")
        self._process.point("db.fenced")

    def due(self, claims: Sequence[Claim], now: datetime, limit: int) -> list[Parked]:
        if not claims:
            return []
        parked: dict[str, Parked] = self._read("parked_symbols")
        if not parked:
            return []
        partitions = {claim.partition for claim in claims}
        waiting = [
            (row.next_attempt_at, number, row)
            for number, row in enumerate(parked.values())
            if row.partition in partitions and row.next_attempt_at is not None and row.next_attempt_at <= now
        ]
        return [row for *_, row in sorted(waiting)[:limit]]

    def resumed(self, claims: Sequence[Claim]) -> list[Claim]:
        if not claims:
            return []
        rows = self._read(PROGRESS)
        return [claim for claim in claims if not rows[claim.partition].paused]

    def _read(self, table: str) -> dict[Any, Any]:
        """A plain SELECT in a transaction of its own: it locks nothing and sees what is committed."""
        session = self._database.connect(self._process)
        try:
            self._database.statement(session, locking=False)
            return self._database.tables[table]
        finally:
            self._database.close(session)


class SimLifecycleTransaction:
    """See ``ports.lifecycle.LifecycleTransaction``."""

    def __init__(self, database: Database, session: Session) -> None:
        self._database = database
        self._session = session

    def _rows(self, table: str, keys: Collection[Any]) -> dict[Any, Any]:
        if not keys:
            return {}
        self._database.statement(self._session)
        get = self._database.get
        return {key: found for key in keys if (found := get(self._session, table, key)) is not None}

    def events(self, event_ids: Collection[str]) -> dict[str, EventState]:
        found = self._rows("events", event_ids)
        return {event_id: self._read_back(state) for event_id, state in found.items()}

    def _read_back(self, stored: EventState) -> EventState:
        """A row as it is read: older versions come from their own table, and only for rows that say they have any."""
        state = copy.copy(stored)
        state.older = {}
        if stored.older:
            versions = self._database.get(self._session, "event_versions", state.event_id) or {}
            state.older = dict(versions)
        return state

    def holders(self, references: Collection[ReferenceKey]) -> dict[ReferenceKey, str]:
        return self._rows("references", references)

    def alike(self, keys: Collection[LikenessKey]) -> dict[LikenessKey, list[str]]:
        found: dict[LikenessKey, list[str]] = {}
        for key, event_ids in self._rows("likenesses", keys).items():
            states = [self._database.get(self._session, "events", event_id) for event_id in event_ids]
            if kept := [state.event_id for state in states if state.status is not Status.CANCELLED and state.current is not None]:
                found[key] = kept
        return found

    def decided(self, decision_ids: Collection[str]) -> dict[str, tuple[str, int]]:
        return self._rows("event_decisions", decision_ids)

    def parked(self, symbols: Collection[str]) -> dict[str, Parked]:
        return self._rows("parked_symbols", symbols)

    def queue(self, symbol: str, limit: int, event_id: str | None = None) -> list[Record]:
        queued: list[Queued] = list(self._rows("parked_events", [symbol]).get(symbol, {}).values())
        mine = [item.record for item in queued if event_id in {None, item.message.event_id}]
        return sorted(mine, key=lambda record: record.offset)[:limit]

    def queued(self, symbols: Collection[str]) -> set[str]:
        return {symbol for symbol, waiting in self._rows("parked_events", symbols).items() if waiting}

    def records(self, since: Mapping[str, int]) -> list[tuple[str, bytes]]:
        if not since:
            return []
        self._database.statement(self._session)
        found: list[tuple[str, bytes]] = []
        for event_id in sorted(since):
            before = self._database.get(self._session, "event_transitions", event_id) or {}
            found += [(event_id, before[revision][2]) for revision in sorted(before) if revision >= since[event_id]]
            state: EventState | None = self._database.get(self._session, "events", event_id)
            if state is not None and state.revision >= since[event_id]:
                found.append((event_id, state.record))
        return found

    def write(self, writes: Writes) -> list[int]:
        database, session = self._database, self._session
        database.statement(session, "db.write")
        for change in writes.changes:
            self._write_change(change)
        self._write_parking(writes)
        for number in writes.published:
            self._forget_pending(number)
        ids = [self._add_pending(source, publication) for source, publication in writes.pending]
        if writes.advances:
            database.statement(session)
            for advance in writes.advances:
                self._advance(advance)
        return ids

    def _write_change(self, change: Change) -> None:
        database, session, state = self._database, self._session, change.state
        event_id = state.event_id
        if event_id in database.refused or len(state.source_reference or "") > LONGEST_REFERENCE:
            raise DataRefused(f"the row of event {event_id} was refused")
        before = change.previous
        if before is None:
            database.insert(session, "events", event_id, state)
        else:
            self._add("event_transitions", event_id, before.revision, (before.status, before.changed_at, before.record))
            database.put(session, "events", event_id, state)
        self._index(before, state)
        for version in change.versions:
            self._add("event_versions", event_id, version.ref, version)
        for effect in change.effects:
            self._add("event_effects", event_id, effect.number, effect)
        if change.decision is not None:
            database.insert(session, "event_decisions", change.decision.decision_id, (event_id, state.revision))

    def _add(self, table: str, owner: str | int, key: Any, value: Any) -> None:
        """A row of a table whose rows are kept by their owner."""
        rows = self._own(table, owner)
        if key in rows:
            raise DataRefused(f"duplicate entry {owner}, {key} in {table}")
        rows[key] = value

    def _own(self, table: str, owner: str | int) -> dict[Any, Any]:
        """An owner's rows as this transaction may change them: copied once, by the first change."""
        mine = self._session.overlay.setdefault(table, {})
        rows: dict[Any, Any] | None = mine.get(owner)
        if rows is None:
            rows = mine[owner] = dict(self._database.tables[table].get(owner, ()))
        return rows

    def _index(self, before: EventState | None, after: EventState) -> None:
        database, session = self._database, self._session
        old, new = (None if before is None else _reference(before)), _reference(after)
        if new != old:
            if old is not None:
                database.delete(session, "references", old)
            if new is not None:
                database.insert(session, "references", new, after.event_id)
        was, now = (None if before is None else _likeness(before)), _likeness(after)
        if was != now:
            if was is not None:
                others = database.get(session, "likenesses", was)
                database.put(session, "likenesses", was, tuple(other for other in others if other != after.event_id))
            if now is not None:
                database.put(session, "likenesses", now, (*(database.get(session, "likenesses", now) or ()), after.event_id))

    def _write_parking(self, writes: Writes) -> None:
        database, session = self._database, self._session
        for symbol in writes.unpark:
            database.delete(session, "parked_symbols", symbol)
        for symbol, parked in writes.park.items():
            database.put(session, "parked_symbols", symbol, parked)
        for queued in writes.queue:
            self._add("parked_events", queued.message.symbol, queued.record.position, queued)
        for record in writes.dequeue:
            self._own("parked_events", (record.key or b"").decode()).pop(record.position, None)

    def _add_pending(self, source: Record, publication: Any) -> int:
        number = self._database.next_id()
        self._add("pending_publications", source.partition, number, (source, publication))
        return number

    def _forget_pending(self, number: int) -> None:
        for partition in [*self._database.tables["pending_publications"]]:
            if number in (self._database.get(self._session, "pending_publications", partition) or ()):
                del self._own("pending_publications", partition)[number]

    def _advance(self, advance: Advance) -> None:
        database, session, claim = self._database, self._session, advance.claim
        row: Progress = database.get(session, PROGRESS, claim.partition)
        moved = row._replace(
            acked_offset=claim.acked_offset,
            committed_offset=advance.committed_offset,
            recent=advance.recent,
            paused=row.paused or advance.pause,
        )
        if advance.summary is not None:
            moved = moved._replace(summary_seq=row.summary_seq + 1, summary=advance.summary)
        database.put(session, PROGRESS, claim.partition, moved)

    def commit(self) -> None:
        self._database.commit(self._session)


def _reference(state: EventState) -> ReferenceKey | None:
    return None if state.source_reference is None else ReferenceKey(state.symbol, state.source, state.source_reference)


def _likeness(state: EventState) -> LikenessKey | None:
    return None if state.key_date is None else LikenessKey(state.symbol, state.event_type, state.key_date)
