"""Messages and records of tests: short to write, complete, and the same every time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from corpactions.domain.identity import partition_of
from corpactions.domain.messages import Decision, Function, Message, Position, VersionRef
from corpactions.domain.securities import Security
from corpactions.domain.terms import Dividend, StockSplit, Terms, to_json
from corpactions.ports.records import Headers, Record
from corpactions.serde.audit import AuditCodec
from corpactions.serde.events import EventCodec
from corpactions.serde.summaries import SummaryCodec
from tests.support.schema_source import AUDIT_SCHEMA, EVENT_SCHEMA, SUMMARY_SCHEMA, FixedSchemas

TOPIC = "corporate-actions-events"
PARTITIONS = 12
START = datetime(2026, 10, 30, 9, 0, tzinfo=UTC)
EX_DATE = date(2026, 11, 10)
AAPL = Security("AAPL", "US0378331005", "USD", "ACTIVE", None, Decimal(200))

_SCHEMAS = FixedSchemas()
EVENTS = EventCodec(_SCHEMAS, EVENT_SCHEMA)
AUDIT = AuditCodec(_SCHEMAS, AUDIT_SCHEMA)
SUMMARIES = SummaryCodec(_SCHEMAS, SUMMARY_SCHEMA)


def event_id(number: int) -> str:
    """The id of the test's n-th event."""
    return f"00000000-0000-7000-8000-{number:012x}"


def decision_id(number: int) -> str:
    """The id of the test's n-th decision."""
    return f"00000000-0000-4000-8000-{number:012x}"


def dividend(amount: str = "0.25", **changes: Any) -> Dividend:
    """A plain cash dividend that every rule accepts."""
    return Dividend(Decimal(amount), "USD", EX_DATE, record_date=EX_DATE, announcement_date=date(2026, 10, 1))._replace(**changes)


def split(new: int = 4, old: int = 1, **changes: Any) -> StockSplit:
    """A plain forward split."""
    return StockSplit(new, old, EX_DATE, record_date=EX_DATE, announcement_date=date(2026, 10, 1))._replace(**changes)


def message(function: Function, version: int = 1, terms: Terms | None = None, *, event: int = 1, **changes: Any) -> Message:
    """A message about the test's n-th event, accepted ``version`` minutes after the start."""
    made = Message(
        event_id(event),
        "gateway",
        version,
        function,
        dividend().event_type if terms is None else terms.event_type,
        "AAPL",
        "manual",
        START + timedelta(minutes=version),
        "user:ann",
        event_id(900 + event),
        None,
        f"REF-{event}",
        terms,
        None if terms is None else to_json(terms),
    )
    return made._replace(**changes)


def newm(terms: Terms | None = None, *, event: int = 1, **changes: Any) -> Message:
    """An announcement, of a plain dividend unless told otherwise."""
    return message(Function.NEWM, 1, dividend() if terms is None else terms, event=event, **changes)


def repl(version: int, terms: Terms | None = None, *, event: int = 1, **changes: Any) -> Message:
    """An amendment, to a dividend of 0.30 unless told otherwise."""
    return message(Function.REPL, version, dividend("0.30") if terms is None else terms, event=event, **changes)


def canc(version: int, *, event: int = 1, **changes: Any) -> Message:
    """A cancellation by the sender."""
    return message(Function.CANC, version, event=event, **changes)


def withdrawn(version: int, *, event: int = 1, **changes: Any) -> Message:
    """A withdrawal by the issuer."""
    return message(Function.WITH, version, event=event, **changes)


def decision(function: Function, number: int, seen: VersionRef | None, seen_revision: int, *, event: int = 1, **changes: Any) -> Message:
    """REPROCESS or DISCARD of what somebody saw."""
    return message(function, 1, event=event, origin="desk", decision=Decision(decision_id(number), seen, seen_revision), **changes)


def record(offset: int, said: Message | bytes | None, *, headers: Headers = (), **changes: Any) -> Record:
    """A message as it stands on the topic, or raw bytes in AAPL's place."""
    symbol = said.symbol if isinstance(said, Message) else "AAPL"
    value = EVENTS.encode(said) if isinstance(said, Message) else said
    place = Position(TOPIC, partition_of(symbol.encode(), PARTITIONS), offset)
    made = Record(place.topic, place.partition, place.offset, symbol.encode(), value, headers, START + timedelta(seconds=offset))
    return made._replace(**changes)
