"""The database's schema and accounts: both applied by a deployment step, idempotent and re-runnable, never by a service.

Migrations are Alembic's. Accounts and their grants come from ``infra/mysql/accounts.yaml``, so that who may do what to which table is read in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from corpactions.domain.errors import Fatal
from corpactions.persistence.audit_tables import METADATA
from corpactions.persistence.engine import translated

_LOCK = "corpactions-migrations"
_LOCK_SECONDS = 60


def upgrade(engine: Engine) -> tuple[str | None, str | None]:
    """Bring the schema to the newest revision; two upgrades at once wait for each other. Returns the revisions before and after.

    Raises:
        Unavailable: MySQL does not answer.
        Fatal: the schema is at a revision that this release does not know, or the lock was not had within a minute.
    """
    with translated(), engine.connect() as connection:
        if connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), {"name": _LOCK, "seconds": _LOCK_SECONDS}) != 1:
            raise Fatal(f"another schema upgrade has held the lock {_LOCK} for {_LOCK_SECONDS} s; wait for it or end it")
        try:
            before = MigrationContext.configure(connection).get_current_revision()
            connection.commit()
            command.upgrade(_config(connection), "head")
            connection.commit()
            return before, MigrationContext.configure(connection).get_current_revision()
        except CommandError as error:
            raise Fatal(f"the database's schema does not fit this release: {error}") from error
        finally:
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK})


def differences(engine: Engine) -> list[Any]:
    """What Alembic would still change to make the database match the models; empty when they agree."""
    with translated(), engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA))


def apply_accounts(engine: Engine, database: str, accounts_file: Path, passwords: Mapping[str, str]) -> list[str]:
    """Create the accounts of ``accounts_file`` where missing, set their passwords, and grant each exactly what the file says on ``database``.

    Args:
        engine: connected as an account that may create users.
        database: created when it does not exist.
        accounts_file: YAML, see ``infra/mysql/accounts.yaml``.
        passwords: by account name; only accounts named here are touched.

    Returns:
        The accounts that were applied.

    Raises:
        Fatal: a password is given for an account that the file does not name.
        Unavailable: MySQL does not answer.
    """
    wanted = yaml.safe_load(accounts_file.read_text())["accounts"]
    if unknown := sorted(set(passwords) - set(wanted)):
        raise Fatal(f"{accounts_file.name} names no account {', '.join(unknown)}; it names {', '.join(sorted(wanted))}")
    with translated(), engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin")
        for name, password in passwords.items():
            connection.exec_driver_sql("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", (name, password))
            connection.exec_driver_sql("ALTER USER %s@'%%' IDENTIFIED BY %s", (name, password))
            for statement in _grants(database, wanted[name]):
                connection.exec_driver_sql(statement, (name,))
    return list(passwords)


def _grants(database: str, account: Mapping[str, Any]) -> Iterator[str]:
    """GRANT statements; MySQL takes a grant on a table or procedure that is yet to come only with CREATE, so accounts follow migrations and guards."""
    for table, privileges in account["tables"].items():
        target = "*" if table == "*" else f"`{table}`"
        yield f"GRANT {privileges} ON `{database}`.{target} TO %s@'%%'"
    for routine in account.get("procedures", ()):
        yield f"GRANT EXECUTE ON PROCEDURE `{database}`.`{routine}` TO %s@'%%'"
    if "everywhere" in account:
        yield f"GRANT {account['everywhere']} ON *.* TO %s@'%%'"


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
