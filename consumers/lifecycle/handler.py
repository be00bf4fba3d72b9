"""The lifecycle service behind the worker loop: one call, one transaction.

Invariant: a call first looks everything up that may take long, then holds the fence, reads, folds, waits for the acks of the transaction before, writes and
commits. Nothing is published before COMMIT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from consumers.lifecycle.facts import Facts
from consumers.lifecycle.fold import DRAINING, Fold, Tally, Workshop
from consumers.lifecycle.inspection import Inspector, Item
from corpactions.domain.audit.records import BatchSummary, Delta
from corpactions.domain.errors import Rejected
from corpactions.domain.messages import CARRIES_TERMS
from corpactions.domain.securities import SecurityKey
from corpactions.ports import SecurityMaster
from corpactions.ports.handler import Barrier, Result
from corpactions.ports.lifecycle import Advance, Claim, DataRefused, LifecycleStore, LifecycleTransaction, Parked
from corpactions.ports.records import Publication, Record

DUE_SYMBOLS = 100
"""Parked symbols worked on in one transaction: a bound on how long the topic waits for them."""
DRAIN_RECORDS = 500
"""Queued records released in one transaction."""
OWN_RECORDS = 1_000_000
"""Queued records of the event that becomes the holder: all of them, for one left behind would be overtaken by newer ones of its own event."""
RECENT_MASK = (1 << 1000) - 1
REJECTED_LIMIT = 500
"""When half of a partition's last 1,000 records were rejected, something is wrong with more than the records."""


class Portion(NamedTuple):
    """How much of a queue one transaction takes, and why all of it is rejected, if it is."""

    records: int
    error: Rejected | None = None


class LifecycleHandler:
    """See ``ports.handler.Handler``.

    Args:
        store: MySQL.
        inspector: decodes and places records.
        securities: the security master, behind its circuit breaker.
        workshop: clock, ids, policy, topics and the audit codec.
        encode_summary: a batch summary to bytes.
    """

    def __init__(
        self,
        store: LifecycleStore,
        inspector: Inspector,
        securities: SecurityMaster,
        workshop: Workshop,
        encode_summary: Callable[[BatchSummary], bytes],
    ) -> None:
        self._store = store
        self._inspector = inspector
        self._securities = securities
        self._shop = workshop
        self._encode_summary = encode_summary

    def handle(self, records: Sequence[Record], claims: Mapping[int, Claim], barrier: Barrier) -> Result:
        """Decide these records, in order."""
        return self._decide([self._inspector.inspect(record) for record in records], claims, barrier)

    def refuse(self, record: Record, claims: Mapping[int, Claim], barrier: Barrier, reason: str) -> Result:
        """Reject one record that the database refused even alone."""
        item = self._inspector.inspect(record)
        return self._decide([Item(record, item.message, item.error or Rejected("refused_by_database", reason))], claims, barrier)

    def _decide(self, items: Sequence[Item], claims: Mapping[int, Claim], barrier: Barrier) -> Result:
        facts = Facts(self._securities)
        fresh = [item for item in items if item.record.offset >= claims[item.record.partition].committed_offset]
        facts.ask(_questions(fresh))
        touched = [claims[partition] for partition in sorted({item.record.partition for item in items})]
        with self._store.transaction(touched) as transaction:
            fold = Fold(self._shop, transaction, facts)
            fold.load(item.message for item in items if item.message is not None)
            for item in items:
                if item.record.offset < claims[item.record.partition].committed_offset:
                    fold.repeat(item)
                else:
                    fold.fold(item)
            ends = {item.record.partition: item.record.offset + 1 for item in items}
            advances = [self._advance(claim, ends[claim.partition], fold.tally(claim.partition)) for claim in touched]
            return self._commit(transaction, fold, advances, barrier)

    def due(self, claims: Sequence[Claim], barrier: Barrier) -> Result | None:
        """Timed retries, and queues that drain. What the database refuses is narrowed down to one queued record or one retry, which is then rejected."""
        parked = self._store.due(claims, self._shop.clock.now(), DUE_SYMBOLS)
        if not parked:
            return None
        by_partition = {claim.partition: claim for claim in claims}
        records = DRAIN_RECORDS
        while True:
            touched = [by_partition[partition] for partition in sorted({item.partition for item in parked})]
            try:
                return self._work_on_all(parked, touched, barrier, Portion(records))
            except DataRefused as error:
                if len(parked) > 1:
                    parked = parked[: len(parked) // 2]
                elif records > 1 and parked[0].state == DRAINING:
                    records //= 2
                else:
                    return self._work_on_all(parked, touched, barrier, Portion(1, Rejected("refused_by_database", str(error))))

    def _work_on_all(self, parked: Sequence[Parked], touched: Sequence[Claim], barrier: Barrier, portion: Portion) -> Result:
        facts = Facts(self._securities)
        origins = {item.symbol: self._inspector.inspect(item.record) for item in parked}
        facts.ask(_questions(list(origins.values())))
        with self._store.transaction(touched) as transaction:
            fold = Fold(self._shop, transaction, facts)
            fold.load(item.message for item in origins.values() if item.message is not None)
            for item in parked:
                if item.state == DRAINING:
                    self._drain(item, portion, fold, transaction, facts)
                elif portion.error is not None:
                    fold.give_up(item, origins[item.symbol], portion.error)
                else:
                    fold.try_again(item, origins[item.symbol])
            advances = [
                Advance(claim, claim.committed_offset, claim.reached, claim.recent, self._summary(claim, fold.tally(claim.partition)))
                for claim in touched
            ]
            return self._commit(transaction, fold, advances, barrier)

    def settle(self, claims: Sequence[Claim], barrier: Barrier) -> Result:
        """Write the last start position: everything published is acked once the barrier has let us through."""
        with self._store.transaction(claims) as transaction:
            fold = Fold(self._shop, transaction, Facts(self._securities))
            advances = [Advance(claim, claim.committed_offset, claim.reached, claim.recent) for claim in claims]
            return self._commit(transaction, fold, advances, barrier)

    def _drain(self, parked: Parked, portion: Portion, fold: Fold, transaction: LifecycleTransaction, facts: Facts) -> None:
        items = [self._inspector.inspect(record) for record in transaction.queue(parked.symbol, portion.records)]
        if portion.error is not None:
            items = [Item(item.record, item.message, portion.error) for item in items]
        facts.ask(_questions(items))
        fold.load(item.message for item in items if item.message is not None)
        released: set[tuple[int, int]] = set()
        for item in items:
            place = (item.record.partition, item.record.offset)
            if place in released:
                continue
            fold.release(item)
            released.add(place)
            waits = fold.waits(parked.symbol)
            if waits is not None and waits.event_id is not None:
                self._release_own(waits, fold, transaction, facts, released)
                return
        if len(items) < portion.records:
            fold.drained(parked.symbol)

    def _release_own(
        self, waits: Parked, fold: Fold, transaction: LifecycleTransaction, facts: Facts, released: set[tuple[int, int]]
    ) -> None:
        """A queued event has become the one that holds the symbol: its own queued records are applied first, in offset order."""
        own = [self._inspector.inspect(record) for record in transaction.queue(waits.symbol, OWN_RECORDS, waits.event_id)]
        facts.ask(_questions(own))
        fold.load(item.message for item in own if item.message is not None)
        for item in own:
            if (item.record.partition, item.record.offset) not in released:
                fold.release(item)

    def _commit(self, transaction: LifecycleTransaction, fold: Fold, advances: list[Advance], barrier: Barrier) -> Result:
        fold.writes.published = barrier()
        fold.writes.advances = advances
        ids = transaction.write(fold.writes)
        fold.finish()
        transaction.commit()
        summaries = [
            Publication(self._shop.topics.summaries, str(advance.claim.partition).encode(), advance.summary)
            for advance in advances
            if advance.summary is not None
        ]
        pending = [publication._replace(pending_id=number) for number, (_, publication) in zip(ids, fold.writes.pending, strict=True)]
        return Result([*fold.publications, *pending, *summaries], advances)

    def _advance(self, claim: Claim, reached: int, tally: Tally) -> Advance:
        recent = (claim.recent << tally.counted | (1 << tally.counted_rejected) - 1) & RECENT_MASK
        pause = recent.bit_count() >= REJECTED_LIMIT
        return Advance(claim, max(claim.committed_offset, reached), reached, recent, self._summary(claim, tally), pause)

    def _summary(self, claim: Claim, tally: Tally) -> bytes:
        deltas = tuple(
            Delta(minute, event_type, status, count) for (minute, event_type, status), count in sorted(tally.deltas.items()) if count
        )
        now = self._shop.clock.now()
        return self._encode_summary(
            BatchSummary(claim.topic, claim.partition, claim.summary_seq + 1, now, deltas, tally.records, tally.rejected)
        )


def _questions(items: Sequence[Item]) -> list[SecurityKey]:
    """What the security master must be asked before these records can be decided."""
    return [
        SecurityKey(message.symbol, message.terms.key_date)
        for item in items
        if (message := item.message) is not None and message.function in CARRIES_TERMS and message.terms is not None
    ]
