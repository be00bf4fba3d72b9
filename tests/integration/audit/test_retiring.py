"""A run of retention on a real MySQL: what goes and what stays, what is told of it, and legal holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from corpactions.domain.audit.retention import Segment
from corpactions.domain.errors import Fatal, Rejected
from corpactions.persistence.audit_holds import LegalHolds
from corpactions.persistence.audit_retention import RetentionStore, retire
from corpactions.ports.audit_retention import Bundle, RemovalRefused
from tests.support.audit_database import AuditDatabase, audit_database
from tests.support.audit_segments import BUNDLE, OLD, UNSEALED, YOUNG, fill

YEAR = timedelta(days=365.25)


@pytest.fixture(scope="module")
def database(endpoints: dict[str, Any]) -> Iterator[AuditDatabase]:
    """A log whose first segment may go, one of which none may go yet, one that has no whole segment."""
    with audit_database(endpoints) as made:
        for situation in (OLD, YOUNG, UNSEALED):
            fill(made, situation)
        yield made


def write(segment: Segment) -> Bundle:
    """Stands for the writer of bundles."""
    return Bundle(f"file:///bundles/{segment.first}", hashlib.sha256(str(segment.first).encode()).digest())


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
