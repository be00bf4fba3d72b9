"""A database of a scenario's own on the real server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine

from corpactions.persistence import engine as engines
from corpactions.persistence import schema
from corpactions.persistence.engine import MysqlConfig
from corpactions.persistence.lifecycle import MysqlLifecycleStore
from corpactions.persistence.tables import Base
from tests.support.fakes import FakeClock


class Scratch:
    """A database with all tables, and the stores of as many processes as a scenario needs."""

    def __init__(self, config: MysqlConfig) -> None:
        self.config = config
        self.engine = engines.connect(config)
        self._more: list[Engine] = []

    def store(self, owner: str, clock: FakeClock | None = None, **settings: Any) -> MysqlLifecycleStore:
        """A worker's store with connections of its own, made under the rules of this moment."""
        engine = engines.connect(MysqlConfig(**{**vars_of(self.config), **settings}))
        self._more.append(engine)
        return MysqlLifecycleStore(engine, "group", owner, clock or FakeClock())

    def sql(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Run one statement as the administrator; its rows."""
        with self.engine.begin() as connection:
            result = connection.exec_driver_sql(statement, arguments or None)
            return [tuple(row) for row in result] if result.returns_rows else []

    def empty(self) -> None:
        """Make all tables empty and close what a scenario opened."""
        for engine in self._more:
            engine.dispose()
        self._more.clear()
        for table in Base.metadata.tables:
            self.sql(f"DELETE FROM {table}")


def vars_of(config: MysqlConfig) -> dict[str, Any]:
    """A configuration's fields."""
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


@contextmanager
def scratch(endpoints: dict[str, Any]) -> Iterator[Scratch]:
    """A scratch database, gone afterwards."""
    server, name = endpoints["mysql"], f"t_rules_{uuid.uuid4().hex[:8]}"
    account = (server["host"], server["port"])
    root = engines.connect(MysqlConfig(*account, "", server["user"], server["password"]))
    with root.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin")
    made = Scratch(MysqlConfig(*account, name, server["user"], server["password"], pool_size=4))
    try:
        schema.upgrade(made.engine)
        yield made
    finally:
        made.empty()
        made.engine.dispose()
        with root.begin() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
        root.dispose()
