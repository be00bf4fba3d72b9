"""The lifecycle worker's store on MySQL: claims, fenced transactions, parked symbols.

Invariant: the first statement of every transaction locks the rows of ``partition_progress`` whose epoch and owner are ours, in partition order; state is read
after that, so a worker that lost a partition can neither read nor write on its behalf.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine

from corpactions.domain.messages import VersionRef
from corpactions.domain.state import EventState, FiledVersion
from corpactions.domain.terms import EventType
from corpactions.persistence import bulk, lifecycle_rows
from corpactions.persistence.bulk import blob, code, day, ident, moment, number, row, text, uuid_text
from corpactions.persistence.lifecycle_rows import EVENT_COLUMNS, QUEUE_COLUMNS
from corpactions.persistence.unit_of_work import Transaction, begin
from corpactions.ports import Clock
from corpactions.ports.lifecycle import Advance, Claim, Fenced, LikenessKey, Parked, ReferenceKey, Writes
from corpactions.ports.records import Record

_PROGRESS = "epoch,acked_offset,committed_offset,summary_seq,recent_outcomes,paused_at IS NOT NULL"
_PROGRESS_COLUMNS = (
    *("group_name", "topic", "partition", "epoch", "owner"),
    *("acked_offset", "committed_offset", "summary_seq", "recent_outcomes", "updated_at"),
)
_QUEUE = "topic,`partition`,`offset`,symbol,value,headers,timestamp"
RECENT_BITS = 1000
RECENT_BYTES = RECENT_BITS // 8


class MysqlLifecycleStore:
    """See ``ports.lifecycle.LifecycleStore``.

    Args:
        engine: connected as the worker's account, with sessions that MySQL ends soon after their process stops.
        group: the consumer group, whose progress this is.
        owner: names this process; a restarted one has another name.
        statement_bytes: longest statement to send, half of the server's ``max_allowed_packet``.
    """

    def __init__(self, engine: Engine, group: str, owner: str, clock: Clock, statement_bytes: int = 16 << 20) -> None:
        self._engine = engine
        self._group = text(group)
        self._owner = text(owner)
        self._clock = clock
        self._limit = statement_bytes

    def claim(self, topic: str, earliest: Mapping[int, int]) -> list[Claim]:
        """Take partitions over; waits for the transaction of the owner before, since that one holds the rows."""
        with begin(self._engine) as transaction:
            claims = [self._claim_one(transaction, topic, partition, earliest[partition]) for partition in sorted(earliest)]
            transaction.commit()
        return claims

    def _claim_one(self, transaction: Transaction, topic: str, partition: int, earliest: int) -> Claim:
        where = f"WHERE {self._owned(topic)} AND `partition`={partition}"
        now = moment(self._clock.now())
        # Two workers that claim a partition never claimed before would both find no row: so it is made first, and the second one waits here.
        first = (self._group, code(topic), number(partition), "0", "''", number(earliest), number(earliest), "0", "''", now)
        transaction.run(
            bulk.insert("partition_progress", _PROGRESS_COLUMNS) + row(*first) + " ON DUPLICATE KEY UPDATE `partition`=`partition`"
        )
        found = transaction.query(f"SELECT {_PROGRESS},summary FROM partition_progress {where} FOR UPDATE")
        epoch, acked, committed, seq, recent, paused, summary = found[0]
        transaction.run(f"UPDATE partition_progress SET epoch={epoch + 1},owner={self._owner},updated_at={now} {where}")
        pending = transaction.query(
            "SELECT id,topic,`partition`,`key`,value,headers FROM pending_publications"
            f" WHERE source_topic={code(topic)} AND source_partition={partition} ORDER BY id"
        )
        claim = Claim(topic, partition, epoch + 1, acked, committed, seq, int.from_bytes(recent, "big"), bool(paused))
        claim.summary = summary
        claim.to_publish = [lifecycle_rows.pending_publication(tuple(values)) for values in pending]
        return claim

    @contextmanager
    def transaction(self, claims: Sequence[Claim]) -> Iterator[MysqlLifecycleTransaction]:
        """Begin, holding the fence of the claims, in partition order."""
        with begin(self._engine) as transaction:
            self._fence(transaction, claims)
            yield MysqlLifecycleTransaction(transaction, self._group, self._clock, self._limit)

    def _fence(self, transaction: Transaction, claims: Sequence[Claim]) -> None:
        partitions = ",".join(number(claim.partition) for claim in claims)
        held = transaction.query(
            f"SELECT `partition`,epoch FROM partition_progress WHERE {self._owned(claims[0].topic)}"
            f" AND `partition` IN ({partitions}) AND owner={self._owner} ORDER BY `partition` FOR UPDATE"
        )
        epochs: dict[int, int] = {values[0]: values[1] for values in held}
        if lost := [claim.partition for claim in claims if epochs.get(claim.partition) != claim.epoch]:
            raise Fenced(f"partitions {lost} of {claims[0].topic} were claimed by another worker")

    def _owned(self, topic: str) -> str:
        return f"group_name={self._group} AND topic={code(topic)}"

    def due(self, claims: Sequence[Claim], now: datetime, limit: int) -> list[Parked]:
        """Parked symbols that may be tried or drained now."""
        if not claims:
            return []
        partitions = ",".join(number(claim.partition) for claim in claims)
        with begin(self._engine) as transaction:
            rows = transaction.query(
                f"SELECT {_columns(lifecycle_rows.PARKED_COLUMNS)} FROM parked_symbols WHERE topic={code(claims[0].topic)}"
                f" AND `partition` IN ({partitions}) AND next_attempt_at<={moment(now)} ORDER BY next_attempt_at LIMIT {limit}"
            )
        return [lifecycle_rows.parked_symbol(tuple(values)) for values in rows]

    def resumed(self, claims: Sequence[Claim]) -> list[Claim]:
        """Which of these paused partitions an operator has resumed."""
        if not claims:
            return []
        with begin(self._engine) as transaction:
            rows = transaction.query(
                f"SELECT `partition` FROM partition_progress WHERE {self._owned(claims[0].topic)} AND paused_at IS NULL"
            )
        open_again = {values[0] for values in rows}
        return [claim for claim in claims if claim.partition in open_again]


class MysqlLifecycleTransaction:
    """See ``ports.lifecycle.LifecycleTransaction``."""

    def __init__(self, transaction: Transaction, group: str, clock: Clock, limit: int) -> None:
        self._transaction = transaction
        self._group = group
        self._clock = clock
        self._limit = limit

    def events(self, event_ids: Collection[str]) -> dict[str, EventState]:
        """The events that have a row; older versions are read only for those that have any."""
        if not event_ids:
            return {}
        wanted = bulk.values(f"({ident(event_id)})" for event_id in event_ids)
        rows = self._transaction.query(f"SELECT {_columns(EVENT_COLUMNS)} FROM {wanted} AS n (id) STRAIGHT_JOIN events ON event_id=n.id")
        counts = EVENT_COLUMNS.index("older_versions")
        older = self._older([values for values in rows if values[counts]])
        return {(state := lifecycle_rows.event_state(tuple(values), older.get(values[0], {}))).event_id: state for values in rows}

    def _older(self, rows: Sequence[Sequence[object]]) -> dict[bytes, dict[VersionRef, FiledVersion]]:
        found: dict[bytes, dict[VersionRef, FiledVersion]] = defaultdict(dict)
        types = {values[0]: EventType(str(values[1])) for values in rows}
        if types:
            wanted = ",".join(blob(event_id) for event_id in types if isinstance(event_id, bytes))
            columns = _columns(lifecycle_rows.VERSION_COLUMNS)
            for values in self._transaction.query(f"SELECT {columns} FROM event_versions WHERE event_id IN ({wanted})"):
                version = lifecycle_rows.filed_version(tuple(values), types[values[0]])
                found[values[0]][version.ref] = version
        return found

    def holders(self, references: Collection[ReferenceKey]) -> dict[ReferenceKey, str]:
        """Which event holds a reference."""
        if not references:
            return {}
        wanted = bulk.values(row(code(key.symbol), text(key.source), text(key.source_reference)) for key in references)
        rows = self._transaction.query(
            f"SELECT symbol,source,source_reference,event_id FROM {wanted} AS n (a,b,c)"
            " STRAIGHT_JOIN events ON symbol=n.a AND source=n.b AND source_reference=n.c"
        )
        return {ReferenceKey(*values[:3]): uuid_text(values[3]) for values in rows}

    def alike(self, keys: Collection[LikenessKey]) -> dict[LikenessKey, list[str]]:
        """The events, not cancelled, that share symbol, type and key date."""
        if not keys:
            return {}
        wanted = bulk.values(row(code(key.symbol), code(key.event_type), day(key.key_date)) for key in keys)
        found: dict[LikenessKey, list[str]] = defaultdict(list)
        rows = self._transaction.query(
            f"SELECT symbol,event_type,key_date,event_id,status,version IS NULL FROM {wanted} AS n (a,b,c)"
            " STRAIGHT_JOIN events ON symbol=n.a AND event_type=n.b AND key_date=n.c"
        )
        for symbol, event_type, key_date, event_id, status, only_rejected in rows:
            if status != "CANCELLED" and not only_rejected:
                found[LikenessKey(symbol, event_type, key_date)].append(uuid_text(event_id))
        return found

    def decided(self, decision_ids: Collection[str]) -> dict[str, tuple[str, int]]:
        """The event and the revision that an applied decision made."""
        if not decision_ids:
            return {}
        rows = self._transaction.query(
            f"SELECT decision_id,event_id,revision FROM event_decisions WHERE decision_id IN ({','.join(map(ident, decision_ids))})"
        )
        return {uuid_text(values[0]): (uuid_text(values[1]), values[2]) for values in rows}

    def parked(self, symbols: Collection[str]) -> dict[str, Parked]:
        """Which of the symbols wait."""
        if not symbols:
            return {}
        columns = _columns(lifecycle_rows.PARKED_COLUMNS)
        rows = self._transaction.query(f"SELECT {columns} FROM parked_symbols WHERE symbol IN ({','.join(map(code, symbols))})")
        return {values[0]: lifecycle_rows.parked_symbol(tuple(values)) for values in rows}

    def queue(self, symbol: str, limit: int, event_id: str | None = None) -> list[Record]:
        """A symbol's queued records in offset order."""
        mine = "" if event_id is None else f" AND event_id={ident(event_id)}"
        rows = self._transaction.query(
            f"SELECT {_QUEUE} FROM parked_events WHERE symbol={code(symbol)}{mine} ORDER BY `offset` LIMIT {limit}"
        )
        return [lifecycle_rows.queued_record(tuple(values)) for values in rows]

    def queued(self, symbols: Collection[str]) -> set[str]:
        """Which of the symbols have anything in their queue."""
        if not symbols:
            return set()
        rows = self._transaction.query(f"SELECT DISTINCT symbol FROM parked_events WHERE symbol IN ({','.join(map(code, symbols))})")
        return {values[0] for values in rows}

    def records(self, since: Mapping[str, int]) -> list[tuple[str, bytes]]:
        """Events' audit records from a revision on."""
        if not since:
            return []
        wanted = " OR ".join(f"(event_id={ident(event_id)} AND revision>={revision})" for event_id, revision in since.items())
        rows = self._transaction.query(
            f"SELECT event_id,revision,record FROM event_transitions WHERE {wanted}"
            f" UNION ALL SELECT event_id,revision,record FROM events WHERE {wanted} ORDER BY 1,2"
        )
        return [(uuid_text(values[0]), values[2]) for values in rows]

    def write(self, writes: Writes) -> list[int]:
        """Write it all, tables in a fixed order."""
        self._write_events(writes)
        self._write_parking(writes)
        if writes.published:
            self._run([f"DELETE FROM pending_publications WHERE id IN ({','.join(map(number, writes.published))})"])
        ids = self._write_pending(writes)
        if writes.advances:
            self._write_progress(writes.advances)
        return ids

    def _write_events(self, writes: Writes) -> None:
        first: dict[str, bool] = {}
        last: dict[str, EventState] = {}
        for change in writes.changes:
            first.setdefault(change.state.event_id, change.previous is None)
            last[change.state.event_id] = change.state
        fresh = [lifecycle_rows.event_row(state) for event_id, state in last.items() if first[event_id]]
        changed = ["ROW" + lifecycle_rows.event_row(state) for event_id, state in last.items() if not first[event_id]]
        head, tail = bulk.update("events", "event_id", lifecycle_rows.UPDATE_COLUMNS)
        self._insert("events", EVENT_COLUMNS, fresh)
        self._run(bulk.statements(head, changed, self._limit, tail))
        changes = writes.changes
        self._insert(
            "event_versions",
            lifecycle_rows.VERSION_COLUMNS,
            [lifecycle_rows.version_row(change.state.event_id, version) for change in changes for version in change.versions],
        )
        self._insert(
            "event_transitions",
            lifecycle_rows.TRANSITION_COLUMNS,
            [lifecycle_rows.transition_row(change.previous) for change in changes if change.previous is not None],
        )
        self._insert(
            "event_effects",
            lifecycle_rows.EFFECT_COLUMNS,
            [lifecycle_rows.effect_row(change.state.event_id, effect) for change in changes for effect in change.effects],
        )
        self._insert(
            "event_decisions",
            lifecycle_rows.DECISION_COLUMNS,
            [lifecycle_rows.decision_row(change) for change in changes if change.decision],
        )

    def _write_parking(self, writes: Writes) -> None:
        gone = [*writes.unpark, *writes.park]
        if gone:
            self._run([f"DELETE FROM parked_symbols WHERE symbol IN ({','.join(map(code, gone))})"])
        self._insert(
            "parked_symbols", lifecycle_rows.PARKED_COLUMNS, [lifecycle_rows.parked_row(parked) for parked in writes.park.values()]
        )
        self._insert("parked_events", QUEUE_COLUMNS, [lifecycle_rows.queue_row(item) for item in writes.queue])
        if writes.dequeue:
            keys = ",".join(row(code(item.topic), number(item.partition), number(item.offset)) for item in writes.dequeue)
            self._run([f"DELETE FROM parked_events WHERE (topic,`partition`,`offset`) IN ({keys})"])

    def _write_pending(self, writes: Writes) -> list[int]:
        """One row a statement: only so is each one's id certain. Pending publications are rare by design."""
        head = bulk.insert("pending_publications", lifecycle_rows.PENDING_COLUMNS)
        return [self._transaction.run(head + lifecycle_rows.pending_row(source, publication)) for source, publication in writes.pending]

    def _write_progress(self, advances: Sequence[Advance]) -> None:
        """One statement for all partitions; a start position that moves alone leaves the last summary where it is."""
        now = moment(self._clock.now())
        columns = "`partition`,acked_offset,committed_offset,summary,recent_outcomes,newly_paused"
        rows = ",".join(
            "ROW"
            + row(
                number(advance.claim.partition),
                number(advance.claim.acked_offset),
                number(advance.committed_offset),
                blob(advance.summary),
                blob(advance.recent.to_bytes(RECENT_BYTES, "big")),
                number(advance.pause),
            )
            for advance in advances
        )
        self._transaction.run(
            f"UPDATE partition_progress AS p JOIN (VALUES {rows}) AS n ({columns}) ON p.`partition`=n.`partition`"
            " SET p.acked_offset=n.acked_offset,p.committed_offset=n.committed_offset,p.recent_outcomes=n.recent_outcomes,"
            "p.summary_seq=p.summary_seq+(n.summary IS NOT NULL),p.summary=COALESCE(n.summary,p.summary),"
            f"p.paused_at=IF(n.newly_paused,{now},p.paused_at),p.updated_at={now}"
            f" WHERE p.group_name={self._group} AND p.topic={code(advances[0].claim.topic)}"
        )

    def commit(self) -> None:
        """Make it last."""
        self._transaction.commit()

    def _insert(self, table: str, columns: Sequence[str], rows: Sequence[str]) -> None:
        self._run(bulk.statements(bulk.insert(table, columns), rows, self._limit))

    def _run(self, statements: Iterator[str] | Sequence[str]) -> None:
        for statement in statements:
            self._transaction.run(statement)


def _columns(names: Sequence[str]) -> str:
    return ",".join(f"`{name}`" for name in names)
