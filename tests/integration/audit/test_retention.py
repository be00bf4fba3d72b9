"""The rules of retention on a real MySQL: each refuses by itself, whoever asks and whatever the session claims."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from corpactions.domain.audit.entry import SEGMENT
from corpactions.persistence.audit_guards import triggers
from corpactions.persistence.audit_holds import LegalHolds
from corpactions.persistence.engine import error_number
from tests.support.audit_database import AuditDatabase, audit_database
from tests.support.audit_segments import BUNDLE, CALL, OLD, ONE, PARTIAL, UNSEALED, YOUNG, Made, export, fill

A_HOLD = "('case-1', 1, 'a letter', 'tester', UTC_TIMESTAMP(6))"
YEAR = timedelta(days=365.25)


@pytest.fixture(scope="module")
def database(endpoints: dict[str, Any]) -> Iterator[AuditDatabase]:
    """Logs in every situation, each segment with an export on record."""
    with audit_database(endpoints) as made:
        for situation in (OLD, YOUNG, UNSEALED, PARTIAL):
            fill(made, situation)
        yield made


def refusal(database: AuditDatabase, log_id: int, first: int, sha256: bytes = BUNDLE, account: str = "ca_retention") -> str:
    """What the procedure says; nothing may have changed."""
    before = database.sql("SELECT log_id, COUNT(*) FROM audit_entries GROUP BY log_id"), database.sql("SELECT * FROM audit_removals")
    with pytest.raises(DBAPIError) as raised:
        database.sql(CALL, log_id, first, sha256, account=account)
    assert error_number(raised.value) == 1644
    assert before == (
        database.sql("SELECT log_id, COUNT(*) FROM audit_entries GROUP BY log_id"),
        database.sql("SELECT * FROM audit_removals"),
    )
    message = str(raised.value.orig)
    assert "removal refused, " in message
    return message.split("removal refused, ")[1].split(":", maxsplit=1)[0]


@pytest.mark.parametrize("account", ["ca_retention", "root"])
class TestRefused:
    """By the rule named, to the account whose work it is and to the administrator."""

    @pytest.mark.parametrize("first", [1, 256, SEGMENT - 1, SEGMENT + 1, -SEGMENT + 1])
    def test_what_is_no_segment(self, database: AuditDatabase, account: str, first: int) -> None:
        assert refusal(database, OLD.log_id, first, account=account) == "boundary"

    def test_before_its_time(self, database: AuditDatabase, account: str) -> None:
        assert refusal(database, YOUNG.log_id, 0, account=account) == "age"

    def test_not_in_its_turn(self, database: AuditDatabase, account: str) -> None:
        assert refusal(database, OLD.log_id, SEGMENT, account=account) == "order"

    @pytest.mark.parametrize("made", [UNSEALED, PARTIAL])
    def test_the_end_of_a_log(self, database: AuditDatabase, account: str, made: Made) -> None:
        assert refusal(database, made.log_id, 0, account=account) == "sealed"

    def test_a_log_or_segment_that_is_not_there(self, database: AuditDatabase, account: str) -> None:
        assert refusal(database, 99, 0, account=account) == "sealed"

    def test_with_another_bundle(self, database: AuditDatabase, account: str) -> None:
        assert refusal(database, OLD.log_id, 0, hashlib.sha256(b"other").digest(), account=account) == "export"

    def test_with_the_export_of_another_segment_or_of_another_length(self, database: AuditDatabase, account: str) -> None:
        other = hashlib.sha256(account.encode()).digest()
        export(database, OLD.log_id, SEGMENT, sha256=other)
        export(database, OLD.log_id, 0, end=SEGMENT - 1, sha256=other)
        assert refusal(database, OLD.log_id, 0, other, account=account) == "export"

    @pytest.mark.parametrize("half", ["from", "to", "both", "neither"])
    def test_under_a_legal_hold_until_it_is_released(self, database: AuditDatabase, account: str, half: str) -> None:
        holds = LegalHolds(database.engine("ca_retention"), "tester")
        name, day = f"{account}-{half}", timedelta(days=1)
        newest = database.sql("SELECT MAX(recorded_at) FROM audit_entries WHERE log_id = %s", OLD.log_id)[0][0].replace(tzinfo=UTC)
        holds.place(f"{name}-elsewhere", "ends before, another begins after", newest - 9 * YEAR, newest - timedelta(microseconds=1))
        holds.place(f"{name}-later", "begins after", newest + timedelta(microseconds=1))
        holds.place(
            name,
            "a letter",
            newest - day if half == "both" else newest if half == "from" else None,
            newest if half in {"to", "both"} else None,
        )
        assert refusal(database, OLD.log_id, 0, account=account) == "hold"
        for each in (name, f"{name}-elsewhere", f"{name}-later"):
            holds.release(each, "the case is closed")
        assert refusal(database, OLD.log_id, 0, b"\0" * 32, account=account) == "export", "the hold no longer stands in the way"

    @pytest.mark.parametrize(
        "claim",
        [
            "SET timestamp = UNIX_TIMESTAMP('2037-01-01')",
            "SET time_zone = '+14:00'",
            "SET time_zone = '-13:59'",
            "SET sql_mode = ''",
        ],
    )
    def test_what_a_session_claims_about_time(self, database: AuditDatabase, account: str, claim: str) -> None:
        with database.engine(account).connect() as connection:
            connection.exec_driver_sql(claim)
            connection.rollback()
            with pytest.raises(DBAPIError, match="age: its newest entry is not yet over 7 years old"):
                connection.exec_driver_sql(CALL, (YOUNG.log_id, 0, BUNDLE))
            connection.invalidate()

    def test_inside_a_transaction_of_the_caller(self, database: AuditDatabase, account: str) -> None:
        with database.engine(account).connect() as connection:
            connection.exec_driver_sql("SELECT * FROM audit_logs")
            with pytest.raises(DBAPIError) as raised:
                connection.exec_driver_sql(CALL, (OLD.log_id, 0, BUNDLE))
            assert error_number(raised.value) == 1568
            connection.invalidate()


def test_nobody_deletes_directly_even_what_may_go(database: AuditDatabase) -> None:
    with pytest.raises(DBAPIError) as raised:
        database.sql("DELETE FROM audit_entries WHERE log_id = 1 AND seq < 65536", account="ca_retention")
    assert error_number(raised.value) == 1142
    with pytest.raises(DBAPIError, match="only with their whole segment"):
        database.sql("DELETE FROM audit_entries WHERE log_id = 1 AND seq < 65536")


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ("2, 0, 65536, REPEAT('l', 32), %s, 'me', UTC_TIMESTAMP(6)", "age"),
        ("2, 0, 65536, REPEAT('l', 32), %s, 'me', UTC_TIMESTAMP(6) + INTERVAL 1 YEAR", "age"),
        ("1, 0, 131072, REPEAT('l', 32), %s, 'me', UTC_TIMESTAMP(6)", "boundary"),
        ("1, 0, 65536, REPEAT('l', 32), %s, 'me', UTC_TIMESTAMP(6)", "link"),
    ],
)
def test_an_administrator_cannot_write_a_removal_down_against_the_rules(database: AuditDatabase, values: str, rule: str) -> None:
    with pytest.raises(DBAPIError, match=f"removal refused, {rule}"):
        database.sql(f"INSERT INTO audit_removals VALUES ({values})", BUNDLE)


def test_a_segment_with_a_hole_stays(endpoints: dict[str, Any]) -> None:
    with audit_database(endpoints) as own:
        trigger = next(trigger for trigger in triggers() if (trigger.table, trigger.event) == ("audit_entries", "DELETE"))
        own.sql(f"DROP TRIGGER {trigger.name}")
        fill(own, ONE)
        own.sql("DELETE FROM audit_entries WHERE seq = 1000")
        assert refusal(own, ONE.log_id, 0) == "sealed"


def test_a_hold_is_either_seen_by_a_removal_or_waits_for_its_end(endpoints: dict[str, Any]) -> None:
    with audit_database(endpoints) as own, ThreadPoolExecutor(1) as threads:
        fill(own, ONE)
        counsel = own.engine("ca_retention")

        def remove() -> list[tuple[Any, ...]]:
            return own.sql(CALL, ONE.log_id, 0, BUNDLE)

        with counsel.begin() as placing:
            placing.exec_driver_sql(f"INSERT INTO audit_holds (name, placed, reason, actor, at) VALUES {A_HOLD}")
            removal = threads.submit(remove)
            with pytest.raises(TimeoutError):
                removal.result(0.5)
        with pytest.raises(DBAPIError, match="removal refused, hold"):
            removal.result(10)

        LegalHolds(counsel, "tester").release("case-1", "closed")
        with own.root.begin() as reader:
            reader.exec_driver_sql("SELECT * FROM audit_entries WHERE seq = 10 FOR UPDATE")
            removal = threads.submit(remove)
            with own.root.connect().execution_options(isolation_level="READ UNCOMMITTED") as watching:
                while not watching.exec_driver_sql("SELECT * FROM audit_removals").all():
                    assert not removal.done()
            with counsel.begin() as placing:
                placing.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = 1")
                with pytest.raises(DBAPIError) as raised:
                    placing.exec_driver_sql(f"INSERT INTO audit_holds (name, placed, reason, actor, at) VALUES {A_HOLD}")
            assert error_number(raised.value) == 1205
        removal.result(10)
        assert own.sql("SELECT COUNT(*) FROM audit_entries") == [(1,)]
