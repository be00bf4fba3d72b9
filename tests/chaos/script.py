"""What senders say in a crash round: every course that an event can take, with poison in between, from a seed."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from typing import NamedTuple

from corpactions.domain.identity import partition_of
from corpactions.domain.messages import Function, Message
from corpactions.serde.terms import canonical_json
from tests.support.product import PARTITIONS, Product
from tests.support.upstream import amendment, announcement, cancellation, day, dividend

SOUND = tuple(f"S{number:02}" for number in range(20))
FLAKY = ("FLAKY1", "FLAKY2")
"""Symbols whose look-ups fail now and then."""
DOWN = ("DOWN1",)
"""Symbols whose look-ups fail for a whole round: their first event ends as FAILED and holds all others until a person decides."""
LATE = ("LATE1", "LATE2")
"""Symbols that the security master does not know yet."""
TROUBLED = (*FLAKY, *DOWN, *LATE)
ALL = (*SOUND, *TROUBLED)
_UNKNOWN_SCHEMA = (999_999).to_bytes(4, "big")


class Utterance(NamedTuple):
    """One record to be sent; ``message`` is None where it is poison."""

    key: bytes | None
    value: bytes | None
    message: Message | None
    partition: int = -1


@dataclass
class Script:
    """Makes records up. Events are remembered, so that later records amend, cancel and repeat them; one in seventeen is of a ``failing`` symbol."""

    product: Product
    chance: random.Random
    symbols: tuple[str, ...] = SOUND
    failing: tuple[str, ...] = ()
    events: list[Message] = field(default_factory=list)
    _versions: dict[str, int] = field(default_factory=dict)
    _said: list[Message] = field(default_factory=list)
    _kept_back: list[Message] = field(default_factory=list)

    def batch(self, size: int) -> list[Utterance]:
        """The next records, in the order in which they are to be sent."""
        return [self._next() for _ in range(size)]

    def _next(self) -> Utterance:
        dice = self.chance.random()
        if dice < 0.06:
            return self._poison()
        if dice < 0.07 and self._said:
            return self._contradiction()
        if dice < 0.10 and self._kept_back:
            return self._say(self._kept_back.pop())
        if dice < 0.16 and self._said:
            return self._say(self.chance.choice(self._said))
        if dice < 0.34 and self.events:
            return self._about(self.chance.choice(self.events[-200:]))
        return self._announce()

    def _announce(self) -> Utterance:
        symbol = self.chance.choice(self.failing if self.failing and self.chance.random() < 0.06 else self.symbols)
        reference = f"R{len(self.events)}" if self.chance.random() < 0.5 else None
        if reference and self.chance.random() < 0.1:
            reference = f"R{self.chance.randrange(len(self.events) + 1)}"
        event = announcement(
            symbol,
            dividend(ex_date=day(len(self.events))),
            event_id=self._id(),
            source_reference=reference,
        )
        self.events.append(event)
        self._versions[event.event_id] = 1
        if self.chance.random() < 0.1:
            self._kept_back.append(event)
            return self._about(event)
        return self._say(event)

    def _about(self, event: Message) -> Utterance:
        """An amendment, sometimes numbered ahead, or a cancellation."""
        version = self._versions[event.event_id] + self.chance.choice((1, 1, 1, 2))
        self._versions[event.event_id] = version
        if self.chance.random() < 0.25:
            return self._say(cancellation(event, version, self.chance.choice((Function.CANC, Function.WITH))))
        amount = f"0.{self.chance.randrange(1, 10_000):04}"
        return self._say(amendment(event, version, dividend(amount, event.terms.key_date if event.terms else day(0))))

    def _contradiction(self) -> Utterance:
        """A version that was said before, now with other content."""
        before = self.chance.choice(self._said)
        other = before._replace(terms=dividend("77.70"), terms_json=canonical_json(dividend("77.70"))) if before.terms else before
        return Utterance(before.symbol.encode(), self.product.codec.encode(other), None)

    def _poison(self) -> Utterance:
        """What broken and hostile producers send; the last one pretends a schema that nobody has registered."""
        event = announcement(self.chance.choice(SOUND), event_id=self._id())
        value = self.product.codec.encode(event)
        key = event.symbol.encode()
        elsewhere = (partition_of(key, PARTITIONS) + 1) % PARTITIONS
        return self.chance.choice(
            (
                Utterance(key, b"not Avro", None),
                Utterance(key, value[:-3], None),
                Utterance(key, None, None),
                Utterance(None, value, None, 3),
                Utterance(b"OTHER", value, None),
                Utterance(key, self.product.codec.encode(event._replace(terms=dividend("-1"))), None),
                Utterance(key, value, None, elsewhere),
                Utterance(key, value[:1] + _UNKNOWN_SCHEMA + value[5:], None),
            )
        )

    def _say(self, message: Message) -> Utterance:
        self._said.append(message)
        return Utterance(message.symbol.encode(), self.product.codec.encode(message), message)

    def _id(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
