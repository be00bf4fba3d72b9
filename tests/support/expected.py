"""What must come of a topic, decided a second time and as simply as possible: one record after the other, symbol by symbol, in the order of the topic.

Shares the rules of terms and the codec with the worker, and nothing of its folding, parking or storing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from corpactions.domain.errors import Rejected
from corpactions.domain.identity import content_sha256, partition_of
from corpactions.domain.messages import CANCELLING, DECISIONS, Function, Message, Position, VersionRef
from corpactions.domain.rules import problems_of
from corpactions.ports.records import Record

Kind = Literal["filed", "duplicate", "rejected", "decision"]


class Verdict(NamedTuple):
    """What becomes of one record. A decision's fate depends on when it is taken, so it may be applied or rejected."""

    kind: Kind
    message: Message | None


@dataclass
class ExpectedEvent:
    """An event as its messages leave it. Without versions it is a FAILED row that only tells of a rejection."""

    first: Message
    filed: dict[VersionRef, tuple[Message, Position]] = field(default_factory=dict)
    current: VersionRef | None = None
    cancelled: Function | None = None
    discarded: bool = False
    """Whether a person gave a version of it up: then it may also end as FAILED."""

    @property
    def status(self) -> str:
        """Where it ends, when its symbol's look-ups succeed."""
        return "FAILED" if self.current is None else "COMPLETED" if self.cancelled is None else "CANCELLED"

    def highest(self, origin: str) -> int:
        return max((ref.version for ref in self.filed if ref.origin == origin), default=0)

    def terms_json(self) -> str | None:
        """The terms to be shown: the current version's, or those that were cancelled."""
        if self.current is None:
            return self.first.terms_json
        if self.cancelled is None:
            return self.filed[self.current][0].terms_json
        own = [ref for ref in self.filed if ref.origin == self.current.origin and ref.version < self.current.version and self._carries(ref)]
        if own:
            return self.filed[max(own)][0].terms_json
        order = list(self.filed)
        foreign = [ref for ref in order[: order.index(self.current)] if ref.origin != self.current.origin and self._carries(ref)]
        return self.filed[foreign[-1]][0].terms_json if foreign else None

    def _carries(self, ref: VersionRef) -> bool:
        return self.filed[ref][0].terms is not None


class Expected:
    """Verdicts by position and events by id.

    Args:
        records: the whole events topic, partition by partition in the order of offsets.
        decode: bytes to a message; raises Rejected.
        refused: event ids whose terms contradict the security master, which is not asked here.
        unstorable: event ids whose rows the database refuses.
        discards: decisions to discard that were applied, with the version that the event fell back to: whether a version had failed by then, and which one was
            in force, the topic does not say.
        partitions: how many the topic has.
    """

    def __init__(
        self,
        records: Iterable[Record],
        decode: Callable[[bytes | None], Message],
        refused: Iterable[str] = (),
        unstorable: Iterable[str] = (),
        discards: Mapping[Position, VersionRef] | None = None,
        partitions: int = 12,
    ) -> None:
        self.verdicts: dict[Position, Verdict] = {}
        self.events: dict[str, ExpectedEvent] = {}
        self._holders: dict[tuple[str, str, str], str] = {}
        self._refused = frozenset(refused)
        self._unstorable = frozenset(unstorable)
        self._discards = discards or {}
        self._partitions = partitions
        for record in records:
            self.verdicts[record.position] = self._decide(record, decode)

    def _decide(self, record: Record, decode: Callable[[bytes | None], Message]) -> Verdict:
        try:
            message = decode(record.value)
        except Rejected:
            return Verdict("rejected", None)
        key = message.symbol.encode()
        if record.key != key or record.partition != partition_of(key, self._partitions):
            return Verdict("rejected", None)
        if message.event_id in self._unstorable:
            return Verdict("rejected", message)
        event = self.events.get(message.event_id)
        if message.function in DECISIONS:
            back = self._discards.get(record.position)
            if event is not None and back is not None:
                event.discarded = True
                event.current = back
            return Verdict("decision", message)
        if event is None or event.current is None:
            return self._first(event, message, record.position)
        return self._further(event, message, record.position)

    def _first(self, event: ExpectedEvent | None, message: Message, position: Position) -> Verdict:
        reference = (message.symbol, message.source, message.source_reference or "")
        holder = self._holders.get(reference, message.event_id) if message.source_reference else message.event_id
        moved = event is not None and event.first.symbol != message.symbol
        if message.based_on is not None or holder != message.event_id or moved or self._unsound(message):
            if event is None and message.function is Function.NEWM:
                self.events[message.event_id] = ExpectedEvent(message)
            return Verdict("rejected", message)
        if message.source_reference:
            self._holders[reference] = message.event_id
        made = self.events[message.event_id] = ExpectedEvent(message)
        return _file(made, message, position, leads=True)

    def _further(self, event: ExpectedEvent, message: Message, position: Position) -> Verdict:
        if _identity(message) != _identity(event.first):
            return Verdict("rejected", message)
        if (before := event.filed.get(message.ref)) is not None:
            same = content_sha256(before[0]) == content_sha256(message)
            return Verdict("duplicate" if same else "rejected", message)
        if (message.based_on is not None and message.based_on != event.current) or self._unsound(message):
            return Verdict("rejected", message)
        if event.cancelled is not None:
            assert event.current is not None
            ref = event.current
            lower = message.function in CANCELLING and message.origin == ref.origin and message.version < ref.version
            return _file(event, message, position, leads=lower)
        newer = message.function is not Function.NEWM and message.version >= event.highest(message.origin)
        return _file(event, message, position, leads=newer or message.function in CANCELLING)

    def _unsound(self, message: Message) -> bool:
        return message.event_id in self._refused or (message.terms is not None and bool(problems_of(message.terms)))


def _file(event: ExpectedEvent, message: Message, position: Position, *, leads: bool) -> Verdict:
    event.filed[message.ref] = (message, position)
    if leads:
        event.current = message.ref
        if message.function in CANCELLING:
            event.cancelled = message.function
    return Verdict("filed", message)


def _identity(message: Message) -> tuple[str | None, ...]:
    return message.symbol, message.event_type, message.source, message.source_reference
