"""A message on the events topic, as the domain sees it: who says what about which event.

The message functions are ISO 15022's (MT564 field 23G) NEWM, REPL, CANC and WITH, and two decisions of our own that travel the same road so that the
partition's owner alone writes the event: REPROCESS and DISCARD.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from corpactions.domain.terms import EventType, Terms

GATEWAY_ORIGIN = "gateway"


class Function(StrEnum):
    """What a message asks for."""

    NEWM = "NEWM"
    REPL = "REPL"
    CANC = "CANC"
    WITH = "WITH"
    REPROCESS = "REPROCESS"
    DISCARD = "DISCARD"


CANCELLING = frozenset({Function.CANC, Function.WITH})
DECISIONS = frozenset({Function.REPROCESS, Function.DISCARD})
CARRIES_TERMS = frozenset({Function.NEWM, Function.REPL})


class VersionRef(NamedTuple):
    """One version of an event: versions are counted per origin, so the number alone names nothing. Its text is the ETag ``origin.version``."""

    origin: str
    version: int

    def __str__(self) -> str:
        return f"{self.origin}.{self.version}"

    @classmethod
    def parse(cls, text: str) -> VersionRef:
        """Read ``origin.version`` (the origin itself may hold dots). Raises ValueError when it is not of that form."""
        origin, _, number = text.rpartition(".")
        if not origin or not (number.isascii() and number.isdigit()):
            raise ValueError(f"{text!r} is not of the form origin.version")
        return cls(origin, int(number))


class Decision(NamedTuple):
    """A person's decision on a failed event, and exactly what that person saw when taking it."""

    decision_id: str
    seen: VersionRef | None
    seen_revision: int


class Position(NamedTuple):
    """Where a record stands: it is the identity of anything that has no event."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class Message(NamedTuple):
    """One decoded and validated record of the events topic.

    ``event_id`` is a lower-case canonical UUID; ``accepted_at`` is UTC and travels unchanged through every repetition. ``terms`` is set exactly when the
    function carries terms (NEWM, REPL); ``terms_json`` is its canonical JSON, computed once.
    """

    event_id: str
    origin: str
    version: int
    function: Function
    event_type: EventType
    symbol: str
    source: str
    accepted_at: datetime
    actor: str
    correlation_id: str
    isin: str | None = None
    source_reference: str | None = None
    terms: Terms | None = None
    terms_json: str | None = None
    reason: str | None = None
    based_on: VersionRef | None = None
    decision: Decision | None = None

    @property
    def ref(self) -> VersionRef:
        return VersionRef(self.origin, self.version)
