"""Folding records into events inside one transaction: parking, rejections, publications and counts around the pure state machine.

Invariant: everything that a record causes is in ``writes`` or can be rebuilt from rows that it writes; what cannot (letters, rejections, anything not driven
by an unacked record) goes to ``pending_publications`` in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from consumers.lifecycle.facts import Facts
from consumers.lifecycle.inspection import Item
from consumers.lifecycle.letters import Topics, dead_letter, rejection
from corpactions.domain.audit.records import AuditRecord
from corpactions.domain.change import Change, Circumstances, Duplicate, Policy
from corpactions.domain.errors import Rejected
from corpactions.domain.identity import content_sha256
from corpactions.domain.lifecycle import apply, reject_announcement, retry
from corpactions.domain.messages import DECISIONS, Function, Message
from corpactions.domain.securities import SecurityKey
from corpactions.domain.state import EventState, Status
from corpactions.ports import Clock, IdSource
from corpactions.ports.lifecycle import LifecycleTransaction, LikenessKey, Parked, Queued, ReferenceKey, Writes
from corpactions.ports.records import Publication, Record

RETRY, HELD, DRAINING = "RETRY", "HELD", "DRAINING"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every fold needs and no batch changes."""

    clock: Clock
    ids: IdSource
    policy: Policy
    topics: Topics
    encode: Callable[[AuditRecord], bytes]
    recorded_at: Callable[[bytes], datetime]
    retry_base_seconds: float


@dataclass(slots=True)
class Tally:
    """What one partition's summary says, and how many of its records count for the share of rejections (a redrive does not)."""

    deltas: Counter[tuple[datetime, str, str]] = field(default_factory=Counter)
    records: int = 0
    rejected: int = 0
    counted: int = 0
    counted_rejected: int = 0


class Fold:
    """The working set of one transaction. Build it, :meth:`load` what the messages touch, then fold them in order."""

    def __init__(self, workshop: Workshop, transaction: LifecycleTransaction, facts: Facts) -> None:
        self._shop = workshop
        self._transaction = transaction
        self._facts = facts
        self._started_at = workshop.clock.now()
        self._events: dict[str, EventState] = {}
        self._loaded: set[str] = set()
        self._holders: dict[ReferenceKey, str] = {}
        self._alike: dict[LikenessKey, set[str]] = {}
        self._decided: dict[str, tuple[str, int]] = {}
        self._parked: dict[str, Parked] = {}
        self._queued: set[str] = set()
        self._again: dict[str, int] = {}
        self.writes = Writes()
        self.publications: list[Publication] = []
        self._tallies: dict[int, Tally] = {}

    def load(self, messages: Iterable[Message]) -> None:
        """Read the rows that the messages may touch, each kind in one query. May be called again: what was folded since is not overwritten."""
        messages = list(messages)
        read = self._transaction
        found = read.events({message.event_id for message in messages} - self._events.keys())
        self._events.update(found)
        self._loaded.update(found)
        self._parked.update(read.parked({message.symbol for message in messages} - self._parked.keys() - self.writes.unpark))
        if waiting := self._parked.keys():
            self._queued.update(read.queued(waiting))
        decisions = {message.decision.decision_id for message in messages if message.decision is not None}
        self._decided.update(read.decided(decisions - self._decided.keys()))
        first = [message for message in messages if self._is_first(message)]
        references = {reference for message in first if (reference := _reference(message)) is not None}
        self._holders.update(read.holders(references - self._holders.keys()))
        for likeness, event_ids in read.alike({likeness for message in messages if (likeness := _likeness(message)) is not None}).items():
            self._alike.setdefault(likeness, set()).update(event_ids)

    def _is_first(self, message: Message) -> bool:
        state = self._events.get(message.event_id)
        return state is None or state.current is None

    def fold(self, item: Item) -> None:
        """Decide one record of the topic."""
        tally = self._tally(item.record)
        tally.records += 1
        rejected_before = tally.rejected
        self._decide(item)
        if item.counts:
            tally.counted += 1
            tally.counted_rejected += tally.rejected - rejected_before

    def _decide(self, item: Item) -> None:
        if item.message is None or item.error is not None:
            self._reject(item, item.error or Rejected("undecodable", "the record could not be decoded"))
            return
        message = item.message
        parked = self._parked.get(message.symbol)
        if parked is None or parked.event_id == message.event_id:
            self._apply(item, message, pending=False)
        elif not self._repeats(item, message):
            self._queue(message, item.record)

    def repeat(self, item: Item) -> None:
        """A record that was decided before: its event's records are published again, nothing else; a rejection's were kept until they were acked."""
        message = item.message
        state = None if message is None else self._events.get(message.event_id)
        if message is None or state is None:
            return
        if message.decision is not None:
            decided = self._decided.get(message.decision.decision_id)
            revision = decided[1] if decided is not None and decided[0] == state.event_id else None
        else:
            filed = state.find(message.ref)
            revision = None if filed is None else filed.filed_revision
        if revision is not None:
            self._publish_again(state.event_id, revision)

    def release(self, item: Item) -> None:
        """Apply a record that waited in its symbol's queue."""
        self.writes.dequeue.append(item.record)
        if item.message is None or item.error is not None:
            self._reject(item, item.error or Rejected("undecodable", "the record could not be decoded"))
        else:
            self._apply(item, item.message, pending=True)

    def try_again(self, parked: Parked, origin: Item) -> None:
        """A timed retry of the event that holds a symbol; ``origin`` is its record, inspected again."""
        message = origin.message
        if message is None:
            self.give_up(parked, origin, origin.error or Rejected("undecodable", "the record could not be decoded"))
            return
        state = self._events.get(message.event_id)
        if state is None or state.status is not Status.PENDING:
            self._settle_symbol(parked)
            return
        change = retry(state, message, self._around(message, parked.record, state))
        self._accept(change, parked.record, pending=True)

    def give_up(self, parked: Parked, origin: Item, error: Rejected) -> None:
        """No retry can succeed: a letter tells of it, and the symbol waits for an amendment or cancellation of the event."""
        self._reject(origin, error)
        self._set_parked(replace(parked, state=HELD, next_attempt_at=None, reason=str(error)))

    def tally(self, partition: int) -> Tally:
        """What the partition's summary says so far."""
        found = self._tallies.get(partition)
        if found is None:
            found = self._tallies[partition] = Tally()
        return found

    def waits(self, symbol: str) -> Parked | None:
        """How the symbol waits, after everything folded so far."""
        return self._parked.get(symbol)

    def drained(self, symbol: str) -> None:
        """The symbol's queue is empty: it waits no longer."""
        self._unpark(symbol)

    def finish(self) -> None:
        """Add what is to be published again, once per event."""
        for event_id, record in self._transaction.records(self._again):
            self.publications.append(self._audit(event_id, record))

    def _apply(self, item: Item, message: Message, *, pending: bool) -> None:
        state = self._events.get(message.event_id)
        around = self._around(message, item.record, state)
        try:
            outcome = apply(state, message, around)
        except Rejected as error:
            if state is None and message.function is Function.NEWM:
                change = reject_announcement(message, error, around)
                change.dead_letter = True
                self._tally(item.record).rejected += 1
                # No version remembers this revision: once the event is revived, a redelivery could not find it again.
                self._accept(change, item.record, pending=True)
            else:
                self._reject(item, error)
            return
        if isinstance(outcome, Duplicate):
            self._publish_again(outcome.state.event_id, outcome.revision)
        else:
            self._accept(outcome, item.record, pending=pending)

    def _around(self, message: Message, record: Record, state: EventState | None) -> Circumstances:
        around = Circumstances(record.position, self._started_at, self._shop.clock.now, self._shop.ids.salt, self._shop.policy)
        key_date = message.terms.key_date if message.terms is not None else None if state is None else state.key_date
        if key_date is not None and message.function not in {Function.CANC, Function.WITH, Function.DISCARD}:
            around.lookup = self._facts.of(SecurityKey(message.symbol, key_date))
        if (reference := _reference(message)) is not None:
            around.holder = self._holders.get(reference)
        if (likeness := _likeness(message)) is not None:
            around.similar = self._similar(likeness, message.event_id)
        if message.decision is not None:
            around.decided = self._decided.get(message.decision.decision_id)
        return around

    def _similar(self, likeness: LikenessKey, event_id: str) -> str | None:
        """The first, by id, of the like events as they stand now, so that a batch, two batches and a replay all name the same one."""
        return min((other for other in self._alike.get(likeness, ()) if other != event_id and self._still(likeness, other)), default=None)

    def _still(self, likeness: LikenessKey, event_id: str) -> bool:
        state = self._events.get(event_id)
        if state is None:
            return True
        alike = state.event_type == likeness.event_type and state.key_date == likeness.key_date
        return alike and state.status is not Status.CANCELLED and state.current is not None

    def _accept(self, change: Change, record: Record, *, pending: bool) -> None:
        state = change.state
        assert change.record is not None, "a closed change has its audit record"
        state.record = self._shop.encode(change.record)
        if change.previous is not None and state.event_id in self._loaded:
            change.previous.changed_at = self._shop.recorded_at(change.previous.record)
            self._loaded.discard(state.event_id)
        self._events[state.event_id] = state
        self.writes.changes.append(change)
        audit = self._audit(state.event_id, state.record)
        if pending:
            self.writes.pending.append((record, audit))
        else:
            self.publications.append(audit)
        if change.dead_letter:
            revision = 0 if state.current is None else state.revision
            letter = dead_letter(self._original(change, record), change.code or "failed", change.reason or "", revision, self._shop.topics)
            self.writes.pending.append((record, letter))
        deltas = self._tally(record).deltas
        for delta in change.deltas():
            deltas[delta.minute, delta.event_type, delta.status] += delta.count
        self._remember(change)
        self._park(change, record)

    def _remember(self, change: Change) -> None:
        """Later records of the batch see the references and likenesses that this change brought."""
        state = change.state
        if state.current is None:
            return
        if state.source_reference is not None:
            self._holders.setdefault(ReferenceKey(state.symbol, state.source, state.source_reference), state.event_id)
        if state.key_date is not None:
            self._alike.setdefault(LikenessKey(state.symbol, state.event_type, state.key_date), set()).add(state.event_id)
        if change.decision is not None:
            self._decided[change.decision.decision_id] = (state.event_id, state.revision)

    def _original(self, change: Change, record: Record) -> Record:
        """The record that a failed event goes back to: its announcement, not the decision that tried it again."""
        parked = self._parked.get(change.state.symbol)
        if parked is not None and parked.event_id == change.state.event_id and change.message.function in DECISIONS:
            return parked.record
        return record

    def _park(self, change: Change, record: Record) -> None:
        state = change.state
        parked = self._parked.get(state.symbol)
        if change.holds:
            waiting = state.status is Status.PENDING
            self._set_parked(
                Parked(
                    state.symbol,
                    record.topic,
                    record.partition,
                    state.event_id,
                    RETRY if waiting else HELD,
                    self._next_attempt(state.attempts) if waiting else None,
                    state.error or "",
                    self._started_at if parked is None else parked.parked_at,
                    self._original(change, record),
                )
            )
        elif parked is not None and parked.event_id == state.event_id and change.releases:
            self._settle_symbol(parked)

    def _settle_symbol(self, parked: Parked) -> None:
        """The holder is through: what queued behind it drains, or the symbol is free."""
        if parked.symbol in self._queued:
            self._set_parked(
                Parked(
                    parked.symbol,
                    parked.topic,
                    parked.partition,
                    None,
                    DRAINING,
                    self._started_at,
                    "draining the queue",
                    parked.parked_at,
                    parked.record,
                )
            )
        else:
            self._unpark(parked.symbol)

    def _next_attempt(self, attempts: int) -> datetime:
        """Exponential backoff with jitter: half to one and a half times base · 2^(attempts - 1)."""
        seconds = self._shop.retry_base_seconds * 2 ** (attempts - 1) * (0.5 + self._shop.ids.jitter())
        return self._started_at + timedelta(seconds=seconds)

    def _set_parked(self, parked: Parked) -> None:
        self._parked[parked.symbol] = parked
        self.writes.park[parked.symbol] = parked
        self.writes.unpark.discard(parked.symbol)

    def _unpark(self, symbol: str) -> None:
        self._parked.pop(symbol, None)
        self.writes.park.pop(symbol, None)
        self.writes.unpark.add(symbol)

    def _queue(self, message: Message, record: Record) -> None:
        self._queued.add(message.symbol)
        self.writes.queue.append(Queued(message, record))

    def _repeats(self, item: Item, message: Message) -> bool:
        """Identity comes before parking: what was filed before needs no queue."""
        state = self._events.get(message.event_id)
        if state is None or message.function in DECISIONS:
            return False
        filed = state.find(message.ref)
        if filed is None:
            return False
        if filed.content_sha256 == content_sha256(message):
            self._publish_again(state.event_id, filed.filed_revision)
        else:
            self._reject(
                item,
                Rejected("version_conflict", f"version {message.ref} of event {message.event_id} was already filed with other content"),
            )
        return True

    def _reject(self, item: Item, error: Rejected) -> None:
        record, shop = item.record, self._shop
        self._tally(record).rejected += 1
        self.writes.pending.append((record, dead_letter(record, error.code, error.reason, 0, shop.topics)))
        told = shop.encode(rejection(record, item.message, error))
        self.writes.pending.append((record, Publication(shop.topics.audit, f"record:{record.position}".encode(), told)))

    def _publish_again(self, event_id: str, revision: int) -> None:
        self._again[event_id] = min(revision, self._again.get(event_id, revision))

    def _audit(self, event_id: str, record: bytes) -> Publication:
        return Publication(self._shop.topics.audit, b"event:" + event_id.encode(), record)

    def _tally(self, record: Record) -> Tally:
        return self.tally(record.partition)


def _reference(message: Message) -> ReferenceKey | None:
    return None if message.source_reference is None else ReferenceKey(message.symbol, message.source, message.source_reference)


def _likeness(message: Message) -> LikenessKey | None:
    return None if message.terms is None else LikenessKey(message.symbol, message.event_type, message.terms.key_date)
