"""Writing to a lifecycle store without the worker: claims, changes and rows made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from corpactions.domain.change import Change
from corpactions.domain.messages import Message
from corpactions.domain.state import EventState
from corpactions.ports.lifecycle import Advance, Claim, LifecycleStore, Parked, Queued, Writes
from corpactions.ports.records import Publication, Record
from tests.support.announcing import AUDIT, START, TOPIC, newm, record
from tests.support.circumstances import Bench

HEADERS = (("ca-correlation-id", b"\x00\xff"), ("empty", None))


class Backend:
    """One set of tables and the stores that share it. ``store`` makes the store of a named owner; ``resume`` does what the operator does."""

    def __init__(self, store: Callable[..., LifecycleStore], resume: Callable[[int], None]) -> None:
        self.store = store
        self.resume = resume
        self.own = store("me")

    def claim(self, *partitions: int) -> list[Claim]:
        """Claim partitions for the first owner."""
        return self.own.claim(TOPIC, dict.fromkeys(partitions, 0))

    def write(self, writes: Writes, *, store: LifecycleStore | None = None) -> list[int]:
        """One committed transaction on partition 3, newly claimed."""
        chosen = store or self.own
        claims = chosen.claim(TOPIC, {3: 0})
        with chosen.transaction(claims) as transaction:
            ids = transaction.write(writes)
            transaction.commit()
        return ids

    def read(self, *event_ids: str) -> list[EventState]:
        """The events as they are stored."""
        with self.own.transaction(self.claim(3)) as transaction:
            found = transaction.events(event_ids)
        return [found[number] for number in event_ids if number in found]


def changes_of(*messages: Message) -> list[Change]:
    """The changes that messages about one event make, each with its encoded audit record."""
    bench = Bench().fold(messages)
    return encoded(bench.changes)


def encoded(changes: Iterable[Change]) -> list[Change]:
    """Give changes their audit records' bytes, as the worker does."""
    made = list(changes)
    for change in made:
        assert change.record is not None
        change.state.record = AUDIT.encode(change.record)
    return made


def comparable(state: EventState) -> EventState:
    """A state without what is not stored: the time of its last change stands in its audit record."""
    return replace(state, changed_at=state.created_at)


def parked(symbol: str = "AAPL", *, seconds: float | None = 0.0, partition: int = 3, state: str = "RETRY") -> Parked:
    """A parked symbol that is due so many seconds after the start, or waits for a person."""
    due = None if seconds is None else START + timedelta(seconds=seconds)
    holder = None if state == "DRAINING" else newm().event_id
    kept = record(5, newm(symbol=symbol), headers=HEADERS, partition=partition)
    return Parked(symbol, TOPIC, partition, holder, state, due, "no answer — yet", START, kept)


def queued(offset: int, *, event: int = 1, symbol: str = "AAPL") -> Queued:
    """A record in its symbol's queue."""
    said = newm(event=event, symbol=symbol)
    return Queued(said, record(offset, said, headers=HEADERS, partition=3))


def pending(topic: str = "audit", partition: int | None = None) -> tuple[Record, Publication]:
    """A publication that waits for its ack."""
    return record(1, newm(), partition=3), Publication(topic, b"k\x00", b"v\xff", HEADERS, partition)


def advance(claim: Claim, offset: int, summary: bytes | None = None, *, recent: int = 0, pause: bool = False) -> Advance:
    """A partition's step to an offset that is decided and not yet acked."""
    return Advance(claim, offset, offset, recent, summary, pause)
