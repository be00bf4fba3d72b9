"""What the lifecycle worker asks of its store: claims, one fenced transaction at a time, and the rows behind the state machine.

Invariant: nothing in here is written but inside a transaction that holds the fence of the partition concerned, and only ``commit`` makes it last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, Protocol

from corpactions.domain.change import Change
from corpactions.domain.messages import Message
from corpactions.domain.state import EventState
from corpactions.ports.records import Publication, Record


class Fenced(Exception):
    """Another worker has claimed one of the partitions since: whatever was fetched under the old claim must be forgotten."""


class RunAgain(Exception):
    """A lock wait time-out or a deadlock: the transaction is gone, nothing is wrong, run it again."""


class CommitUnknown(Exception):
    """COMMIT got no answer: it may have happened. Only a new claim, which waits for the old transaction to end, tells."""


class DataRefused(Exception):
    """MySQL refused a value of some record in the transaction; halve the batch to find it."""


@dataclass(slots=True)
class Claim:
    """A partition as its owner knows it.

    ``acked_offset`` is the position up to which every publication was acked, and where reading starts; records below ``committed_offset`` were decided
    before. ``reached`` lies between the two: up to there this owner has decided records, or published again what was decided before. ``recent`` holds one bit per record decided lately, 1 for rejected, the newest lowest. ``summary`` and ``to_publish`` are what the owner before
    may not have published any more.
    """

    topic: str
    partition: int
    epoch: int
    acked_offset: int
    committed_offset: int
    summary_seq: int
    recent: int = 0
    paused: bool = False
    summary: bytes | None = None
    to_publish: list[Publication] = field(default_factory=list)
    reached: int = field(init=False)

    def __post_init__(self) -> None:
        self.reached = self.acked_offset


class ReferenceKey(NamedTuple):
    """What an announcement is known by at its source."""

    symbol: str
    source: str
    source_reference: str


class LikenessKey(NamedTuple):
    """What two announcements of the same action share, whatever their references."""

    symbol: str
    event_type: str
    key_date: date


@dataclass(slots=True)
class Parked:
    """A symbol that waits. ``event_id`` holds it (None while its queue drains); ``record`` is the one that failed."""

    symbol: str
    topic: str
    partition: int
    event_id: str | None
    state: str
    next_attempt_at: datetime | None
    reason: str
    parked_at: datetime
    record: Record


class Queued(NamedTuple):
    """A record to be put in its symbol's queue."""

    message: Message
    record: Record


@dataclass(slots=True)
class Advance:
    """Where one partition stands after a transaction. ``summary`` is None when the transaction moves the start position only.

    ``reached`` is what the transaction's acks prove: after a takeover it follows behind ``committed_offset`` until every record decided by the owner before
    has been read and published again.
    """

    claim: Claim
    committed_offset: int
    reached: int
    recent: int
    summary: bytes | None = None
    pause: bool = False


@dataclass(slots=True)
class Writes:
    """Everything that one transaction changes."""

    changes: list[Change] = field(default_factory=list)
    park: dict[str, Parked] = field(default_factory=dict)
    unpark: set[str] = field(default_factory=set)
    queue: list[Queued] = field(default_factory=list)
    dequeue: list[Record] = field(default_factory=list)
    pending: list[tuple[Record, Publication]] = field(default_factory=list)
    published: list[int] = field(default_factory=list)
    advances: list[Advance] = field(default_factory=list)


class LifecycleTransaction(Protocol):
    """One transaction that holds the fence of its partitions; every read sees what the fence protects."""

    def events(self, event_ids: Collection[str]) -> dict[str, EventState]:
        """The events that have a row, with all their versions."""

    def holders(self, references: Collection[ReferenceKey]) -> dict[ReferenceKey, str]:
        """Which event holds a reference, for those that are held."""

    def alike(self, keys: Collection[LikenessKey]) -> dict[LikenessKey, list[str]]:
        """The events, not cancelled, that share symbol, type and key date."""

    def decided(self, decision_ids: Collection[str]) -> dict[str, tuple[str, int]]:
        """The event and the revision that an applied decision made, by decision."""

    def parked(self, symbols: Collection[str]) -> dict[str, Parked]:
        """Which of the symbols wait."""

    def queue(self, symbol: str, limit: int, event_id: str | None = None) -> list[Record]:
        """A symbol's queued records in offset order, those of one event when it is named."""

    def queued(self, symbols: Collection[str]) -> set[str]:
        """Which of the symbols have anything in their queue."""

    def records(self, since: Mapping[str, int]) -> list[tuple[str, bytes]]:
        """Events' audit records from a revision on, as (event id, bytes), oldest first per event."""

    def write(self, writes: Writes) -> list[int]:
        """Write it all; returns the ids given to ``writes.pending``, in order."""

    def commit(self) -> None:
        """Make it last.

        Raises:
            CommitUnknown: no answer came.
        """


class LifecycleStore(Protocol):
    """MySQL, as the lifecycle worker sees it. Any call may raise Unavailable; statements may raise RunAgain or DataRefused."""

    def claim(self, topic: str, earliest: Mapping[int, int]) -> list[Claim]:
        """Take partitions over: raise their epoch, name this process as owner, and find what must be published again first.

        Args:
            topic: the events topic.
            earliest: per partition the topic's first offset, where reading starts when nothing is stored.
        """

    def transaction(self, claims: Sequence[Claim]) -> AbstractContextManager[LifecycleTransaction]:
        """Begin, holding the fence of the claims. Leaving the block without commit rolls back.

        Raises:
            Fenced: one of them is no longer ours.
        """

    def due(self, claims: Sequence[Claim], now: datetime, limit: int) -> list[Parked]:
        """Parked symbols of the claims' partitions that may be tried or drained now, the longest waiting first."""

    def resumed(self, claims: Sequence[Claim]) -> list[Claim]:
        """Which of these paused partitions an operator has resumed."""
