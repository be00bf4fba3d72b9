"""worker.budget: microseconds of CPU that an event takes in each step of the worker, without Kafka and MySQL: ``python -m tests.benchmarks worker.budget``.

The real steps run on prepared dividends, batch by batch; what they would send to MySQL is built and thrown away. Steps that hold others say so in their name.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from consumers.lifecycle.__main__ import GC_THRESHOLD
from consumers.lifecycle.facts import Facts
from consumers.lifecycle.fold import Fold, Workshop
from consumers.lifecycle.inspection import Inspector, Item
from consumers.lifecycle.letters import Topics
from consumers.lifecycle.securities import RememberedSecurities
from corpactions.domain.change import Change, Circumstances, Policy
from corpactions.domain.identity import partition_of
from corpactions.domain.lifecycle import apply
from corpactions.domain.messages import Message
from corpactions.domain.securities import Lookup, Security, SecurityKey
from corpactions.persistence import lifecycle_rows
from corpactions.persistence.lifecycle import MysqlLifecycleTransaction
from corpactions.ports.records import Record
from corpactions.serde.audit import AuditCodec
from corpactions.serde.events import EventCodec
from corpactions.system import SystemClock, SystemIdSource
from tests.benchmarks.market import KNOWN, isin, symbol
from tests.benchmarks.output import report
from tests.support.product import PARTITIONS
from tests.support.schema_source import AUDIT_SCHEMA, EVENT_SCHEMA, FixedSchemas
from tests.support.upstream import announcement, dividend

EVENTS, BATCH, REPEATS = 10_000, 1_000, 5


class _Nowhere:
    """A transaction that finds nothing and keeps nothing; the statements are encoded, as the driver would."""

    committed = False

    def query(self, statement: str) -> Sequence[Sequence[Any]]:
        statement.encode("latin-1")
        return ()

    def run(self, statement: str) -> int:
        statement.encode("latin-1")
        return 1

    def commit(self) -> None:
        self.committed = True


class _Known:
    """A security master that answers from memory."""

    def __init__(self) -> None:
        self._known = {symbol(number): Security(symbol(number), isin(number), "USD", "ACTIVE") for number in range(KNOWN)}

    def lookup(self, keys: Sequence[SecurityKey]) -> dict[SecurityKey, Lookup]:
        return {key: self._known[key.symbol] for key in keys}


class _Bench:
    """The worker's parts, wired as in its process, and what goes through them."""

    def __init__(self) -> None:
        schemas = FixedSchemas()
        self.events = EventCodec(schemas, EVENT_SCHEMA)
        self.audit = AuditCodec(schemas, AUDIT_SCHEMA)
        self.clock, ids = SystemClock(), SystemIdSource()
        topics = Topics("dlq", "audit", "summaries", "group")
        self.shop = Workshop(self.clock, ids, Policy(), topics, self.audit.encode, lambda value: self.audit.decode(value).recorded_at, 1.0)
        self.inspector = Inspector(self.events.decode, PARTITIONS)
        self.securities = RememberedSecurities(_Known(), self.clock)
        self.records = [self._record(number, ids.event_id()) for number in range(EVENTS)]

    def _record(self, number: int, event_id: str) -> Record:
        turn, security = divmod(number, KNOWN)
        ex_date = date(2027, 1, 1) + timedelta(days=turn)
        terms = dividend(f"0.{number % 9_999 + 1:04}", ex_date, announcement_date=date(2026, 11, 24), record_date=ex_date, pay_date=ex_date)
        fields = {"event_id": event_id, "isin": isin(security), "source_reference": f"DIV-{number:08}"}
        message = announcement(symbol(security), terms, **fields)
        key = message.symbol.encode()
        return Record("events", partition_of(key, PARTITIONS), number, key, self.events.encode(message), (), datetime.now(UTC))

    def inspected(self, records: Sequence[Record]) -> list[Item]:
        return [self.inspector.inspect(record) for record in records]

    def applied(self, items: Sequence[Item]) -> list[Change]:
        started = self.clock.now()
        changes = []
        for item in items:
            message = _message(item)
            assert message.terms is not None
            around = Circumstances(item.record.position, started, self.clock.now, self.shop.ids.salt, self.shop.policy)
            key = SecurityKey(message.symbol, message.terms.key_date)
            around.lookup = self.securities.lookup([key])[key]
            change = apply(None, message, around)
            assert isinstance(change, Change)
            changes.append(change)
        return changes

    def folded(self, items: Sequence[Item], *, write: bool = False) -> Fold:
        facts = Facts(self.securities)
        facts.ask([SecurityKey(message.symbol, message.terms.key_date) for item in items if (message := _message(item)).terms is not None])
        transaction: Any = _Nowhere()
        found = MysqlLifecycleTransaction(transaction, "'group'", self.clock, 16 << 20)
        fold = Fold(self.shop, found, facts)
        fold.load(_message(item) for item in items)
        for item in items:
            fold.fold(item)
        if write:
            found.write(fold.writes)
        return fold

    def encoded(self, changes: Sequence[Change]) -> int:
        for change in changes:
            assert change.record is not None
            change.state.record = self.audit.encode(change.record)
        return len(changes)


def measure() -> None:
    """One line for each step: the best of several passes over the same records."""
    bench = _Bench()
    items = [bench.inspected(batch) for batch in _batches(bench.records)]
    changes = [bench.applied(batch) for batch in items]
    gc.freeze()  # as the process does
    gc.set_threshold(GC_THRESHOLD, 20, 100)
    steps: list[tuple[str, Callable[[], object]]] = [
        ("inspect", lambda: [bench.inspected(batch) for batch in _batches(bench.records)]),
        ("inspect.decode", lambda: [[bench.events.decode(record.value) for record in batch] for batch in _batches(bench.records)]),
        ("state_machine", lambda: [bench.applied(batch) for batch in items]),
        ("audit_encode", lambda: [bench.encoded(batch) for batch in changes]),
        ("fold (with state_machine, audit_encode)", lambda: [bench.folded(batch) for batch in items]),
        ("rows", lambda: [[lifecycle_rows.event_row(change.state) for change in batch] for batch in changes]),
        ("fold and write (with all but inspect)", lambda: [bench.folded(batch, write=True) for batch in items]),
    ]
    for name, step in steps:
        report(f"worker.budget.{name}", min(_cpu(step) for _ in range(REPEATS)) / EVENTS * 1e6, "us/event")


def _batches(records: Sequence[Record]) -> list[Sequence[Record]]:
    return [records[start : start + BATCH] for start in range(0, len(records), BATCH)]


def _cpu(step: Callable[[], object]) -> float:
    before = time.process_time()
    step()
    return time.process_time() - before


def _message(item: Item) -> Message:
    assert item.message is not None
    return item.message
