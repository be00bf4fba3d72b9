"""A run of retention on a real MySQL: what goes and what stays, what is told of it, and legal holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from corpactions.domain.audit.entry import SEGMENT, Content, parse
from corpactions.domain.audit.merkle import leaf_hash
from corpactions.domain.audit.records import Action, AuditRecord
from corpactions.domain.audit.retention import Segment
from corpactions.domain.errors import Fatal, Rejected
from corpactions.persistence.audit_guards import guard_differences
from corpactions.persistence.audit_holds import LegalHolds
from corpactions.persistence.audit_retention import RetentionStore, retire
from corpactions.ports.audit_retention import Bundle, RemovalRefused
from tests.support.audit_database import AuditDatabase, audit_database
from tests.support.audit_log import LogMaker
from tests.support.audit_segments import BUNDLE, OLD, UNSEALED, YOUNG, fill
from tests.support.signing import LOG

YEAR = timedelta(days=365.25)


@pytest.fixture(scope="module")
def database(endpoints: dict[str, Any]) -> Iterator[AuditDatabase]:
    """A log whose first segment may go, one of which none may go yet, one that has no whole segment."""
    with audit_database(endpoints) as made:
        for situation in (OLD, YOUNG, UNSEALED):
            fill(made, situation)
        yield made


class Told:
    """Stands for the audit topic and its consumer: what is told becomes an entry of the log."""

    def __init__(self, maker: LogMaker) -> None:
        self.records: list[AuditRecord] = []
        self._maker = maker

    def __call__(self, records: Sequence[AuditRecord]) -> None:
        self.records += records
        self._maker.add(
            [
                Content(record.record_id, record.action.value, record.actor, record.resource, None, None, {"reason": record.reason})
                for record in records
            ]
        )


def write(segment: Segment) -> Bundle:
    """Stands for the writer of bundles."""
    return Bundle(f"file:///bundles/{segment.first}", hashlib.sha256(str(segment.first).encode()).digest())


@pytest.fixture(scope="module")
def aged(endpoints: dict[str, Any]) -> Iterator[tuple[AuditDatabase, LogMaker]]:
    """A real log: two segments from eight years ago and a few entries of today."""
    with audit_database(endpoints) as made:
        maker = LogMaker(made.engine("ca_audit"), now=datetime.now(UTC) - 8 * YEAR)
        maker.grow(2 * SEGMENT - 1, batch=4096)
        maker.now = datetime.now(UTC)
        maker.grow(10)
        yield made, maker


def test_what_is_over_seven_years_old_goes_and_leaves_its_proof(aged: tuple[AuditDatabase, LogMaker]) -> None:
    database, maker = aged
    account = database.engine("ca_retention")
    holds, store, tell = LegalHolds(account, "counsel"), RetentionStore(account, "ca_retention"), Told(maker)
    last = leaf_hash(database.sql("SELECT body FROM audit_entries WHERE seq = %s", SEGMENT - 1)[0][0])
    kept = {table: database.sql(f"CHECKSUM TABLE {table}") for table in ("audit_tiles", "audit_batches", "audit_keys")}
    inside = database.sql("SELECT recorded_at FROM audit_entries WHERE seq = %s", SEGMENT)[0][0].replace(tzinfo=UTC)
    hold = holds.place("case-1", "a letter", inside)

    done = retire(store, write, lambda: True)
    assert [(segment.first, segment.end) for segment in done.removed] == [(0, SEGMENT)]
    assert [standing.waits_for for standing in done.standing] == ["the release of case-1"]
    assert database.sql("SELECT MIN(seq), COUNT(*) FROM audit_entries") == [(SEGMENT, SEGMENT + 10)]
    assert database.sql("SELECT first_seq, end_seq, last_hash FROM audit_removals") == [(0, SEGMENT, last)]
    assert parse(database.sql("SELECT body FROM audit_entries WHERE seq = %s", SEGMENT)[0][0]).prev == last.hex()
    assert {table: database.sql(f"CHECKSUM TABLE {table}") for table in kept} == kept
    tell(store.untold())

    holds.release("case-1", "the case is closed")
    done = retire(store, write, lambda: True)
    assert [segment.first for segment in done.removed] == [SEGMENT]
    assert [standing.segment for standing in done.standing] == [None]
    tell(store.untold())
    assert store.untold() == [], "what the log has is not told again"
    assert [(record.action, record.record_id) for record in tell.records] == [
        (Action.HOLD_PLACED, f"hold:case-1:{hold.number}"),
        (Action.SEGMENT_EXPORTED, f"export:{LOG}:0:{write_hash(0)}"),
        (Action.SEGMENT_REMOVED, f"removal:{LOG}:0"),
        (Action.HOLD_RELEASED, f"hold:case-1:{hold.number + 1}"),
        (Action.SEGMENT_EXPORTED, f"export:{LOG}:{SEGMENT}:{write_hash(SEGMENT)}"),
        (Action.SEGMENT_REMOVED, f"removal:{LOG}:{SEGMENT}"),
    ]
    assert guard_differences(account) == []


def write_hash(first: int) -> str:
    return hashlib.sha256(str(first).encode()).hexdigest()


class TestARun:
    """What a run does when something is not as it should be."""

    def test_ends_when_the_lease_is_gone(self, database: AuditDatabase) -> None:
        store = RetentionStore(database.engine("ca_retention"), "me")
        assert retire(store, write, lambda: False).removed == ()

    def test_removes_nothing_when_the_bundle_does_not_verify(self, database: AuditDatabase) -> None:
        def broken(segment: Segment) -> Bundle:
            raise Fatal(f"the bundle of entry {segment.first} does not verify")

        store = RetentionStore(database.engine("ca_retention"), "me")
        with pytest.raises(Fatal, match="does not verify"):
            retire(store, broken, lambda: True)
        assert database.sql("SELECT * FROM audit_removals") == []

    def test_says_what_each_log_waits_for(self, database: AuditDatabase) -> None:
        store = RetentionStore(database.engine("ca_retention"), "me")
        waits = {standing.origin: standing.waits_for for standing in store.standing()}
        assert waits["log/1"] is None
        assert waits["log/2"] is not None
        assert waits["log/2"].endswith("Z, 7 years after its newest entry")
        assert waits["log/3"] == "its segment from entry 0 on to be whole and followed by another entry"

    def test_is_told_the_rule_when_the_database_knows_better(self, database: AuditDatabase) -> None:
        store = RetentionStore(database.engine("ca_retention"), "me")
        young = Segment(YOUNG.log_id, "log/2", 0, datetime.now(UTC), datetime.now(UTC))
        with pytest.raises(RemovalRefused, match="entries 0 to 65535 of log/2: removal refused, age: its newest entry"):
            store.remove(young, BUNDLE)


class TestHolds:
    """Placing and releasing."""

    def test_a_name_is_in_force_once_and_can_be_used_again(self, database: AuditDatabase) -> None:
        holds = LegalHolds(database.engine("ca_retention"), "counsel")
        day = datetime(2026, 1, 1, tzinfo=UTC)
        placed = holds.place("twice", "first", day, day)
        with pytest.raises(Rejected, match="a hold twice on from 2026-01-01"):
            holds.place("twice", "second")
        released = holds.release("twice", "over")
        assert (released.from_time, released.placed) == (placed.from_time, False)
        with pytest.raises(Rejected, match="no hold twice is in force; in force: none"):
            holds.release("twice", "over")
        assert holds.place("twice", "again").period == "everything"
        assert [hold.reason for hold in holds.history() if hold.name == "twice"] == ["first", "over", "again"]
        holds.release("twice", "over")

    def test_a_hold_that_ends_before_it_begins_is_refused(self, database: AuditDatabase) -> None:
        holds = LegalHolds(database.engine("ca_retention"), "counsel")
        with pytest.raises(Rejected, match="empty_period"):
            holds.place("never", "no", datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))

    def test_a_reader_may_not_place(self, database: AuditDatabase) -> None:
        with pytest.raises(Fatal, match="db accounts"):
            LegalHolds(database.engine("ca_operator"), "me").place("mine", "no")
