"""The lifecycle handler on the memory store, driven record by record, with everything it says decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from consumers.lifecycle.fold import Workshop
from consumers.lifecycle.handler import LifecycleHandler
from consumers.lifecycle.inspection import Inspector
from consumers.lifecycle.letters import Topics
from corpactions.domain.audit.records import AuditRecord, BatchSummary
from corpactions.domain.change import Policy
from corpactions.domain.messages import Message
from corpactions.domain.state import EventState
from corpactions.ports.handler import Result
from corpactions.ports.lifecycle import Claim, LifecycleStore
from corpactions.ports.records import Headers, Publication, Record
from tests.support.announcing import AUDIT, EVENTS, PARTITIONS, SUMMARIES, TOPIC, event_id, record
from tests.support.fakes import FakeClock, FakeIds, FakeSecurities
from tests.support.memory_store import MemoryDatabase, MemoryLifecycleStore

TOPICS = Topics("dlq", "audit", "summaries", "corporate-actions-lifecycle")


class Shop:
    """A handler with fakes around it. ``policy`` and the securities may be changed between calls."""

    def __init__(self, policy: Policy | None = None, store: LifecycleStore | None = None) -> None:
        self.clock, self.ids, self.securities = FakeClock(), FakeIds(), FakeSecurities()
        self.database = MemoryDatabase()
        self.store = store or MemoryLifecycleStore(self.database, "one")
        self.handler = self.new_handler(self.store, policy)

    def new_handler(self, store: LifecycleStore, policy: Policy | None = None) -> LifecycleHandler:
        """Another process's handler on the same clock and securities."""
        workshop = Workshop(
            self.clock,
            self.ids,
            policy or Policy(),
            TOPICS,
            AUDIT.encode,
            lambda told: AUDIT.decode(told).recorded_at,
            retry_base_seconds=10.0,
        )
        return LifecycleHandler(store, Inspector(EVENTS.decode, PARTITIONS), self.securities, workshop, SUMMARIES.encode)


class Desk:
    """One owner of all partitions. Each call is acked at once unless the test keeps the barrier's ids for itself."""

    def __init__(self, policy: Policy | None = None, shop: Shop | None = None) -> None:
        self.shop = shop or Shop(policy)
        self.claims: dict[int, Claim] = {
            claim.partition: claim for claim in self.shop.store.claim(TOPIC, dict.fromkeys(range(PARTITIONS), 0))
        }
        self.told: list[Publication] = []
        self._acked: list[int] = []
        self._offset = 0

    def records(self, *said: Message | bytes | None, headers: Headers = (), **changes: Any) -> list[Record]:
        """The messages as the next records of the topic."""
        made = []
        for one in said:
            made.append(record(self._offset, one, headers=headers, **changes))
            self._offset += 1
        return made

    def say(self, *said: Message | bytes | None, headers: Headers = (), **changes: Any) -> list[Publication]:
        """Handle the messages as one batch; what was published for it."""
        return self.handle(self.records(*said, headers=headers, **changes))

    def handle(self, records: Sequence[Record]) -> list[Publication]:
        """Handle these very records as one batch."""
        return self._take(self.shop.handler.handle(records, self.claims, self._barrier))

    def due(self, after_seconds: float = 0.0) -> list[Publication] | None:
        """Let time pass, then do what is due."""
        self.shop.clock.advance(after_seconds)
        result = self.shop.handler.due(list(self.claims.values()), self._barrier)
        return None if result is None else self._take(result)

    def settle(self) -> list[Publication]:
        """Write the start positions."""
        return self._take(self.shop.handler.settle(list(self.claims.values()), self._barrier))

    def state(self, number: int = 1) -> EventState | None:
        """An event's row."""
        return self.shop.database.tables.events.get(event_id(number))

    def status(self, number: int = 1) -> str | None:
        """An event's status; None without a row."""
        state = self.state(number)
        return None if state is None else state.status

    def queued_offsets(self) -> list[int]:
        """What waits in queues."""
        return sorted(place[2] for place in self.shop.database.tables.queue)

    def _barrier(self) -> list[int]:
        return list(self._acked)

    def _take(self, result: Result) -> list[Publication]:
        self._acked = [item.pending_id for item in result.publications if item.pending_id is not None]
        for advance in result.advances:
            claim = advance.claim
            claim.committed_offset, claim.reached, claim.recent = advance.committed_offset, advance.reached, advance.recent
            claim.acked_offset = advance.reached
            claim.summary_seq += advance.summary is not None
        self.told.extend(result.publications)
        return result.publications


def audits(publications: Sequence[Publication]) -> list[AuditRecord]:
    """The audit records among publications."""
    return [AUDIT.decode(item.value) for item in publications if item.topic == TOPICS.audit]


def audit_ids(publications: Sequence[Publication]) -> list[str]:
    """Their ids, with an event's id cut down to its last digit and a position to its offset."""
    return [told.record_id.rpartition("-")[2].lstrip("0") if "-0" in told.record_id else told.record_id for told in audits(publications)]


def letters(publications: Sequence[Publication]) -> list[Publication]:
    """The dead letters among publications."""
    return [item for item in publications if item.topic == TOPICS.dead_letters]


def summaries(publications: Sequence[Publication]) -> list[BatchSummary]:
    """The summaries among publications."""
    return [SUMMARIES.decode(item.value) for item in publications if item.topic == TOPICS.summaries]


def header(item: Publication, name: str) -> bytes:
    """One header's value; the last one when there are several."""
    value = dict(item.headers)[name]
    assert value is not None
    return value
