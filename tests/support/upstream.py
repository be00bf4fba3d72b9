"""An upstream system: messages made up for tests, and whatever bytes a broken or hostile producer would send."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from confluent_kafka import KafkaException, Producer

from corpactions.domain.messages import Decision, Function, Message, VersionRef
from corpactions.domain.terms import Dividend, Terms
from corpactions.serde.terms import canonical_json
from tests.support.product import Product

ORIGIN = "upstream"
_QUIET = logging.getLogger("tests.upstream")
"""Where the client's words about servers that are away go: nowhere, since tests take them away on purpose."""
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False
Headers = list[tuple[str, str | bytes | None]]


def dividend(amount: str = "0.25", ex_date: date = date(2026, 11, 10), **fields: Any) -> Dividend:
    """Terms without a warning but the missing record date."""
    return Dividend(Decimal(amount), "USD", ex_date, **fields)


def announcement(symbol: str, terms: Terms | None = None, **fields: Any) -> Message:
    """A NEWM; any field of the message may be given."""
    return message(Function.NEWM, symbol, terms or dividend(), **fields)


def amendment(of: Message, version: int, terms: Terms | None = None, **fields: Any) -> Message:
    """A REPL of an announced event."""
    return _about(of, Function.REPL, version, terms or dividend("0.30"), fields)


def cancellation(of: Message, version: int, function: Function = Function.CANC, **fields: Any) -> Message:
    """A CANC, or a WITH."""
    return _about(of, function, version, None, fields)


def decision(of: Message, function: Function, revision: int, seen: VersionRef | None = None, **fields: Any) -> Message:
    """REPROCESS or DISCARD of what was seen: by default the event's announcement, at a revision."""
    made = Decision(str(uuid.uuid4()), seen or of.ref, revision)
    return _about(of, function, 1, None, {"origin": "desk", "decision": made, **fields})


def message(function: Function, symbol: str, terms: Terms | None, **fields: Any) -> Message:
    """A message with everything it needs; ``fields`` override."""
    filled: dict[str, Any] = {
        "event_id": str(uuid.uuid4()),
        "origin": ORIGIN,
        "version": 1,
        "function": function,
        "event_type": (terms or dividend()).event_type,
        "symbol": symbol,
        "source": ORIGIN,
        "accepted_at": datetime.now(UTC),
        "actor": "upstream:test",
        "correlation_id": str(uuid.uuid4()),
        "terms": terms,
        "terms_json": None if terms is None else canonical_json(terms),
    }
    return Message(**filled | fields)


def _about(of: Message, function: Function, version: int, terms: Terms | None, fields: dict[str, Any]) -> Message:
    kept = {"event_id": of.event_id, "event_type": of.event_type, "source": of.source, "source_reference": of.source_reference}
    return message(function, of.symbol, terms, **{**kept, "version": version, **fields})


def day(number: int) -> date:
    """The ``number``-th ex date: like events of one symbol need different ones."""
    return date(2026, 1, 5) + timedelta(days=number)


class Upstream:
    """Sends to a product's events topic. Every call waits for the acknowledgements, through outages of any length up to ``patience`` seconds."""

    def __init__(self, product: Product, patience: float = 60.0, settings: Mapping[str, Any] | None = None) -> None:
        self._product = product
        self._patience = patience
        self._producer = Producer(
            {
                "bootstrap.servers": product.endpoints["kafka"],
                "acks": "all",
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "delivery.timeout.ms": int(patience * 1000),
                "message.max.bytes": 4_000_000,
                "reconnect.backoff.max.ms": 500,
                "enable.metrics.push": False,
                **(settings or {}),
            },
            logger=_QUIET,
        )
        self.acked: set[tuple[str, VersionRef]] = set()

    def send(self, *messages: Message) -> None:
        """Send messages keyed by their symbols, and wait until all are acknowledged."""
        for item in messages:
            self.post(item.symbol.encode(), self._product.codec.encode(item))
        self.flush()
        self.acked.update((item.event_id, item.ref) for item in messages)

    def post(self, key: bytes | None, value: bytes | None, headers: Headers | None = None, partition: int = -1) -> None:
        """Hand over one record of any bytes."""

        def outcome(error: Any, _record: Any) -> None:
            if error is not None:
                raise KafkaException(error)

        self._producer.produce(self._product.topic("events"), value, key, partition=partition, headers=headers, on_delivery=outcome)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until everything handed over is acknowledged."""
        assert self._producer.flush(self._patience) == 0, "the broker does not acknowledge"
