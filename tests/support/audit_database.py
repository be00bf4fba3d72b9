"""A database of a test's own with the audit log's tables, its guards and every account of the product."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import yaml

from corpactions.persistence import audit_guards, schema
from corpactions.persistence.engine import Engine, MysqlConfig, connect
from tests.support.product import ACCOUNTS_FILE

ACCOUNTS = tuple(yaml.safe_load(ACCOUNTS_FILE.read_text())["accounts"])


def with_accounts(endpoints: Mapping[str, Any]) -> dict[str, Any]:
    """The servers, with passwords of every account of the product: the servers' own, or those that every test makes, since all share them."""
    secret = endpoints["mysql"]["password"]
    made = {account: _password(secret, account) for account in ACCOUNTS}
    return {**endpoints, "accounts": endpoints.get("accounts") or made}


def _password(secret: str, account: str) -> str:
    return hashlib.sha256(f"{secret}:{account}".encode()).hexdigest()


class AuditDatabase:
    """See above; ``root`` is the administrator's engine."""

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        self._server = endpoints["mysql"]
        self._accounts: Mapping[str, str] = endpoints.get("accounts", {})
        self.name = f"t_audit_{uuid.uuid4().hex[:8]}"
        self._engines: dict[str, Engine] = {}

    def create(self) -> None:
        with self._administrator() as server:
            server.exec_driver_sql(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin")
        schema.upgrade(self.root)
        audit_guards.install(self.root, self.name)
        schema.apply_accounts(self.root, self.name, ACCOUNTS_FILE, {account: self.password(account) for account in ACCOUNTS})

    def drop(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        with self._administrator() as server:
            server.exec_driver_sql(f"DROP DATABASE IF EXISTS {self.name}")

    @property
    def root(self) -> Engine:
        return self.engine(self._server["user"])

    def engine(self, account: str) -> Engine:
        """Connections of one account."""
        if account not in self._engines:
            self._engines[account] = connect(self.config(account))
        return self._engines[account]

    def config(self, account: str) -> MysqlConfig:
        return MysqlConfig(self._server["host"], self._server["port"], self.name, account, self.password(account))

    def password(self, account: str) -> str:
        """The server's own, or one that every test makes of the administrator's, since all of them share the server's accounts."""
        if account == self._server["user"]:
            return str(self._server["password"])
        return self._accounts.get(account) or _password(self._server["password"], account)

    def sql(self, statement: str, *arguments: object, account: str = "") -> list[tuple[Any, ...]]:
        """The rows of one statement, as the administrator or as an account."""
        with self.engine(account or self._server["user"]).begin() as connection:
            result = connection.exec_driver_sql(statement, arguments or None)
            return [tuple(row) for row in result] if result.returns_rows else []

    @contextmanager
    def _administrator(self) -> Iterator[Any]:
        server = self._server
        engine = connect(MysqlConfig(server["host"], server["port"], "", server["user"], server["password"]))
        with engine.begin() as connection:
            yield connection
        engine.dispose()


@contextmanager
def audit_database(endpoints: Mapping[str, Any]) -> Iterator[AuditDatabase]:
    """A database, gone afterwards."""
    made = AuditDatabase(endpoints)
    try:
        made.create()
        yield made
    finally:
        made.drop()
