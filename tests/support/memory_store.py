"""The lifecycle store in memory: the contract suite holds it to what MySQL does, and tests of the worker run on it."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from corpactions.domain.state import EffectRow, EventState, FiledVersion, Status
from corpactions.ports.lifecycle import (
    Claim,
    CommitUnknown,
    DataRefused,
    Fenced,
    LikenessKey,
    Parked,
    Queued,
    ReferenceKey,
    Writes,
)
from corpactions.ports.records import Publication, Record

LONGEST_REFERENCE = 128
Place = tuple[str, int, int]
K = TypeVar("K")
V = TypeVar("V")


@dataclass
class Progress:
    """A row of ``partition_progress``."""

    epoch: int
    owner: str
    acked_offset: int
    committed_offset: int
    summary_seq: int = 0
    recent: int = 0
    summary: bytes | None = None
    paused: bool = False


@dataclass
class Tables:
    """Everything stored. A transaction works on a copy and replaces the original when it commits."""

    progress: dict[int, Progress] = field(default_factory=dict)
    events: dict[str, EventState] = field(default_factory=dict)
    versions: list[tuple[str, FiledVersion]] = field(default_factory=list)
    transitions: list[tuple[str, int, str, datetime, bytes]] = field(default_factory=list)
    effects: list[tuple[str, EffectRow]] = field(default_factory=list)
    decisions: dict[str, tuple[str, int]] = field(default_factory=dict)
    parked: dict[str, Parked] = field(default_factory=dict)
    queue: dict[Place, Queued] = field(default_factory=dict)
    pending: dict[int, tuple[Record, Publication]] = field(default_factory=dict)
    next_pending: int = 1

    def copied(self) -> Tables:
        """A copy whose containers and changing rows are its own."""
        containers = {name: copy.copy(value) for name, value in vars(self).items()}
        twin = Tables(**containers)
        twin.progress = {partition: replace(row) for partition, row in self.progress.items()}
        return twin


class MemoryDatabase:
    """What several stores share. ``refuse_events`` plays MySQL refusing their rows; ``lose_commit`` a COMMIT whose answer is lost, done or not."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.refuse_events: set[str] = set()
        self.lose_commit: bool | None = None


class MemoryLifecycleStore:
    """See ``ports.lifecycle.LifecycleStore``."""

    def __init__(self, database: MemoryDatabase, owner: str) -> None:
        self._database = database
        self._owner = owner

    def claim(self, topic: str, earliest: Mapping[int, int]) -> list[Claim]:
        tables = self._database.tables
        claims = []
        for partition in sorted(earliest):
            start = earliest[partition]
            row = tables.progress.setdefault(partition, Progress(0, "", start, start))
            row.epoch, row.owner = row.epoch + 1, self._owner
            claim = Claim(topic, partition, row.epoch, row.acked_offset, row.committed_offset, row.summary_seq, row.recent, row.paused)
            claim.summary = row.summary
            claim.to_publish = [
                publication._replace(pending_id=number)
                for number, (source, publication) in sorted(tables.pending.items())
                if source.partition == partition
            ]
            claims.append(claim)
        return claims

    @contextmanager
    def transaction(self, claims: Sequence[Claim]) -> Iterator[MemoryTransaction]:
        tables = self._database.tables.copied()
        for claim in claims:
            row = tables.progress.get(claim.partition)
            if row is None or (row.epoch, row.owner) != (claim.epoch, self._owner):
                raise Fenced(f"partition {claim.partition} was claimed by another worker")
        yield MemoryTransaction(self._database, tables)

    def due(self, claims: Sequence[Claim], now: datetime, limit: int) -> list[Parked]:
        partitions = {claim.partition for claim in claims}
        waiting = [
            (parked.next_attempt_at, parked)
            for parked in self._database.tables.parked.values()
            if parked.partition in partitions and parked.next_attempt_at is not None and parked.next_attempt_at <= now
        ]
        return [parked for _, parked in sorted(waiting, key=lambda item: item[0])][:limit]

    def resumed(self, claims: Sequence[Claim]) -> list[Claim]:
        return [claim for claim in claims if not self._database.tables.progress[claim.partition].paused]


class MemoryTransaction:
    """See ``ports.lifecycle.LifecycleTransaction``."""

    def __init__(self, database: MemoryDatabase, tables: Tables) -> None:
        self._database = database
        self._tables = tables

    def events(self, event_ids: Collection[str]) -> dict[str, EventState]:
        found = {number: copy.copy(self._tables.events[number]) for number in event_ids if number in self._tables.events}
        for state in found.values():
            state.older = dict(state.older)
        return found

    def holders(self, references: Collection[ReferenceKey]) -> dict[ReferenceKey, str]:
        return {key: number for number, state in self._tables.events.items() if (key := _reference(state)) in references and key}

    def alike(self, keys: Collection[LikenessKey]) -> dict[LikenessKey, list[str]]:
        found: dict[LikenessKey, list[str]] = {}
        for number, state in self._tables.events.items():
            if state.key_date is None or state.status is Status.CANCELLED or state.current is None:
                continue
            key = LikenessKey(state.symbol, state.event_type, state.key_date)
            if key in keys:
                found.setdefault(key, []).append(number)
        return found

    def decided(self, decision_ids: Collection[str]) -> dict[str, tuple[str, int]]:
        return {number: self._tables.decisions[number] for number in decision_ids if number in self._tables.decisions}

    def parked(self, symbols: Collection[str]) -> dict[str, Parked]:
        return {symbol: self._tables.parked[symbol] for symbol in symbols if symbol in self._tables.parked}

    def queue(self, symbol: str, limit: int, event_id: str | None = None) -> list[Record]:
        mine = [
            queued.record
            for queued in self._tables.queue.values()
            if queued.message.symbol == symbol and event_id in {None, queued.message.event_id}
        ]
        return sorted(mine, key=lambda record: record.offset)[:limit]

    def queued(self, symbols: Collection[str]) -> set[str]:
        return {queued.message.symbol for queued in self._tables.queue.values()} & set(symbols)

    def records(self, since: Mapping[str, int]) -> list[tuple[str, bytes]]:
        rows = [(number, revision, record) for number, revision, _, _, record in self._tables.transitions]
        rows += [(number, state.revision, state.record) for number, state in self._tables.events.items()]
        wanted = [row for row in rows if row[0] in since and row[1] >= since[row[0]]]
        return [(number, record) for number, _, record in sorted(wanted)]

    def write(self, writes: Writes) -> list[int]:
        tables = self._tables
        self._write_events(writes)
        for symbol in (*writes.unpark, *writes.park):
            tables.parked.pop(symbol, None)
        tables.parked.update(writes.park)
        for queued in writes.queue:
            _insert(tables.queue, queued.record.position, queued)
        for record in writes.dequeue:
            tables.queue.pop(record.position, None)
        for number in writes.published:
            tables.pending.pop(number, None)
        ids = []
        for source, publication in writes.pending:
            ids.append(tables.next_pending)
            tables.pending[tables.next_pending] = (source, publication)
            tables.next_pending += 1
        for advance in writes.advances:
            row = tables.progress[advance.claim.partition]
            row.acked_offset, row.committed_offset = advance.claim.acked_offset, advance.committed_offset
            row.recent, row.paused = advance.recent, row.paused or advance.pause
            if advance.summary is not None:
                row.summary_seq, row.summary = row.summary_seq + 1, advance.summary
        return ids

    def _write_events(self, writes: Writes) -> None:
        tables = self._tables
        made: set[str] = set()
        for change in writes.changes:
            state, number = change.state, change.state.event_id
            if number in self._database.refuse_events or len(state.source_reference or "") > LONGEST_REFERENCE:
                raise DataRefused(f"the row of event {number} was refused")
            if change.previous is None:
                _insert(tables.events, number, state)
                made.add(number)
            else:
                before = change.previous
                tables.transitions.append((number, before.revision, before.status, before.changed_at, before.record))
            tables.events[number] = state
            tables.versions.extend((number, version) for version in change.versions)
            tables.effects.extend((number, effect) for effect in change.effects)
            if change.decision is not None:
                _insert(tables.decisions, change.decision.decision_id, (state.event_id, state.revision))
        held = [key for state in tables.events.values() if (key := _reference(state)) is not None]
        if len(held) != len(set(held)):
            raise DataRefused("a source reference has two events")

    def commit(self) -> None:
        lost = self._database.lose_commit
        if lost is not False:
            self._database.tables = self._tables
        if lost is not None:
            self._database.lose_commit = None
            raise CommitUnknown("switched off by the test")


def _reference(state: EventState) -> ReferenceKey | None:
    return None if state.source_reference is None else ReferenceKey(state.symbol, state.source, state.source_reference)


def _insert(rows: dict[K, V], key: K, value: V) -> None:
    if key in rows:
        raise DataRefused(f"{key} is there already")
    rows[key] = value
