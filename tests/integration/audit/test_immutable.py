"""Nobody changes the audit log: every statement that could, tried as every account and as the administrator on a real MySQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from corpactions.domain.errors import Fatal
from corpactions.persistence import audit_guards
from corpactions.persistence.audit_guards import AUDIT_TABLES, guard_differences, triggers
from corpactions.persistence.engine import error_number
from tests.support.audit_database import ACCOUNTS, AuditDatabase, audit_database
from tests.support.audit_log import LogMaker

DENIED = {1142, 1143, 1044, 1227, 1370, 1419}
"""No right to it: on a table, on a column, on the database, on the server, on a procedure; triggers, with the binary log on, are the administrator's."""
REFUSED = 1644
"""A trigger says no."""
SERVICES = [account for account in ACCOUNTS if account != "ca_migrator"]

CHANGES = [
    "UPDATE {table} SET {column} = {column}",
    "DELETE FROM {table}",
    "DELETE t FROM {table} t JOIN (SELECT 1 AS one) o",
    "REPLACE INTO {table} SELECT * FROM {table}",
    "INSERT INTO {table} SELECT * FROM {table} s ON DUPLICATE KEY UPDATE {column} = s.{column}",
]
"""Each changes or deletes rows; a trigger must say so even where the rights are there."""
DEFINITIONS = [
    "TRUNCATE TABLE {table}",
    "ALTER TABLE {table} ADD COLUMN more INT",
    "DROP TABLE {table}",
    "RENAME TABLE {table} TO other",
    "CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH ROW SET @seen = 1",
    "DROP TRIGGER {trigger}",
]


@pytest.fixture(scope="module")
def database(endpoints: dict[str, Any]) -> Iterator[AuditDatabase]:
    """Every table of the log has a row."""
    with audit_database(endpoints) as made:
        maker = LogMaker(made.engine("ca_audit"))
        maker.grow(600)
        maker.checkpoint()
        made.sql(
            "INSERT INTO audit_exports VALUES (1, 0, 65536, REPEAT('e', 32), 'file:///bundle', NOW(6), 'tester')", account="ca_retention"
        )
        made.sql(
            "INSERT INTO audit_holds (name, placed, reason, actor, at) VALUES ('case-1', 1, 'a letter', 'tester', NOW(6))",
            account="ca_retention",
        )
        made.sql("INSERT INTO audit_verifications VALUES (REPEAT('v', 16), 1, NOW(6), 'DONE', '{}')", account="ca_gateway")
        # No segment here may be removed, so the row comes before the trigger that would refuse it, as in a restored copy.
        rule = next(trigger for trigger in triggers() if trigger.event == "INSERT")
        made.sql(f"DROP TRIGGER {rule.name}")
        made.sql("INSERT INTO audit_removals VALUES (9, 0, 65536, REPEAT('l', 32), REPEAT('e', 32), 'tester', NOW(6))")
        audit_guards.install(made.root, made.name)
        assert guard_differences(made.root) == []
        yield made


def number_of(database: AuditDatabase, account: str, statement: str) -> int:
    """MySQL's error number for a statement; 0 when it is carried out."""
    try:
        database.sql(statement, account=account)
    except DBAPIError as error:
        return error_number(error)
    return 0


def filled(statement: str, table: str, database: AuditDatabase) -> str:
    trigger = next(trigger.name for trigger in triggers() if trigger.table == table)
    column = database.sql(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position DESC LIMIT 1",
        database.name,
        table,
    )[0][0]
    return statement.format(table=table, column=column, trigger=trigger)


def contents(database: AuditDatabase) -> dict[str, Any]:
    """A checksum of every table."""
    return {table: database.sql(f"CHECKSUM TABLE {table}")[0][1] for table in AUDIT_TABLES}


def test_every_table_has_rows_to_lose(database: AuditDatabase) -> None:
    assert all(database.sql(f"SELECT COUNT(*) FROM {table}")[0][0] > 0 for table in AUDIT_TABLES)


@pytest.mark.parametrize("account", SERVICES)
def test_no_service_may_change_delete_or_redefine_anything(database: AuditDatabase, account: str) -> None:
    before = contents(database)
    carried_out = [
        statement
        for table in AUDIT_TABLES
        for template in CHANGES + DEFINITIONS
        if number_of(database, account, statement := filled(template, table, database)) not in DENIED
    ]
    assert carried_out == []
    assert contents(database) == before


@pytest.mark.parametrize("account", ["root", "ca_migrator"])
def test_triggers_refuse_changes_to_those_who_have_every_right(database: AuditDatabase, account: str) -> None:
    before = contents(database)
    numbers = {
        statement: number_of(database, account, statement)
        for table in AUDIT_TABLES
        for template in CHANGES
        if (statement := filled(template, table, database))
    }
    assert numbers == dict.fromkeys(numbers, REFUSED)
    assert contents(database) == before


def test_the_refusal_says_why(database: AuditDatabase) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        database.sql("UPDATE audit_entries SET symbol = 'EVIL' WHERE seq = 42")
    with pytest.raises(DBAPIError, match="only with their whole segment, through audit_remove_segment"):
        database.sql("DELETE FROM audit_entries WHERE seq = 42")


def test_the_writer_can_add_and_read_and_nothing_else(database: AuditDatabase) -> None:
    given = database.sql(
        "SELECT table_name, GROUP_CONCAT(privilege_type ORDER BY privilege_type) FROM information_schema.table_privileges"
        " WHERE table_schema = %s AND grantee = %s GROUP BY table_name",
        database.name,
        "'ca_audit'@'%'",
    )
    writes = ["audit_batches", "audit_checkpoints", "audit_entries", "audit_epochs", "audit_keys", "audit_logs", "audit_tiles"]
    assert sorted(given) == [(table, "INSERT,SELECT") for table in writes]
    more = "SELECT COUNT(*) FROM information_schema.schema_privileges WHERE table_schema = %s AND grantee = %s"
    assert database.sql(more, database.name, "'ca_audit'@'%'") == [(0,)]
    assert number_of(database, "ca_audit", f"CALL {audit_guards.REMOVE}(1, 0, REPEAT('e', 32), 'me')") in DENIED


@pytest.mark.parametrize("account", [*SERVICES, "ca_migrator"])
def test_no_account_of_ours_can_take_guards_away_or_run_as_their_owner(database: AuditDatabase, account: str) -> None:
    for statement in (
        f"DROP PROCEDURE {audit_guards.REMOVE}",
        f"ALTER USER {audit_guards.OWNER}@localhost ACCOUNT UNLOCK",
        f"CREATE DEFINER = {audit_guards.OWNER}@localhost PROCEDURE mine() DELETE FROM audit_entries",
        "DROP TRIGGER " + triggers()[0].name,
    ):
        assert number_of(database, account, statement) in DENIED, statement


def test_the_owner_of_the_guards_cannot_log_in(database: AuditDatabase) -> None:
    with pytest.raises(Fatal, match="refuses"):
        guard_differences(database.engine(audit_guards.OWNER))


def test_an_administrator_can_empty_redefine_and_drop_tables_which_only_verification_finds(endpoints: dict[str, Any]) -> None:
    with audit_database(endpoints) as own:
        LogMaker(own.engine("ca_audit")).grow(3)
        own.sql("TRUNCATE TABLE audit_entries")
        assert own.sql("SELECT COUNT(*) FROM audit_entries") == [(0,)]
        own.sql("ALTER TABLE audit_tiles DROP COLUMN hashes")
        own.sql("DROP TABLE audit_batches")
        gone = [name for name in triggers() if name.table == "audit_batches"]
        assert guard_differences(own.root) == [f"trigger {trigger.name} is missing" for trigger in gone]


@pytest.mark.parametrize(
    ("deed", "found"),
    [
        ("DROP TRIGGER {update}", ["trigger {update} is missing"]),
        (
            "CREATE TRIGGER evil BEFORE INSERT ON audit_entries FOR EACH ROW SET NEW.symbol = 'EVIL'",
            ["trigger evil (BEFORE INSERT audit_entries"],
        ),
        ("DROP PROCEDURE audit_remove_segment", ["procedure audit_remove_segment is missing"]),
        ("CREATE PROCEDURE evil() DELETE FROM audit_entries", ["procedure or function evil"]),
        ("GRANT DELETE ON {database}.audit_entries TO ca_worker@'%%'", ["account ca_worker may DELETE on audit_entries"]),
        ("GRANT UPDATE (body) ON {database}.audit_entries TO ca_audit@'%%'", ["account ca_audit may UPDATE on audit_entries"]),
        ("GRANT DROP ON {database}.* TO ca_operator@'%%'", ["account ca_operator may DROP on {database}"]),
        ("GRANT UPDATE ON {database}.audit_tiles TO ca_audit_owner@localhost", ["account ca_audit_owner may UPDATE on audit_tiles"]),
        ("DROP PROCEDURE audit_guards", ["procedure audit_guards is missing", "triggers and rights cannot be seen"]),
    ],
)
def test_what_is_done_to_the_guards_is_told_and_mended(endpoints: dict[str, Any], deed: str, found: list[str]) -> None:
    update = next(trigger.name for trigger in triggers() if (trigger.table, trigger.event) == ("audit_entries", "UPDATE"))
    with audit_database(endpoints) as own:
        names = {"update": update, "database": own.name}
        own.sql(deed.format(**names))
        told = guard_differences(own.engine("ca_operator"))
        assert len(told) == len(found)
        assert all(line.startswith(start.format(**names)) for line, start in zip(told, found, strict=True)), told
        if deed.startswith("DROP"):
            audit_guards.install(own.root, own.name)
            assert guard_differences(own.root) == []


def test_a_trigger_or_procedure_of_another_text_is_told_and_replaced(endpoints: dict[str, Any]) -> None:
    trigger = next(trigger for trigger in triggers() if (trigger.table, trigger.event) == ("audit_tiles", "DELETE"))
    with audit_database(endpoints) as own:
        own.sql(f"DROP TRIGGER {trigger.name}")
        own.sql(f"CREATE TRIGGER {trigger.name} BEFORE DELETE ON audit_tiles FOR EACH ROW SET @seen = 1")
        own.sql("DROP PROCEDURE audit_remove_segment")
        own.sql(
            "CREATE PROCEDURE audit_remove_segment(l SMALLINT, f BIGINT, b BINARY(32), a VARCHAR(128)) SQL SECURITY INVOKER DELETE FROM audit_entries"
        )
        told = guard_differences(own.engine("ca_gateway"))
        assert [line.split(":")[0] for line in told] == [
            "procedure audit_remove_segment is another",
            f"trigger {trigger.name} is another",
        ]
        audit_guards.install(own.root, own.name)
        assert guard_differences(own.engine("ca_gateway")) == []


def test_a_right_guard_is_left_alone_and_an_older_one_goes_after_the_newer_has_come(endpoints: dict[str, Any]) -> None:
    made = "SELECT trigger_name, created FROM information_schema.triggers WHERE trigger_schema = %s ORDER BY 1"
    with audit_database(endpoints) as own:
        before = own.sql(made, own.name)
        own.sql(
            "CREATE DEFINER = ca_audit_owner@localhost TRIGGER audit_tiles_delete_00000000 BEFORE DELETE ON audit_tiles FOR EACH ROW SET @seen = 1"
        )
        audit_guards.install(own.root, own.name)
        assert own.sql(made, own.name) == before
