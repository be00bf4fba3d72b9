"""People at the operations desk: they decide on what has failed, click twice, and now and then on what has changed since they looked."""

from __future__ import annotations

import random
import time
import uuid
from contextlib import suppress
from typing import Any, NamedTuple

import MySQLdb

from corpactions.domain.messages import Decision, Function, VersionRef
from corpactions.domain.terms import EventType
from corpactions.persistence.bulk import uuid_text
from tests.chaos.traffic import ANSWER_SECONDS, Sender
from tests.support.product import Product
from tests.support.upstream import Upstream, decision, message

_FAILED = (
    "SELECT event_id, symbol, event_type, source, source_reference, origin, version, revision FROM events"
    " JOIN parked_symbols USING (symbol, event_id) WHERE parked_symbols.state = 'HELD' AND status = 'FAILED' AND version IS NOT NULL"
)
_PAUSE_SECONDS = 0.3


class Seen(NamedTuple):
    """A failed event that holds its symbol, as a person saw it."""

    event_id: str
    symbol: str
    event_type: str
    source: str
    source_reference: str | None
    seen: VersionRef
    revision: int


class Desk(Sender):
    """Decides on every failed event that it sees: mostly REPROCESS, sometimes DISCARD, each sent twice.

    It decides once on what it has seen: a crowd that clicks all through an outage is a flood of stale decisions, and stops the partition.
    """

    def __init__(self, product: Product, chance: random.Random) -> None:
        super().__init__("desk")
        self._product = product
        self._upstream = Upstream(product, ANSWER_SECONDS)
        self._chance = chance
        self._decided: set[Seen] = set()

    def step(self) -> None:
        for seen in self._failed():
            if seen not in self._decided:
                self._decide(seen)
                self._decided.add(seen)
        time.sleep(_PAUSE_SECONDS)

    def release_all(self, seconds: float) -> None:
        """Decide until no symbol waits any more."""
        try:
            self._product.wait("no symbol waits", self._released, seconds)
        except AssertionError as error:
            waiting = self._product.sql("SELECT symbol, state, next_attempt_at, reason FROM parked_symbols")
            raise AssertionError(f"symbols wait for ever: {waiting}") from error

    def _released(self) -> bool:
        self.step()
        return self._product.sql("SELECT COUNT(*) FROM parked_symbols") == [(0,)]

    def _failed(self) -> list[Seen]:
        with suppress(MySQLdb.OperationalError):  # away: there is nothing to see for a while
            return [_seen(*values) for values in self._product.sql(_FAILED)]
        return []

    def _decide(self, found: Seen) -> None:
        function = Function.DISCARD if self._chance.random() < 0.25 else Function.REPROCESS
        about = message(
            Function.NEWM,
            found.symbol,
            None,
            event_id=found.event_id,
            event_type=EventType(found.event_type),
            source=found.source,
            source_reference=found.source_reference,
        )
        first = decision(about, function, found.revision, found.seen, event_id=found.event_id)
        first = first._replace(decision=Decision(self._new_id(), found.seen, found.revision))
        late = first._replace(decision=Decision(self._new_id(), found.seen, found.revision))
        self._upstream.send(first, first, *([late] if self._chance.random() < 0.3 else []))

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))


def _seen(event_id: bytes, symbol: str, event_type: str, source: str, reference: str | None, *version: Any) -> Seen:
    origin, number, revision = version
    return Seen(uuid_text(event_id), symbol, event_type, source, reference, VersionRef(origin, number), revision)
