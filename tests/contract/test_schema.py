"""Migrations and models are one schema, told twice."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from sqlalchemy import Engine, text

from corpactions.persistence import schema
from corpactions.persistence.audit_tables import METADATA
from tests.support.product import ACCOUNTS_FILE


def test_the_migrations_build_exactly_the_models(mysql: Engine) -> None:
    assert schema.differences(mysql) == []


def test_upgrading_again_changes_nothing(mysql: Engine) -> None:
    before, after = schema.upgrade(mysql)
    assert before == after is not None


def test_every_table_has_the_character_set_and_row_format_of_the_conventions(mysql: Engine) -> None:
    statement = text("SELECT table_name, table_collation, row_format FROM information_schema.tables WHERE table_schema = DATABASE()")
    with mysql.connect() as connection:
        found = {name: (collation, form) for name, collation, form in connection.execute(statement) if name in METADATA.tables}
    assert found == dict.fromkeys(METADATA.tables, ("utf8mb4_0900_bin", "Dynamic"))


@pytest.fixture(scope="module")
def accounts() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(ACCOUNTS_FILE.read_text())["accounts"]
    return found


def test_accounts_name_only_tables_that_there_are(accounts: dict[str, Any]) -> None:
    assert {table for account in accounts.values() for table in account["tables"]} - {"*"} <= set(METADATA.tables)


def test_no_account_but_the_owner_of_the_schema_may_do_more_to_the_audit_log_than_read_it_and_add_to_it(accounts: dict[str, Any]) -> None:
    given = {
        right.strip()
        for name, account in accounts.items()
        for table, rights in account["tables"].items()
        for right in rights.split(",")
        if name != "ca_migrator" and table.startswith("audit_")
    }
    assert given == {"SELECT", "INSERT"}
